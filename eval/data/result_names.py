"""Names that programs give to results: what they write before and behind a picture's name.

BasicSR and others append the network's name (`baby_MIRNet.png`), others write `restored_baby.png`.
Names are compared without regard to punctuation and to how Unicode composes letters.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

MAX_TRIED = 200
"""Names whose results are looked for to find the affixes."""
MAX_COUNTED = 20
"""Affixes, the most frequent among these, for which all names are counted."""


class Affixes(NamedTuple):
    """Texts around a picture's name in the name of its result, both as `plain` gives them."""

    prefix: str = ""
    """Text before the name."""
    ending: str = ""
    """Text behind the name."""

    def around(self, name: str) -> str:
        """Plain name of the result of a picture.

        >>> Affixes("", "-MIRNet-x4").around("img_001")
        'img-001-MIRNet-x4'
        """
        return plain(f"{self.prefix}{name}{self.ending}")


def plain(name: str) -> str:
    r"""A name with '-' for whatever is no letter or digit, its letters composed (NFC).

    >>> plain("img_1 (2)"), plain("cafe\u0301")
    ('img-1-2', 'café')
    """
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", name)).strip("-")


def find_affixes(names: Collection[str], results: Collection[str]) -> list[Affixes]:
    """Find the texts that stand around most of the names in the names of their results.

    Digits are never cut apart (1 is not found in img10), and a text that runs on into the name
    (`babyx2`) is taken only where two names or more have it. Fewer than half of what could be
    found is chance, and counts as nothing.

    Args:
        names: Names of the pictures.
        results: Names of the results, without suffix.

    Returns:
        The one that fits the most names; several where as many files end in one way as in another,
        such as `_in` and `_out`; none where results are called otherwise. Nothing around the names
        comes before all others.
    """
    wanted = list(dict.fromkeys(map(plain, names)))
    there = dict.fromkeys(map(plain, results))
    tried = Counter(
        affixes
        for name in wanted[:MAX_TRIED]
        for result in there
        for affixes in _around(name, result)
    )
    fitting = {
        affixes: sum(affixes.around(name) in there for name in wanted)
        for affixes, _ in tried.most_common(MAX_COUNTED)
    }
    fitting = {one: n for one, n in fitting.items() if n > 1 or _is_apart(one)}
    most = max(fitting.values(), default=0)
    if 2 * most < min(len(wanted), len(there)):
        return []
    best = sorted(one for one, count in fitting.items() if count == most)
    return [Affixes()] if Affixes() in best else best


def _around(name: str, result: str) -> Iterator[Affixes]:
    """Texts around each place at which a name stands in that of a result."""
    at = result.find(name) if name else -1
    while at >= 0:
        prefix, ending = result[:at], result[at + len(name) :]
        cuts = (prefix[-1:] + name[:1], name[-1:] + ending[:1])
        if not any(len(cut) == 2 and cut.isdigit() for cut in cuts):
            yield Affixes(prefix, ending)
        at = result.find(name, at + 1)


def _is_apart(affixes: Affixes) -> bool:
    return affixes.prefix[-1:] in ("", "-") and affixes.ending[:1] in ("", "-")


def words(affixes: Collection[Affixes]) -> str:
    """Affixes as names of files, with NAME for the picture's own.

    >>> words([Affixes("", "-in"), Affixes("", "-out")])
    'NAME-in and NAME-out'
    """
    return " and ".join(f"{one.prefix}NAME{one.ending}" for one in affixes)
