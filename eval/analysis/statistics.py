"""Statistics of scores: intervals of a mean, and paired comparisons of two methods.

scipy computes them; only the resampling of the bootstrap is shared between scores of the same
pictures, which scipy would draw anew for each. Pictures equal to their target have an infinite
PSNR: means leave them out, comparisons count them as wins, losses or ties.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

RESAMPLES = 2000
"""Number of bootstrap resamples of an interval."""
CONFIDENCE = 0.95
"""Coverage of the intervals."""
FEW = 10
"""Number of pictures below which statistics come with a caution."""
SIGNIFICANT = 0.05
"""Significance level of the tests."""
MIN_FOR_VERDICT = 5
"""Pictures below which no method is called better than another."""
MAX_SHARED = 20_000
"""Scores up to which resamples are kept to be shared: 40 MB."""


Verdict = Literal["better", "worse", "tied", "too few"]
"""Conclusion of a paired comparison."""


@dataclass(frozen=True)
class Summary:
    """Mean, median and interval of scores."""

    count: int
    """Number of scores."""
    infinite: int
    """Number of infinite scores, which the other numbers leave out."""
    mean: float
    """Mean of the finite scores; not a number where there is none."""
    median: float
    """Median of the finite scores."""
    low: float
    """Lower end of the interval of the mean; the mean itself below two scores."""
    high: float
    """Upper end of that interval."""


@dataclass(frozen=True)
class Paired:
    """A method against a baseline on the same pictures."""

    pairs: int
    """Pictures with a score of both, infinite ones included."""
    difference: float
    """Mean of method minus baseline, over the pictures with a finite score of both."""
    low: float
    """Lower end of the interval of that mean."""
    high: float
    """Upper end of that interval."""
    p_value: float
    """Wilcoxon's signed-rank test, two-sided: the chance of such ranks if neither were better."""
    effect: float
    """Matched-pairs rank-biserial correlation (Kerby 2014), -1 to 1."""
    wins: int
    """Pictures on which the method has the higher score."""
    ties: int
    """Pictures on which both are equal."""

    @property
    def win_rate(self) -> float:
        """Share of pictures on which the method has the higher score, half of each tie included."""
        return (self.wins + self.ties / 2) / self.pairs

    @property
    def verdict(self) -> Verdict:
        """Whether the method is better than the baseline.

        "better" and "worse" need `MIN_FOR_VERDICT` pictures, an interval without zero and a p-value
        below `SIGNIFICANT`: one picture, or a constant difference on a few, decides nothing.
        """
        if self.pairs < MIN_FOR_VERDICT:
            return "too few"
        if self.p_value < SIGNIFICANT and self.low > 0:
            return "better"
        if self.p_value < SIGNIFICANT and self.high < 0:
            return "worse"
        return "tied"


def summarise(scores: Sequence[float], seed: int = 0) -> Summary:
    """Compute mean, median and percentile-bootstrap interval.

    Args:
        scores: PSNR in dB, SSIM, or anything else to average.
        seed: Seed of the bootstrap.

    >>> summarise([1.0, 3.0, math.inf]).mean
    2.0
    """
    values = np.asarray(scores, float)
    finite = values[np.isfinite(values)]
    infinite = int(np.isinf(values).sum())
    if finite.size == 0:
        return Summary(len(values), infinite, math.nan, math.nan, math.nan, math.nan)
    low, high = _interval(finite, seed)
    return Summary(len(values), infinite, float(finite.mean()), float(np.median(finite)), low, high)


def caution(pictures: int) -> str:
    """Caution shown with statistics of few pictures; "" for `FEW` and more.

    A percentile-bootstrap interval of the mean of so few is too narrow (Hesterberg 2015, "What
    Teachers Should Know About the Bootstrap"), and the two-sided signed-rank test of n pairs
    cannot give less than 2 / 2^n.

    Args:
        pictures: Number of scored pictures.

    >>> caution(3)
    'Only 3 pictures: intervals from so few are too narrow, and p cannot fall below 0.25.'
    >>> caution(8)
    'Only 8 pictures: intervals from so few are too narrow.'
    >>> caution(10)
    ''
    """
    if not 0 < pictures < FEW:
        return ""
    least = min(2 / 2**pictures, 1.0)
    hint = f", and p cannot fall below {least:.3g}" if least > SIGNIFICANT else ""
    only = "1 picture" if pictures == 1 else f"{pictures} pictures"
    return f"Only {only}: intervals from so few are too narrow{hint}."


def compare(method: Sequence[float], baseline: Sequence[float], seed: int = 0) -> Paired:
    """Compare two methods picture by picture.

    Args:
        method: Scores of the method.
        baseline: Scores of the baseline on the same pictures, in the same order.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: The two differ in length, or no picture has a finite score of both.
    """
    from scipy.stats import wilcoxon

    a, b = np.asarray(method, float), np.asarray(baseline, float)
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} scores cannot be paired with {len(b)}")
    both_finite = np.isfinite(a) & np.isfinite(b)
    if not both_finite.any():
        raise ValueError("no picture has a finite score of both methods")
    with np.errstate(invalid="ignore"):
        difference = np.where(a == b, 0.0, a - b)
    finite = difference[both_finite]
    difference = difference[~np.isnan(difference)]
    low, high = _interval(finite, seed)
    beyond = np.abs(finite).max() + 1  # an infinite difference ranks above every finite one
    moved = np.clip(difference[difference != 0], -beyond, beyond)
    ranks = _ranks(np.abs(moved))
    positive, negative = ranks[moved > 0].sum(), ranks[moved < 0].sum()
    return Paired(
        pairs=len(difference),
        difference=float(finite.mean()),
        low=low,
        high=high,
        p_value=float(wilcoxon(moved).pvalue) if moved.size else 1.0,
        effect=float((positive - negative) / ranks.sum()) if moved.size else 0.0,
        wins=int((difference > 0).sum()),
        ties=int((difference == 0).sum()),
    )


def _interval(values: np.ndarray, seed: int) -> tuple[float, float]:
    if len(values) < 2 or np.ptp(values) == 0:
        return float(values.mean()), float(values.mean())
    if len(values) > MAX_SHARED:
        return _scipy_interval(values, seed)
    drawn = _drawn(len(values), seed)
    blocks = np.array_split(drawn, max(drawn.size // 1_000_000, 1))
    means = np.concatenate([block.astype(float) @ values for block in blocks]) / len(values)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


@functools.lru_cache(maxsize=1)
def _drawn(size: int, seed: int) -> np.ndarray:
    """Count each score in each resample, (RESAMPLES, size) uint8, as scipy draws them."""
    rng = np.random.default_rng(seed)
    drawn = np.empty((RESAMPLES, size), np.uint8)
    for resample in drawn:
        resample[:] = np.bincount(rng.integers(0, size, size), minlength=size)
    return drawn


def _scipy_interval(values: np.ndarray, seed: int) -> tuple[float, float]:
    from scipy.stats import bootstrap

    result = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values))
