"""Plots in which a point is a method: quality against time, and the published numbers.

They are drawn from the tables of `leaderboards` and `published`; nothing is computed here.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from mirnet.metrics.registry import get_metric

from .leaderboards import timed_with
from .plot_style import (
    COLOURS,
    GREY,
    MAX_TICK,
    blank_figure,
    empty_figure,
    front_line,
    hover_text,
    interval_bar,
    method_point,
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
    stem = get_metric(metric).stem
    known = board[np.isfinite(board[metric]) & (board.s_per_mp > 0)]
    if known.empty:
        return empty_figure("No method has been timed yet.")
    figure = blank_figure("Quality against time")
    front = known[known.pareto].sort_values("s_per_mp")
    if metric == RANKING.key:
        figure.add_trace(
            front_line(front.s_per_mp, front[metric], front.method, "Pareto front", shape="hv")
        )
    for code, row in zip(known.method.cat.codes, known.to_dict("records"), strict=True):
        figure.add_trace(
            method_point(
                row["method"],
                code,
                row["s_per_mp"],
                row[metric],
                f"{hover_text(metric)}%{{x:.3g}} s per megapixel{_timed_in(row)}{_conditions(row)}",
                error_x=_repeats(row),
                error_y=interval_bar(row[metric], row[f"{stem}_low"], row[f"{stem}_high"]),
            )
        )
    figure.update_xaxes(
        title=_time_title(known),
        type="log",
        tickvals=SECONDS,
        ticktext=[f"{seconds:g}" for seconds in SECONDS],
    )
    figure.update_yaxes(title=f"Mean {get_metric(metric).axis_label}, 95 % interval")
    return figure


def _repeats(row: dict[str, Any]) -> dict[str, Any] | None:
    """Bar from the quickest to the slowest repeat; None where timed once."""
    if not np.isfinite(row["s_per_mp_low"]):
        return None
    return interval_bar(row["s_per_mp"], row["s_per_mp_low"], row["s_per_mp_high"])


def _time_title(board: "pd.DataFrame") -> str:
    repeats = int(board.repeats.min())
    if repeats < 2:
        return "Seconds per megapixel"
    return f"Seconds per megapixel: median, quickest and slowest of {repeats}"


def _conditions(row: dict[str, Any]) -> str:
    """Line of a label: device, threads and engine that a time was measured with, and memory."""
    memory = f"{row['peak_mb']:.0f} MB" if np.isfinite(row["peak_mb"]) else ""
    known = ", ".join(word for word in (timed_with(row), memory) if word)
    return f"<br>{plain_text(known)}" if known else ""


def _timed_in(row: dict[str, Any]) -> str:
    return f"<br>timed in {plain_text(row['timed_in'])}" if row["timed_in"] else ""


PUBLISHED_STYLES: dict[str, tuple[str, str, str]] = {
    "primary": ("published, primary source", COLOURS[3], "circle"),
    "restated-by-paper": ("published, restated by a paper", COLOURS[3], "circle-open"),
    "restated-by-readme": ("published, restated by a README", COLOURS[3], "square-open"),
    "user-rerun": ("re-run by a user", COLOURS[2], "x"),
    "unverified": ("unverified", GREY, "circle-open"),
}
"""Name, colour and symbol of published points by kind of source."""


def published(
    beside: "pd.DataFrame",
    board: "pd.DataFrame",
    unverified: bool = False,
    metric: str = RANKING.key,
) -> "go.Figure":
    """Published numbers and, apart from them, those measured here, each with its protocol.

    Args:
        beside: Result of `published.published_beside`.
        board: Result of `leaderboard` for the same run.
        unverified: Whether numbers that nobody has read in text are drawn too, in grey.
    """
    import plotly.graph_objects as go

    shown = get_metric(metric)
    known = beside[beside[metric].notna()] if metric in beside else beside.iloc[:0]
    rows = known[known.verified | unverified]
    rows = rows.sort_values(["setting", metric], ignore_index=True)
    measured = board[np.isfinite(board[metric])].sort_values(metric, ignore_index=True)
    if rows.empty:
        return empty_figure(
            f"No published {shown.title} is known for these pictures."
            if known.empty
            else "All published numbers for these pictures are unverified: tick to see them."
        )
    figure = blank_figure(f"Published on {plain_text(rows.dataset.iloc[0])}, and measured here")
    rows["place"], names = _places(rows)
    for kind, (name, colour, symbol) in PUBLISHED_STYLES.items():
        part = rows[rows.source_kind == kind]
        if part.empty:
            continue
        figure.add_trace(
            go.Scatter(
                x=part[metric],
                y=part.place,
                mode="markers",
                name=name,
                marker={"color": colour, "symbol": symbol, "size": 9},
                customdata=[["", method] for method in part.method],
                text=[
                    f"{plain_text(row.method)}<br>{wrapped_text(row.protocol)}<br>{wrapped_text(row.source)}"
                    f"<br>{row.evidence}"
                    for row in part.itertuples()
                ],
                hovertemplate=f"{hover_text(metric, 'x')}published<br>%{{text}}<extra></extra>",
            )
        )
    protocol, pictures = board.protocol.iloc[0], rows.measured_pictures.iloc[0]
    figure.add_trace(
        go.Scatter(
            x=measured[metric],
            y=measured.index + len(names) + 1,
            error_x=interval_bar(
                measured[metric], measured[f"{shown.stem}_low"], measured[f"{shown.stem}_high"]
            ),
            mode="markers",
            name=f"measured here, {plain_text(protocol)}, {plain_text(pictures)}",
            marker={"color": COLOURS[0], "symbol": "diamond", "size": 10},
            customdata=[["", method] for method in measured.method],
            hovertext=[plain_text(method) for method in measured.method],
            hovertemplate=f"%{{hovertext}}<br>{hover_text(metric, 'x')}measured<extra></extra>",
        )
    )
    own = [plain_text(name, MAX_TICK) for name in measured.method]
    ticks = [*names, "", *own, "<b>measured here</b>"]
    figure.update_yaxes(
        tickvals=list(range(len(ticks))),
        ticktext=ticks,
        range=[-0.8, len(ticks) - 0.2],
        showgrid=False,
    )
    figure.update_xaxes(title=shown.axis_label)
    figure.update_layout(height=230 + 20 * len(ticks))
    return figure


def _places(rows: "pd.DataFrame") -> tuple[list[int], list[str]]:
    """Place of each row on the axis of names, and its labels: settings in bold above their rows.

    Args:
        rows: Published numbers, sorted by setting; the axis points upward.
    """
    places: list[int] = []
    labels: list[str] = []
    for setting, part in rows.groupby("setting", sort=False):
        places += range(len(labels), len(labels) + len(part))
        labels += [plain_text(method, MAX_TICK) for method in part.method]
        labels.append(f"<b>{plain_text(str(setting), MAX_TICK)}</b>")
    return places, labels
