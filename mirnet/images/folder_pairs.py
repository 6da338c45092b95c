"""Pairs of pictures that lie in two folders under the same names."""

import re
import unicodedata
from pathlib import Path

from natsort import natsorted

from mirnet.errors import InvalidRequest

from .formats import PICTURE_SUFFIXES

PICTURE_SUFFIX = re.compile(
    rf"({'|'.join(re.escape(suffix) for suffix in PICTURE_SUFFIXES)})$", re.IGNORECASE
)
"""Matches the suffix of a picture at the end of a path."""
LEFT_BEHIND = frozenset(("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN"))
"""Folders in which macOS, network drives and Windows keep copies of other files."""


def is_picture(name: str) -> bool:
    """Whether a path ends like a picture and is not what a system left behind.

    >>> [is_picture(name) for name in ("a.PNG", "Thumbs.db", "._a.png", "__MACOSX/a.png", "a")]
    [True, False, False, False, False]
    >>> is_picture("@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg")
    False
    """
    parts = name.split("/")
    is_left_behind = parts[-1].startswith(".") or not LEFT_BEHIND.isdisjoint(parts)
    return bool(PICTURE_SUFFIX.search(name)) and not is_left_behind


def pair_folders(first: Path, second: Path, *, may_exceed: bool = False) -> list[tuple[Path, Path]]:
    """Pair the pictures of two folders by file stem; other files are left out.

    Stems are compared with their letters composed (NFC). Where a folder holds no pictures itself,
    those in its subfolders count, by their paths.

    Args:
        first: Folder of which every picture needs a partner.
        second: Folder of the partners.
        may_exceed: Whether `second` may hold further pictures, which are left out.

    Returns:
        Files of the first and of the second folder, in order of the names of the first.

    Raises:
        InvalidRequest: A folder is missing, the first is empty, a picture has no partner, or two
            pictures of a folder have the same stem.
    """
    ours, theirs = by_stem(first), by_stem(second)
    if not ours:
        raise InvalidRequest(f"{first} holds no pictures.")
    alone = sorted(ours.keys() - theirs.keys() if may_exceed else ours.keys() ^ theirs.keys())
    if alone:
        place = first if alone[0] in ours else second
        needed = f"{second} needs" if may_exceed else "both folders need"
        have = "1 has" if len(alone) == 1 else f"{len(alone)} have"
        raise InvalidRequest(
            f"{alone[0]} is only in {place}: {needed} pictures of the same names "
            f"({have} no partner)."
        )
    return [(path, theirs[stem]) for stem, path in ours.items()]


def by_stem(folder: Path) -> dict[str, Path]:
    """Pictures of a folder by file stem in NFC, in natural order; see `pair_folders`.

    Raises:
        InvalidRequest: There is no such folder, or two pictures have the same stem.
    """
    if not folder.is_dir():
        raise InvalidRequest(f"There is no folder {folder}.")
    names = [path.name for path in folder.iterdir() if path.is_file() and is_picture(path.name)]
    if not names:
        names = [
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        ]
        names = [name for name in names if is_picture(name) and not _is_hidden(name)]
    found: dict[str, Path] = {}
    for name in natsorted(names):
        stem = unicodedata.normalize("NFC", name.rpartition(".")[0])
        if stem in found:
            other = found[stem].relative_to(folder).as_posix()
            raise InvalidRequest(f"{folder} holds {other} and {name}: keep one.")
        found[stem] = folder / name
    return found


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))
