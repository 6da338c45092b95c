"""Scores of one stored run as tables: of every picture, of two methods, for boxes and curves.

Nothing is restored or scored anew: every number is one that the run stored, or computed from such
numbers. Tables are pandas frames; the figures and `eval.reports` show them without computing on.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from eval.data.benchmarks import benchmark_of_record, get_benchmark
from eval.data.scenes import SceneRule, scene_of
from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.metrics.registry import METRICS, PSNR, Metric, get_metric, metrics_in

from . import statistics

if TYPE_CHECKING:
    import pandas as pd

UNTOUCHED = ("identity", "bicubic")
"""Ids of methods whose result is the input itself; bicubic where the input must first grow."""
RANKING = PSNR
"""The metric that methods are ranked by and compared on."""


def other_metrics() -> list[Metric]:
    """Metrics of every protocol that do not rank, and are compared all the same."""
    return [metric for metric in METRICS.values() if metric.key != RANKING.key]


_ROW_FIELDS = (
    "pair",
    "method",
    "seconds",
    "repeats",
    "seconds_low",
    "seconds_high",
    "megapixels",
    "peak_mb",
    "own_peak_mb",
    "tiles",
    "width",
    "height",
    "output_sha256",
    "degraded_sha256",
    "target_sha256",
    "cached",
    "timed_in",
    "threads",
    "file_sha256",
    "error",
)


def chosen_protocol(run: Run, protocol: str | None = None) -> str:
    """Name with version of a protocol that the run was scored under.

    Args:
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


def scene_rule(run: Run) -> SceneRule | None:
    """Rule by which a run's pairs belong to scenes; None where each pair is one of its own."""
    recorded = run.benchmark
    try:
        if recorded.source and (own := benchmark_of_record(recorded.source).scenes):
            return own
        return get_benchmark(recorded.id).scenes
    except MIRNetError:  # of another version, or not in the catalogue
        return None


def default_baseline(run: Run) -> str | None:
    """Id of the method that others are measured against where nobody chose one.

    The input itself, then the first classical method, then none.
    """
    ids = [method.id for method in run.methods]
    classical = [method.id for method in run.methods if method.kind == "baseline"]
    return next((name for name in (*UNTOUCHED, *classical) if name in ids), None)


def leader(run: Run) -> str:
    """Id of the method with the best mean by `RANKING`, of those that change the input."""
    base = default_baseline(run)
    means = {line.method: line.scores.get(RANKING.key, math.nan) for line in run.summary}
    known = [(mean, method) for method, mean in means.items() if mean == mean and method != base]
    return max(known)[1] if known else run.methods[-1].id


def require_method(run_id: str, known: list[str], method: str) -> None:
    """Check that a run has a method.

    Args:
        run_id: Id of the run for the message, or "".

    Raises:
        InvalidRequest: The run has no method of that id.
    """
    if method not in known:
        run = f"Run {run_id}" if run_id else "The run"
        raise InvalidRequest(
            f"{run} has no method {method[:80]!r}: choose one of {', '.join(known)}."
        )


def scores_frame(stored: StoredRun, protocol: str | None = None) -> "pd.DataFrame":
    """One row for each pair and method, in the run's order of pairs and methods.

    Args:
        stored: The run; it may still be under way.

    Returns:
        Columns `pair`, `method` (categorical, in the run's order), `scene` (pairs of one scene are
        no independent evidence; see `eval.data.scenes`), one column for each metric of `METRICS`
        and for each optional one that was computed, by key (PSNR is infinite for an identical
        picture), `seconds`, `megapixels`, `s_per_mp`, and the other fields of `SampleResult`.
        Scores are not a number where there is no result, no
        target, or the run did not compute the metric.

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
    rule = scene_rule(run)
    frame.insert(2, "scene", [scene_of(row.pair, rule) for row in rows])
    scored = {key for row in rows for key in row.scores.get(name, {})}
    keys = [metric.key for metric in metrics_in(scored)]
    for place, key in enumerate(keys, 3):
        values = [row.scores.get(name, {}).get(key, math.nan) for row in rows]
        frame.insert(place, key, np.array(values, float))
    numbers = ["seconds", "seconds_low", "seconds_high", "megapixels", "peak_mb", "own_peak_mb"]
    frame[numbers] = frame[numbers].astype(float)
    per_megapixel = frame.seconds / frame.megapixels.where(frame.megapixels > 0)
    frame.insert(5 + len(keys), "s_per_mp", per_megapixel)
    frame["cached"] = frame.cached.astype(bool)
    ids = [method.id for method in run.methods]
    frame["method"] = pd.Categorical(frame.method, ids, ordered=True)
    place_of = {pair: number for number, pair in enumerate(stored.pairs())}
    frame = frame[frame.method.notna()]
    order = np.lexsort((frame.method.cat.codes, frame.pair.map(place_of).fillna(len(place_of))))
    return frame.iloc[order].reset_index(drop=True)


# ---------------------------------------------------------------- pictures worth a look


def worst(
    stored: "StoredRun | pd.DataFrame", method: str, k: int = 5, metric: str = RANKING.key
) -> "pd.DataFrame":
    """Rows of `scores_frame` of the k pictures with the worst score of a method, worst first.

    Args:
        stored: Run, read under its first protocol, or the result of `scores_frame`.

    Raises:
        InvalidRequest: The run has no such method.
    """
    return _ranked(stored, method, k, metric, get_metric(metric).higher_is_better)


def best(
    stored: "StoredRun | pd.DataFrame", method: str, k: int = 5, metric: str = RANKING.key
) -> "pd.DataFrame":
    """Rows of the k pictures with the best score of a method, best first; see `worst`."""
    return _ranked(stored, method, k, metric, not get_metric(metric).higher_is_better)


def _ranked(
    stored: "StoredRun | pd.DataFrame", method: str, k: int, metric: str, ascending: bool
) -> "pd.DataFrame":
    own = _scored(stored, method, metric)
    ranked = own.sort_values(metric, ascending=ascending, kind="stable")
    return ranked.head(k).reset_index(drop=True)


def disagreements(
    stored: "StoredRun | pd.DataFrame", a: str, b: str, k: int = 5, metric: str = RANKING.key
) -> "pd.DataFrame":
    """Rows of `paired_scores` of the k pictures on which two methods differ most."""
    both = paired_scores(stored, a, b, metric)
    finite = both[np.isfinite(both.difference)]
    order = finite.difference.abs().sort_values(ascending=False, kind="stable").index
    return finite.loc[order].head(k).reset_index(drop=True)


def gains(
    stored: "StoredRun | pd.DataFrame",
    method: str,
    other: str,
    k: int = 5,
    metric: str = RANKING.key,
    *,
    largest: bool = True,
) -> "pd.DataFrame":
    """Rows of `paired_scores` of the k pictures on which a method is most better than another.

    Args:
        stored: Run, read under its first protocol, or the result of `scores_frame`.
        method: Id of the method whose gains are looked for; the second one (`b`) of the rows.
        other: Id of the method that `method` is compared with; the first one (`a`) of the rows.
        largest: Whether the largest gains come first; otherwise the largest losses.
    """
    both = paired_scores(stored, other, method, metric)
    finite = both[np.isfinite(both.difference)]
    ascending = largest != get_metric(metric).higher_is_better
    order = finite.difference.sort_values(ascending=ascending, kind="stable").index
    return finite.loc[order].head(k).reset_index(drop=True)


# ---------------------------------------------------------------- for figures


def paired_scores(
    stored: "StoredRun | pd.DataFrame", a: str, b: str, metric: str = RANKING.key
) -> "pd.DataFrame":
    """Join the scores of two methods on the pictures that both have.

    Returns:
        Columns `pair`, `method_a`, `method_b`, `a`, `b`, `difference` (b minus a); in the run's
        order of pairs.

    Raises:
        InvalidRequest: The run has no such method.
    """
    table = _table(stored)
    one, two = (_scored(table, method, metric)[["pair", metric]] for method in (a, b))
    both = one.rename(columns={metric: "a"}).merge(two.rename(columns={metric: "b"}), on="pair")
    both["difference"] = both.b - both.a
    both.insert(1, "method_a", a)
    both.insert(2, "method_b", b)
    return both


def quartiles(scores: "pd.DataFrame", metric: str = RANKING.key) -> "pd.DataFrame":
    """Compute the statistics of a box plot for each method, of the finite scores.

    Returns:
        Columns `method`, `count`, `q1`, `median`, `q3`, `mean`, the fences `low` and `high` (the
        outermost scores within 1.5 interquartile ranges of the box, Tukey 1977), and `mean_low`
        and `mean_high`, the interval of the mean by `statistics.summarise`.
    """
    import pandas as pd

    rows = []
    for method, own in _finite(scores, metric).groupby("method", observed=True):
        values = own[metric]
        mean = statistics.summarise(values, list(own.scene))
        q1, median, q3 = np.quantile(values, [0.25, 0.5, 0.75])
        reach = 1.5 * (q3 - q1)
        inside = values[(values >= q1 - reach) & (values <= q3 + reach)]
        rows.append(
            (
                method, len(values), q1, median, q3, values.mean(), inside.min(), inside.max(),
                mean.low, mean.high,
            )
        )  # fmt: skip
    columns = [
        "method", "count", "q1", "median", "q3", "mean", "low", "high", "mean_low", "mean_high"
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    frame["method"] = pd.Categorical(frame.method, scores.method.cat.categories, ordered=True)
    return frame


def cumulative(scores: "pd.DataFrame", metric: str = RANKING.key) -> "pd.DataFrame":
    """Compute for each method and score the share of pictures that reach it.

    Returns:
        Columns `pair`, `method`, the metric (ascending) and `share` in percent: pictures with this
        score or a better one, of those with a finite one.
    """
    frame = _finite(scores, metric)[["pair", "method", metric]]
    frame = frame.sort_values(["method", metric], kind="stable", ignore_index=True)
    groups = frame.groupby("method", observed=True)[metric]
    count = groups.transform("size")
    # Equal scores share one rank, so that all of them have the share of those that reach it.
    if get_metric(metric).higher_is_better:
        frame["share"] = 100 * (1 - (groups.rank(method="min") - 1) / count)
    else:
        frame["share"] = 100 * groups.rank(method="max") / count
    return frame


def input_quality(scores: "pd.DataFrame", metric: str = RANKING.key) -> "pd.DataFrame":
    """Join the scores of each method with the score of the input itself.

    Args:
        scores: Result of `scores_frame`.

    Returns:
        Columns `pair`, `method`, the metric, `input` (the score of the method of `UNTOUCHED` that
        ran) and `reference` (its id); empty where none of them ran.
    """
    known = list(scores.method.cat.categories)
    name = next((method for method in UNTOUCHED if method in known), None)
    finite = _finite(scores, metric)[["pair", "method", metric]]
    inputs = finite.loc[finite.method == name, ["pair", metric]]
    others = finite[finite.method != name]
    joined = others.merge(inputs.rename(columns={metric: "input"}), on="pair")
    joined["reference"] = name
    return joined


def _finite(scores: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    return scores[np.isfinite(scores[metric])]


def _table(stored: "StoredRun | pd.DataFrame") -> "pd.DataFrame":
    return scores_frame(stored) if isinstance(stored, StoredRun) else stored


def _scored(stored: "StoredRun | pd.DataFrame", method: str, metric: str) -> "pd.DataFrame":
    table = _table(stored)
    require_method("", list(table.method.cat.categories), method)
    return table[(table.method == method) & table[metric].notna()]
