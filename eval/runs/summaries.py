"""What the rows of a run come to: means of each method, and the fingerprint of its pictures."""

import hashlib
import math

import numpy as np

from .document import MethodSummary, Run, SampleResult


def data_sha256(rows: list[SampleResult]) -> str:
    """Fingerprint the pictures that rows are about, whatever their config."""
    pairs = sorted({f"{row.pair} {row.degraded_sha256} {row.target_sha256}" for row in rows})
    return hashlib.sha256("\n".join(pairs).encode()).hexdigest()


def summarise_method(run: Run, method_id: str, rows: list[SampleResult]) -> MethodSummary:
    """Average a method's rows under the run's first protocol."""
    mine = [row for row in rows if row.method == method_id]
    scored = [row.scores[run.protocol] for row in mine if run.protocol in row.scores]
    keys = dict.fromkeys(key for score in scored for key in score)
    values = {key: np.array([score[key] for score in scored if key in score]) for key in keys}
    timed = [(row.seconds, row.megapixels) for row in mine if row.seconds and row.megapixels]
    size = sum(megapixels for _, megapixels in timed)
    return MethodSummary(
        method=method_id,
        count=len(scored),
        failed=sum(row.error is not None for row in mine),
        identical=sum(any(math.isinf(value) for value in score.values()) for score in scored),
        scores={key: _finite_mean(found) for key, found in values.items()},
        seconds_per_megapixel=sum(seconds for seconds, _ in timed) / size if timed else None,
    )


def _finite_mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else math.nan
