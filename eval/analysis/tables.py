"""From stored runs to tidy tables: scores, leaderboard, worst and best pictures, two runs compared.

Nothing is restored or scored anew: every number here is one that a run stored, or a statistic of
such numbers (`statistics.py`). Tables are pandas frames; the figures of `plots.py` and the files of
`eval.reports` show them without computing on.
"""

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest

from . import statistics as stats

if TYPE_CHECKING:
    import pandas as pd

Metric = Literal["psnr_db", "ssim"]
"""Which score a table or figure is about."""
UNTOUCHED = ("identity", "bicubic")
"""Ids of methods whose result is the input itself; bicubic where the input must first grow."""

_ROW_FIELDS = (
    "pair",
    "method",
    "seconds",
    "megapixels",
    "peak_mb",
    "tiles",
    "width",
    "height",
    "output_sha256",
    "degraded_sha256",
    "target_sha256",
    "cached",
    "error",
)


@dataclass(frozen=True)
class RunComparison:
    """Two runs of one task under one protocol, side by side."""

    a: Run
    """The first run's header."""
    b: Run
    """The second's."""
    protocol: str
    """Under which the changes are told."""
    differences: "pd.DataFrame"
    """What differs in how they were made: columns `what`, `a`, `b`, all text."""
    summary: "pd.DataFrame"
    """A row for each method in both: `method`, `pairs` with a finite PSNR in both, the mean
    `change_db` from a to b with its interval `low` and `high`, `p_value`, `tied`, and
    `same_outputs`, the number of pictures equal to the bit."""
    changes: "pd.DataFrame"
    """A row for each method and picture in both: `pair`, `method`, `psnr_a`, `psnr_b`,
    `psnr_change`, `ssim_a`, `ssim_b`, `ssim_change`, `same_output`; largest change first."""
    left_out: int
    """Pairs whose id is in both runs while their files differ; they are not compared."""


def chosen_protocol(run: Run, protocol: str | None = None) -> str:
    """Name with version of a protocol that the run was scored under.

    Args:
        run: Header of the run.
        protocol: Name with or without its version; the run's first by default.

    Raises:
        InvalidRequest: The run has no scores under it.
    """
    if protocol is None:
        return run.protocol
    for name in run.protocols:
        if protocol in (name, name.partition("/")[0]):
            return name
    raise InvalidRequest(
        f"Run {run.id} was not scored under protocol {protocol[:80]!r}: choose one of "
        f"{', '.join(run.protocols)}."
    )


def default_baseline(run: Run) -> str | None:
    """Id of the method that others are measured against where nobody chose one.

    The input itself, then the first classical method, then none.
    """
    ids = [method.id for method in run.methods]
    classical = [method.id for method in run.methods if method.kind == "baseline"]
    return next((name for name in (*UNTOUCHED, *classical) if name in ids), None)


def leader(run: Run) -> str:
    """Id of the method with the highest mean PSNR, of those that do something to the input."""
    base = default_baseline(run)
    means = {line.method: line.scores.get("psnr_db", math.nan) for line in run.summary}
    known = [(mean, method) for method, mean in means.items() if mean == mean and method != base]
    return max(known)[1] if known else run.methods[-1].id


def scores_frame(stored: StoredRun, protocol: str | None = None) -> "pd.DataFrame":
    """One row for each pair and method, in the run's order of pairs and methods.

    Args:
        stored: The run; it may still be under way.
        protocol: See `chosen_protocol`.

    Returns:
        Columns `pair`, `method` (categorical, in the run's order), `psnr_db` in decibels (infinite
        for an identical picture), `ssim`, `seconds`, `megapixels`, `s_per_mp`, and the other fields
        of `SampleResult`. Scores are not a number where there is no result or no target.

    Raises:
        InvalidRequest: The run is damaged, or was not scored under the protocol.
    """
    import pandas as pd

    run = stored.header()
    name = chosen_protocol(run, protocol)
    rows = stored.rows()
    frame = pd.DataFrame(
        {field: [getattr(row, field) for row in rows] for field in _ROW_FIELDS},
        columns=list(_ROW_FIELDS),
    )
    for place, key in enumerate(("psnr_db", "ssim"), 2):
        values = [row.scores.get(name, {}).get(key, math.nan) for row in rows]
        frame.insert(place, key, values)
    numbers = ["psnr_db", "ssim", "seconds", "megapixels", "peak_mb"]
    frame[numbers] = frame[numbers].astype(float)
    frame.insert(6, "s_per_mp", frame.seconds / frame.megapixels.where(frame.megapixels > 0))
    frame["cached"] = frame.cached.astype(bool)
    ids = [method.id for method in run.methods]
    frame["method"] = pd.Categorical(frame.method, ids, ordered=True)
    place = {pair: number for number, pair in enumerate(stored.pairs())}
    frame = frame[frame.method.notna()]
    order = np.lexsort((frame.method.cat.codes, frame.pair.map(place).fillna(len(place))))
    return frame.iloc[order].reset_index(drop=True)


def leaderboard(
    stored: StoredRun,
    baseline: str | None,
    protocol: str | None = None,
    scores: "pd.DataFrame | None" = None,
) -> "pd.DataFrame":
    """One row for each method of a run, the highest mean PSNR first.

    Args:
        stored: The run.
        baseline: Id of the method that the others are paired with; None for no comparison.
        protocol: See `chosen_protocol`.
        scores: What `scores_frame` gave for this protocol, so that it is not read twice.

    Returns:
        Columns:

        * `method` (categorical, in the run's order), `title`, `kind`, `protocol`
        * `count` scored, `failed` without a result, `identical` to the target (counted, and left
          out of the PSNR)
        * `psnr_db`, `psnr_low`, `psnr_high`, `psnr_median` and the same for `ssim`: mean, 95 %
          bootstrap interval of the mean, median
        * `baseline`, `difference_db`, `difference_low`, `difference_high`, `p_value`, `effect`,
          `win_rate` (share of pictures with a higher PSNR than the baseline's), `tied` (the
          interval of the difference includes zero): see `statistics.Paired`; empty without
          a baseline, for itself, and where no picture has a finite PSNR of both
        * `s_per_mp`: total seconds over total megapixels of the rows that were timed
        * `pareto`: no other method is both quicker and better (or one of the two and equal in the
          other)
        * `parameters`, `weights_sha256`

    Raises:
        InvalidRequest: The run has no such baseline or protocol, or is damaged.
    """
    import pandas as pd

    run = stored.header()
    name = chosen_protocol(run, protocol)
    ids = [method.id for method in run.methods]
    if baseline is not None:
        _require_method(run.id, ids, baseline)
    table = scores if scores is not None else scores_frame(stored, name)
    by_method = {method: table[table.method == method] for method in ids}
    rows = []
    for method in run.methods:
        own = by_method[method.id]
        scored = own[own.psnr_db.notna()]
        psnr, ssim = stats.summarise(scored.psnr_db), stats.summarise(scored.ssim)
        paired = None
        if baseline is not None and method.id != baseline:
            paired = _paired(own, by_method[baseline])
        timed = own[own.seconds.notna() & (own.megapixels > 0)]
        rows.append(
            {
                "method": method.id,
                "title": method.title,
                "kind": method.kind,
                "protocol": name,
                "count": len(scored),
                "failed": int(own.error.notna().sum()),
                "identical": psnr.infinite,
                "psnr_db": psnr.mean,
                "psnr_low": psnr.low,
                "psnr_high": psnr.high,
                "psnr_median": psnr.median,
                "ssim": ssim.mean,
                "ssim_low": ssim.low,
                "ssim_high": ssim.high,
                "ssim_median": ssim.median,
                "baseline": baseline,
                "difference_db": paired.difference if paired else math.nan,
                "difference_low": paired.low if paired else math.nan,
                "difference_high": paired.high if paired else math.nan,
                "p_value": paired.p_value if paired else math.nan,
                "effect": paired.effect if paired else math.nan,
                "win_rate": paired.wins / paired.pairs if paired else math.nan,
                "tied": paired is not None and paired.tied,
                "s_per_mp": timed.seconds.sum() / timed.megapixels.sum()
                if len(timed)
                else math.nan,
                "parameters": method.parameters,
                "weights_sha256": method.weights_sha256,
            }
        )
    board = pd.DataFrame(rows)
    board["method"] = pd.Categorical(board.method, ids, ordered=True)
    board["parameters"] = board.parameters.astype("Int64")
    board["pareto"] = _pareto(board.s_per_mp.to_numpy(), board.psnr_db.to_numpy())
    return board.sort_values("psnr_db", ascending=False, kind="stable", ignore_index=True)


def caution(board: "pd.DataFrame") -> str:
    """What to say beside a leaderboard of few pictures: see `eval.analysis.statistics.caution`."""
    return stats.caution(int(board["count"].max())) if len(board) else ""


def _paired(method: "pd.DataFrame", baseline: "pd.DataFrame") -> stats.Paired | None:
    both = method.merge(baseline, on="pair", suffixes=("", "_baseline"))
    finite = np.isfinite(both.psnr_db) & np.isfinite(both.psnr_db_baseline)
    if not finite.any():
        return None
    return stats.compare(both.psnr_db, both.psnr_db_baseline)


def _pareto(cost: np.ndarray, gain: np.ndarray) -> list[bool]:
    known = np.isfinite(cost) & np.isfinite(gain)
    return [
        bool(
            known[i]
            and not np.any(
                known
                & (cost <= cost[i])
                & (gain >= gain[i])
                & ((cost < cost[i]) | (gain > gain[i]))
            )
        )
        for i in range(len(cost))
    ]


# ---------------------------------------------------------------- pictures worth a look


def worst(
    stored: "StoredRun | pd.DataFrame", method: str, k: int = 5, metric: Metric = "psnr_db"
) -> "pd.DataFrame":
    """Rows of `scores_frame` of the k pictures with the lowest score of a method, lowest first.

    Args:
        stored: A run, read under its first protocol, or what `scores_frame` gave.
        method: Id of the method.
        k: How many at most.
        metric: Score to go by.

    Raises:
        InvalidRequest: The run has no such method.
    """
    own = _scored(stored, method, metric)
    return own.sort_values(metric, kind="stable").head(k).reset_index(drop=True)


def best(
    stored: "StoredRun | pd.DataFrame", method: str, k: int = 5, metric: Metric = "psnr_db"
) -> "pd.DataFrame":
    """Rows of the k pictures with the highest score of a method, highest first; see `worst`."""
    own = _scored(stored, method, metric)
    return own.sort_values(metric, ascending=False, kind="stable").head(k).reset_index(drop=True)


def disagreements(
    stored: "StoredRun | pd.DataFrame", a: str, b: str, k: int = 5, metric: Metric = "psnr_db"
) -> "pd.DataFrame":
    """Rows of `paired_scores` of the k pictures on which two methods differ most."""
    both = paired_scores(stored, a, b, metric)
    finite = both[np.isfinite(both.difference)]
    order = finite.difference.abs().sort_values(ascending=False, kind="stable").index
    return finite.loc[order].head(k).reset_index(drop=True)


def paired_scores(
    stored: "StoredRun | pd.DataFrame", a: str, b: str, metric: Metric = "psnr_db"
) -> "pd.DataFrame":
    """Scores of two methods on the pictures that both have.

    Returns:
        Columns `pair`, `method_a`, `method_b`, `a`, `b`, `difference` (b minus a); in the run's
        order of pairs.

    Raises:
        InvalidRequest: The run has no such method.
    """
    table = _table(stored)
    one, two = (_scored(table, method, metric)[["pair", metric]] for method in (a, b))
    both = one.rename(columns={metric: "a"}).merge(two.rename(columns={metric: "b"}), on="pair")
    with np.errstate(invalid="ignore"):
        both["difference"] = both.b - both.a
    both.insert(1, "method_a", a)
    both.insert(2, "method_b", b)
    return both


def quartiles(scores: "pd.DataFrame", metric: Metric = "psnr_db") -> "pd.DataFrame":
    """What a box plot draws for each method, of the finite scores.

    Returns:
        Columns `method`, `count`, `q1`, `median`, `q3`, `mean`, and the fences `low` and `high`:
        the outermost scores within 1.5 interquartile ranges of the box (Tukey 1977).
    """
    import pandas as pd

    rows = []
    for method, values in _finite(scores, metric).groupby("method", observed=True)[metric]:
        q1, median, q3 = np.quantile(values, [0.25, 0.5, 0.75])
        reach = 1.5 * (q3 - q1)
        inside = values[(values >= q1 - reach) & (values <= q3 + reach)]
        rows.append(
            (method, len(values), q1, median, q3, values.mean(), inside.min(), inside.max())
        )
    columns = ["method", "count", "q1", "median", "q3", "mean", "low", "high"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["method"] = pd.Categorical(frame.method, scores.method.cat.categories, ordered=True)
    return frame


def cumulative(scores: "pd.DataFrame", metric: Metric = "psnr_db") -> "pd.DataFrame":
    """For each method and score the share of pictures that reach it.

    Returns:
        Columns `pair`, `method`, the metric (ascending) and `share` in percent: pictures with at
        least this score, of those with a finite one.
    """
    frame = _finite(scores, metric)[["pair", "method", metric]]
    frame = frame.sort_values(["method", metric], kind="stable", ignore_index=True)
    groups = frame.groupby("method", observed=True)[metric]
    # `min` gives equal scores one share: that of all pictures that reach it.
    below = groups.rank(method="min") - 1
    frame["share"] = 100 * (1 - below / groups.transform("size"))
    return frame


def input_quality(
    scores: "pd.DataFrame", reference: str | None = None, metric: Metric = "psnr_db"
) -> "pd.DataFrame":
    """Scores of each method beside the score of the input itself.

    Args:
        scores: What `scores_frame` gave.
        reference: Id of the method that leaves the input as it is; by default one of `UNTOUCHED`.
        metric: Score to go by.

    Returns:
        Columns `pair`, `method`, the metric, `input` (the reference's score) and `reference`; empty
        where the run has no such method.
    """
    known = list(scores.method.cat.categories)
    name = reference or next((method for method in UNTOUCHED if method in known), None)
    finite = _finite(scores, metric)[["pair", "method", metric]]
    inputs = finite.loc[finite.method == name, ["pair", metric]]
    others = finite[finite.method != name]
    joined = others.merge(inputs.rename(columns={metric: "input"}), on="pair")
    joined["reference"] = name
    return joined


def _finite(scores: "pd.DataFrame", metric: Metric) -> "pd.DataFrame":
    return scores[np.isfinite(scores[metric])]


def _table(stored: "StoredRun | pd.DataFrame") -> "pd.DataFrame":
    return scores_frame(stored) if isinstance(stored, StoredRun) else stored


def _scored(stored: "StoredRun | pd.DataFrame", method: str, metric: Metric) -> "pd.DataFrame":
    table = _table(stored)
    _require_method("", list(table.method.cat.categories), method)
    return table[(table.method == method) & table[metric].notna()]


def _require_method(run_id: str, known: list[str], method: str) -> None:
    if method not in known:
        run = f"Run {run_id}" if run_id else "The run"
        raise InvalidRequest(
            f"{run} has no method {method[:80]!r}: choose one of {', '.join(known)}."
        )


# ---------------------------------------------------------------- two runs


def compare_runs(a: StoredRun, b: StoredRun, protocol: str | None = None) -> RunComparison:
    """Say what differs in how two runs were made, and what changed on each picture.

    Pairs are matched by id and must have the same files, by hash; methods are matched by id.

    Args:
        a: The earlier run.
        b: The later run.
        protocol: Under which to compare; the first of `a` by default.

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
    columns = ["pair", "method", "psnr_db", "ssim", "output_sha256"]
    columns += ["degraded_sha256", "target_sha256"]
    a, b = (table.astype({"method": str})[columns] for table in (a, b))
    both = a.merge(b, on=["pair", "method"], suffixes=("_a", "_b"))
    same = (both.degraded_sha256_a == both.degraded_sha256_b) & (
        both.target_sha256_a == both.target_sha256_b
    )
    left_out = both.loc[~same, "pair"].nunique()
    both = both[same & both.psnr_db_a.notna() & both.psnr_db_b.notna()]
    with np.errstate(invalid="ignore"):
        psnr_change = (both.psnr_db_b - both.psnr_db_a).where(both.psnr_db_a != both.psnr_db_b, 0.0)
    frame = both[["pair", "method"]].assign(
        psnr_a=both.psnr_db_a,
        psnr_b=both.psnr_db_b,
        psnr_change=psnr_change,
        ssim_a=both.ssim_a,
        ssim_b=both.ssim_b,
        ssim_change=both.ssim_b - both.ssim_a,
        same_output=both.output_sha256_a.notna() & (both.output_sha256_a == both.output_sha256_b),
    )
    order = frame.psnr_change.abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True), left_out


def _change_summary(changes: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for method, group in changes.groupby("method", sort=False):
        finite = np.isfinite(group.psnr_a) & np.isfinite(group.psnr_b)
        paired = stats.compare(group.psnr_b, group.psnr_a) if finite.any() else None
        rows.append(
            {
                "method": method,
                "pairs": paired.pairs if paired else 0,
                "change_db": paired.difference if paired else math.nan,
                "low": paired.low if paired else math.nan,
                "high": paired.high if paired else math.nan,
                "p_value": paired.p_value if paired else math.nan,
                "tied": paired is not None and paired.tied,
                "same_outputs": int(group.same_output.sum()),
            }
        )
    columns = ["method", "pairs", "change_db", "low", "high", "p_value", "tied", "same_outputs"]
    return pd.DataFrame(rows, columns=columns)


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
    """Everything that a number of a run depends on, as text; of methods, those of both runs."""
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
