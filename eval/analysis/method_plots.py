"""Figures in which a point is a method: quality against time, and the published numbers.

They are drawn from the tables of `leaderboards` and `published`; nothing is computed here.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from mirnet.metrics.registry import get_metric

from .plot_style import (
    COLOURS,
    GREY,
    MAX_TICK,
    blank_figure,
    empty_figure,
    hover_text,
    marker,
    plain_text,
    wrapped_text,
)
from .score_tables import RANKING

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

SECONDS = [float(f"{digit}e{power}") for power in range(-5, 5) for digit in (1, 2, 5)]
"""Ticks of the time axis, in seconds."""


def quality_speed(board: "pd.DataFrame", metric: str = RANKING.key) -> "go.Figure":
    """Mean score with its interval against time, and the Pareto front of PSNR drawn through it.

    Args:
        board: Result of `leaderboard`.
        metric: Score to show; the front is drawn for PSNR only, of which `pareto` speaks.
    """
    import plotly.graph_objects as go

    stem = get_metric(metric).stem
    known = board[np.isfinite(board[metric]) & (board.s_per_mp > 0)]
    if known.empty:
        return empty_figure("No method has been timed yet.")
    figure = blank_figure("Quality against time")
    front = known[known.pareto].sort_values("s_per_mp")
    if metric == RANKING.key:
        figure.add_trace(
            go.Scatter(
                x=front.s_per_mp,
                y=front[metric],
                mode="lines",
                name="Pareto front",
                line={"color": GREY, "width": 2, "dash": "dot", "shape": "hv"},
                customdata=[["", method] for method in front.method],
                hoverinfo="skip",
            )
        )
    for code, row in zip(known.method.cat.codes, known.to_dict("records"), strict=True):
        figure.add_trace(
            go.Scatter(
                x=[row["s_per_mp"]],
                y=[row[metric]],
                error_y={
                    "array": [row[f"{stem}_high"] - row[metric]],
                    "arrayminus": [row[metric] - row[f"{stem}_low"]],
                    "thickness": 1.5,
                },
                mode="markers",
                name=plain_text(row["method"]),
                marker=marker(code, 12),
                customdata=[["", row["method"]]],
                hovertemplate=f"{plain_text(row['method'])}<br>{hover_text(metric)}"
                f"%{{x:.3g}} s per megapixel{_timed_in(row)}<extra></extra>",
            )
        )
    figure.update_xaxes(
        title="Seconds per megapixel",
        type="log",
        tickvals=SECONDS,
        ticktext=[f"{seconds:g}" for seconds in SECONDS],
    )
    figure.update_yaxes(title=f"Mean {get_metric(metric).axis_label}, 95 % interval")
    return figure


def _timed_in(row: dict[str, Any]) -> str:
    return f"<br>timed in {plain_text(row['timed_in'])}" if row["timed_in"] else ""


def published(beside: "pd.DataFrame", board: "pd.DataFrame") -> "go.Figure":
    """Published numbers and, apart from them, those measured here, each with its protocol.

    Args:
        beside: Result of `published.published_beside`.
        board: Result of `leaderboard` for the same run.
    """
    import plotly.graph_objects as go

    rows = beside[beside.psnr_db.notna()].sort_values("psnr_db", ignore_index=True)
    measured = board[np.isfinite(board.psnr_db)].sort_values("psnr_db", ignore_index=True)
    if rows.empty:
        return empty_figure("No published numbers are known for these pictures.")
    figure = blank_figure(f"Published on {plain_text(rows.dataset.iloc[0])}, and measured here")
    for verified, name, colour, symbol in (
        (False, "published, own protocol, unverified", GREY, "circle-open"),
        (True, "published, own protocol, read in text", COLOURS[3], "circle"),
    ):
        part = rows[rows.verified == verified]
        figure.add_trace(
            go.Scatter(
                x=part.psnr_db,
                y=part.index,
                mode="markers",
                name=name,
                marker={"color": colour, "symbol": symbol, "size": 9},
                customdata=[["", method] for method in part.method],
                text=[
                    f"{plain_text(row.method)}<br>{wrapped_text(row.protocol)}<br>{wrapped_text(row.source)}"
                    f"<br>{row.evidence}"
                    for row in part.itertuples()
                ],
                hovertemplate="%{x:.2f} dB, published<br>%{text}<extra></extra>",
            )
        )
    protocol, pictures = board.protocol.iloc[0], rows.measured_pictures.iloc[0]
    figure.add_trace(
        go.Scatter(
            x=measured.psnr_db,
            y=measured.index + len(rows) + 1,
            error_x={
                "array": measured.psnr_high - measured.psnr_db,
                "arrayminus": measured.psnr_db - measured.psnr_low,
                "thickness": 1.5,
            },
            mode="markers",
            name=f"measured here, {plain_text(protocol)}, {plain_text(pictures)}",
            marker={"color": COLOURS[0], "symbol": "diamond", "size": 10},
            customdata=[["", method] for method in measured.method],
            hovertemplate="%{customdata[1]}<br>%{x:.2f} dB, measured<extra></extra>",
        )
    )
    names = [*rows.method, "", *measured.method]
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[plain_text(name, MAX_TICK) for name in names],
        range=[-0.8, len(names) - 0.2],
        showgrid=False,
    )
    figure.update_xaxes(title=RANKING.axis_label)
    figure.update_layout(height=230 + 20 * len(names))
    return figure
