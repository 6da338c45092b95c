"""The leaderboard of a stored run: means of each method, intervals and a paired comparison."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.methods.record import MethodRecord
from eval.runs.common_pictures import CommonPictures, common_pictures
from eval.runs.store import StoredRun
from mirnet.metrics.registry import METRICS, Metric

from . import statistics
from .score_tables import RANKING, chosen_protocol, require_method, scores_frame

if TYPE_CHECKING:
    import pandas as pd


def leaderboard(
    stored: StoredRun,
    baseline: str | None,
    protocol: str | None = None,
    scores: "pd.DataFrame | None" = None,
) -> "pd.DataFrame":
    """One row for each method of a run, the best mean by `RANKING` (PSNR) first.

    Means, medians and intervals of all methods are over the same pictures, those of
    `CommonPictures`, so that a method gains nothing from failing on a hard one.

    Args:
        stored: The run.
        baseline: Id of the method that the others are paired with; None for no comparison.
        protocol: See `chosen_protocol`.
        scores: Result of `scores_frame` for this protocol; read from the run if None.

    Returns:
        Columns:

        * `method` (categorical, in the run's order), `title`, `kind`, `protocol`
        * `count` scored, `failed` without a result, `identical` to the target
        * `ranked`: whether it has results on enough pictures to be compared; `pictures`: how many
          the means of the ranked methods by `RANKING` are over
        * for each metric its key (`psnr_db`) with the mean, and `psnr_low`, `psnr_high`,
          `psnr_median`: 95 % bootstrap interval of the mean, median
        * `baseline`, `difference_db`, `difference_low`, `difference_high`, `p_value`, `effect`,
          `win_rate`, `verdict` ("better", "worse", "tied", "too few" or "") and `tied`: see
          `statistics.Paired`; empty without a baseline, for itself, and where no picture has a
          finite PSNR of both
        * `s_per_mp`: total seconds over total megapixels of the rows that this run timed, or where
          all outputs came from the cache, as the run named by `timed_in` timed them ("" else)
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
        require_method(run.id, ids, baseline)
    table = scores if scores is not None else scores_frame(stored, name)
    by_method = {method: table[table.method == method] for method in ids}
    common = common_pictures(_by_method_and_pair(table, RANKING))
    averaged = {
        metric.key: common.averaged(_by_method_and_pair(table, metric))
        for metric in METRICS.values()
    }
    rows = [
        _row(method, by_method[method.id], name, common, averaged)
        | _comparison(baseline, method.id, by_method)
        | {"parameters": method.parameters, "weights_sha256": method.weights_sha256}
        for method in run.methods
    ]
    board = pd.DataFrame(rows)
    board["method"] = pd.Categorical(board.method, ids, ordered=True)
    board["parameters"] = board.parameters.astype("Int64")
    board["pareto"] = _pareto(board.s_per_mp.to_numpy(), board[RANKING.key].to_numpy())
    order = [RANKING.key, "identical"]
    return board.sort_values(order, ascending=False, kind="stable", ignore_index=True)


def _row(
    method: MethodRecord,
    own: "pd.DataFrame",
    protocol: str,
    common: CommonPictures,
    averaged: dict[str, frozenset[str]],
) -> dict[str, Any]:
    """Row of a method: description, counts, summary of each metric, and time."""
    scored = own[own[list(METRICS)].notna().any(axis=1)]
    timed = own[own.seconds.notna() & (own.megapixels > 0)]
    measured = timed[~timed.cached]
    elsewhere = "" if len(measured) else ", ".join(timed.timed_in.fillna("an earlier run").unique())
    timed = measured if len(measured) else timed
    row = {
        "method": method.id,
        "title": method.title,
        "kind": method.kind,
        "protocol": protocol,
        "count": len(scored),
        "failed": int(own.error.notna().sum()),
        "identical": int(np.isinf(scored[list(METRICS)]).any(axis=1).sum()),
        "ranked": method.id in common.methods,
        "pictures": len(averaged[RANKING.key]),
        "timed_in": elsewhere,
        "s_per_mp": timed.seconds.sum() / timed.megapixels.sum() if len(timed) else math.nan,
    }
    for metric in METRICS.values():
        shared = scored.pair.isin(averaged[metric.key]) & row["ranked"]
        row |= _summary(metric, scored.loc[shared, metric.key])
    return row


def _by_method_and_pair(table: "pd.DataFrame", metric: Metric) -> dict[str, dict[str, float]]:
    return {
        str(method): dict(zip(own.pair, own[metric.key], strict=True))
        for method, own in table.groupby("method", observed=False)
    }


def _summary(metric: Metric, values: "pd.Series") -> dict[str, float]:
    found = statistics.summarise(values)
    return {
        metric.key: found.mean,
        f"{metric.stem}_low": found.low,
        f"{metric.stem}_high": found.high,
        f"{metric.stem}_median": found.median,
    }


def _comparison(
    baseline: str | None, method: str, by_method: dict[str, "pd.DataFrame"]
) -> dict[str, Any]:
    """Columns that compare a method with the baseline."""
    paired = None
    if baseline is not None and method != baseline:
        paired = _paired(by_method[method], by_method[baseline])
    return {
        "baseline": baseline,
        "difference_db": paired.difference if paired else math.nan,
        "difference_low": paired.low if paired else math.nan,
        "difference_high": paired.high if paired else math.nan,
        "p_value": paired.p_value if paired else math.nan,
        "effect": paired.effect if paired else math.nan,
        "win_rate": paired.win_rate if paired else math.nan,
        "verdict": paired.verdict if paired else "",
        "tied": paired is not None and paired.verdict == "tied",
    }


def _paired(method: "pd.DataFrame", baseline: "pd.DataFrame") -> statistics.Paired | None:
    both = method.merge(baseline, on="pair", suffixes=("", "_baseline"))
    ours, theirs = both[RANKING.key], both[f"{RANKING.key}_baseline"]
    if not (np.isfinite(ours) & np.isfinite(theirs)).any():
        return None
    return statistics.compare(ours, theirs)


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


def caution(board: "pd.DataFrame") -> str:
    """Caution shown with a leaderboard: few pictures, failures, methods that are not ranked."""
    if not len(board):
        return ""
    words = [statistics.caution(int(board["count"].max()))]
    most, shared = int(board["count"].max()), int(board.pictures.iloc[0])
    if 0 < shared < most:
        words.append(
            f"Means are over the {shared} of {most} pictures on which every ranked method has a "
            "result that is not identical to its target."
        )
    for row in board[~board.ranked & (board["count"] + board.failed > 0)].itertuples():
        words.append(f"{row.method} has results on {row.count} pictures and is not ranked.")
    for row in board[board.ranked & (board.failed > 0)].itertuples():
        words.append(f"{row.method} failed on {row.failed}.")
    return " ".join(word for word in words if word)
