"""Pairs of pictures that lie in two folders under the same names."""

import re
from pathlib import Path

from mirnet.errors import InvalidRequest

from .formats import PICTURE_SUFFIXES

PICTURE_SUFFIX = re.compile(
    rf"({'|'.join(re.escape(suffix) for suffix in PICTURE_SUFFIXES)})$", re.IGNORECASE
)
"""Matches the suffix of a picture at the end of a path."""


def is_picture(name: str) -> bool:
    """Whether a path ends like a picture and is not what a system left behind.

    >>> [is_picture(name) for name in ("a.PNG", "Thumbs.db", "._a.png", "__MACOSX/a.png", "a")]
    [True, False, False, False, False]
    """
    parts = name.split("/")
    is_left_behind = parts[-1].startswith(".") or "__MACOSX" in parts
    return bool(PICTURE_SUFFIX.search(name)) and not is_left_behind


def pair_folders(first: Path, second: Path, *, may_exceed: bool = False) -> list[tuple[Path, Path]]:
    """Pair the pictures of two folders by file stem; other files are left out.

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
    ours, theirs = _by_stem(first), _by_stem(second)
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


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InvalidRequest(f"There is no folder {folder}.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not path.is_file() or not is_picture(path.name):
            continue
        if path.stem in found:
            raise InvalidRequest(
                f"{folder} holds {found[path.stem].name} and {path.name}: keep one."
            )
        found[path.stem] = path
    return found
