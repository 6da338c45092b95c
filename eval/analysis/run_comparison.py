"""Comparison of two stored runs: differences in configuration, and on each picture."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest
from mirnet.metrics.registry import METRICS, Metric, metrics_in

from . import statistics
from .score_tables import RANKING, chosen_protocol, other_metrics, scores_frame

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunComparison:
    """Two runs of one task under one protocol, side by side."""

    a: Run
    """Header of the first run."""
    b: Run
    """Header of the second run."""
    protocol: str
    """Protocol that the changes are measured by."""
    differences: "pd.DataFrame"
    """Differences in configuration: columns `what`, `a`, `b`, all text."""
    summary: "pd.DataFrame"
    """A row for each method in both: `method`, `pairs` with a finite PSNR in both and their
    `scenes`, the mean `change_db` from a to b with its interval `low` and `high`, `p_value`,
    `p_holm` (corrected for the methods), `verdict` (see `statistics.Paired`), `tied`, and
    `same_outputs`, the number of bit-identical pictures; for each other metric the same as
    `ssim_change`, `ssim_low`, `ssim_high`, `ssim_p_holm` and `ssim_verdict`."""
    changes: "pd.DataFrame"
    """A row for each method and picture in both: `pair`, `method`, `scene`, for each metric
    `psnr_a`, `psnr_b` and `psnr_change` (b minus a), and `same_output`; largest change of PSNR
    first."""
    left_out: int
    """Pairs whose id is in both runs while their files differ; they are not compared."""


def compare_runs(a: StoredRun, b: StoredRun, protocol: str | None = None) -> RunComparison:
    """Compare the configurations of two runs, and their scores on each picture.

    Pairs are matched by id and must have the same files, by hash; methods are matched by id.

    Args:
        a: The earlier run.
        b: The later run.
        protocol: Protocol to compare under; the first of `a` by default.

    Raises:
        InvalidRequest: The runs are of different tasks, have no scores under one protocol, or one
            of them is damaged.
    """
    one, two = a.header(), b.header()
    if one.task != two.task:
        raise InvalidRequest(
            f"Run {one.id} is of task {one.task} and run {two.id} of task {two.task}: scores of "
            "different tasks cannot be compared, choose two runs of one task."
        )
    name = chosen_protocol(one, protocol)
    if name not in two.protocols:
        raise InvalidRequest(
            f"Run {two.id} was scored under {', '.join(two.protocols)} and not under {name}: "
            "numbers of different protocols cannot be compared, run it again under "
            f"{name.partition('/')[0]}."
        )
    changes, left_out = _changes(scores_frame(a, name), scores_frame(b, name))
    return RunComparison(
        one, two, name, _differences(one, two), _change_summary(changes), changes, left_out
    )


def _changes(a: "pd.DataFrame", b: "pd.DataFrame") -> tuple["pd.DataFrame", int]:
    hashes = ["degraded_sha256", "target_sha256"]
    metrics = metrics_in({*a.columns} & {*b.columns})
    keys = [metric.key for metric in metrics]
    columns = ["pair", "method", *keys, "output_sha256", *hashes]
    scenes = dict(zip(a.pair, a.scene, strict=True))
    a, b = (table.astype({"method": str})[columns] for table in (a, b))
    both = a.merge(b, on=["pair", "method"], suffixes=("_a", "_b"))
    same = np.logical_and.reduce([_equal(both[f"{h}_a"], both[f"{h}_b"]) for h in hashes])
    left_out = both.loc[~same, "pair"].nunique()
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
    frame["same_output"] = made
    change = frame[f"{RANKING.stem}_change"].abs()
    order = change.sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True), left_out


def _equal(a: "pd.Series", b: "pd.Series") -> "pd.Series":
    """Whether hashes are equal or missing in both, as where ground truth is private."""
    return (a == b) | (a.isna() & b.isna())


def _change_summary(changes: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    groups = dict(list(changes.groupby("method", sort=False)))
    found = {metric.key: _changed(groups, metric) for metric in METRICS.values()}
    rows: list[dict[str, Any]] = []
    for method, group in groups.items():
        paired = found[RANKING.key].get(method)
        facts = statistics.facts_of(paired)
        row: dict[str, Any] = {
            "method": method,
            "pairs": paired.pairs if paired else 0,
            "scenes": paired.clusters if paired else 0,
            "change_db": facts["difference"],
            "low": facts["low"],
            "high": facts["high"],
            "p_value": facts["p_value"],
            "p_holm": facts["p_holm"],
            "verdict": facts["verdict"],
            "tied": facts["verdict"] == "tied",
            "same_outputs": int(group.same_output.sum()),
        }
        for metric in other_metrics():
            other = statistics.facts_of(found[metric.key].get(method))
            row[f"{metric.stem}_change"] = other["difference"]
            row |= {
                f"{metric.stem}_{name}": other[name]
                for name in ("low", "high", "p_holm", "verdict")
            }
        rows.append(row)
    columns = ["method", "pairs", "scenes", "change_db", "low", "high", "p_value", "p_holm"]
    columns += ["verdict", "tied", "same_outputs"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)


def _changed(groups: "dict[Any, pd.DataFrame]", metric: Metric) -> dict[Any, statistics.Paired]:
    """Compare both runs of each method by a metric, corrected for the number of methods."""
    found = {}
    for method, group in groups.items():
        before, after = group[f"{metric.stem}_a"], group[f"{metric.stem}_b"]
        if (np.isfinite(before) & np.isfinite(after)).any():
            found[method] = statistics.compare(
                after, before, list(group.scene), higher_is_better=metric.higher_is_better
            )
    return dict(zip(found, statistics.corrected(list(found.values())), strict=True))


def _differences(a: Run, b: Run) -> "pd.DataFrame":
    import pandas as pd

    shared = {method.id for method in a.methods} & {method.id for method in b.methods}
    one, two = _facts(a, shared), _facts(b, shared)
    rows = [
        (what, one.get(what, "not there"), two.get(what, "not there"))
        for what in dict.fromkeys([*one, *two])
        if one.get(what) != two.get(what)
    ]
    return pd.DataFrame(rows, columns=["what", "a", "b"])


def _facts(run: Run, shared: set[str]) -> dict[str, str]:
    """Facts that a run's numbers depend on, as text; methods are those of both runs."""
    bench, where = run.benchmark, run.environment
    facts = {
        "benchmark": bench.id,
        "benchmark revision": bench.revision,
        "pairs": f"{bench.n} of {bench.of}, seed {bench.seed}",
        "data fingerprint": run.data_sha256 or "none yet",
        "protocols": ", ".join(run.protocols),
        "status": run.status,
    }
    for method in run.methods:
        if method.id not in shared:
            facts[f"method {method.id}"] = "there"
            continue
        facts[f"{method.id}: weights"] = method.weights_sha256 or "no weights"
        facts[f"{method.id}: settings"] = json.dumps(method.settings, sort_keys=True)
        for package, version in method.packages.items():
            facts[f"{method.id}: package {package}"] = version
    facts["commit"] = (where.commit or "unknown") + (" with changes" if where.dirty else "")
    facts["python"] = where.python
    facts |= {f"package {package}": version for package, version in where.packages.items()}
    facts |= {"machine": where.machine, "device": where.device, "threads": str(where.threads)}
    return facts
