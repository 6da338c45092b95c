"""Plots in which a point, bar or step is one picture, from the tables of `score_tables`.

Plots of many pictures show at most `MAX_POINTS` points for each method, evenly spaced in rank
with both ends, and say so; boxes and curves are of all of them. Nothing is computed here.
"""

from typing import TYPE_CHECKING

import numpy as np

from mirnet.metrics.registry import get_metric

from .plot_style import (
    COLOURS,
    GREY,
    MAX_TICK,
    blank_figure,
    broken_text,
    by_method,
    colour,
    custom_data,
    empty_figure,
    hover_text,
    interval_bar,
    method_point,
    note_thinning,
    pair_labels,
    plain_text,
    point_trace,
    square_axes,
    thinned,
)
from .score_tables import RANKING
from .statistics import Summary

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

FEW_BARS = 20
"""Number of bars up to which they stand apart and each is numbered."""


def distribution(
    scores: "pd.DataFrame", quartiles: "pd.DataFrame", metric: str = RANKING.key
) -> "go.Figure":
    """Every picture's score and a box, side by side for each method.

    Args:
        scores: Result of `scores_frame`.
        quartiles: Result of `quartiles` for the same scores.
    """
    import plotly.graph_objects as go

    if quartiles.empty:
        return empty_figure("No scores yet.")
    figure = blank_figure(f"{get_metric(metric).axis_label} of each picture")
    cut = False
    for place, box in enumerate(quartiles.itertuples()):
        code = quartiles.method.cat.codes.iloc[place]
        own = scores[(scores.method == box.method) & np.isfinite(scores[metric])]
        shown = thinned(own, metric)
        cut = cut or len(shown) < len(own)
        figure.add_trace(
            go.Box(
                x=[place],
                q1=[box.q1],
                median=[box.median],
                q3=[box.q3],
                mean=[box.mean],
                lowerfence=[box.low],
                upperfence=[box.high],
                name=plain_text(box.method),
                width=0.32,
                fillcolor="rgba(128, 128, 128, 0.12)",
                line={"color": colour(code), "width": 2},
                customdata=[["", box.method]],
                showlegend=False,
            )
        )
        figure.add_trace(
            method_point(
                box.method,
                code,
                place - 0.26,
                box.mean,
                f"mean {hover_text(metric)}",
                error_y=interval_bar(box.mean, box.mean_low, box.mean_high, 2) | {"width": 5},
                name=f"mean of {plain_text(box.method)}",
                size=10,
            )
        )
        # A fixed sequence that fills the width evenly (golden ratio): the same figure every time.
        spread = (np.arange(len(shown)) * 0.618034) % 1
        figure.add_trace(
            point_trace(
                shown, place + 0.22 + 0.22 * spread, shown[metric], box.method, code, metric, 5
            )
        )
    figure.update_traces(showlegend=False)
    figure.update_xaxes(
        tickvals=list(range(len(quartiles))),
        ticktext=[broken_text(method) for method in quartiles.method],
        range=[-0.4, len(quartiles) - 0.35],
        showgrid=False,
    )
    figure.update_yaxes(title=get_metric(metric).axis_label)
    return note_thinning(figure, cut)


def scatter(paired: "pd.DataFrame", metric: str = RANKING.key) -> "go.Figure":
    """One method's scores against another's, with the diagonal on which both are equal.

    Args:
        paired: Result of `paired_scores`.
    """
    finite = paired[np.isfinite(paired.a) & np.isfinite(paired.b)]
    if finite.empty:
        return empty_figure("No picture has a score of both methods.")
    shown = thinned(finite, "difference")
    a, b = str(finite.method_a.iloc[0]), str(finite.method_b.iloc[0])
    figure = blank_figure(f"{plain_text(b, MAX_TICK)} against {plain_text(a, MAX_TICK)}")
    trace = point_trace(shown, shown.a, shown.b, b, 0, metric, 7)
    trace.update(
        name="a picture", hovertemplate=hover_text(metric, "x", a) + hover_text(metric, "y", b)
    )
    trace.hovertemplate = f"%{{hovertext}}<br>{trace.hovertemplate}<extra></extra>"
    named = {int(shown.difference.argmin()), int(shown.difference.argmax())}
    trace.update(
        mode="markers+text",
        text=[
            plain_text(pair, MAX_TICK) if place in named else ""
            for place, pair in enumerate(shown.pair)
        ],
        textposition="top center",
        textfont={"size": 11},
        cliponaxis=False,
    )
    figure.add_trace(trace)
    square_axes(figure, finite.a, finite.b, diagonal="equal")
    figure.update_xaxes(title=f"{get_metric(metric).axis_label} of {plain_text(a)}")
    figure.update_yaxes(title=f"{get_metric(metric).axis_label} of {plain_text(b)}")
    return note_thinning(figure, len(shown) < len(finite))


def differences(
    paired: "pd.DataFrame", metric: str = RANKING.key, mean: Summary | None = None
) -> "go.Figure":
    """Difference of two methods on each picture, sorted, with the mean and its interval.

    Args:
        paired: Result of `paired_scores`.
        mean: Mean of the differences; None draws none.
    """
    import plotly.graph_objects as go

    finite = paired[np.isfinite(paired.difference)]
    if finite.empty:
        return empty_figure("No picture has a score of both methods.")
    ranked = finite.sort_values("difference", kind="stable", ignore_index=True)
    shown = thinned(ranked, "difference")
    a, b = str(ranked.method_a.iloc[0]), str(ranked.method_b.iloc[0])
    figure = blank_figure(f"{plain_text(b, MAX_TICK)} minus {plain_text(a, MAX_TICK)}")
    label = hover_text(metric, signed=True)
    gain = shown.difference if get_metric(metric).higher_is_better else -shown.difference
    for name, part, fill in (
        (f"{plain_text(b)} is not better", shown[gain <= 0], COLOURS[1]),
        (f"{plain_text(b)} is better", shown[gain > 0], COLOURS[0]),
    ):
        figure.add_trace(
            go.Bar(
                x=part.index + 1,
                y=part.difference,
                name=name,
                marker={"color": fill, "line": {"width": 0}},
                **pair_labels(part.pair, b, label),
            )
        )
    few = len(shown) <= FEW_BARS
    figure.update_layout(bargap=0.15 if few else 0)
    figure.update_xaxes(title="Picture, by difference", showgrid=False)
    if few:
        figure.update_xaxes(
            title="",
            tickvals=list(shown.index + 1),
            ticktext=[plain_text(pair, MAX_TICK) for pair in shown.pair],
        )
    figure.update_yaxes(
        title=f"Difference in {get_metric(metric).axis_label}", zeroline=True, zerolinecolor=GREY
    )
    return note_thinning(figure, len(shown) < len(ranked), _draw_mean(figure, mean, metric))


def _draw_mean(figure: "go.Figure", mean: Summary | None, metric: str) -> str:
    """Draw a mean as a line and its interval as a band; returns both in words."""
    if mean is None or not np.isfinite(mean.mean):
        return ""
    shown = get_metric(metric)
    figure.add_hline(y=mean.mean, line={"color": GREY, "width": 1.5, "dash": "dash"})
    words = f"mean {shown.text(mean.mean, '+')}"
    if np.isfinite(mean.low):
        figure.add_hrect(y0=mean.low, y1=mean.high, fillcolor=GREY, opacity=0.25, line_width=0)
        words += f", 95 % interval {shown.number(mean.low, '+')} to {shown.number(mean.high, '+')}"
    return words


def cumulative(curves: "pd.DataFrame", metric: str = RANKING.key) -> "go.Figure":
    """Share of pictures that reach each score.

    Args:
        curves: Result of `cumulative`.
    """
    import plotly.graph_objects as go

    if curves.empty:
        return empty_figure("No scores yet.")
    figure = blank_figure("Share of pictures that reach a score")
    for method, code, own in by_method(curves):
        shown = thinned(own, metric)
        figure.add_trace(
            go.Scatter(
                x=shown[metric],
                y=shown.share,
                mode="lines",
                name=plain_text(method),
                line={"color": colour(code), "width": 2, "shape": "vh"},
                customdata=custom_data(shown.pair, method),
                hovertemplate=f"{plain_text(method)}<br>%{{y:.0f}} % reach "
                f"{hover_text(metric, 'x')}<extra></extra>",
            )
        )
    figure.update_xaxes(title=get_metric(metric).axis_label)
    figure.update_yaxes(title="Pictures (%)", range=[0, 102])
    return figure


def against_input(joined: "pd.DataFrame", metric: str = RANKING.key) -> "go.Figure":
    """Score of each method against the score of the input.

    Args:
        joined: Result of `input_quality`.
    """
    if joined.empty:
        return empty_figure("Add the method 'identity' to a run to see how good its inputs were.")
    figure = blank_figure("Result against input")
    cut = False
    for method, code, own in by_method(joined):
        shown = thinned(own, "input")
        cut = cut or len(shown) < len(own)
        figure.add_trace(point_trace(shown, shown.input, shown[metric], method, code, metric, 6))
    square_axes(figure, joined.input, joined[metric], diagonal="as the input")
    reference = plain_text(joined.reference.iloc[0])
    figure.update_xaxes(title=f"{get_metric(metric).axis_label} of the input ({reference})")
    figure.update_yaxes(title=get_metric(metric).axis_label)
    return note_thinning(figure, cut)
