"""Perception against distortion of the methods of a run (Blau and Michaeli, CVPR 2018).

Their perception is a distance between distributions of pictures, of which few test pictures tell
nothing. Here the upright axis is a perceptual metric of single pictures (FLIP, SSIMULACRA 2.1), as
in papers that put LPIPS there.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mirnet.metrics.protocols import shown_metrics
from mirnet.metrics.registry import SSIMULACRA2, Metric, get_metric, metrics_in

from .leaderboards import pareto_front
from .plot_style import (
    blank_figure,
    empty_figure,
    front_line,
    hover_text,
    interval_bar,
    method_point,
    plain_text,
)
from .score_tables import RANKING

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

NO_PERCEPTUAL = (
    "This run has no perceptual metric: score it under the protocol perceptual as well<br>"
    "(--protocol perceptual) to see perception against distortion."
)
"""Words in place of the plot."""
MARGIN = 0.08
"""Room around the points, as a share of what they span."""


def protocols_with_both(names: Sequence[str]) -> Iterator[str]:
    """Those protocols that compute a perceptual metric, by name with version."""
    for name in names:
        if any(metric.perceptual for metric in shown_metrics(name)):
            yield name


def axes(board: "pd.DataFrame", metric: str = RANKING.key) -> tuple[Metric, Metric] | None:
    """Choose the metric of each axis.

    Args:
        board: Result of `leaderboard`.
        metric: Key of a metric to have on its axis, perceptual or not.

    Returns:
        The metric of distortion, PSNR unless another is asked for, and the perceptual one,
        SSIMULACRA 2.1 before others; None where the board lacks one of them.
    """
    known = [one for one in metrics_in(board.columns) if np.isfinite(board[one.key]).any()]
    wanted = get_metric(metric)
    upright = [one for one in known if one.perceptual]
    upright.sort(key=lambda one: (one.key != wanted.key, one.key != SSIMULACRA2.key))
    across = [one for one in known if not one.perceptual]
    across.sort(key=lambda one: (one.key != wanted.key, one.key != RANKING.key))
    return (across[0], upright[0]) if across and upright else None


def perception_distortion(board: "pd.DataFrame", metric: str = RANKING.key) -> "pd.DataFrame":
    """Take the means of a distortion and a perceptual metric from a leaderboard.

    Returns:
        A row for each method with both: `method`, `protocol`, `distortion` and `perception` (keys
        of the metrics), `x`, `x_low`, `x_high`, `y`, `y_low`, `y_high` (means and 95 % intervals)
        and `front`: whether no method is beaten in both. Empty where the board lacks a metric.
    """
    import pandas as pd

    found = axes(board, metric)
    if found is None:
        return pd.DataFrame({"method": board.method[:0]})
    known = board[np.isfinite(board[[one.key for one in found]]).all(axis=1)]
    table = known[["method", "protocol"]].copy()
    for axis, name, one in zip("xy", ("distortion", "perception"), found, strict=True):
        table[name] = one.key
        table[axis] = known[one.key]
        table[f"{axis}_low"], table[f"{axis}_high"] = (
            known[f"{one.stem}_low"],
            known[f"{one.stem}_high"],
        )
    cost, gain = (
        np.array([one.gain(value, 0.0) for value in table[axis]])
        for axis, one in zip("xy", found, strict=True)
    )
    table["front"] = pareto_front(-cost, gain)
    return table.reset_index(drop=True)


def perception_plot(table: "pd.DataFrame") -> "go.Figure":
    """Draw a square plot in which better is up and to the right, whatever way a metric runs.

    Args:
        table: Result of `perception_distortion`.
    """
    if table.empty:
        return empty_figure(NO_PERCEPTUAL)
    across, upright = (get_metric(table[name].iloc[0]) for name in ("distortion", "perception"))
    figure = blank_figure(f"Perception against distortion, {plain_text(table.protocol.iloc[0])}")
    front = table[table.front].sort_values("x")
    figure.add_trace(front_line(front.x, front.y, front.method, "not beaten in both"))
    for code, row in zip(table.method.cat.codes, table.to_dict("records"), strict=True):
        figure.add_trace(
            method_point(
                row["method"],
                code,
                row["x"],
                row["y"],
                hover_text(across.key, "x") + hover_text(upright.key, "y"),
                error_x=interval_bar(row["x"], row["x_low"], row["x_high"]),
                error_y=interval_bar(row["y"], row["y_low"], row["y_high"]),
            )
        )
    ranges = [_range(table, axis, one) for axis, one in zip("xy", (across, upright), strict=True)]
    spans = [abs(high - low) for low, high in ranges]
    figure.update_xaxes(
        title=_axis_title("Distortion", across), range=ranges[0], constrain="domain"
    )
    figure.update_yaxes(
        title=_axis_title("Perception", upright),
        range=ranges[1],
        constrain="domain",
        scaleanchor="x",
        scaleratio=spans[0] / spans[1],
    )
    return figure.update_layout(height=520)


def _axis_title(kind: str, metric: Metric) -> str:
    return f"{kind}: {metric.label}, {metric.better} is better"


def _range(table: "pd.DataFrame", axis: str, metric: Metric) -> list[float]:
    """Ends of an axis: all intervals and some room; from worse to better."""
    values = table[[axis, f"{axis}_low", f"{axis}_high"]].to_numpy(float)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = MARGIN * (high - low) or 10.0**-metric.decimals
    ends = [low - room, high + room]
    return ends if metric.higher_is_better else ends[::-1]
