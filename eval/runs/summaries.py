"""Summary of a run's rows: means of each method, and the fingerprint of its pictures."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from mirnet.metrics.registry import PSNR

from .common_pictures import ranked_methods
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


def summarise_methods(run: Run, rows: Iterable[SampleResult]) -> list[MethodSummary]:
    """Average the rows of every method of a run under its first protocol.

    Means are over the same pictures for all methods: see `CommonPictures`.
    """
    summary = RunningSummary(run)
    summary.add(rows)
    return summary.methods()


class _Line(NamedTuple):
    """Share of one row in the summary."""

    scores: dict[str, float] | None
    """Scores under the first protocol by metric; None for a row without."""
    failed: bool
    """Whether the method gave no result for a pair that can be read."""
    seconds: float
    """Seconds that this run measured; 0 for none."""
    megapixels: float
    """Megapixels that took these seconds."""


class RunningSummary:
    """Means of a run's rows that grow with it: further rows cost the same however many there are.

    All rows are counted anew once for rows that replace others, and where another set of methods is
    ranked. Sums are exact, so the order of rows does not matter.

    Args:
        run: Header of the run; its methods and its first protocol count.
    """

    def __init__(self, run: Run):
        self._protocol = run.protocol
        self._ids = [method.id for method in run.methods]
        self._lines: dict[tuple[str, str], _Line] = {}
        self._start()

    def _start(self) -> None:
        """Forget all sums; `_lines` stay."""
        self._tallies = {name: _Tally() for name in self._ids}
        self._scored = dict.fromkeys(self._ids, 0)
        self._pictures: set[str] = set()  # pictures that any method has scored
        self._ranked: tuple[str, ...] = ()
        self._summed: set[str] = set()  # pictures that all ranked methods have scored
        self._sums: dict[tuple[str, str], Fraction] = {}  # by method and metric
        self._averaged: Counter[str] = Counter()  # pictures in the sums, by metric
        self._keys: dict[str, None] = {}  # metrics, in the order of their first row

    def add(self, rows: Iterable[SampleResult]) -> None:
        """Take in further rows; one that was added before is replaced."""
        added = {(row.pair, row.method): self._line(row) for row in rows}
        replaces = not self._lines.keys().isdisjoint(added)
        self._lines |= added
        if replaces:  # pictures that were tried again
            self._start()
            added = self._lines
        for (pair, method), line in added.items():
            self._count(pair, method, line)
        ranked = ranked_methods(self._scored, len(self._pictures))
        if ranked == self._ranked:
            changed = {pair for pair, _ in added}
        else:
            self._ranked, self._sums = ranked, {}
            self._summed.clear()
            self._averaged.clear()
            changed = self._pictures
        for pair in changed:
            self._sum_up(pair)

    def _line(self, row: SampleResult) -> _Line:
        is_timed = not row.cached and row.seconds and row.megapixels
        return _Line(
            row.scores.get(self._protocol),
            row.error is not None and not row.unusable_pair,
            row.seconds or 0.0 if is_timed else 0.0,
            row.megapixels or 0.0 if is_timed else 0.0,
        )

    def _count(self, pair: str, method: str, line: _Line) -> None:
        """Count a row; its picture is not yet in the means."""
        if method not in self._tallies:
            return
        self._tallies[method].add(line)
        self._keys.update(dict.fromkeys(line.scores or ()))
        if line.scores is None or math.isnan(line.scores.get(PSNR.key, math.nan)):
            return
        self._scored[method] += 1
        self._pictures.add(pair)

    def _sum_up(self, pair: str) -> None:
        """Add a picture to the means of all metrics in which every ranked method is finite."""
        lines = [self._lines.get((pair, method)) for method in self._ranked]
        scores = [line.scores if line and line.scores else {} for line in lines]
        if pair in self._summed or any(math.isnan(own.get(PSNR.key, math.nan)) for own in scores):
            return
        self._summed.add(pair)
        for key in set().union(*scores):
            values = [own.get(key, math.nan) for own in scores]
            if all(map(math.isfinite, values)):
                self._averaged[key] += 1
                for method, value in zip(self._ranked, values, strict=True):
                    self._sums[method, key] = self._sums.get((method, key), 0) + Fraction(value)

    def methods(self) -> list[MethodSummary]:
        """Summary of every method, in the order of the run."""
        return [self._summary(method) for method in self._ids]

    def _summary(self, method: str) -> MethodSummary:
        tally = self._tallies[method]
        return MethodSummary(
            method=method,
            count=tally.count,
            failed=tally.failed,
            identical=tally.identical,
            scores={key: self._mean(method, key) for key in self._keys},
            seconds_per_megapixel=tally.seconds / tally.megapixels if tally.megapixels else None,
        )

    def _mean(self, method: str, key: str) -> float:
        if method not in self._ranked or not self._averaged[key]:
            return math.nan
        return float(self._sums[method, key]) / self._averaged[key]


class _Tally:
    """Counts and times of a method's rows."""

    def __init__(self) -> None:
        self.count = self.failed = self.identical = 0
        self.seconds = self.megapixels = 0.0

    def add(self, line: _Line) -> None:
        """Count one row."""
        self.failed += line.failed
        self.seconds += line.seconds
        self.megapixels += line.megapixels
        if line.scores is not None:
            self.count += 1
            self.identical += any(math.isinf(value) for value in line.scores.values())
