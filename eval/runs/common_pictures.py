"""Pictures that a run's methods are compared on: those that every ranked method has."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

MIN_SHARE = 0.5
"""Share of the scored pictures that a method must have a score on to be ranked.

One that fails on more would leave too few pictures to compare the others on.
"""


@dataclass(frozen=True)
class CommonPictures:
    """Methods that are ranked, and the pictures that they are ranked on."""

    methods: tuple[str, ...]
    """Ids of the methods with scores on at least `MIN_SHARE` of the scored pictures."""
    scored: frozenset[str]
    """Ids of the pictures on which all of them have a score."""

    def averaged(self, scores: Mapping[str, Mapping[str, float]]) -> frozenset[str]:
        """Pictures that means of a metric are over: those where every ranked method is finite.

        A picture that one method restores exactly has an infinite PSNR, so it leaves the means of
        all of them.
        """
        found = set(self.scored)
        for method in self.methods:
            own = scores[method]
            found = {pair for pair in found if math.isfinite(own.get(pair, math.nan))}
        return frozenset(found)


def common_pictures(scores: Mapping[str, Mapping[str, float]]) -> CommonPictures:
    """Find the methods that are ranked and the pictures that all of them have a score on.

    Args:
        scores: Values of the ranking metric by method and picture; not a number is no score.

    >>> found = common_pictures({"a": {"1": 30.0, "2": 20.0}, "b": {"1": 25.0}, "c": {}})
    >>> found.methods, sorted(found.scored)
    (('a', 'b'), ['1'])
    """
    scored = {
        method: {pair for pair, value in own.items() if not math.isnan(value)}
        for method, own in scores.items()
    }
    everything = set().union(*scored.values())
    methods = ranked_methods({name: len(own) for name, own in scored.items()}, len(everything))
    shared = set.intersection(*(scored[method] for method in methods)) if methods else set()
    return CommonPictures(methods, frozenset(shared))


def ranked_methods(scored: Mapping[str, int], pictures: int) -> tuple[str, ...]:
    """Methods with scores on enough pictures to be ranked.

    Args:
        scored: Number of pictures that each method has a score on.
        pictures: Number of pictures that any method has a score on.
    """
    least = max(MIN_SHARE * pictures, 1)
    return tuple(method for method, count in scored.items() if count >= least)
