"""Checkpoint curves: the score of weights that a training kept, against their training step."""

from typing import TYPE_CHECKING

import numpy as np

from eval.runs.document import Run
from mirnet.metrics.registry import get_metric

from .plot_style import (
    GREY,
    MAX_TICK,
    blank_figure,
    colour,
    empty_figure,
    hover_text,
    interval_bar,
    marker,
    note_thinning,
    plain_text,
)

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

COLUMNS = ("series", "method", "step", "score", "low", "high")
"""Columns of `training_curve`."""


def has_steps(run: Run) -> bool:
    """Whether the weights of some method say the training step that they were kept at."""
    return any(method.training_step is not None for method in run.methods)


def training_curve(run: Run, board: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """Mean scores of the methods whose weights say their training step.

    Args:
        board: Result of `leaderboards.leaderboard`.

    Returns:
        A row for each such method that has a score, by series and step: `series` (the method's id
        without its step), `method`, `step`, the mean `score`, and its interval `low` and `high`.
    """
    import pandas as pd

    steps = {method.id: method.training_step for method in run.methods}
    stem = get_metric(metric).stem
    rows = []
    for row in board.to_dict("records"):
        step = steps.get(str(row["method"]))
        if step is None or not np.isfinite(row[metric]):
            continue
        series = str(row["method"]).removesuffix(f"-{step}")
        ends = row[f"{stem}_low"], row[f"{stem}_high"]
        rows.append((series, str(row["method"]), step, row[metric], *ends))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["series", "step"], kind="stable", ignore_index=True)


def training_plot(
    table: "pd.DataFrame", run: Run, board: "pd.DataFrame", metric: str
) -> "go.Figure":
    """Draw checkpoint curves with intervals; other methods are dashed lines of their means.

    Args:
        table: Result of `training_curve`.
        board: Result of `leaderboards.leaderboard`.
    """
    import plotly.graph_objects as go

    shown = get_metric(metric)
    if table.empty:
        return empty_figure(
            "No weights of this run say their training step."
            if not has_steps(run)
            else f"No weights have a {shown.title} yet."
        )
    figure = blank_figure("Score by training step")
    for number, (series, part) in enumerate(table.groupby("series", sort=False)):
        figure.add_trace(
            go.Scatter(
                x=part.step,
                y=part.score,
                error_y=interval_bar(part.score, part.low, part.high),
                mode="lines+markers",
                name=plain_text(series),
                line={"color": colour(number), "width": 1.5},
                marker=marker(number, 9),
                customdata=[["", method] for method in part.method],
                hovertemplate=f"{plain_text(series)}<br>step %{{x:,}}<br>{hover_text(metric)}"
                "<extra></extra>",
            )
        )
    others = board[~board.method.astype(str).isin(table.method) & np.isfinite(board[metric])]
    for row in others.to_dict("records"):
        figure.add_hline(
            y=row[metric],
            line={"color": GREY, "dash": "dash", "width": 1},
            annotation={"text": plain_text(row["method"], MAX_TICK), "font": {"size": 11}},
        )
    note_thinning(figure, False, "95 % intervals over the pictures")
    figure.update_xaxes(title="Training step")
    return figure.update_yaxes(title=f"Mean {shown.axis_label}").update_layout(showlegend=True)
