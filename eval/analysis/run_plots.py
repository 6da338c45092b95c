"""Plot of several runs against a baseline run."""

from typing import TYPE_CHECKING

import numpy as np

from eval.runs.document import Run
from mirnet.metrics.registry import get_metric

from .plot_style import (
    GREY,
    MAX_TICK,
    blank_figure,
    empty_figure,
    hover_text,
    interval_bar,
    marker,
    note_thinning,
    plain_text,
)
from .run_comparison import RunComparison

if TYPE_CHECKING:
    import plotly.graph_objects as go

ROW_PX = 22
"""Height of one interval, in pixels."""
LEGEND_PX = 20
"""Height of one name of the legend, in pixels."""


def gains_of_runs(found: RunComparison, metric: str) -> "go.Figure":
    """Draw the mean change of each run from the baseline run, with its interval."""
    import plotly.graph_objects as go

    shown = get_metric(metric)
    table = found.summary[found.summary.metric == metric]
    table = table[np.isfinite(table.change)]
    if table.empty:
        return empty_figure(f"No method has a {shown.title} in several of these runs.")
    others = [run for run in found.runs[1:] if run.id in set(table.run)]
    place = {run.id: len(others) - 1 - number for number, run in enumerate(others)}
    names = [method for method in found.methods if method in set(table.method)]
    step = 0.8 / len(names)
    figure = blank_figure("Gain over the baseline run")
    for number, method in enumerate(names):
        part = table[table.method == method]
        shift = 0.4 - step * (number + 0.5)
        figure.add_trace(
            go.Scatter(
                x=part.change,
                y=[place[run] + shift for run in part.run],
                error_x=interval_bar(part.change, part.low, part.high),
                mode="markers",
                name=plain_text(method),
                marker=marker(_code(found.baseline, method), 9),
                text=[plain_text(run) for run in part.run],
                hovertemplate=f"%{{text}}<br>{plain_text(method)}<br>"
                f"{hover_text(metric, 'x', signed=True)}<extra></extra>",
            )
        )
    figure.add_vline(x=0, line={"color": GREY, "dash": "dash", "width": 1})
    figure.update_yaxes(
        tickvals=[place[run.id] for run in others],
        ticktext=[
            f"{plain_text(run.name, MAX_TICK)}<br>{run.created:%Y-%m-%d %H:%M}" for run in others
        ],
        range=[-0.6, len(others) - 0.4],
        showgrid=False,
    )
    better = "right" if shown.higher_is_better else "left"
    note_thinning(figure, False, f"95 % intervals; {better} is better")
    figure.update_xaxes(title=f"Change in {shown.label}")
    # A phone lists the methods below each other under the plot.
    height = 150 + max(ROW_PX * len(names), 2 * ROW_PX) * len(others) + LEGEND_PX * len(names)
    return figure.update_layout(height=max(height, 260), showlegend=True)


def _code(run: Run, method: str) -> int:
    """Place of a method in a run, which decides its colour and symbol."""
    return [entry.id for entry in run.methods].index(method)
