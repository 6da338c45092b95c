"""The leaderboard in words: rounded, with units, for terminals, reports and files."""

import math
from typing import TYPE_CHECKING, Any

from eval.analysis.leaderboards import HOW_TESTED, caution, lead, timed_with
from eval.analysis.score_tables import RANKING, other_metrics
from mirnet.metrics.registry import metrics_in
from mirnet.number_format import DASH, counted, number

if TYPE_CHECKING:
    import pandas as pd

COST_HEADS = ("s/MP", "Parameters", "GMAC/MP", "Memory (MB)", "Timed with")
"""Headings of what a method needs: time (median and range of repeats), size, multiply-adds in 10**9
a megapixel, memory of the method alone, and device, threads and engine."""
INTERVAL = "95 % interval"
"""Heading of the interval of the ranking metric's mean."""


def score_heads(board: "pd.DataFrame") -> dict[str, str | None]:
    """Headings of a leaderboard's scores, and the column whose best is to stand out."""
    heads: dict[str, str | None] = {}
    for metric in metrics_in(board.columns):
        heads[metric.label] = metric.key
        if metric.key == RANKING.key:
            heads[INTERVAL] = None
    return heads


def other_differences() -> list[str]:
    """Headings of the differences by the metrics that do not rank."""
    return [f"{metric.title} difference" for metric in other_metrics()]


def board_heads(board: "pd.DataFrame") -> list[str]:
    """Headings of the table of a leaderboard, in order."""
    paired = ["Difference (dB)", "p", "Wins"]
    paired += other_differences()
    counts = ["Scored", "Failed", "Identical", "Weights SHA-256"]
    return ["Method", *score_heads(board), *paired, *COST_HEADS, *counts]


def p_text(value: float) -> str:
    """A p-value as tables show it, with three decimals; DASH where it is not a number.

    >>> p_text(0.0004), p_text(0.001), p_text(math.nan)
    ('< 0.001', '0.001', '–')
    """
    return "< 0.001" if value < 0.001 else number(value, 3)


def board_cells(board: "pd.DataFrame") -> list[dict[str, str]]:
    """Round and word the rows of `leaderboard` for people.

    Returns:
        For each row the text under each heading; DASH where there is nothing to say. A difference
        that decides nothing ends in "tied" or "too few".
    """
    return [
        dict(
            zip(
                board_heads(board),
                (
                    str(row["method"]),
                    *_scores(row),
                    _difference(row),
                    p_text(row["p_holm"]),
                    _percent(row["win_rate"]),
                    *_other_differences(row),
                    number(row["s_per_mp"], 2) + _spread(row) + _elsewhere(row),
                    _count(row["parameters"]),
                    number(row["gmac_per_mp"], 1),
                    number(row["peak_mb"], 0),
                    timed_with(row) or DASH,
                    str(row["count"]),
                    str(row["failed"]),
                    str(row["identical"]),
                    row["weights_sha256"] if row["kind"] == "weights" else "no weights",
                ),
                strict=True,
            )
        )
        for row in board.to_dict("records")
    ]


def _scores(row: dict[str, Any]) -> list[str]:
    """Format the scores of a row, in the order of `score_heads`."""
    texts = []
    for metric in metrics_in(row):
        texts.append(number(row[metric.key], metric.decimals))
        if metric.key == RANKING.key:
            low, high = row[f"{metric.stem}_low"], row[f"{metric.stem}_high"]
            texts.append(_interval(low, high, metric.decimals))
    return texts


def _interval(low: float, high: float, digits: int, sign: str = "") -> str:
    if not math.isfinite(low):
        return DASH
    return f"{number(low, digits, sign)} to {number(high, digits, sign)}"


def _difference(row: dict[str, Any]) -> str:
    if not math.isfinite(row["difference_db"]):
        return DASH
    span = _interval(row["difference_low"], row["difference_high"], 2, "+")
    undecided = row["verdict"] in ("tied", "too few")
    return f"{row['difference_db']:+.2f} ({span})" + (f", {row['verdict']}" if undecided else "")


def _other_differences(row: dict[str, Any]) -> list[str]:
    """Difference, p and verdict of each metric that does not rank."""
    texts = []
    for metric in other_metrics():
        found = {name: row[f"{metric.stem}_{name}"] for name in ("difference", "p_holm", "verdict")}
        text = number(found["difference"], metric.decimals, "+")
        if math.isfinite(found["difference"]):
            p = p_text(found["p_holm"])
            text += f", p {p}" if p.startswith("<") else f", p = {p}"
            text += f", {found['verdict']}" if found["verdict"] in ("tied", "too few") else ""
        texts.append(text)
    return texts


def _spread(row: dict[str, Any]) -> str:
    """Quickest and slowest of the repeats, in brackets."""
    span = _interval(row["s_per_mp_low"], row["s_per_mp_high"], 2)
    return "" if span == DASH else f" ({span}, {row['repeats']} repeats)"


def _elsewhere(row: dict[str, Any]) -> str:
    return f" (from {row['timed_in']})" if row["timed_in"] else ""


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if math.isfinite(value) else DASH


def _count(value: Any) -> str:
    import pandas as pd

    return DASH if pd.isna(value) else f"{int(value):,}"


def how_to_read(board: "pd.DataFrame") -> str:
    """Say what the paired columns mean, and warn of few pictures."""
    baseline = board.baseline.iloc[0] if len(board) else None
    words = "No baseline was chosen." if baseline is None else paired_columns(baseline)
    words = " ".join(part for part in (lead(board), words) if part)
    return f"{words} {caution(board)}".rstrip()


def paired_columns(baseline: str) -> str:
    """Say what the columns of a leaderboard mean that compare with a baseline.

    Args:
        baseline: Id of the method that all others are paired with.
    """
    return (
        f"Differences, p and wins are against {baseline}, paired by picture, ties half a win. "
        f"{HOW_TESTED}"
    )


def left_out_words(failed: int, identical: int) -> list[str]:
    """Say in sentences which pictures are left out of means; [] where every result counts.

    Args:
        failed: Number of failed results.
        identical: Number of results that equal their target, whose PSNR is infinite.
    """
    title, words = RANKING.title, []
    if failed:
        its = "its picture is" if failed == 1 else "their pictures are"
        words.append(f"{counted(failed, 'result')} failed; {its} left out.")
    if identical == 1:
        words.append(
            f"1 result equals its target, so its picture is left out of all mean {title}s."
        )
    elif identical:
        words.append(
            f"{counted(identical, 'result')} equal their targets, so their pictures are left out "
            f"of all mean {title}s."
        )
    return words
