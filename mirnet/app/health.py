"""Self-check: integrity of the weights, free disk and memory, access to the Hub, versions."""

import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mirnet import memory
from mirnet.files import cache_folder, hash_of
from mirnet.hub import hub_endpoint, is_offline
from mirnet.version import __version__
from mirnet.weights import catalogue
from mirnet.weights.load import locate

from .folders import free_bytes, standing, upload_folder

MIN_DISK_BYTES = 500 * 10**6
"""Free disk space below which the check fails: uploads and results would soon fill the disk."""
MIN_MEMORY_BYTES = 1_500 * 10**6
"""Available memory below which the check fails: a large photo may not fit."""
HUB_SECONDS = 3.0
"""Timeout of the request to the Hub, in seconds."""
PACKAGES = ("torch", "gradio", "datasets", "numpy", "pillow")
"""Packages whose versions are listed."""


@dataclass(frozen=True)
class Finding:
    """Result of one check."""

    what: str
    """Name of the check: "weights", "disk", "memory", "hub", "versions", or an added one."""
    ok: bool
    """Whether the check passed."""
    words: str
    """Result as one sentence or a list, without paths of this machine."""


_added: dict[str, Callable[[], tuple[bool, str]]] = {}


def add_check(what: str, run: Callable[[], tuple[bool, str]]) -> None:
    """Add a check of another room; it replaces an earlier one with the same name.

    Args:
        run: Quick function that says whether the check passes, and its result in words.
    """
    _added[what] = run


def check(hub: bool = True) -> list[Finding]:
    """Check everything the app depends on.

    Args:
        hub: Whether to ask the Hub, which may take `HUB_SECONDS`.

    Returns:
        One finding per check. The Hub's always passes, because the app works without it.
    """
    found = [_weights(), _disk(), _memory()]
    found += [Finding(what, *run()) for what, run in _added.items()]
    if hub:
        found.append(_hub())
    return [*found, Finding("versions", True, _versions())]


def document(findings: list[Finding]) -> dict[str, Any]:
    """Findings as a document for monitors: `{"ok": ..., "findings": [...]}`."""
    return {
        "ok": all(finding.ok for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }


def _versions() -> str:
    own = f"mirnet {__version__}, Python {platform.python_version()}"
    return ", ".join([own, *(f"{name} {version(name)}" for name in PACKAGES)])


def _weights() -> Finding:
    """Compare the hash of every embedded weights file with its card."""
    entries = [e for e in catalogue.load_catalogue().values() if e.kind == "embedded"]
    files: dict[Path, str | None] = {}
    for entry in entries:
        path, card = locate(entry.id), catalogue.read_card(entry)
        if path is not None:
            files[path] = card.sha256 if card is not None else None
    # Read anew each time: bits that rot change neither time nor size.
    wrong = sorted(path.name for path, sha in files.items() if hash_of(path) != sha)
    if wrong:
        names = ", ".join(wrong)
        return Finding("weights", False, f"Damaged or without a card: {names}. Check out again.")
    return Finding("weights", bool(files), f"{len(files)} files of ours are as their cards say.")


def _disk() -> Finding:
    """Check the free disk space for uploads and results, and that the cache is writable."""
    free = free_bytes(upload_folder())
    words = f"{free / 1e9:.1f} GB free for uploads and results"
    if not os.access(standing(cache_folder()), os.W_OK):
        return Finding("disk", False, f"{words}; the cache folder cannot be written.")
    return Finding("disk", free >= MIN_DISK_BYTES, f"{words}.")


def _memory() -> Finding:
    """Check the memory that this machine, or its container, has left."""
    import psutil

    available = memory.available_ram_bytes()
    own = psutil.Process().memory_info().rss
    words = f"{available / 1e9:.1f} GB available, {own / 1e9:.2f} GB used by this program."
    return Finding("memory", available >= MIN_MEMORY_BYTES, words)


def _hub() -> Finding:
    """Check whether the Hub answers; only downloads need it."""
    import requests

    if is_offline():
        return Finding("hub", True, "Not asked: HF_HUB_OFFLINE is set.")
    try:
        requests.head(hub_endpoint() or "https://huggingface.co", timeout=HUB_SECONDS)
    except requests.RequestException:
        return Finding("hub", True, "Not reachable: what is here works, downloads do not.")
    return Finding("hub", True, "Reachable.")
