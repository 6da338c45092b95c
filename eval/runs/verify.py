"""Verify a stored run: recompute a sample of its rows, or all, and report each difference.

Three questions are asked of every row: is the stored picture the one that was scored, do the
stored picture and the truth give the stored score, and does the method make that picture again?
Of a run without the pictures that were scored (`StoredRun.has_scored_pictures`) the score is
computed from the picture that was made again, where it is the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from eval.data.pairs import BenchmarkUnavailable, Item, Pair, pixels_sha256
from mirnet.errors import MIRNetError
from mirnet.images.decode import read_image
from mirnet.machine_paths import without_paths
from mirnet.metrics.registry import Metric

from .document import Run, SampleResult
from .run_inputs import unchanged_items, worker_spec
from .store import StoredRun
from .worker import Worker, storable

TOLERANCE = 1e-4
"""Allowed difference, in units of a score's last printed decimal; summation order moves it less."""

Outcome = Literal["same", "differs", "cannot be checked"]


@dataclass(frozen=True)
class Finding:
    """One check of a row and its outcome."""

    pair: str
    """Id of the pair."""
    method: str
    """Id of the method."""
    what: str
    """Check: 'stored picture', 'pictures of the pair', 'score (PROTOCOL)' or 'restored again'."""
    outcome: Outcome
    """Outcome of the check."""
    detail: str
    """Sentence with both values, or why the check could not be made."""

    def without_folders(self) -> "Finding":
        """Copy for strangers: of paths of this machine only the last part of the name is left."""
        return replace(self, detail=without_paths(self.detail))


def verify(
    stored: StoredRun,
    *,
    sample: int | None = 5,
    seed: int = 0,
    folder: Path | None = None,
    offline: bool = False,
    allow_code: bool = False,
) -> Iterator[Finding]:
    """Recompute rows of a run.

    Args:
        sample: Number of rows to recompute; None for all.
        folder: Local folder of the pairs, where the run does not say where they are.
        offline: Never contact the Hub.
        allow_code: Whether methods may be user-supplied code.

    Yields:
        `Finding` for every question asked.

    Raises:
        InvalidRequest: Files of the run are damaged.
    """
    run = stored.header()
    rows = [row for row in stored.rows() if row.error is None]
    if sample is not None and sample < len(rows):
        chosen = np.random.default_rng(seed).choice(len(rows), sample, replace=False)
        rows = [rows[index] for index in sorted(chosen)]
    spec = worker_spec(stored, offline=offline, allow_code=allow_code)
    spec = replace(spec, folder=folder or spec.folder)
    worker: Worker | None = None
    items: dict[str, Item] = {}
    reason = ""
    try:
        items = {item.id: item for item in unchanged_items(stored, run, spec)}
        worker = Worker(spec)
    except MIRNetError as error:
        reason = str(error)
    for row in rows:
        yield from _findings(stored, run, row, worker, items.get(row.pair), reason)


def _findings(
    stored: StoredRun,
    run: Run,
    row: SampleResult,
    worker: Worker | None,
    item: Item | None,
    reason: str,
) -> Iterator[Finding]:
    pixels: np.ndarray | None = None
    if stored.has_scored_pictures:
        finding, pixels = _stored_pixels(stored, row)
        yield finding
    pair: Pair | None = None
    if worker is not None and item is not None:
        try:
            pair = worker.pair(item)
        except BenchmarkUnavailable as error:
            reason = str(error)
    if pair is not None and (pair.degraded_sha256, pair.target_sha256) != (
        row.degraded_sha256,
        row.target_sha256,
    ):
        detail = "the benchmark's files are not those that were scored"
        yield Finding(row.pair, row.method, "pictures of the pair", "differs", detail)
        return
    restored, again = _again(run, row, worker, pair, pixels, reason)
    if not stored.has_scored_pictures and restored.outcome == "same":
        pixels = again
    yield from _scores(run, row, worker, pair, pixels, reason)
    yield restored


def _stored_pixels(stored: StoredRun, row: SampleResult) -> tuple[Finding, np.ndarray | None]:
    """Read the stored picture; None where it is not the one that was scored."""

    def found(outcome: Outcome, detail: str) -> Finding:
        return Finding(row.pair, row.method, "stored picture", outcome, detail)

    try:
        pixels = read_image(stored.output(str(row.output_sha256))).pixels
    except MIRNetError as error:
        return found("cannot be checked", str(error)), None
    sha256 = pixels_sha256(pixels)
    if sha256 == row.output_sha256:
        return found("same", _short(sha256)), pixels
    detail = f"its pixels hash to {_short(sha256)}, the run says {_short(row.output_sha256)}"
    return found("differs", detail), None


def _scores(
    run: Run,
    row: SampleResult,
    worker: Worker | None,
    pair: Pair | None,
    pixels: np.ndarray | None,
    reason: str,
) -> Iterator[Finding]:
    for name, then in row.scores.items():
        what = f"score ({name})"
        protocols = worker.protocols if worker else []
        protocol = next((one for one in protocols if one.name == name), None)
        if worker is None or pair is None or pixels is None or protocol is None:
            why = reason or (
                "there is no trustworthy stored picture"
                if pixels is None
                else f"this version does not compute {name}"
            )
            yield Finding(row.pair, row.method, what, "cannot be checked", why)
            continue
        now = worker.score(protocol, pixels, pair)
        metrics = {metric.key: metric for metric in protocol.metrics if metric.key in then}
        same = all(
            key in then and _is_close(metric, then[key], now[key])
            for key, metric in metrics.items()
        )
        detail = f"stored {_scores_text(metrics, then)}, now {_scores_text(metrics, now)}"
        yield Finding(row.pair, row.method, what, "same" if same else "differs", detail)


def _again(
    run: Run,
    row: SampleResult,
    worker: Worker | None,
    pair: Pair | None,
    pixels: np.ndarray | None,
    reason: str,
) -> tuple[Finding, np.ndarray | None]:
    """Restore a picture again; also returns its pixels, None where that failed."""
    again: np.ndarray | None = None

    def found(outcome: Outcome, detail: str) -> tuple[Finding, np.ndarray | None]:
        return Finding(row.pair, row.method, "restored again", outcome, detail), again

    if worker is None or pair is None:
        return found("cannot be checked", reason)
    try:
        method = worker.method(row.method)
        then = next(info for info in run.methods if info.id == row.method)
        if method.info.weights_sha256 != then.weights_sha256:
            now = str(method.info.weights_sha256)[:12]
            return found(
                "differs",
                f"the weights here are {now}, the run used {str(then.weights_sha256)[:12]}",
            )
        again, made = worker.restore(pair, row.method)
    except MIRNetError as error:
        return found("cannot be checked", str(error))
    if made.output_sha256 == row.output_sha256:
        return found("same", "every pixel")
    if pixels is None:
        return found(
            "differs", f"now {made.output_sha256[:12]}, then {str(row.output_sha256)[:12]}"
        )
    if pixels.shape != again.shape:
        return found("differs", f"now {again.shape[1]} x {again.shape[0]} pixels")
    largest = np.abs(_unit(pixels) - _unit(again)).max()
    return found("differs", f"by up to {255 * largest:.3f} of 255")


def _is_close(metric: Metric, then: float, now: float) -> bool:
    return then == now or abs(then - now) <= TOLERANCE * 10**-metric.decimals


def _scores_text(metrics: dict[str, Metric], scores: dict[str, float]) -> str:
    parts = (
        f"{scores[key]:.{metric.decimals + 2}f} {metric.unit}".strip()
        for key, metric in metrics.items()
    )
    return " / ".join(parts)


def _short(sha256: str | None) -> str:
    return str(sha256)[:12]


def _unit(pixels: np.ndarray) -> np.ndarray:
    return storable(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max).astype(float) / 65535
