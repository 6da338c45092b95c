"""Checkpoint curves: the score of weights that a training kept, against their training step."""

from collections.abc import Sequence
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
from .run_comparison import run_label

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


def curves_of_runs(runs: Sequence[tuple[Run, "pd.DataFrame"]], metric: str) -> "pd.DataFrame":
    """Checkpoint curves of several runs.

    Args:
        runs: Header and leaderboard of each run, as `training_curve` takes them.
        metric: Key of the metric.

    Returns:
        The rows of `training_curve` of all runs, with the id of the `run` in front; a series that
        several runs have is named with its run.
    """
    import pandas as pd

    parts = []
    for run, board in runs:
        part = training_curve(run, board, metric)
        part.insert(0, "run", run.id)
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    labels = {run.id: run_label(run) for run, _ in runs}
    shared = table.groupby("series").run.transform("nunique") > 1
    named = table.series + " · " + table.run.map(labels)
    return table.assign(series=table.series.where(~shared, named))


def curves_plot(table: "pd.DataFrame", metric: str) -> "go.Figure":
    """Draw the checkpoint curves of several runs with their intervals.

    Args:
        table: Result of `curves_of_runs`, with at least one row.
        metric: Key of the metric.
    """
    figure = blank_figure("Score by training step, all runs")
    for number, (series, part) in enumerate(table.groupby("series", sort=False)):
        _add_curve(figure, part, str(series), number, metric)
    return _finished(figure, metric)


def training_plot(
    table: "pd.DataFrame", run: Run, board: "pd.DataFrame", metric: str
) -> "go.Figure":
    """Draw checkpoint curves with intervals; other methods are dashed lines of their means.

    Args:
        table: Result of `training_curve`.
        board: Result of `leaderboards.leaderboard`.
    """
    shown = get_metric(metric)
    if table.empty:
        return empty_figure(
            "No weights of this run say their training step."
            if not has_steps(run)
            else f"No weights have a {shown.title} yet."
        )
    figure = blank_figure("Score by training step")
    for number, (series, part) in enumerate(table.groupby("series", sort=False)):
        _add_curve(figure, part, str(series), number, metric)
    others = board[~board.method.astype(str).isin(table.method) & np.isfinite(board[metric])]
    for row in others.to_dict("records"):
        figure.add_hline(
            y=row[metric],
            line={"color": GREY, "dash": "dash", "width": 1},
            annotation={"text": plain_text(row["method"], MAX_TICK), "font": {"size": 11}},
        )
    return _finished(figure, metric)


def _add_curve(
    figure: "go.Figure", part: "pd.DataFrame", name: str, number: int, metric: str
) -> None:
    """Draw one series of checkpoints, in the colour and with the symbol of its number."""
    import plotly.graph_objects as go

    figure.add_trace(
        go.Scatter(
            x=part.step,
            y=part.score,
            error_y=interval_bar(part.score, part.low, part.high),
            mode="lines+markers",
            name=plain_text(name),
            line={"color": colour(number), "width": 1.5},
            marker=marker(number, 9),
            customdata=[["", method] for method in part.method],
            hovertemplate=f"{plain_text(name)}<br>step %{{x:,}}<br>{hover_text(metric)}"
            "<extra></extra>",
        )
    )


def _finished(figure: "go.Figure", metric: str) -> "go.Figure":
    """Name the axes and the intervals of a figure of curves."""
    note_thinning(figure, False, "95 % intervals over the pictures")
    figure.update_xaxes(title="Training step")
    title = f"Mean {get_metric(metric).axis_label}"
    return figure.update_yaxes(title=title).update_layout(showlegend=True)
