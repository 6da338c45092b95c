"""Comparison of stored runs with a baseline run: configurations, and scores on each picture."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest
from mirnet.metrics.registry import METRICS, OPTIONAL, Metric, metrics_in

from . import statistics
from .score_tables import RANKING, chosen_protocol, scores_frame

if TYPE_CHECKING:
    import pandas as pd

SUMMARY = (
    "run", "method", "metric", "matched", "pairs", "scenes", "mean_a", "mean_b", "change", "low",
    "high", "p_value", "p_holm", "verdict", "same_outputs",
)  # fmt: skip
"""Columns of `RunComparison.summary`."""


@dataclass(frozen=True)
class RunComparison:
    """Runs of one task under one protocol, each against the first."""

    runs: tuple[Run, ...]
    """Headers, the baseline run first."""
    protocol: str
    """Protocol that the changes are measured by."""
    differences: "pd.DataFrame"
    """Differences in configuration, all text: column `what`, and one column for each run by id."""
    summary: "pd.DataFrame"
    """A row for each run beside the baseline run, method in both, and metric: `run`, `method` and
    `metric` (a key), `matched` pictures, `pairs` of them whose score is finite in all of the runs
    that have the method and the metric, and their `scenes`; over these pairs the means `mean_a` of
    the baseline run and `mean_b` of the run, and the mean `change` from a to b with its interval
    `low` and `high`; `p_value`, in whose ranks an infinite change is the largest, `p_holm`
    (corrected for all rows of the metric), `verdict` (see `statistics.Paired`), and `same_outputs`,
    the number of bit-identical pictures among those matched."""
    changes: "pd.DataFrame"
    """A row for each run, method and picture of `summary`: `run`, `pair`, `method`, `scene`, for
    each metric `psnr_a` in the baseline run, `psnr_b` in the run and `psnr_change` (b minus a), and
    `same_output`; largest change of PSNR first."""
    left_out: int
    """Pairs whose id is in several runs while their files differ; they are not compared."""

    @property
    def baseline(self) -> Run:
        """Header of the run that the others are compared with."""
        return self.runs[0]

    @property
    def methods(self) -> list[str]:
        """Ids of the methods that are compared, in the order of the baseline run."""
        known = set(self.summary.method)
        return [method.id for method in self.baseline.methods if method.id in known]

    @property
    def metrics(self) -> list[Metric]:
        """Metrics that are compared; none where no picture is."""
        return metrics_in(set(self.summary.metric)) if len(self.summary) else []

    def baseline_means(self, metric: str) -> dict[str, float]:
        """Means of the baseline run by method; not a number where no run has a mean beside it."""
        means: dict[str, float] = {}
        for row in self.summary[self.summary.metric == metric].to_dict("records"):
            if not math.isfinite(means.get(row["method"], math.nan)):
                means[row["method"]] = row["mean_a"]
        return means

    def most(self) -> tuple[int, int]:
        """Largest number of pictures of a comparison, and the number of their scenes."""
        if not len(self.summary):
            return 0, 0
        largest = self.summary.sort_values("pairs").iloc[-1]
        return int(largest.pairs), int(largest.scenes)


def run_label(run: Run) -> str:
    """Name and date of a run: names alone need not be unique."""
    return f"{run.name} · {run.created:%Y-%m-%d %H:%M}"


def is_comparable(run: Run, other: Run, protocol: str) -> bool:
    """Whether two runs have scored the same pictures of one benchmark under a protocol.

    Pictures are the same by the fingerprint of their files; a run that has none yet, because it
    has not ended, is taken to have those that its subset names.
    """
    one, two = run.benchmark, other.benchmark
    if (run.task, one.id) != (other.task, two.id) or protocol not in other.protocols:
        return False
    if run.data_sha256 and other.data_sha256:
        return run.data_sha256 == other.data_sha256
    return (one.revision, one.n, one.of, one.seed) == (two.revision, two.n, two.of, two.seed)


def comparable_runs(run: Run, others: Iterable[Run], protocol: str | None = None) -> list[Run]:
    """Choose the runs that can be compared with one, in the given order.

    Args:
        others: Headers to choose from; the run itself is left out.
        protocol: Protocol with its version; the run's first by default.
    """
    name = protocol or run.protocol
    return [other for other in others if other.id != run.id and is_comparable(run, other, name)]


class Changes(NamedTuple):
    """Scores of runs on each picture beside those of the first run."""

    table: "pd.DataFrame"
    """See `RunComparison.changes`."""
    left_out: int
    """See `RunComparison.left_out`."""


def changes_of_runs(
    runs: Sequence[StoredRun],
    protocol: str | None = None,
    scores: "Callable[[StoredRun, str], pd.DataFrame]" = scores_frame,
) -> Changes:
    """Compute the changes from the first run to the others, without statistics.

    Args:
        runs: See `compare_runs`.
        protocol: See `compare_runs`.
        scores: Reads the table of a run's scores under a protocol, such as `TableCache.scores`.

    Raises:
        InvalidRequest: See `compare_runs`.
    """
    _, name = _checked(runs, protocol)
    return Changes(*_all_changes({stored.id: scores(stored, name) for stored in runs}))


def compare_runs(
    runs: Sequence[StoredRun],
    protocol: str | None = None,
    changes: Callable[[Sequence[StoredRun], str], Changes] = changes_of_runs,
) -> RunComparison:
    """Compare the configurations of runs, and their scores on each picture, with the first run.

    Pairs are matched by id and must have the same files, by hash; methods are matched by id. The
    means of a method by a metric are over the same pictures in all runs that have both.

    Args:
        runs: The baseline run, and those that are compared with it.
        protocol: Protocol to compare under; the first of the baseline run by default.
        changes: Computes the changes of the runs under a protocol, or knows them, such as
            `TableCache.changes`.

    Raises:
        InvalidRequest: There are fewer than two runs or one is named twice, they are of different
            tasks, have no scores under one protocol, or one of them is damaged.
    """
    headers, name = _checked(runs, protocol)
    table, left_out = changes(runs, name)
    return RunComparison(
        tuple(headers), name, _differences(headers), _summary(table), table, left_out
    )


def _checked(runs: Sequence[StoredRun], protocol: str | None) -> tuple[list[Run], str]:
    """Headers of runs that can be compared, and the protocol to compare under."""
    headers = [stored.header() for stored in runs]
    ids = [header.id for header in headers]
    if len(ids) < 2:
        raise InvalidRequest("One run alone cannot be compared: name a second one.")
    twice = next((run_id for run_id in ids if ids.count(run_id) > 1), None)
    if twice is not None:
        raise InvalidRequest(f"Run {twice} is named twice: name each run once.")
    name = chosen_protocol(headers[0], protocol)
    for other in headers[1:]:
        _require_same_scale(headers[0], other, name)
    return headers, name


def _require_same_scale(one: Run, two: Run, protocol: str) -> None:
    """Refuse runs whose numbers mean different things."""
    if one.task != two.task:
        raise InvalidRequest(
            f"Run {one.id} is of task {one.task} and run {two.id} of task {two.task}: scores of "
            "different tasks cannot be compared, choose runs of one task."
        )
    if protocol not in two.protocols:
        raise InvalidRequest(
            f"Run {two.id} was scored under {', '.join(two.protocols)} and not under {protocol}: "
            "numbers of different protocols cannot be compared, run it again under "
            f"{protocol.partition('/')[0]}."
        )


# ---------------------------------------------------------------- pictures


def _all_changes(frames: "dict[str, pd.DataFrame]") -> tuple["pd.DataFrame", int]:
    """Changes of every run from the first, over the pictures that all runs with a method have."""
    import pandas as pd

    first, *others = frames
    parts, differing = [], set()
    for run_id in others:
        part, unequal = _changes(frames[first], frames[run_id])
        part.insert(0, "run", run_id)
        parts.append(part)
        differing |= unequal
    changes = pd.concat(parts, ignore_index=True)
    runs_with = changes.groupby("method").run.transform("nunique")
    shared = changes.groupby(["method", "pair"]).run.transform("nunique") == runs_with
    changes = changes[shared]
    size = changes[f"{RANKING.stem}_change"].abs()
    order = size.sort_values(ascending=False, kind="stable").index
    return changes.loc[order].reset_index(drop=True), len(differing)


def _changes(a: "pd.DataFrame", b: "pd.DataFrame") -> tuple["pd.DataFrame", set[str]]:
    """Changes of one run, and the ids of the pairs whose files are others."""
    hashes = ["degraded_sha256", "target_sha256"]
    metrics = metrics_in({*a.columns} & {*b.columns})
    columns = ["pair", "method", *(metric.key for metric in metrics), "output_sha256", *hashes]
    scenes = dict(zip(a.pair, a.scene, strict=True))
    a, b = (table.astype({"method": str})[columns] for table in (a, b))
    both = a.merge(b, on=["pair", "method"], suffixes=("_a", "_b"))
    same = np.logical_and.reduce([_equal(both[f"{h}_a"], both[f"{h}_b"]) for h in hashes])
    differing = set(both.loc[~same, "pair"])
    scored = both[f"{RANKING.key}_a"].notna() & both[f"{RANKING.key}_b"].notna()
    both = both[same & scored]
    frame = both[["pair", "method"]].copy()
    frame["scene"] = frame.pair.map(scenes)
    for metric in metrics:
        before, after = both[f"{metric.key}_a"], both[f"{metric.key}_b"]
        frame[f"{metric.stem}_a"], frame[f"{metric.stem}_b"] = before, after
        with np.errstate(invalid="ignore"):
            frame[f"{metric.stem}_change"] = (after - before).where(before != after, 0.0)
    made = both.output_sha256_a.notna() & (both.output_sha256_a == both.output_sha256_b)
    frame["same_output"] = made.astype(bool)
    return frame, differing


def _equal(a: "pd.Series", b: "pd.Series") -> "pd.Series":
    """Whether hashes are equal or missing in both, as where ground truth is private."""
    return (a == b) | (a.isna() & b.isna())


def _summary(changes: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    groups = list(changes.groupby(["run", "method"], sort=False))
    rows: list[dict[str, Any]] = []
    for metric in (METRICS | OPTIONAL).values():
        if f"{metric.stem}_change" not in changes:
            continue
        averaged = _averaged(changes, metric)
        part = [(*key, group, _paired(group, metric, averaged)) for key, group in groups]
        known = iter(statistics.corrected([row[3] for row in part if row[3] is not None]))
        for run_id, method, group, paired in part:
            found = next(known) if paired is not None else None
            rows.append(_summary_row(run_id, method, metric, group, averaged, found))
    return pd.DataFrame(rows, columns=list(SUMMARY))


def _averaged(changes: "pd.DataFrame", metric: Metric) -> "pd.Series":
    """Whether each row's score is finite in all runs that have its method and the metric."""
    finite = np.isfinite(changes[[f"{metric.stem}_a", f"{metric.stem}_b"]]).all(axis=1)
    scored = finite.groupby([changes.run, changes.method]).transform("any")
    return finite & (finite | ~scored).groupby([changes.method, changes.pair]).transform("all")


def _paired(
    group: "pd.DataFrame", metric: Metric, averaged: "pd.Series"
) -> statistics.Paired | None:
    """Compare a method in two runs by a metric; None without a picture to average over.

    Ranks are over all pictures, since an infinite change tells as much as a large one.
    """

    def compared(rows: "pd.DataFrame") -> statistics.Paired:
        before, after = rows[f"{metric.stem}_a"], rows[f"{metric.stem}_b"]
        return statistics.compare(
            after, before, list(rows.scene), higher_is_better=metric.higher_is_better
        )

    over = group[averaged[group.index]]
    if over.empty:
        return None
    mean = compared(over)
    if len(over) == len(group):
        return mean
    ranks = compared(group)
    return replace(mean, p_value=ranks.p_value, p_holm=ranks.p_holm, effect=ranks.effect)


def _summary_row(
    run_id: str,
    method: str,
    metric: Metric,
    group: "pd.DataFrame",
    averaged: "pd.Series",
    paired: statistics.Paired | None,
) -> dict[str, Any]:
    facts = statistics.facts_of(paired)
    over = group[averaged[group.index]]
    return {
        "run": run_id,
        "method": method,
        "metric": metric.key,
        "matched": len(group),
        "pairs": paired.pairs if paired else 0,
        "scenes": paired.clusters if paired else 0,
        "mean_a": float(over[f"{metric.stem}_a"].mean()),
        "mean_b": float(over[f"{metric.stem}_b"].mean()),
        "change": facts["difference"],
        **{name: facts[name] for name in ("low", "high", "p_value", "p_holm", "verdict")},
        "same_outputs": int(group.same_output.sum()),
    }


# ---------------------------------------------------------------- configurations


def _differences(runs: Sequence[Run]) -> "pd.DataFrame":
    import pandas as pd

    shared = set.intersection(*({method.id for method in run.methods} for run in runs))
    facts = [_facts(run, shared) for run in runs]
    rows = []
    for what in dict.fromkeys(what for own in facts for what in own):
        values = [own.get(what, "not there") for own in facts]
        if len(set(values)) > 1:
            rows.append((what, *values))
    return pd.DataFrame(rows, columns=["what", *(run.id for run in runs)])


def _facts(run: Run, shared: set[str]) -> dict[str, str]:
    """Facts that a run's numbers depend on, as text; methods are those of all runs.

    Paths of this machine are cut to their names, since visitors see the comparison.
    """
    bench, where = run.benchmark, run.environment
    facts = {
        "benchmark": bench.id,
        "benchmark revision": bench.revision,
        "pairs": f"{bench.n} of {bench.of}, seed {bench.seed}",
        "data fingerprint": run.data_sha256 or "none yet",
        "protocols": ", ".join(run.protocols),
        "status": run.status,
    }
    for method in run.without_folders().methods:
        if method.id not in shared:
            facts[f"method {method.id}"] = "there"
            continue
        facts[f"{method.id}: weights"] = method.weights_sha256 or "no weights"
        if method.training_step is not None:
            facts[f"{method.id}: training step"] = f"{method.training_step:,}"
        facts[f"{method.id}: settings"] = json.dumps(method.settings, sort_keys=True)
        for package, version in method.packages.items():
            facts[f"{method.id}: package {package}"] = version
    facts["commit"] = (where.commit or "unknown") + (" with changes" if where.dirty else "")
    facts["python"] = where.python
    facts |= {f"package {package}": version for package, version in where.packages.items()}
    facts |= {"machine": where.machine, "device": where.device, "threads": str(where.threads)}
    return facts
