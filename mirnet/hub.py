"""Settings of the Hugging Face Hub: its address, and whether connections are allowed."""

import os
from urllib.parse import urlsplit


def hub_endpoint() -> str | None:
    """Address of the Hub from $HF_ENDPOINT; None for the client's default."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def is_offline() -> bool:
    """Whether $HF_HUB_OFFLINE forbids every connection."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def hub_name() -> str:
    """Name of the Hub in messages, with its host if it is not the default one."""
    endpoint = hub_endpoint()
    return f"The Hugging Face Hub{f' at {urlsplit(endpoint).netloc}' if endpoint else ''}"
