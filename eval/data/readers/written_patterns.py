"""What people write where a pattern of file names belongs: folders, and paths of this machine."""

import os
from collections.abc import Collection
from pathlib import Path

from mirnet.images.folder_pairs import is_picture

from .pairing import composed, fits, is_pattern

UNNAMED = ("degraded", "target")
"""Columns that are meant where nobody names any."""
USUAL = ("input", "target")
"""Folders that hold the pairs where nobody says which columns or patterns do."""


def folder_pattern(text: str, names: Collection[str]) -> str | None:
    """Pattern of the pictures in a folder of a data set; None where it has no such folder.

    >>> folder_pattern("./noisy/", ["noisy/a.png"]), folder_pattern("noisy", ["b.png"])
    ('noisy/*', None)
    """
    plain = _plain(text).rstrip("/")
    if not plain or any(mark in plain for mark in "*?[{"):
        return None
    inside = composed(f"{plain}/")
    there = [name for name in map(composed, names) if name.startswith(inside) and is_picture(name)]
    if not there:
        return None
    is_flat = all("/" not in name.removeprefix(inside) for name in there)
    return f"{plain}/*" if is_flat else f"{plain}/**/*"


def folders_of_pairs(degraded: str, target: str, names: Collection[str]) -> tuple[str, str] | None:
    """Patterns of two folders with the names of columns, or with the usual ones if none are named.

    None where the data set has no such folders.
    """
    named = (degraded, target)
    for pair in (named, USUAL) if named == UNNAMED else (named,):
        low, high = (folder_pattern(text, names) for text in pair)
        if low and high:
            return low, high
    return None


def relative_pattern(text: str, names: Collection[str], folder: Path | None) -> str:
    """Pattern of the files that a text names, relative to the data set.

    Args:
        text: A pattern, a folder of the set, or one of both as a path of this machine, absolute or
            from the current folder. Files of the set come first.
        names: Files of the data set.
        folder: Folder that it lies in; None for a data set of the Hub.
    """
    pattern = folder_pattern(text, names) or _plain(text)
    if folder is None or not is_pattern(text) or fits(names, pattern):
        return pattern
    path = os.path.abspath(os.path.expanduser(text.strip().replace("\\", "/")))
    for root, place in ((folder.absolute(), path), (folder.resolve(), os.path.realpath(path))):
        inside = place.removeprefix(f"{root}{os.sep}")
        if inside != place:
            return folder_pattern(inside, names) or inside.replace(os.sep, "/")
    return pattern


def _plain(text: str) -> str:
    return text.strip().replace("\\", "/").removeprefix("./")
