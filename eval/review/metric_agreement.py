"""Agreement of each metric with the blind votes on a run.

A vote that prefers one of two results is a comparison on which a metric agrees, disagrees, or has
equal scores (half an agreement). A metric that says nothing of preferences agrees with half of
them. See "Metrics and votes" in eval/docs/statistics.md.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.analysis.score_tables import scores_frame
from eval.analysis.statistics import CONFIDENCE
from eval.runs.store import StoredRun
from mirnet.metrics.registry import Metric, metrics_in

from .vote_bootstrap import MIN_CLUSTERS, vote_weights
from .votes import Vote, all_votes

if TYPE_CHECKING:
    import pandas as pd

MIN_VOTES = 30
"""Fewest votes with a preference for which a metric is said to agree or not."""
CHANCE = 0.5
"""Share of votes with which a metric agrees that says nothing of preferences."""
COLUMNS = (
    "metric", "title", "protocol", "votes", "agree", "equal", "share", "low", "high", "kendall",
    "spearman", "ties", "scenes", "reviewers", "verdict",
)  # fmt: skip
"""Columns of `metric_agreement`."""


def metric_agreement(stored: StoredRun, seed: int = 0) -> "pd.DataFrame":
    """Compare every metric of a run with the votes on it.

    Skipped questions and second answers to a repeated question are left out, and so are votes on
    pictures where one of the methods has no score. A metric that several protocols compute alike is
    listed once.

    Returns:
        A row for each metric and protocol with votes, the largest share first:

        * `metric` (key), `title`, `protocol`
        * `votes` with a preference; `agree`: how many of them the metric shares; `equal`: on how
          many its scores are equal; `share`: agree and half of equal over votes, 0 to 1
        * `low`, `high`: 95 % interval of the share, by resampling scenes and reviewers; not numbers
          below `MIN_CLUSTERS` of both
        * `kendall` (tau-b) and `spearman`: rank correlation of the gain in score with the answer
          (better, equal, worse), ties of reviewers included; each vote counts from both sides, so
          that the order of the two methods does not matter
        * `ties`: votes for "equal"; `scenes` and `reviewers` with a preference
        * `verdict`: see `verdict_of`

    Raises:
        InvalidRequest: The run or a file of votes is damaged.
    """
    import pandas as pd

    run = stored.header()
    votes = [vote for vote in all_votes(stored) if vote.outcome != "skip" and not vote.repeat]
    rows, known = [], set()
    for protocol in run.protocols if votes else ():
        scores = scores_frame(stored, protocol)
        scene = dict(zip(scores.pair, scores.scene, strict=True))
        for metric in metrics_in(scores.columns):
            values = dict(
                zip(zip(scores.pair, scores.method, strict=True), scores[metric.key], strict=True)
            )
            compared = list(_compared(votes, values, metric))
            alike = (metric.key, *(gain for _, gain in compared))
            if compared and alike not in known:
                known.add(alike)
                scenes = [scene[vote.pair] for vote, _ in compared]
                row = {"metric": metric.key, "title": metric.title, "protocol": protocol}
                rows.append(row | _measured(compared, scenes, seed))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values("share", ascending=False, kind="stable", ignore_index=True)


def _compared(
    votes: Sequence[Vote], values: dict[tuple[str, str], float], metric: Metric
) -> Iterator[tuple[Vote, float]]:
    """Votes on two scored results, and by how much A is better than B by the metric."""
    for vote in votes:
        a, b = (values.get((vote.pair, method), math.nan) for method in (vote.a, vote.b))
        if not (math.isnan(a) or math.isnan(b)):
            yield vote, 0.0 if a == b else metric.gain(a, b)


def _measured(compared: list[tuple[Vote, float]], scenes: list[str], seed: int) -> dict[str, Any]:
    """Columns of one metric from `votes` on."""
    from scipy.stats import kendalltau, spearmanr

    answers = np.array([{"a": 1, "b": -1, "tie": 0}[vote.outcome] for vote, _ in compared])
    gains = np.array([gain for _, gain in compared])
    reviewers = np.array([vote.reviewer.casefold() for vote, _ in compared])
    both_sides = np.concatenate([gains, -gains]), np.concatenate([answers, -answers])
    varied = all(np.ptp(np.sign(side)) > 0 for side in both_sides)
    prefers = answers != 0
    credit = (1 + np.sign(gains[prefers]) * answers[prefers]) / 2
    clusters = {"scenes": np.array(scenes)[prefers], "reviewers": reviewers[prefers]}
    found = {
        "votes": len(credit),
        "agree": int((credit == 1).sum()),
        "equal": int((credit == 0.5).sum()),
        "share": float(credit.mean()) if credit.size else math.nan,
        "low": math.nan,
        "high": math.nan,
        "kendall": float(kendalltau(*both_sides).statistic) if varied else math.nan,
        "spearman": float(spearmanr(*both_sides).statistic) if varied else math.nan,
        "ties": int((~prefers).sum()),
        "scenes": len(set(clusters["scenes"])),
        "reviewers": len(set(clusters["reviewers"])),
    }
    weights, drawn = vote_weights(clusters, seed) if credit.size else (np.empty((0, 0)), ())
    if drawn:
        ends = (1 - CONFIDENCE) / 2
        shares = weights @ credit / weights.sum(axis=1)
        found["low"], found["high"] = map(float, np.quantile(shares, [ends, 1 - ends]))
    return found | {"verdict": verdict_of(found)}


def verdict_of(found: dict[str, Any]) -> str:
    """Whether a metric agrees with reviewers more often than chance.

    Args:
        found: Row of `metric_agreement`, without its verdict.

    Returns:
        "too few" below `MIN_VOTES` votes or `MIN_CLUSTERS` scenes; else "above chance" or "below
        chance" where the interval is on one side of a half, and "not told from chance".
    """
    if found["votes"] < MIN_VOTES or found["scenes"] < MIN_CLUSTERS:
        return "too few"
    if found["low"] > CHANCE:
        return "above chance"
    return "below chance" if found["high"] < CHANCE else "not told from chance"


def agreement_words(table: "pd.DataFrame") -> str:
    """Caption of the table: what a share is, how intervals were made, and what is not said."""
    if table.empty:
        return "No vote yet is on results that a metric has scored."
    words = (
        "Share: votes with a preference that the metric shares, equal scores half; chance is 50 %. "
        "95 % intervals: bootstrap over scenes and reviewers. Kendall and Spearman: gain in score "
        "against the answer, ties included."
    )
    if (table.verdict == "too few").any():
        words += f" No verdict below {MIN_VOTES} votes with a preference on {MIN_CLUSTERS} scenes."
    return words + " The metrics were not corrected for their number."
