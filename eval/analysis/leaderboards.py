"""The leaderboard of a stored run: means of each method, intervals and a paired comparison."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.methods.method_record import MethodRecord
from eval.runs.common_pictures import CommonPictures, common_pictures
from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.metrics.registry import METRICS, Metric, metrics_in
from mirnet.number_format import counted

from . import statistics
from .score_tables import RANKING, chosen_protocol, require_method, scores_frame

if TYPE_CHECKING:
    import pandas as pd

HOW_TESTED = (
    "p: Wilcoxon signed-rank, two-sided, over scenes, corrected for the methods (Holm), and "
    "between the leader and others for all pairs of ranked methods; tied: the "
    f"interval of the difference includes zero or p is at least {statistics.SIGNIFICANT:g}; too "
    f"few: fewer than {statistics.MIN_FOR_VERDICT} scenes. A picture is a scene of its own unless "
    "the benchmark says otherwise."
)
"""Sentence on how comparisons were tested; see eval/docs/statistics.md."""


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
        * `count` scored, `failed` without a result, `identical` to the target; `unusable`: pairs
          that could not be read, which no method had a chance on
        * `ranked`: whether it has results on enough pictures to be compared; `pictures`: how many
          the means of the ranked methods by `RANKING` are over
        * `scenes`: how many clusters those pictures are in (see `eval.data.scenes`)
        * for each metric its key (`psnr_db`) with the mean, and `psnr_low`, `psnr_high`,
          `psnr_median`: 95 % bootstrap interval of the mean, median
        * `baseline`, `difference_db`, `difference_low`, `difference_high`, `p_value`, `p_holm`,
          `effect`, `win_rate`, `verdict` ("better", "worse", "tied", "too few" or "") and `tied`:
          see `statistics.Paired`; empty without a baseline, for itself, and where no picture has a
          finite PSNR of both; p is corrected for the methods of the board
        * the same for the other metrics, as `ssim_difference`, `ssim_difference_low`,
          `ssim_difference_high`, `ssim_p_value`, `ssim_p_holm` and `ssim_verdict`
        * `leader_difference_db`, `leader_low`, `leader_high`, `leader_p_holm`, `leader_verdict`: a
          ranked method against the one that ranks first, corrected for all pairs of ranked methods
        * `s_per_mp`: total seconds over total megapixels of the rows that this run timed, or where
          all outputs came from the cache, as the run named by `timed_in` timed them ("" else); the
          time of a picture is the median of its `repeats`
        * `s_per_mp_low`, `s_per_mp_high`: the same of the quickest and of the slowest repeat of
          every picture; not numbers where pictures were timed once
        * `pareto`: no other method is both quicker and better (or one of the two and equal in the
          other)
        * `parameters`, `weights_sha256`; `gmac_per_mp`: multiply-adds in 10**9 a megapixel
        * `peak_mb`: largest memory of the method alone on a picture (see `PeakMemory`); `device`,
          `threads` and `engine` that it was timed with ("" where not known)

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
    # Numbers instead of names: text is slow to compare, and only whether it is equal counts here.
    table = table.assign(**{key: pd.factorize(table[key])[0] for key in ("pair", "scene")})
    by_method = {method: table[table.method == method] for method in ids}
    common = common_pictures(_by_method_and_pair(table, RANKING))
    averaged = {
        metric.key: common.averaged(_by_method_and_pair(table, metric))
        for metric in metrics_in(table.columns)
    }
    rows = [
        _row(method, by_method[method.id], name, common, averaged)
        | _cost(run, method, by_method[method.id])
        for method in run.methods
    ]
    against = {
        metric.key: _against(baseline, ids, by_method, metric) for metric in METRICS.values()
    }
    first = _leader(rows)
    among = statistics.pairs_of(len(common.methods))
    behind = _against(first, common.methods, by_method, RANKING, among)
    for row in rows:
        row |= {"baseline": baseline}
        for metric in METRICS.values():
            row |= _comparison(metric, against[metric.key].get(row["method"]))
        row |= _behind_leader(behind.get(row["method"]))
    board = pd.DataFrame(rows)
    board["method"] = pd.Categorical(board.method, ids, ordered=True)
    board["parameters"] = board.parameters.astype("Int64")
    board["pareto"] = pareto_front(board.s_per_mp.to_numpy(), board[RANKING.key].to_numpy())
    order = [RANKING.key, "identical"]
    return board.sort_values(order, ascending=False, kind="stable", ignore_index=True)


def _cost(run: Run, method: MethodRecord, own: "pd.DataFrame") -> dict[str, Any]:
    """Columns of what a method needs: size, compute, memory, and what it was timed on."""
    devices = {attempt.environment.device for attempt in run.attempts} or {run.environment.device}
    on_device = devices if method.kind == "weights" else {"cpu"}
    threads = sorted({int(count) for count in own.threads.dropna()})
    return {
        "parameters": method.parameters,
        "weights_sha256": method.weights_sha256,
        "gmac_per_mp": run.multiply_adds.get(method.id, math.nan),
        "peak_mb": own.own_peak_mb.max(),
        "device": ", ".join(sorted(on_device)) if own.seconds.notna().any() else "",
        "threads": ", ".join(map(str, threads)),
        "engine": str(method.settings.get("engine", "")),
    }


def timed_with(row: Mapping[str, Any]) -> str:
    """Device, threads and engine of a row of `leaderboard`, "" where none is known.

    >>> timed_with({"device": "cpu", "threads": "1", "engine": "torch"})
    'cpu, 1 thread, torch'
    >>> timed_with({"device": "cuda", "threads": "2, 4", "engine": ""})
    'cuda, 2, 4 threads'
    """
    counts = row["threads"]
    threads = f"{counts} {'thread' if counts == '1' else 'threads'}" if counts else ""
    return ", ".join(word for word in (row["device"], threads, row["engine"]) if word)


def _row(
    method: MethodRecord,
    own: "pd.DataFrame",
    protocol: str,
    common: CommonPictures,
    averaged: dict[str, frozenset[str]],
) -> dict[str, Any]:
    """Row of a method: description, counts, summary of each metric, and time."""
    metrics = metrics_in(own.columns)
    keys = [metric.key for metric in metrics]
    scored = own[own[keys].notna().any(axis=1)]
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
        "failed": int((own.error.notna() & own.degraded_sha256.notna()).sum()),
        "unusable": int((own.error.notna() & own.degraded_sha256.isna()).sum()),
        "identical": int(np.isinf(scored[keys]).any(axis=1).sum()),
        "ranked": method.id in common.methods,
        "pictures": len(averaged[RANKING.key]),
        "scenes": own.scene[own.pair.isin(averaged[RANKING.key])].nunique(),
        "timed_in": elsewhere,
        "s_per_mp": timed.seconds.sum() / timed.megapixels.sum() if len(timed) else math.nan,
        **_spread(timed),
    }
    for metric in metrics:
        shared = scored.pair.isin(averaged[metric.key]) & row["ranked"]
        row |= _summary(metric, scored[shared])
    return row


def _spread(timed: "pd.DataFrame") -> dict[str, Any]:
    """Seconds a megapixel if every picture took its quickest, or its slowest, repeat."""
    repeats = int(timed.repeats.min()) if len(timed) else 0
    ends = {"s_per_mp_low": timed.seconds_low, "s_per_mp_high": timed.seconds_high}
    known = repeats > 1
    return {"repeats": repeats} | {
        name: end.sum() / timed.megapixels.sum() if known else math.nan
        for name, end in ends.items()
    }


def _by_method_and_pair(table: "pd.DataFrame", metric: Metric) -> dict[str, dict[str, float]]:
    return {
        str(method): dict(zip(own.pair, own[metric.key], strict=True))
        for method, own in table.groupby("method", observed=False)
    }


def _summary(metric: Metric, scored: "pd.DataFrame") -> dict[str, float]:
    found = statistics.summarise(scored[metric.key], scored.scene.to_numpy())
    return {
        metric.key: found.mean,
        f"{metric.stem}_low": found.low,
        f"{metric.stem}_high": found.high,
        f"{metric.stem}_median": found.median,
    }


def _leader(rows: list[dict[str, Any]]) -> str | None:
    """Id of the ranked method with the best mean; None where no method has one."""
    known = [row for row in rows if row["ranked"] and math.isfinite(row[RANKING.key])]
    best = max(known, key=lambda row: (row[RANKING.key], row["identical"]), default=None)
    return str(best["method"]) if best else None


def _against(
    reference: str | None,
    methods: Sequence[str],
    by_method: dict[str, "pd.DataFrame"],
    metric: Metric,
    among: int | None = None,
) -> dict[str, statistics.Paired]:
    """Compare methods with one of them, corrected for their number or for `among`; by method."""
    if reference is None:
        return {}
    found = {
        method: paired
        for method in methods
        if method != reference
        and (paired := _paired(by_method[method], by_method[reference], metric))
    }
    return dict(zip(found, statistics.corrected(list(found.values()), among), strict=True))


def _comparison(metric: Metric, paired: statistics.Paired | None) -> dict[str, Any]:
    """Columns that compare a method with the baseline by a metric."""
    facts = statistics.facts_of(paired)
    found = {
        "difference": facts["difference"],
        "difference_low": facts["low"],
        "difference_high": facts["high"],
        "p_value": facts["p_value"],
        "p_holm": facts["p_holm"],
        "verdict": facts["verdict"],
    }
    if metric.key != RANKING.key:
        return {f"{metric.stem}_{name}": value for name, value in found.items()}
    found["difference_db"] = found.pop("difference")
    return found | {
        "effect": facts["effect"],
        "win_rate": facts["win_rate"],
        "tied": facts["verdict"] == "tied",
    }


def _behind_leader(paired: statistics.Paired | None) -> dict[str, Any]:
    """Columns that compare a ranked method with the leader."""
    facts = statistics.facts_of(paired)
    return {
        "leader_difference_db": facts["difference"],
        "leader_low": facts["low"],
        "leader_high": facts["high"],
        "leader_p_holm": facts["p_holm"],
        "leader_verdict": facts["verdict"],
    }


def _paired(
    method: "pd.DataFrame", baseline: "pd.DataFrame", metric: Metric
) -> statistics.Paired | None:
    both = method.merge(baseline, on="pair", suffixes=("", "_baseline"))
    ours, theirs = both[metric.key], both[f"{metric.key}_baseline"]
    if not (np.isfinite(ours) & np.isfinite(theirs)).any():
        return None
    return statistics.compare(
        ours, theirs, both.scene.to_numpy(), higher_is_better=metric.higher_is_better
    )


def pareto_front(cost: np.ndarray, gain: np.ndarray) -> list[bool]:
    """Whether no other point beats each, by being as good in both values and better in one.

    Args:
        cost: Values of which lower is better; not a number where it is not known.
        gain: Values of which higher is better, for the same points.
    """
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
    most, shared = int(board["count"].max()), int(board.pictures.iloc[0])
    scenes = int(board.scenes.max()) if shared else None
    # Two methods are compared on more pictures than those that all share.
    words = [statistics.caution(shared or most, scenes, tests_same=shared in (0, most))]
    if 0 < shared < most:
        words.append(
            f"Means are over the {shared} of {most} pictures on which every ranked method has a "
            "result that is not identical to its target."
        )
    if not shared and most and board.ranked.any():
        words.append(
            "There is no mean PSNR: on every picture, the result of some ranked method is "
            "identical to its target, or missing."
        )
    if unusable := int(board.unusable.max()):
        words.append(
            f"{counted(unusable, 'pair')} could not be read, and no method is scored on it."
        )
    for row in board[~board.ranked & (board["count"] + board.failed > 0)].itertuples():
        results = counted(row.count, "picture")
        words.append(f"{row.method} has results on {results} and is not ranked.")
    for row in board[board.ranked & (board.failed > 0)].itertuples():
        words.append(f"{row.method} failed on {row.failed}.")
    return " ".join(word for word in words if word)


def lead(board: "pd.DataFrame") -> str:
    """Sentences that compare the leader with the runner-up, and name all that tie with the leader.

    Args:
        board: Result of `leaderboard`.

    Returns:
        "" where fewer than two methods are ranked.
    """
    ranked = board[board.ranked & np.isfinite(board[RANKING.key])]
    behind = ranked[np.isfinite(ranked.leader_difference_db)]
    if behind.empty:
        return ""
    first, second = ranked.iloc[0], behind.iloc[0]
    gap, low, high = -second.leader_difference_db, -second.leader_high, -second.leader_low
    span = f" ({low:+.2f} to {high:+.2f})" if math.isfinite(low) else ""
    verdict = {
        "worse": "it is better",
        "better": "the runner-up is better on the pictures that both have",
        "tied": "they are tied",
        "too few": "too few pictures to tell",
    }[second.leader_verdict]
    leads = f"{first.method} leads by {gap:+.2f} dB{span} before {second.method}"
    if more := 0 if math.isfinite(low) else int(first.identical - second.identical):
        # The gap is that of one scene, and the infinite differences of the others decide.
        ahead, other = (first, second) if more > 0 else (second, first)
        leads = (
            f"{first.method} leads before {second.method}: the results of {ahead.method} are "
            f"identical to the target on {counted(abs(more), 'more picture')} than those of "
            f"{other.method}"
        )
    words = f"{leads}, p = {_p_words(second.leader_p_holm)}: {verdict}."
    tied = [str(row.method) for row in behind.itertuples() if row.leader_verdict == "tied"]
    if len(tied) > 1:
        words += f" Not told apart from it: {', '.join(tied)}."
    return words


def _p_words(value: float) -> str:
    return "less than 0.001" if value < 0.001 else f"{value:.3f}"
