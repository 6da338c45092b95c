"""Pairing picture files by name patterns, and ids for pairs.

Files that systems leave behind (Thumbs.db, .DS_Store, __MACOSX) and other files that are no
pictures are left out of what a wildcard stands for.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from natsort import natsorted

from eval.data.pair_facts import Fact
from eval.data.pairs import BenchmarkUnavailable
from mirnet.images.folder_pairs import PICTURE_SUFFIX, is_picture

from .patterns import NamePattern

MAX_ID_LENGTH = 120
"""Longest id of a pair, in characters."""
MAX_ALTERNATIVES = 16
"""Most patterns that the braces of one may stand for."""
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")


class FilePair(NamedTuple):
    """The two files of a pair."""

    id: str
    """Id, unique among the pairs."""
    degraded: str
    """Path of the degraded picture."""
    target: str
    """Path of its target; several pairs may share one."""
    facts: Mapping[str, Fact] = {}
    """Facts that a table states of the pair."""


class Paired(NamedTuple):
    """Result of pairing files by patterns."""

    pairs: list[FilePair]
    """Pairs found, in natural order."""
    left_out: list[str]
    """Files in the same folders that are no pictures, sorted."""


def is_pattern(text: str) -> bool:
    """Whether a text names files by a pattern rather than by a column."""
    return any(mark in text for mark in "*/\\?[{")


def paired(names: Mapping[str, int], degraded: str, target: str, label: str) -> Paired:
    """Pair file names by what their patterns' wildcards stand for.

    `*` stands for any text within a folder, `**/` for folders, `?` for one character, `[ab]` for
    one of several, and tells pictures apart where the others do not; `{a,b}` for either text, the
    same in both pictures where both patterns have these braces (but not those of suffixes). A
    picture's suffix may have any case, and is no part of a wildcard's text. The target's pattern
    may have fewer wildcards: several degraded pictures then share a target, where only one choice
    among the degraded picture's wildcards names a target for all of them.

    Args:
        names: File names with '/' and sizes.
        target: Pattern of the targets; may be the same.

    Raises:
        BenchmarkUnavailable: Nothing fits, a picture has no partner or more than one, or the
            patterns do not go together.
    """
    shared = _shared_braces(degraded, target)
    try:
        low, high = (_matches(names, pattern, label, shared) for pattern in (degraded, target))
    except BenchmarkUnavailable:
        if "[" not in degraded + target:
            raise
        low, high = (
            _matches(names, pattern, label, shared, brackets=True) for pattern in (degraded, target)
        )
    if not low or not high:
        some = [name for name in names if is_picture(name)]
        seen = f"its pictures are called {_some(some)}" if some else "it holds no pictures at all"
        raise BenchmarkUnavailable(
            f"{label} has no file that fits {target if low else degraded!r}: {seen}.", "names"
        )
    pick = _shared_wildcards(low, high, degraded, target, label)
    partners = {key: high.get(tuple(key[at] for at in pick)) for key in low}
    if lonely := sorted(key for key, partner in partners.items() if partner is None):
        raise BenchmarkUnavailable(
            f"{low[lonely[0]]} in {label} has no target: add it, or take the picture out.",
            "names",
        )
    if unused := sorted(set(high.values()) - set(partners.values())):
        raise BenchmarkUnavailable(
            f"{unused[0]} in {label} has no degraded picture: add it, or take the picture out.",
            "names",
        )
    ids = unique_ids(list(low))
    pairs = [
        FilePair(pair_id, name, str(partners[key]))
        for pair_id, (key, name) in zip(ids, low.items(), strict=True)
    ]
    used = {name for pair in pairs for name in pair[1:3]}
    folders = {name.rpartition("/")[0] for name in used}
    left_out = sorted(
        name for name in names if name.rpartition("/")[0] in folders and not is_picture(name)
    )
    return Paired(natsorted(pairs, key=lambda pair: pair[:2]), left_out)


def _some(names: Sequence[str]) -> str:
    """A few names of different folders, in words.

    >>> _some(["a/1.png", "a/2.png", "b/1.png"])
    'a/1.png, b/1.png and so on'
    """
    first = list({name.rpartition("/")[0]: name for name in reversed(names)}.values())[::-1][:4]
    return ", ".join(first) + (" and so on" if len(names) > len(first) else "")


def _shared_wildcards(
    low: Mapping[tuple[str, ...], str],
    high: Mapping[tuple[str, ...], str],
    degraded: str,
    target: str,
    label: str,
) -> tuple[int, ...]:
    """Find the wildcards of the degraded pattern that the target's stand for."""
    count, wanted = len(next(iter(low))), len(next(iter(high)))
    if count == wanted:
        return tuple(range(count))
    fitting = [
        pick
        for pick in combinations(range(count), wanted)
        if all(tuple(key[at] for at in pick) in high for key in low)
    ]
    if len(fitting) != 1:
        raise BenchmarkUnavailable(
            f"The patterns {degraded!r} and {target!r} do not say which pictures of {label} belong "
            "together: what their wildcards stand for must be the same in both pictures of a pair.",
            "names",
        )
    return fitting[0]


def _shared_braces(degraded: str, target: str) -> str | None:
    """First braces that both patterns have, other than those of suffixes.

    >>> _shared_braces("{day,night}/in/*.{png,jpg}", "{day,night}/gt/*.{png,jpg}")
    '{day,night}'
    """
    braces = (found[0] for found in _BRACES.finditer(degraded) if found[0] in target)
    return next((one for one in braces if not all(map(_is_suffix, one[1:-1].split(",")))), None)


def _is_suffix(text: str) -> bool:
    return is_picture(f"x.{text.removeprefix('.')}")


def _matches(
    names: Mapping[str, int], pattern: str, label: str, shared: str | None, brackets: bool = False
) -> dict[tuple[str, ...], str]:
    """Map the texts that a pattern's wildcards and shared braces stand for to file names."""
    if shared is None:
        return _matches_of(names, pattern, label, brackets)
    return {
        (text, *key): name
        for text in shared[1:-1].split(",")
        for key, name in _matches_of(
            names, pattern.replace(shared, text, 1), label, brackets
        ).items()
    }


def _matches_of(
    names: Mapping[str, int], pattern: str, label: str, brackets: bool
) -> dict[tuple[str, ...], str]:
    patterns = _read(pattern, brackets)
    any_suffix = pattern.rstrip().endswith("*.*")
    found: dict[tuple[str, ...], str] = {}
    for name in names:
        if not is_picture(name):
            continue
        matches = (one.match(composed(name)) for one in patterns)
        key = next((match for match in matches if match is not None), None)
        if key is None:
            continue
        if any_suffix:
            key = key[:-1]
        if key:  # a wildcard that stands for the suffix too: pictures pair by their stems
            key = (*key[:-1], PICTURE_SUFFIX.sub("", key[-1]))
        other = found.setdefault(key, name)
        if other != name:
            raise BenchmarkUnavailable(
                f"{other} and {name} in {label} stand for the same picture: take one out.",
                "names",
            )
    return found


def fits(names: Iterable[str], pattern: str) -> bool:
    """Whether a pattern fits any picture.

    Raises:
        BenchmarkUnavailable: See `NamePattern`.
    """
    patterns = _read(pattern)
    return any(
        one.match(composed(name)) is not None
        for name in names
        if is_picture(name)
        for one in patterns
    )


def _read(pattern: str, brackets: bool = False) -> list[NamePattern]:
    return [NamePattern(composed(one), brackets) for one in _alternatives(pattern)]


def composed(text: str) -> str:
    """A text with its letters composed (NFC): macOS takes the accents of file names apart."""
    return unicodedata.normalize("NFC", text)


def _alternatives(pattern: str) -> list[str]:
    """Write out braces as shells do.

    Raises:
        BenchmarkUnavailable: They stand for more than `MAX_ALTERNATIVES` patterns.

    >>> _alternatives("a/*.{png,jpg}")
    ['a/*.png', 'a/*.jpg']
    """
    found, waiting = [], [pattern]
    while waiting:
        one = waiting.pop()
        if braces := _BRACES.search(one):
            waiting += [one.replace(braces[0], text, 1) for text in braces[1].split(",")][::-1]
        else:
            found.append(one)
        if len(found) + len(waiting) > MAX_ALTERNATIVES:
            raise BenchmarkUnavailable(
                f"The pattern {pattern[:80]!r} stands for more than {MAX_ALTERNATIVES} others: "
                "write fewer braces.",
                "names",
            )
    return found


def safe_id(parts: Iterable[str]) -> str:
    """Make an id, safe as a file name, out of what names a pair; letters of any script stay.

    >>> safe_id(["Canon", "004 (1)"]), safe_id(["照片"]), safe_id(["../..", "☺"])
    ('Canon-004-1', '照片', 'pair')
    """
    text = composed("-".join(part for part in parts if part))
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:MAX_ID_LENGTH] or "pair"


def unique_ids(named: Sequence[Sequence[str]]) -> list[str]:
    """Make one id for each pair; ids that would be alike get a hash of the full name.

    >>> unique_ids([["a b"], ["a-b"], ["c"]])
    ['a-b-c8687a', 'a-b-d44362', 'c']
    """
    ids = [safe_id(parts) for parts in named]
    counts = Counter(ids)
    return [
        pair_id if counts[pair_id] == 1 else hashed_id(parts)
        for pair_id, parts in zip(ids, named, strict=True)
    ]


def hashed_id(parts: Sequence[str]) -> str:
    """Make an id that ends with a hash of the full name."""
    full = "/".join(parts).encode("utf-8", "surrogateescape")
    return f"{safe_id(parts)}-{hashlib.sha256(full).hexdigest()[:6]}"
