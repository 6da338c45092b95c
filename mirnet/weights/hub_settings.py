"""Settings of the Hugging Face Hub: its address, and whether it may be asked."""

import os
from urllib.parse import urlsplit


def hub_endpoint() -> str | None:
    """Address of the Hub: $HF_ENDPOINT, or None for the client's own."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def is_offline() -> bool:
    """Whether $HF_HUB_OFFLINE forbids every connection."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def hub_name() -> str:
    """What to call the Hub in a message: with its host where it is not the usual one."""
    endpoint = hub_endpoint()
    return f"The Hugging Face Hub{f' at {urlsplit(endpoint).netloc}' if endpoint else ''}"
