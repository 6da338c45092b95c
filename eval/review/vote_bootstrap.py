"""Resampling of votes: pictures and reviewers are drawn, because their votes go together.

Votes on one picture, and votes of one person, are no independent witnesses. Both are drawn with
replacement, each on its own, and a vote weighs the product of both counts (Owen, The pigeonhole
bootstrap, Annals of Applied Statistics 2007).
"""

from collections.abc import Mapping, Sequence

import numpy as np

RESAMPLES = 500
"""Number of bootstrap resamples."""
MIN_CLUSTERS = 5
"""Fewest pictures, or reviewers, for which the bootstrap resamples them."""


def vote_weights(
    clusters: Mapping[str, Sequence[str]], seed: int = 0
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Draw the weight of every vote in every resample.

    Args:
        clusters: Cluster of each vote by kind, such as its picture and its reviewer. Kinds of fewer
            than `MIN_CLUSTERS` clusters are kept as they are.

    Returns:
        Weights, (resamples, votes), without resamples in which every vote weighs nothing, and the
        kinds that were drawn. Without any kind to draw there are no resamples.
    """
    rng = np.random.default_rng(seed)
    votes = len(next(iter(clusters.values())))
    weights = np.ones((RESAMPLES, votes))
    drawn = []
    for kind, labels in clusters.items():
        names, member = np.unique(labels, return_inverse=True)
        if len(names) >= MIN_CLUSTERS:
            even = np.full(len(names), 1 / len(names))
            weights *= rng.multinomial(len(names), even, size=RESAMPLES)[:, member]
            drawn.append(kind)
    used = weights.any(axis=1) & bool(drawn)
    return weights[used], tuple(drawn)
