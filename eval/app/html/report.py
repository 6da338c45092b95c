"""HTML of a run's report: the board with interval bars, and the pictures at both ends."""

import base64
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from eval.analysis.leaderboards import timed_with
from eval.analysis.pictures import Thumbnail
from eval.analysis.score_tables import RANKING, other_metrics
from eval.app.page_files import TEMPLATES
from eval.app.view_state import ViewState
from eval.reports.board_text import p_text
from eval.runs.document import Run
from mirnet.app.kit import html as kit
from mirnet.metrics.registry import Metric, get_metric, metrics_in

from .overview import parameters

if TYPE_CHECKING:
    import pandas as pd

UNDECIDED = {"tied": "tie", "too few": "too few"}
"""Chip beside a difference that decides nothing, by its verdict."""
GROUPS = {
    "p": "p",
    "differences": "Differences of other scores",
    "medians": "Medians",
    "cost": "Compute and memory",
    "scored": "Scored pictures",
}
"""Titles of the groups of columns that are hidden until a visitor ticks them."""


class Head(NamedTuple):
    """Heading of a column."""

    key: str
    """Name of the column in the page."""
    title: str
    """Text of the heading."""
    of_group: str = ""
    """Group of columns that is shown and hidden together; "" for a column of its own."""

    @property
    def group(self) -> str:
        """Name by which a visitor shows and hides the column."""
        return self.of_group or self.key


class BoardCell(NamedTuple):
    """Cell of the board."""

    value: float | None
    """Value to sort by; None sorts last."""
    text: str
    """Text of the cell."""
    small: str = ""
    """Line under the text."""
    chip: str = ""
    """Verdict beside the text."""
    bold: bool = False
    """Whether the number is the best of its column."""
    bar: tuple[float, float, float] | None = None
    """Left and right end of the interval and place of the mean, in percent of the column's span."""


def board_table(board: "pd.DataFrame", run: Run, state: ViewState) -> Markup:
    """The board of a run: a row for each method, which leads to its worst pictures.

    Args:
        board: Result of `eval.analysis.leaderboards.leaderboard`.
        run: Header of the run.
        state: State of the view; links keep its protocol and baseline.
    """
    rows = board.to_dict("records")
    timed = any(math.isfinite(row["s_per_mp"]) for row in rows)
    metrics = metrics_in(board.columns)
    heads = _heads(metrics, state.baseline or None, timed)
    columns = {
        metric.key: _metric_column(rows, metric.key, metric.stem, metric.higher_is_better)
        for metric in metrics
    }
    lines = []
    for place, row in enumerate(rows):
        cells = [cell for metric in metrics for cell in columns[metric.key][place]]
        if state.baseline:
            cells += _paired(row)
        cells += _facts(row, timed)
        worst = state.model_copy(
            update={"view": "pictures", "method": str(row["method"]), "which": "worst",
                    "right": str(row["method"]), "pair": None}
        )  # fmt: skip
        values = {"method": row["title"]}
        values |= {head.key: cell.value for head, cell in zip(heads[1:], cells, strict=True)}
        lines.append(
            {
                "values": values,
                "title": row["title"],
                "id": str(row["method"]),
                "is_own": row["kind"] == "weights",
                "link": f"?{worst.query()}",
                "cells": list(zip(heads[1:], cells, strict=True)),
            }
        )
    titles = {head.group: GROUPS.get(head.group, head.title) for head in heads[1:]}
    default = [name for name in titles if name not in GROUPS]
    chosen = [name for name in state.columns.split(",") if name in titles]
    by = state.sort.removeprefix("-")
    if by in {head.key for head in heads}:
        lines = _sorted(lines, by, is_down=state.sort.startswith("-"))
    return TEMPLATES.render(
        "board",
        heads=heads,
        lines=lines,
        groups=titles,
        shown=chosen if state.columns else default,
        default=",".join(default),
        sort=state.sort,
        baseline=state.baseline,
        pictures=int(board.pictures.iloc[0]) if len(board) else 0,
        protocol=state.protocol or run.protocol,
    )


def _sorted(lines: list[dict[str, Any]], by: str, is_down: bool) -> list[dict[str, Any]]:
    """Order rows by a column as the page's script does; empty cells stay last."""
    known = [line for line in lines if line["values"].get(by) is not None]
    known.sort(
        key=lambda line: line["values"][by].lower() if by == "method" else line["values"][by],
        reverse=is_down,
    )
    return known + [line for line in lines if line["values"].get(by) is None]


def _heads(metrics: Sequence[Metric], baseline: str | None, timed: bool) -> list[Head]:
    heads = [Head("method", "Method")]
    for metric in metrics:
        heads.append(Head(metric.key, metric.label))
        heads.append(Head(f"{metric.key}-median", f"{metric.title}, median", "medians"))
    if baseline:
        heads += [Head("difference", "Difference (dB)"), Head("p", "p", "p"), Head("wins", "Wins")]
        heads += [
            Head(f"{metric.key}-difference", f"{metric.title} difference", "differences")
            for metric in other_metrics()
        ]
    return [
        *heads,
        *([Head("s", "s/MP")] if timed else []),
        Head("parameters", "Parameters"),
        Head("gmac", "GMAC/MP", "cost"),
        Head("memory", "Memory (MB)", "cost"),
        Head("scored", "Scored", "scored"),
    ]


def _metric_column(
    rows: list[dict[str, Any]], key: str, stem: str, higher_is_better: bool
) -> list[tuple[BoardCell, BoardCell]]:
    """Mean with its interval, and median, of every method."""
    metric = get_metric(key)
    ends = [row[f"{stem}_{end}"] for row in rows for end in ("low", "high")]
    ends = [end for end in ends if math.isfinite(end)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 0.0)
    means = [row[key] for row in rows if math.isfinite(row[key])]
    best = (max if higher_is_better else min)(means, default=math.nan)

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 1)

    found = []
    for row in rows:
        mean, ends_of = row[key], (row[f"{stem}_low"], row[f"{stem}_high"])
        known = math.isfinite(mean)
        span = f"{metric.number(ends_of[0])} – {metric.number(ends_of[1])}" if known else ""
        bar = (
            (place(ends_of[0]), 100 - place(ends_of[1]), place(mean))
            if known and high > low
            else None
        )
        median = row[f"{stem}_median"]
        found.append(
            (
                BoardCell(_plain(mean), metric.number(mean), span, "", known and mean == best, bar),
                BoardCell(_plain(median), metric.number(median)),
            )
        )
    return found


def _paired(row: dict[str, Any]) -> list[BoardCell]:
    """Differences from the baseline with intervals and verdicts, p, and wins."""
    known = math.isfinite(row["difference_db"])
    p_value, wins = row["p_holm"], 100 * row["win_rate"]
    return [
        _difference(RANKING, row, row["difference_db"], "difference", "verdict"),
        BoardCell(_plain(p_value), p_text(p_value)),
        BoardCell(_plain(wins), f"{wins:.0f} %") if known else BoardCell(None, kit.DASH),
        *(
            _difference(metric, row, row[f"{stem}_difference"], f"{stem}_difference",
                        f"{stem}_verdict")
            for metric, stem in ((metric, metric.stem) for metric in other_metrics())
        ),
    ]  # fmt: skip


def _difference(
    metric: Metric, row: dict[str, Any], value: float, ends: str, verdict: str
) -> BoardCell:
    """Difference of a metric, with the interval of the columns `ends` and a verdict."""
    if not math.isfinite(value):
        return BoardCell(None, kit.DASH)
    low, high = (metric.number(row[f"{ends}_{end}"], "+") for end in ("low", "high"))
    chip = UNDECIDED.get(row[verdict], "")
    return BoardCell(float(value), metric.number(value, "+"), f"{low} to {high}", chip)


def _facts(row: dict[str, Any], timed: bool) -> list[BoardCell]:
    """Time (where any method has one), parameters, and number of scored pictures."""
    seconds = row["s_per_mp"]
    text = "< 0.001" if 0 < seconds < 0.001 else kit.number(seconds, 3)
    count = (
        None
        if row["parameters"] is None or row["parameters"] != row["parameters"]
        else int(row["parameters"])
    )
    failed = f"{row['failed']} failed" if row["failed"] else ""
    time = BoardCell(_plain(seconds), text, _timing(row))
    return [
        *([time] if timed else []),
        BoardCell(count, parameters(count)),
        BoardCell(_plain(row["gmac_per_mp"]), kit.number(row["gmac_per_mp"], 1)),
        BoardCell(_plain(row["peak_mb"]), kit.number(row["peak_mb"], 0), timed_with(row)),
        BoardCell(row["count"], str(row["count"]), failed),
    ]


def _timing(row: dict[str, Any]) -> str:
    """Range of the repeats, and the run that a time is from."""
    words = []
    if math.isfinite(row["s_per_mp_low"]):
        low, high = (kit.number(row[f"s_per_mp_{end}"], 3) for end in ("low", "high"))
        words.append(f"{low} – {high}, {row['repeats']} repeats")
    if row["timed_in"]:
        words.append(f"from {row['timed_in']}")
    return " · ".join(words)


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def ends_strip(
    most: Sequence[Thumbnail],
    least: Sequence[Thumbnail],
    state: ViewState,
    method: str,
    against: str,
) -> Markup:
    """Pictures with the largest and the smallest gain; each opens its pictures.

    Args:
        most: Thumbnails with the largest gains of `method` over `against`, largest first.
        least: Thumbnails with the smallest gains, smallest first.
        state: State of the view.
        method: Id of the method.
        against: Id of the method that `method` is compared with.
    """
    if not most:
        return Markup("")

    def shown(one: Thumbnail) -> dict[str, str]:
        link = state.model_copy(
            update={"view": "pictures", "pair": one.pair, "which": "disagree", "method": method,
                    "other": against}
        )  # fmt: skip
        return {
            "pair": one.pair,
            "gain": RANKING.text(one.score, "+"),
            "jpeg": base64.b64encode(one.image).decode() if one.image else "",
            "link": f"?{link.query()}",
        }

    return TEMPLATES.render(
        "ends",
        ends=[
            ("Largest gains", list(map(shown, most))),
            ("Smallest gains", list(map(shown, least))),
        ],
        method=method,
        against=against,
        has_pictures=any(one.image for one in (*most, *least)),
    )
