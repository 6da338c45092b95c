"""Summary of a run's rows: means of each method, and the fingerprint of its pictures."""

import hashlib
import math

from mirnet.metrics.registry import PSNR

from .common_pictures import CommonPictures, common_pictures
from .document import MethodSummary, Run, SampleResult


def data_sha256(rows: list[SampleResult]) -> str:
    """Hash the pictures of rows, independent of their order; pairs that cannot be read are none."""
    pairs = sorted(
        {
            f"{row.pair} {row.degraded_sha256} {row.target_sha256}"
            for row in rows
            if not row.unusable_pair
        }
    )
    return hashlib.sha256("\n".join(pairs).encode()).hexdigest()


def summarise_methods(run: Run, rows: list[SampleResult]) -> list[MethodSummary]:
    """Average the rows of every method of a run under its first protocol.

    Means are over the same pictures for all methods: see `CommonPictures`.
    """
    scores: dict[str, dict[str, dict[str, float]]] = {}  # by metric, method and picture
    for row in rows:
        for key, value in row.scores.get(run.protocol, {}).items():
            own = scores.setdefault(key, {method.id: {} for method in run.methods})
            own.setdefault(row.method, {})[row.pair] = value
    common = common_pictures(scores.get(PSNR.key, {}))
    averaged = {key: sorted(common.averaged(values)) for key, values in scores.items()}
    return [
        _summary(run, method.id, [row for row in rows if row.method == method.id]).model_copy(
            update={"scores": _means(method.id, common, averaged, scores)}
        )
        for method in run.methods
    ]


def _summary(run: Run, method_id: str, rows: list[SampleResult]) -> MethodSummary:
    scored = [row.scores[run.protocol] for row in rows if run.protocol in row.scores]
    own = [row for row in rows if not row.cached]
    timed = [(row.seconds, row.megapixels) for row in own if row.seconds and row.megapixels]
    size = sum(megapixels for _, megapixels in timed)
    return MethodSummary(
        method=method_id,
        count=len(scored),
        failed=sum(row.error is not None and not row.unusable_pair for row in rows),
        identical=sum(any(math.isinf(value) for value in score.values()) for score in scored),
        seconds_per_megapixel=sum(seconds for seconds, _ in timed) / size if timed else None,
    )


def _means(
    method_id: str,
    common: CommonPictures,
    averaged: dict[str, list[str]],
    scores: dict[str, dict[str, dict[str, float]]],
) -> dict[str, float]:
    """Compute the mean of each metric, by key; NaN where the method is not ranked."""
    means = {}
    for key, pairs in averaged.items():
        if method_id in common.methods and pairs:
            means[key] = math.fsum(scores[key][method_id][pair] for pair in pairs) / len(pairs)
        else:
            means[key] = math.nan
    return means
