"""HTML of the parts of a run's report below its pictures, and the list that leads to all parts."""

import math
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from eval.analysis.leaderboards import HOW_TESTED
from eval.analysis.score_tables import RANKING
from eval.app.page_files import TEMPLATES
from eval.app.view_state import ViewState
from eval.reports.board_text import p_text
from eval.reports.repeat import repeat_commands
from eval.runs.document import Run
from mirnet.app.kit import html as kit
from mirnet.metrics.registry import METRICS
from mirnet.number_format import counted

from .board import methods_table

if TYPE_CHECKING:
    import pandas as pd

PARTS = {
    "board": "Board",
    "plots": "Plots",
    "ends": "Pictures",
    "statistics": "Statistics",
    "published": "Published",
    "cost": "Cost",
    "repeat": "Repeat",
}
"""Titles of the parts of a report in the list that leads to them, by their places."""
MORE_VIEWS = {
    "plots": "All plots",
    "slices": "Slices",
    "pictures": "All pictures",
    "votes": "Votes",
}
"""Titles of the views that show more of the run."""


def report_nav(state: ViewState, absent: set[str]) -> Markup:
    """List of links to the parts of the report and to the views with more of the run.

    Args:
        state: State of the view.
        absent: Keys of `PARTS` that the run has no data for.
    """
    parts = {name: title for name, title in PARTS.items() if name not in absent}
    views = {
        title: state.model_copy(update={"view": name, "pair": None}).query()
        for name, title in MORE_VIEWS.items()
    }
    return TEMPLATES.render("report_nav", parts=parts, views=views)


def part_heading(part: str, words: str) -> Markup:
    """Heading that the list of parts leads to."""
    return TEMPLATES.render("part_heading", part=part, words=words)


def statistics_section(board: "pd.DataFrame", baseline: str | None) -> Markup:
    """Paired comparison of every method with the baseline, score by score.

    Args:
        board: Result of `eval.analysis.leaderboards.leaderboard`.
        baseline: Id of the method that all others are paired with.
    """
    title = part_heading("statistics", "Statistics")
    if baseline is None:
        return title + kit.note("Choose a method under “Compare with” to test the others against.")
    rows = []
    others = [row for row in board.to_dict("records") if row["method"] != baseline]
    for row in others:
        name = row["method"]
        for metric in METRICS.values():
            is_ranking = metric.key == RANKING.key
            stem = "" if is_ranking else f"{metric.stem}_"
            value = row["difference_db" if is_ranking else f"{stem}difference"]
            if not math.isfinite(value):
                continue
            ends = [metric.number(row[f"{stem}difference_{end}"], "+") for end in ("low", "high")]
            rows.append(
                [
                    name,
                    metric.label,
                    row[f"{stem}verdict"],
                    metric.number(value, "+"),
                    " to ".join(ends),
                    p_text(row[f"{stem}p_holm"]),
                    kit.number(row["effect"], 2, "+") if is_ranking else "",
                    f"{100 * row['win_rate']:.0f} %" if is_ranking else "",
                ]
            )
            name = ""  # once, in the method's first line
    if not rows:
        return title + kit.note("No picture has a score of two methods.")
    heads = [
        "Method", "Score", "Verdict", f"Difference from {baseline}", "95 % interval", "p (Holm)",
        "Effect", "Wins",
    ]  # fmt: skip
    how = "Effect: rank-biserial correlation, -1 to 1. Wins: share of pictures, ties count half."
    return (
        title
        + kit.table(heads, rows, text_columns=3, label="Statistics")
        + kit.note(f"{HOW_TESTED} {how}")
    )


def cost_section(costs: "pd.DataFrame", board: "pd.DataFrame", run: Run) -> Markup:
    """Time, memory and parameters of every method, and the machine that they were measured on.

    Args:
        costs: Result of `eval.analysis.costs.costs`.
        board: Result of `eval.analysis.leaderboards.leaderboard`, whose order the rows take.
        run: Header of the run.
    """
    by_method = {str(row["method"]): row for row in costs.to_dict("records")}
    counts = {method.id: method.parameters for method in run.methods}
    rows = [_cost_row(name, by_method[name], counts[name]) for name in map(str, board.method)]
    heads = [
        "Method", "Seconds per megapixel", "Total time", "Megapixels", "Tiles", "Peak memory",
        "Parameters", "From earlier runs",
    ]  # fmt: skip
    title = part_heading("cost", "Cost")
    table = kit.table(*kit.without_empty_columns(heads, rows), label="Cost")
    if not costs.seconds.gt(0).any():
        return title + table + kit.note("Times were not kept of this run.")
    where = run.environment
    threads = counted(where.threads, "thread")
    return title + table + kit.note(f"Measured on {where.machine}, {where.device}, {threads}.")


def _cost_row(name: str, row: dict[str, Any], parameters: int | None) -> list[str]:
    def known(value: float, text: str) -> str:
        return text if value == value else kit.DASH

    return [
        name,
        known(row["s_per_mp"], kit.number(row["s_per_mp"], 3)),
        known(row["seconds"], kit.duration(row["seconds"]) if row["seconds"] > 0 else kit.DASH),
        known(row["megapixels"], kit.number(row["megapixels"], 1)),
        known(row["tiles"], f"{row['tiles']:.0f}"),
        known(row["peak_mb"], f"{row['peak_mb']:,.0f} MB"),
        kit.DASH if parameters is None else f"{parameters:,}",
        f"{int(row['cached'])} of {int(row['results'])}" if row["cached"] > 0 else kit.DASH,
    ]


def repeat_section(run: Run) -> Markup:
    """Commands that check and repeat the run, and what every method was run with."""
    title = part_heading("repeat", "Repeat")
    commands = TEMPLATES.render("commands", commands=repeat_commands(run))
    return title + commands + methods_table(run)
