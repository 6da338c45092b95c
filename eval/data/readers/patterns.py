"""Patterns of file names, matched in time that grows with the length of the name alone.

Patterns come from visitors, from cards of foreign data sets and from runs that others made. As a
regular expression, `***...b` takes hours on a long name and stops the whole program meanwhile.
"""

import re
from collections.abc import Callable

from eval.data.pairs import BenchmarkUnavailable
from mirnet.images.folder_pairs import PICTURE_SUFFIX

MAX_WILDCARDS = 12
"""Most wildcards of a pattern: which of them two patterns share is found by trying."""

_PIECES = re.compile(r"(\*\*/|\*|\?|\[[^\]/]+\])")
_Piece = Callable[[str, int], int]
"""Finds where a piece of fixed length ends in a name, from a position on; -1 if it does not fit."""


class NamePattern:
    r"""Pattern such as `input/*.png`, for paths with '/'.

    `*` stands for any text within a folder, `**/` for folders, `?` for one character, `[ab]` for
    one of several, `[!ab]` for one of the others; a last `**` for all that a folder holds. The
    suffix of a picture may have any case.

    Args:
        pattern: The pattern; `\\` stands for '/', and `./` in front is left out.
        brackets: Whether `match` gives what brackets stand for, too.

    Raises:
        BenchmarkUnavailable: The pattern has more than `MAX_WILDCARDS` wildcards, or brackets such
            as `[z-a]`.

    >>> NamePattern("./**/x?.png").match("a/b/x1.PNG"), NamePattern("*.png").match("a/x.png")
    (('a/b/', '1'), None)
    """

    def __init__(self, pattern: str, brackets: bool = False) -> None:
        plain = pattern.strip().replace("\\", "/").removeprefix("./")
        plain = re.sub(r"(^|/)\*\*$", r"\1**/*", plain)
        found = PICTURE_SUFFIX.search(plain)
        suffix = found[0] if found else ""
        pieces = [piece for piece in _PIECES.split(plain.removesuffix(suffix)) if piece]
        if sum(map(_is_wildcard, pieces)) > MAX_WILDCARDS:
            raise BenchmarkUnavailable(
                f"The pattern {pattern[:80]!r} has more than {MAX_WILDCARDS} wildcards: name the "
                "folders.",
                "names",
            )
        try:
            self._pieces = [piece if piece in _OPEN else _fixed(piece) for piece in pieces]
        except re.error as error:
            raise BenchmarkUnavailable(
                f"The pattern {pattern[:80]!r} has brackets that stand for nothing ({error}): "
                "correct it.",
                "names",
            ) from error
        self._kept = [piece in _KEPT or (brackets and _is_wildcard(piece)) for piece in pieces]
        if suffix:
            self._pieces.append(_fixed(suffix, any_case=True))
            self._kept.append(False)

    def match(self, name: str) -> tuple[str, ...] | None:
        """Find the texts that the wildcards stand for in a name.

        None where the name does not fit. A wildcard stands for the longest text that lets the rest
        fit, the first one first.
        """
        ends = [bytearray(len(name) + 1) for _ in range(len(self._pieces) + 1)]
        ends[-1][len(name)] = 1  # ends[k][i]: whether the pieces from k on fit the name from i on
        for number in range(len(self._pieces) - 1, -1, -1):
            _mark(self._pieces[number], name, ends[number + 1], ends[number])
        if not ends[0][0]:
            return None
        texts, at = [], 0
        for piece, kept, rest in zip(self._pieces, self._kept, ends[1:], strict=True):
            end = _longest(piece, name, at, rest)
            if kept:
                texts.append(name[at:end])
            at = end
        return tuple(texts)


_OPEN = ("*", "**/")
"""Wildcards of any length."""
_KEPT = ("*", "**/", "?")
"""Wildcards whose texts tell pictures apart; brackets do where these are not enough."""


def _is_wildcard(piece: str) -> bool:
    return _PIECES.fullmatch(piece) is not None


def _fixed(piece: str, any_case: bool = False) -> _Piece:
    """A text, `?` or brackets."""
    expression = re.escape(piece)
    if piece == "?":
        expression = "[^/]"
    elif _is_wildcard(piece):
        inside = piece[1:-1]
        negated = "^" if inside.startswith(("!", "^")) else ""
        characters = re.escape(inside[len(negated) :]).replace(re.escape("-"), "-")
        expression = f"[{negated and '^/'}{characters}]"
    regex = re.compile(expression, re.IGNORECASE if any_case else 0)

    def end(name: str, at: int) -> int:
        match = regex.match(name, at)
        return match.end() if match else -1

    return end


def _mark(piece: str | _Piece, name: str, rest: bytearray, here: bytearray) -> None:
    """Mark in `here` from where a piece and the rest fit, given from where the rest fits."""
    slash = len(name)
    for at in range(len(name), -1, -1):
        if callable(piece):
            end = piece(name, at)
            here[at] = end >= 0 and rest[end]
            continue
        if at < len(name) and name[at] == "/":
            slash, following = at, 0
        elif piece == "*":
            following = here[at + 1] if at < len(name) else 0
        else:  # behind the folder that the place lies in
            following = here[slash + 1] if slash < len(name) else 0
        here[at] = rest[at] or following


def _longest(piece: str | _Piece, name: str, at: int, rest: bytearray) -> int:
    """End of the longest text of a piece from a place on, after which the rest fits."""
    if callable(piece):
        return piece(name, at)
    longest = at
    while at < len(name) and name[at] != "/":
        at = at + 1 if piece == "*" else name.find("/", at) + 1
        if not at:
            break
        if rest[at]:
            longest = at
    return longest
