"""Statistics of scores: intervals of a mean, and paired comparisons of two methods.

Blocks of one photograph, crops of one scene or frames of one burst are no independent evidence:
scores come with clusters, and clusters are what is resampled and tested. numpy and scipy compute;
`eval/docs/statistics.md` says what by which function. Only the resampling of the bootstrap is
shared between scores of the same pictures, which scipy would draw anew for each. Pictures equal to
their target have an infinite PSNR: means leave them out, comparisons count them as wins, losses or
ties.
"""

import functools
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from mirnet.number_format import counted

RESAMPLES = 2000
"""Number of bootstrap resamples of an interval."""
CONFIDENCE = 0.95
"""Coverage of the intervals."""
FEW = 10
"""Number of clusters below which statistics come with a caution."""
MAX_EXACT = 13
"""Clusters up to which every permutation of signs is counted: 2^13 of them."""
SIGNIFICANT = 0.05
"""Significance level of the tests."""
MIN_FOR_VERDICT = 5
"""Clusters below which no method is called better than another."""
DECIMALS = 9
"""Decimals of differences that rank and win: what is below is how numbers are stored."""
MAX_SHARED = 20_000
"""Clusters up to which resamples are kept to be shared: 40 MB."""

Clusters = Sequence[Hashable] | np.ndarray | None
"""Cluster of each score; None where each score is one of its own."""
Verdict = Literal["better", "worse", "tied", "too few"]
"""Conclusion of a paired comparison."""


@dataclass(frozen=True)
class Summary:
    """Mean, median and interval of scores."""

    count: int
    """Number of scores."""
    clusters: int
    """Number of clusters with a finite score."""
    infinite: int
    """Number of infinite scores, which the other numbers leave out."""
    mean: float
    """Mean of the finite scores; not a number where there is none."""
    median: float
    """Median of the finite scores."""
    low: float
    """Lower end of the interval of the mean; not a number below two clusters."""
    high: float
    """Upper end of that interval."""


@dataclass(frozen=True)
class Paired:
    """A method against a baseline on the same pictures."""

    pairs: int
    """Pictures with a score of both, infinite ones included."""
    clusters: int
    """Clusters of those pictures."""
    difference: float
    """Mean of method minus baseline, over the pictures with a finite score of both."""
    low: float
    """Lower end of the interval of that mean; not a number below two clusters."""
    high: float
    """Upper end of that interval."""
    p_value: float
    """Wilcoxon's signed-rank test of the clusters' mean differences, two-sided: the chance of such
    ranks if neither were better."""
    p_holm: float
    """The same, corrected for the number of comparisons made (see `corrected`)."""
    effect: float
    """Matched-pairs rank-biserial correlation (Kerby 2014) of the clusters' mean differences, -1 to
    1; above 0 where the method is better."""
    wins: int
    """Pictures on which the method has the better score."""
    ties: int
    """Pictures on which both are equal."""
    higher_is_better: bool = True
    """Whether a higher score is a better one."""

    @property
    def win_rate(self) -> float:
        """Share of pictures on which the method has the better score, half of each tie included."""
        return (self.wins + self.ties / 2) / self.pairs

    @property
    def verdict(self) -> Verdict:
        """Whether the method is better than the baseline.

        "better" and "worse" need `MIN_FOR_VERDICT` clusters, an interval without zero and a
        corrected p-value below `SIGNIFICANT`: one picture, or a constant difference on a few,
        decides nothing. Where all differences but those of one cluster are infinite there is no
        interval, and the ranks decide.
        """
        if self.clusters < MIN_FOR_VERDICT:
            return "too few"
        if math.isnan(self.low) and self.p_holm < SIGNIFICANT:
            return "better" if self.effect > 0 else "worse"
        low, high = (self.low, self.high) if self.higher_is_better else (-self.high, -self.low)
        if self.p_holm < SIGNIFICANT and low > 0:
            return "better"
        if self.p_holm < SIGNIFICANT and high < 0:
            return "worse"
        return "tied"


def facts_of(paired: Paired | None) -> dict[str, Any]:
    """Numbers and verdict of a comparison for a table; not numbers and "" where there is none.

    Returns:
        "difference", "low", "high", "p_value", "p_holm", "effect", "win_rate" and "verdict".
    """
    numbers = ("difference", "low", "high", "p_value", "p_holm", "effect", "win_rate")
    found: dict[str, Any] = {name: getattr(paired, name, math.nan) for name in numbers}
    return found | {"verdict": paired.verdict if paired else ""}


def summarise(scores: Sequence[float], clusters: Clusters = None, seed: int = 0) -> Summary:
    """Compute mean, median and bootstrap interval.

    Args:
        scores: PSNR in dB, SSIM, or anything else to average.
        clusters: Cluster of each score; each its own by default.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: There are more or fewer clusters than scores.

    >>> summarise([1.0, 3.0, math.inf]).mean
    2.0
    """
    values = np.asarray(scores, float)
    places = _numbered(clusters, len(values))
    finite = np.isfinite(values)
    infinite = int(np.isinf(values).sum())
    if not finite.any():
        return Summary(len(values), 0, infinite, math.nan, math.nan, math.nan, math.nan)
    sums, counts = _sums(values[finite], places[finite])
    low, high = _interval(sums, counts, seed)
    mean, median = float(values[finite].mean()), float(np.median(values[finite]))
    return Summary(len(values), len(counts), infinite, mean, median, low, high)


def caution(pictures: int, clusters: int | None = None, *, tests_same: bool = True) -> str:
    """Caution shown with statistics of few clusters; "" for `FEW` and more.

    The bootstrap interval of so few has seen too little of the tails, and the two-sided
    signed-rank test of n clusters cannot give less than 2 / 2^n.

    Args:
        pictures: Number of scored pictures.
        clusters: Number of their clusters; one for each picture by default.
        tests_same: Whether the tests are over the same pictures, so that their least p is known.

    >>> caution(3)
    'With only 3 pictures, these intervals understate the uncertainty, and p cannot be below 0.25.'
    >>> caution(8)
    'With only 8 pictures, these intervals understate the uncertainty.'
    >>> caution(15, 7)
    'With only 7 scenes (15 pictures), these intervals understate the uncertainty.'
    >>> caution(10)
    ''
    """
    units = pictures if clusters is None else clusters
    if not 0 < units < FEW:
        return ""
    least = 2 / 2**units
    hint = f", and p cannot be below {least:.3g}" if tests_same and least > SIGNIFICANT else ""
    only = counted(pictures, "picture")
    if units < pictures:
        only = f"{counted(units, 'scene')} ({only})"
    return f"With only {only}, these intervals understate the uncertainty{hint}."


def compare(
    method: Sequence[float],
    baseline: Sequence[float],
    clusters: Clusters = None,
    *,
    higher_is_better: bool = True,
    seed: int = 0,
) -> Paired:
    """Compare two methods picture by picture.

    Args:
        method: Scores of the method.
        baseline: Scores of the baseline on the same pictures, in the same order.
        clusters: Cluster of each picture; each its own by default.
        higher_is_better: Whether a higher score is a better one.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: They differ in length, or no picture has a finite score of both methods.
    """
    a, b = np.asarray(method, float), np.asarray(baseline, float)
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} scores cannot be paired with {len(b)}")
    places = _numbered(clusters, len(a))
    both_finite = np.isfinite(a) & np.isfinite(b)
    if not both_finite.any():
        raise ValueError("no picture has a finite score of both methods")
    with np.errstate(invalid="ignore"):
        difference = np.where(a == b, 0.0, a - b)
    finite = difference[both_finite]
    low, high = _interval(*_sums(finite, places[both_finite]), seed)
    known = ~np.isnan(difference)
    difference, places = np.round(difference[known], DECIMALS), places[known]
    beyond = np.abs(finite).max() + 1  # an infinite difference ranks above every finite one
    sums, counts = _sums(np.clip(difference, -beyond, beyond), places)
    p_value, effect = _signed_ranks(np.round(sums / counts, DECIMALS))
    better = difference if higher_is_better else -difference
    return Paired(
        pairs=len(difference),
        clusters=len(counts),
        difference=float(finite.mean()),
        low=low,
        high=high,
        p_value=p_value,
        p_holm=p_value,
        effect=effect if higher_is_better else -effect,
        wins=int((better > 0).sum()),
        ties=int((difference == 0).sum()),
        higher_is_better=higher_is_better,
    )


def corrected(comparisons: Sequence[Paired], among: int | None = None) -> list[Paired]:
    """Correct the p-values of comparisons that are read together, by `holm`.

    Args:
        among: See `holm`.
    """
    found = holm([paired.p_value for paired in comparisons], among)
    return [replace(paired, p_holm=p) for paired, p in zip(comparisons, found, strict=True)]


def pairs_of(methods: int) -> int:
    """Number of comparisons that a leader is chosen among: of all methods with each other.

    The best of several equal methods is further from the worst than two named beforehand.
    """
    return methods * (methods - 1) // 2


def holm(p_values: Sequence[float], among: int | None = None) -> list[float]:
    """Correct p-values for their number, so that the chance of any false finding keeps its level.

    Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".

    Args:
        among: Number of comparisons that these were chosen from, none of the others being found
            different; by default their own.

    Returns:
        Corrected values, in the order of the given ones.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, float)
    order = np.argsort(values, kind="stable")
    most = len(values) if among is None else among
    steps = (most - np.arange(len(values))) * values[order]
    found = np.empty_like(values)
    found[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(p) for p in found]


def _numbered(clusters: Clusters, count: int) -> np.ndarray:
    """Number the cluster of each score, from 0 in the order of their first scores."""
    import pandas as pd

    if clusters is None:
        return np.arange(count)
    if len(clusters) != count:
        raise ValueError(f"{count} scores cannot be in {len(clusters)} clusters")
    names = clusters if isinstance(clusters, np.ndarray) else pd.Series(clusters, dtype=object)
    return pd.factorize(names, use_na_sentinel=False)[0]


def _sums(values: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values in each cluster."""
    _, inside = np.unique(places, return_inverse=True)
    return np.bincount(inside, values), np.bincount(inside).astype(float)


def _tail(clusters: int) -> float:
    """Share of resamples beyond each end of an interval.

    A percentile interval of n is too narrow by about sqrt((n - 1) / n) and has the normal's tails
    where Student's t belong: Hesterberg 2015 ("What Teachers Should Know About the Bootstrap")
    widens it by both.
    """
    from scipy.special import ndtr, stdtrit

    quantile = stdtrit(clusters - 1, (1 + CONFIDENCE) / 2)
    return float(ndtr(-math.sqrt(clusters / (clusters - 1)) * quantile))


def _interval(sums: np.ndarray, counts: np.ndarray, seed: int) -> tuple[float, float]:
    """Interval of the mean, from the sum and number of the scores in each cluster."""
    clusters = len(counts)
    mean = float(sums.sum() / counts.sum())
    if clusters < 2:
        return math.nan, math.nan
    if np.ptp(sums / counts) == 0:
        return mean, mean
    if clusters > MAX_SHARED:
        return _scipy_interval(sums, counts, seed)
    drawn = _drawn(clusters, seed)
    pieces = np.array_split(drawn, max(drawn.size // 1_000_000, 1))
    blocks = (piece.astype(float) for piece in pieces)
    if np.ptp(counts) == 0:  # every resample has as many scores
        means = np.concatenate([block @ sums for block in blocks]) / counts.sum()
    else:
        means = np.concatenate([(block @ sums) / (block @ counts) for block in blocks])
    tail = _tail(clusters)
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


@functools.lru_cache(maxsize=2)
def _drawn(size: int, seed: int) -> np.ndarray:
    """Count each cluster in each resample, (RESAMPLES, size) uint8, as scipy draws them."""
    rng = np.random.default_rng(seed)
    drawn = np.empty((RESAMPLES, size), np.uint8)
    for resample in drawn:
        resample[:] = np.bincount(rng.integers(0, size, size), minlength=size)
    return drawn


def _scipy_interval(sums: np.ndarray, counts: np.ndarray, seed: int) -> tuple[float, float]:
    from scipy.stats import bootstrap

    result = bootstrap(
        (sums, counts),
        lambda total, count, axis=-1: total.sum(axis) / count.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(10_000_000 // len(sums), 1),
        confidence_level=1 - 2 * _tail(len(sums)),
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def _signed_ranks(differences: np.ndarray) -> tuple[float, float]:
    """p-value of Wilcoxon's signed-rank test, and rank-biserial correlation.

    Args:
        differences: One finite difference for each cluster; zeros are left out.
    """
    from scipy.stats import rankdata, wilcoxon

    moved = differences[differences != 0]
    if not moved.size:
        return 1.0, 0.0
    ranks = rankdata(np.abs(moved))
    effect = (ranks[moved > 0].sum() - ranks[moved < 0].sum()) / ranks.sum()
    if moved.size > MAX_EXACT:
        return float(wilcoxon(moved).pvalue), float(effect)
    sums = _signs(moved.size) @ ranks
    observed = (np.sign(moved) * ranks).sum()
    less, more = (sums <= observed + 1e-9).mean(), (sums >= observed - 1e-9).mean()
    return float(min(2 * min(less, more), 1.0)), float(effect)


@functools.cache
def _signs(size: int) -> np.ndarray:
    """Every choice of signs of that many differences, (2 ** size, size), 1 or -1."""
    choices = np.arange(2**size)[:, None] >> np.arange(size) & 1
    return 2.0 * choices - 1
