"""Pieces of HTML as plain strings, for the Evaluate tab until it takes them from the kit."""

from .kit import html
from .kit.html import duration

__all__ = ["duration", "facts", "progress", "state"]


def facts(line: str) -> str:
    """See `mirnet.app.kit.html.facts`."""
    return str(html.facts(line))


def progress(words: str, share: float | None = None) -> str:
    """See `mirnet.app.kit.html.progress`."""
    return str(html.progress(words, share))


def state(words: str, kind: str = "") -> str:
    """See `mirnet.app.kit.html.state`."""
    return str(html.state(words, kind))
