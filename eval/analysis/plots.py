"""Figures drawn from the tables of `tables.py` and `published.py`; nothing is computed here.

Colours are those of Okabe and Ito (2008), which colour-blind people can tell apart, with a darker
yellow that reads on white; a method keeps its colour and symbol in every figure of a run.
Backgrounds are transparent and text is of a grey that reads on white and on black. Every point
carries `customdata` of (pair id, method id); the pair is empty where a point stands for all.

Figures of many pictures show at most `MAX_POINTS` points for each method, evenly spaced in rank
with both ends, and say so; boxes and curves are of all of them.
"""

import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .tables import Metric

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#A89F00")
"""Of the methods, in the run's order; the eighth takes the first again with another symbol."""
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x")
"""One step further each time the colours begin anew."""
TEXT = "#767676"
"""Of axes and titles."""
FACE = "Inter, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
"""Of all words: the page's."""
GREY = "#9A9A9A"
"""Of what is unverified, and of guides such as diagonals."""
MAX_POINTS = 800
"""Points drawn for one method; a page with more is slow to draw and no easier to read."""
LABELS = {"psnr_db": "PSNR (dB)", "ssim": "SSIM"}
"""Axis titles."""

_GRID = "rgba(128, 128, 128, 0.25)"
_SECONDS = [float(f"{digit}e{power}") for power in range(-5, 5) for digit in (1, 2, 5)]
_MAX_NAME = 36
_MAX_TICK = 20
_MAX_LINE = 9
_FEW_BARS = 20


def distribution(
    scores: "pd.DataFrame", quartiles: "pd.DataFrame", metric: Metric = "psnr_db"
) -> "go.Figure":
    """Every picture's score and a box, side by side for each method.

    Args:
        scores: From `compare.scores_frame`.
        quartiles: From `compare.quartiles`, of the same scores.
        metric: Score to show.
    """
    import plotly.graph_objects as go

    if quartiles.empty:
        return _nothing("No scores yet.")
    figure = _figure(f"{LABELS[metric]} of each picture")
    cut = False
    for place, box in enumerate(quartiles.itertuples()):
        code = quartiles.method.cat.codes.iloc[place]
        own = scores[(scores.method == box.method) & np.isfinite(scores[metric])]
        shown = _thinned(own, metric)
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
                name=_text(box.method),
                width=0.32,
                fillcolor="rgba(128, 128, 128, 0.12)",
                line={"color": _colour(code), "width": 2},
                customdata=[["", box.method]],
                showlegend=False,
            )
        )
        # A fixed sequence that fills the width evenly (golden ratio): the same figure every time.
        spread = (np.arange(len(shown)) * 0.618034) % 1
        figure.add_trace(
            _points(shown, place + 0.22 + 0.22 * spread, shown[metric], box.method, code, metric, 5)
        )
    figure.update_traces(showlegend=False)
    figure.update_xaxes(
        tickvals=list(range(len(quartiles))),
        ticktext=[_broken(method) for method in quartiles.method],
        range=[-0.4, len(quartiles) - 0.35],
        showgrid=False,
    )
    figure.update_yaxes(title=LABELS[metric])
    return _noted(figure, cut)


def scatter(paired: "pd.DataFrame", metric: Metric = "psnr_db") -> "go.Figure":
    """One method's scores against another's, with the diagonal on which both are equal.

    Args:
        paired: From `compare.paired_scores`.
        metric: Score to show.
    """
    import plotly.graph_objects as go

    finite = paired[np.isfinite(paired.a) & np.isfinite(paired.b)]
    if finite.empty:
        return _nothing("No picture has a score of both methods.")
    shown = _thinned(finite, "difference")
    a, b = str(finite.method_a.iloc[0]), str(finite.method_b.iloc[0])
    ends = [float(finite.a.min()), float(finite.a.max())]
    figure = _figure(f"{_text(b, _MAX_TICK)} against {_text(a, _MAX_TICK)}")
    figure.add_trace(
        go.Scatter(
            x=ends,
            y=ends,
            mode="lines",
            name="equal",
            line={"color": GREY, "dash": "dash", "width": 1},
            customdata=[["", ""], ["", ""]],
            hoverinfo="skip",
        )
    )
    trace = _points(shown, shown.a, shown.b, b, 0, metric, 7)
    trace.update(name="a picture", hovertemplate=_hover(metric, "x", a) + _hover(metric, "y", b))
    trace.hovertemplate = f"%{{customdata[0]}}<br>{trace.hovertemplate}<extra></extra>"
    figure.add_trace(trace)
    figure.update_xaxes(title=f"{LABELS[metric]} of {_text(a)}")
    figure.update_yaxes(title=f"{LABELS[metric]} of {_text(b)}")
    return _noted(figure, len(shown) < len(finite))


def quality_speed(board: "pd.DataFrame", metric: Metric = "psnr_db") -> "go.Figure":
    """Mean score with its interval against time, and the Pareto front of PSNR drawn through it.

    Args:
        board: From `compare.leaderboard`.
        metric: Score to show; the front is drawn for PSNR only, of which `pareto` speaks.
    """
    import plotly.graph_objects as go

    stem = metric.removesuffix("_db")
    known = board[np.isfinite(board[metric]) & (board.s_per_mp > 0)]
    if known.empty:
        return _nothing("No method has been timed yet.")
    figure = _figure("Quality against time")
    front = known[known.pareto].sort_values("s_per_mp")
    if metric == "psnr_db":
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
                name=_text(row["method"]),
                marker=_marker(code, 12),
                customdata=[["", row["method"]]],
                hovertemplate=f"{_text(row['method'])}<br>{_hover(metric)}"
                "%{x:.3g} s per megapixel<extra></extra>",
            )
        )
    figure.update_xaxes(
        title="Seconds per megapixel",
        type="log",
        tickvals=_SECONDS,
        ticktext=[f"{seconds:g}" for seconds in _SECONDS],
    )
    figure.update_yaxes(title=f"Mean {LABELS[metric]}, 95 % interval")
    return figure


def cumulative(curves: "pd.DataFrame", metric: Metric = "psnr_db") -> "go.Figure":
    """For each score the share of pictures that reach it.

    Args:
        curves: From `compare.cumulative`.
        metric: Score to show.
    """
    import plotly.graph_objects as go

    if curves.empty:
        return _nothing("No scores yet.")
    figure = _figure("Share of pictures that reach a score")
    for method, code, own in _groups(curves):
        shown = _thinned(own, metric)
        figure.add_trace(
            go.Scatter(
                x=shown[metric],
                y=shown.share,
                mode="lines",
                name=_text(method),
                line={"color": _colour(code), "width": 2, "shape": "vh"},
                customdata=_custom(shown.pair, method),
                hovertemplate=f"{_text(method)}<br>%{{y:.0f}} % reach {_hover(metric, 'x')}"
                "<extra></extra>",
            )
        )
    figure.update_xaxes(title=LABELS[metric])
    figure.update_yaxes(title="Pictures (%)", range=[0, 102])
    return figure


def against_input(joined: "pd.DataFrame", metric: Metric = "psnr_db") -> "go.Figure":
    """Score of each method against the score of the input.

    Args:
        joined: From `compare.input_quality`.
        metric: Score to show.
    """
    if joined.empty:
        return _nothing("Add the method 'identity' to a run to see how good its inputs were.")
    figure = _figure("Result against input")
    cut = False
    for method, code, own in _groups(joined):
        shown = _thinned(own, "input")
        cut = cut or len(shown) < len(own)
        figure.add_trace(_points(shown, shown.input, shown[metric], method, code, metric, 6))
    ends = [float(joined.input.min()), float(joined.input.max())]
    figure.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        name="as the input",
        line={"color": GREY, "dash": "dash", "width": 1},
        customdata=[["", ""], ["", ""]],
        hoverinfo="skip",
    )
    reference = _text(joined.reference.iloc[0])
    figure.update_xaxes(title=f"{LABELS[metric]} of the input ({reference})")
    figure.update_yaxes(title=LABELS[metric])
    return _noted(figure, cut)


def differences(paired: "pd.DataFrame", metric: Metric = "psnr_db") -> "go.Figure":
    """Difference of two methods on each picture, sorted.

    Args:
        paired: From `compare.paired_scores`.
        metric: Score to show.
    """
    import plotly.graph_objects as go

    finite = paired[np.isfinite(paired.difference)]
    if finite.empty:
        return _nothing("No picture has a score of both methods.")
    ranked = finite.sort_values("difference", kind="stable", ignore_index=True)
    shown = _thinned(ranked, "difference")
    a, b = str(ranked.method_a.iloc[0]), str(ranked.method_b.iloc[0])
    figure = _figure(f"{_text(b, _MAX_TICK)} minus {_text(a, _MAX_TICK)}")
    for name, part, colour in (
        (f"{_text(b)} is not better", shown[shown.difference <= 0], COLOURS[1]),
        (f"{_text(b)} is better", shown[shown.difference > 0], COLOURS[0]),
    ):
        figure.add_trace(
            go.Bar(
                x=part.index + 1,
                y=part.difference,
                name=name,
                marker={"color": colour, "line": {"width": 0}},
                customdata=_custom(part.pair, b),
                hovertemplate=f"%{{customdata[0]}}<br>{_hover(metric, signed=True)}<extra></extra>",
            )
        )
    few = len(shown) <= _FEW_BARS
    figure.update_layout(bargap=0.15 if few else 0)
    figure.update_xaxes(title="Picture, by difference", showgrid=False, dtick=1 if few else None)
    figure.update_yaxes(title=f"Difference in {LABELS[metric]}", zeroline=True, zerolinecolor=GREY)
    return _noted(figure, len(shown) < len(ranked))


def published(beside: "pd.DataFrame", board: "pd.DataFrame") -> "go.Figure":
    """Published numbers and, apart from them, those measured here; both protocols are told.

    Args:
        beside: From `published.published_beside`.
        board: From `compare.leaderboard`, of the same run.
    """
    import plotly.graph_objects as go

    rows = beside[beside.psnr_db.notna()].sort_values("psnr_db", ignore_index=True)
    measured = board[np.isfinite(board.psnr_db)].sort_values("psnr_db", ignore_index=True)
    if rows.empty:
        return _nothing("No published numbers are known for these pictures.")
    figure = _figure(f"Published on {_text(rows.dataset.iloc[0])}, and measured here")
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
                    f"{_text(row.method)}<br>{_wrapped(row.protocol)}<br>{_wrapped(row.source)}"
                    f"<br>{row.evidence}"
                    for row in part.itertuples()
                ],
                hovertemplate="%{x:.2f} dB, published<br>%{text}<extra></extra>",
            )
        )
    protocol, pictures = rows.measured_protocol.iloc[0], rows.measured_pictures.iloc[0]
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
            name=f"measured here, {_text(protocol)}, {_text(pictures)}",
            marker={"color": COLOURS[0], "symbol": "diamond", "size": 10},
            customdata=[["", method] for method in measured.method],
            hovertemplate="%{customdata[1]}<br>%{x:.2f} dB, measured<extra></extra>",
        )
    )
    names = [*rows.method, "", *measured.method]
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[_text(name, _MAX_TICK) for name in names],
        range=[-0.8, len(names) - 0.2],
        showgrid=False,
    )
    figure.update_xaxes(title=LABELS["psnr_db"])
    figure.update_layout(height=230 + 20 * len(names))
    return figure


# ---------------------------------------------------------------- parts


def _figure(title: str) -> "go.Figure":
    import plotly.graph_objects as go

    axis = {
        "gridcolor": _GRID,
        "linecolor": _GRID,
        "zeroline": False,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 13}},
    }
    return go.Figure(
        layout={
            "template": "none",
            "title": {"text": title, "x": 0.02, "xref": "container", "font": {"size": 15}},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": TEXT, "size": 13, "family": FACE},
            "hoverlabel": {"align": "left"},
            "hovermode": "closest",
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": TEXT},
            "margin": {"l": 48, "r": 12, "t": 48, "b": 40},
            "height": 420,
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 0,
                "yref": "container",
                "xanchor": "left",
                "yanchor": "bottom",
            },
            "xaxis": axis,
            "yaxis": axis,
        }
    )


def _nothing(words: str) -> "go.Figure":
    figure = _figure("")
    figure.add_annotation(text=words, showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.update_layout(height=160)
    return figure


def _noted(figure: "go.Figure", cut: bool) -> "go.Figure":
    if cut:
        words = f"{MAX_POINTS} pictures of each method, evenly by rank"
        figure.update_layout(title={"subtitle": {"text": words, "font": {"size": 12}}}, margin_t=64)
    return figure


def _points(
    rows: "pd.DataFrame",
    x: Any,
    y: Any,
    method: str,
    code: int,
    metric: Metric,
    size: int,
) -> "go.Scatter":
    import plotly.graph_objects as go

    dense = len(rows) > MAX_POINTS // 4
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        name=_text(method),
        marker=_marker(code, size - 2 if dense else size) | {"opacity": 0.5 if dense else 0.85},
        customdata=_custom(rows.pair, method),
        hovertemplate=f"%{{customdata[0]}}<br>{_text(method)}<br>{_hover(metric)}<extra></extra>",
    )


def _groups(frame: "pd.DataFrame") -> list[tuple[str, int, "pd.DataFrame"]]:
    """Each method with its place in the run and its rows."""
    codes = frame.method.cat.codes
    names = frame.method.cat.categories
    return [(names[code], code, frame[codes == code]) for code in sorted(codes.unique())]


def _thinned(rows: "pd.DataFrame", by: str) -> "pd.DataFrame":
    """At most `MAX_POINTS` rows, evenly spaced in the order of a column, both ends among them."""
    if len(rows) <= MAX_POINTS:
        return rows
    order = np.argsort(rows[by].to_numpy(), kind="stable")
    return rows.iloc[order[np.linspace(0, len(rows) - 1, MAX_POINTS).round().astype(int)]]


def _custom(pairs: Sequence[str], method: str) -> np.ndarray:
    return np.array([[pair, method] for pair in pairs], dtype=object).reshape(-1, 2)


def _colour(code: int) -> str:
    return COLOURS[code % len(COLOURS)]


def _marker(code: int, size: int) -> dict[str, Any]:
    return {
        "color": _colour(code),
        "symbol": SYMBOLS[code // len(COLOURS) % len(SYMBOLS)],
        "size": size,
        "line": {"color": GREY, "width": 0.5},
    }


def _hover(metric: Metric, axis: str = "y", label: str = "", signed: bool = False) -> str:
    form = f"%{{{axis}:{'+' if signed else ''}{'.2f' if metric == 'psnr_db' else '.4f'}}}"
    unit = " dB" if metric == "psnr_db" else " SSIM"
    return f"{_text(label) + ': ' if label else ''}{form}{unit}<br>"


def _text(name: object, most: int = _MAX_NAME) -> str:
    """A name from outside, for plotly: it draws a part of HTML and fills in %{...}."""
    words = str(name).replace("%{", "% {")
    return escape(words if len(words) <= most else words[: most - 1] + "…")


def _broken(name: object) -> str:
    """A name under an axis, in short lines: broken after hyphens."""
    lines = [""]
    for part in re.split(r"(?<=-)", str(name)):
        if lines[-1] and len(lines[-1] + part) > _MAX_LINE:
            lines.append("")
        lines[-1] += part
    return "<br>".join(_text(line, _MAX_TICK) for line in lines)


def _wrapped(words: str) -> str:
    import textwrap

    return "<br>".join(escape(line) for line in textwrap.wrap(words, 60))
