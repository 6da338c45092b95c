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
MIN_DOUBLED = 2
"""Names with a second file of one ending that make it a second picture, not chance."""


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
        The one that fits the most names, nothing around them before all others; several, in
        order, where names have several files, such as `_in` and `_out`: as many end in another
        way, two names or more have another file too, or one has a file of its own name; none
        where results are called otherwise.
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
        affixes: {name for name in wanted if affixes.around(name) in there}
        for affixes in (Affixes(), *(one for one, _ in tried.most_common(MAX_COUNTED)))
    }
    fitting = {one: fits for one, fits in fitting.items() if len(fits) > 1 or _is_apart(one)}
    best = max(fitting, key=lambda one: (len(fitting[one]), one == Affixes()))
    most = len(fitting[best])
    if 2 * most < min(len(wanted), len(there)):
        return []
    used = {best.around(name) for name in fitting[best]}
    rivals = [
        one
        for one, fits in fitting.items()
        if one != best
        and (
            (len(fits) == most and best != Affixes())
            or sum(one.around(name) not in used for name in fits & fitting[best])
            >= (MIN_DOUBLED if one != Affixes() else 1)
        )
    ]
    return sorted([best, *rivals])


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
