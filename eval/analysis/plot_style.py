"""The common look of all plots: colours, texts and the parts they are put together from.

Colours are those of Okabe and Ito (2008), which colour-blind people can tell apart, with a darker
yellow that reads on white; a method keeps its colour and symbol in every plot of a run.
Backgrounds are transparent and text is of a grey that reads on white and on black. Every point of
a run's own plots carries `customdata` of (pair id, method id); the pair is empty where a point
stands for all.
"""

import re
import textwrap
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from mirnet.metrics.registry import get_metric
from mirnet.plot_style import TEXT
from mirnet.plot_style import blank_figure as shared_figure

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#A89F00")
"""Colours of methods in the run's order; the eighth has the first again, with another symbol."""
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x")
"""Marker symbols; the next one is used each time the colours repeat."""
FACE = "Inter, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
"""Font family of all text, as on the page."""
GREY = "#9A9A9A"
"""Colour of unverified numbers and of guides such as diagonals."""
MAX_POINTS = 800
"""Points drawn for one method; a page with more is slow to draw and no easier to read."""

MAX_NAME = 36
"""Longest name in a legend or label, in characters."""
MAX_TICK = 20
"""Longest name at an axis or in a title, in characters."""
MAX_HOVER = 80
"""Longest id of a pair where the mouse is, in characters."""
MAX_LINE = 9
"""Characters after which a name under an axis is broken."""


def blank_figure(title: str) -> "go.Figure":
    """A figure without traces in the common look, with the page's font and the toolbar in grey."""
    figure = shared_figure(title)
    figure.update_xaxes(title={"font": {"size": 13}})
    figure.update_yaxes(title={"font": {"size": 13}})
    return figure.update_layout(
        font={"family": FACE},
        hoverlabel={"align": "left"},
        hovermode="closest",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": TEXT},
        margin={"l": 48, "r": 12, "t": 48, "b": 40},
        height=420,
    )


def empty_figure(words: str) -> "go.Figure":
    """Make a low figure that says in words why there is nothing to draw."""
    figure = blank_figure("")
    figure.add_annotation(text=words, showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.update_layout(height=160)
    return figure


def why_empty(figure: "go.Figure") -> str:
    """Words of a figure that `empty_figure` made; "" for one that shows something."""
    return "" if figure.data else str(figure.layout.annotations[0].text).replace("<br>", " ")


def note_thinning(figure: "go.Figure", cut: bool, words: str = "") -> "go.Figure":
    """Write a subtitle, and say there where `cut` that points were left out; returns the figure."""
    thinned_words = f"{MAX_POINTS} pictures of each method, evenly by rank" if cut else ""
    text = " · ".join(part for part in (words, thinned_words) if part)
    if text:
        figure.update_layout(title={"subtitle": {"text": text, "font": {"size": 12}}}, margin_t=64)
    return figure


def square_axes(figure: "go.Figure", *values: Any, diagonal: str) -> None:
    """Give both axes the same span and the same length for a unit, where both are scores.

    Args:
        values: Arrays of all finite scores.
        diagonal: Name of the dashed line of equal scores, from corner to corner.
    """
    low, high = min(float(np.min(one)) for one in values), max(float(np.max(one)) for one in values)
    room = 0.04 * (high - low) or 1.0
    span = [low - room, high + room]
    figure.add_scatter(
        x=span,
        y=span,
        mode="lines",
        name=diagonal,
        line={"color": GREY, "dash": "dash", "width": 1},
        customdata=[["", ""], ["", ""]],
        hoverinfo="skip",
    )
    figure.update_xaxes(range=span, constrain="domain")
    figure.update_yaxes(range=span, constrain="domain", scaleanchor="x")


def point_trace(
    rows: "pd.DataFrame",
    x: Any,
    y: Any,
    method: str,
    code: int,
    metric: str,
    size: int,
) -> "go.Scatter":
    """Markers of pictures of one method, smaller and paler where there are many."""
    import plotly.graph_objects as go

    dense = len(rows) > MAX_POINTS // 4
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        name=plain_text(method),
        marker=marker(code, size - 2 if dense else size) | {"opacity": 0.5 if dense else 0.85},
        **pair_labels(rows.pair, method, f"{plain_text(method)}<br>{hover_text(metric)}"),
    )


def method_point(
    method: object,
    code: int,
    x: float,
    y: float,
    hover: str,
    *,
    error_x: dict[str, Any] | None = None,
    error_y: dict[str, Any] | None = None,
    name: str = "",
    size: int = 12,
) -> "go.Scatter":
    """Marker of a method's means.

    Args:
        code: Its place in the run.
        hover: Lines below the id in a label that follows the pointer, as plotly's template.
        error_x: Result of `interval_bar`.
        error_y: Result of `interval_bar`.
        name: Name in the legend; the id where it is "".
        size: Diameter of the marker in pixels.
    """
    import plotly.graph_objects as go

    return go.Scatter(
        x=[x],
        y=[y],
        error_x=error_x,
        error_y=error_y,
        mode="markers",
        name=name or plain_text(method),
        marker=marker(code, size),
        customdata=[["", method]],
        hovertemplate=f"{plain_text(method)}<br>{hover}<extra></extra>",
    )


def interval_bar(mean: Any, low: Any, high: Any, thickness: float = 1.5) -> dict[str, Any]:
    """Plotly's error bar from `low` to `high` around `mean`; none where an end is not finite.

    Args:
        mean: A number, or an array of one for each point.
        low: Lower ends, of the same shape.
        high: Upper ends, of the same shape.
        thickness: Width of the bar's line in pixels.
    """
    mean, low, high = (np.atleast_1d(np.asarray(one, float)) for one in (mean, low, high))
    known = np.isfinite(low) & np.isfinite(high)
    return {
        "array": np.where(known, high - mean, 0),
        "arrayminus": np.where(known, mean - low, 0),
        "thickness": thickness,
    }


def by_method(frame: "pd.DataFrame") -> list[tuple[str, int, "pd.DataFrame"]]:
    """Iterate over the methods with their place in the run and their rows."""
    codes = frame.method.cat.codes
    names = frame.method.cat.categories
    return [(names[code], code, frame[codes == code]) for code in sorted(codes.unique())]


def thinned(rows: "pd.DataFrame", by: str) -> "pd.DataFrame":
    """Choose up to `MAX_POINTS` rows, evenly spaced in a column's order with both ends."""
    if len(rows) <= MAX_POINTS:
        return rows
    order = np.argsort(rows[by].to_numpy(), kind="stable")
    return rows.iloc[order[np.linspace(0, len(rows) - 1, MAX_POINTS).round().astype(int)]]


def pair_labels(pairs: Sequence[str], method: str, lines: str) -> dict[str, Any]:
    """Parts of a trace of pictures for clicks and for the label that follows the pointer.

    Args:
        pairs: Id of each point's pair.
        method: Id of the method that a click opens.
        lines: Lines below the pair in the label, as plotly's template.
    """
    return {
        "customdata": custom_data(pairs, method),
        "hovertext": [plain_text(pair, MAX_HOVER) for pair in pairs],
        "hovertemplate": f"%{{hovertext}}<br>{lines}<extra></extra>",
    }


def front_line(x: Any, y: Any, methods: Sequence[str], name: str, **line: str) -> "go.Scatter":
    """Dotted line through the methods that no other beats in both scores.

    Args:
        x: Values of the methods along the line.
        y: Their other values.
        methods: Ids of the methods, for clicks.
        name: Name in the legend.
        line: Further settings of plotly's line.
    """
    import plotly.graph_objects as go

    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        name=name,
        line={"color": GREY, "width": 2, "dash": "dot"} | line,
        customdata=[["", method] for method in methods],
        hoverinfo="skip",
    )


def custom_data(pairs: Sequence[str], method: str) -> np.ndarray:
    """Ids of pair and method that every point carries, as an (n, 2) array.

    They are for clicks: what is shown comes from `hovertext`, where it is escaped.
    """
    return np.array([[pair, method] for pair in pairs], dtype=object).reshape(-1, 2)


def colour(code: int) -> str:
    """Colour of the method at a place in the run."""
    return COLOURS[code % len(COLOURS)]


def marker(code: int, size: int) -> dict[str, Any]:
    """Plotly's marker of the method at a place in the run."""
    return {
        "color": colour(code),
        "symbol": SYMBOLS[code // len(COLOURS) % len(SYMBOLS)],
        "size": size,
        "line": {"color": GREY, "width": 0.5},
    }


def hover_text(metric: str, axis: str = "y", label: str = "", signed: bool = False) -> str:
    """Plotly's template of one score for a label that follows the pointer.

    Args:
        axis: "x" or "y", which holds the score.
        label: Name in front of it, from outside.
        signed: Whether it is a difference.
    """
    shown = get_metric(metric)
    form = f"%{{{axis}:{'+' if signed else ''}.{shown.decimals}f}}"
    return f"{plain_text(label) + ': ' if label else ''}{form} {shown.unit or shown.title}<br>"


def plain_text(name: object, most: int = MAX_NAME) -> str:
    """A name from outside, for plotly: it draws a part of HTML and fills in %{...}."""
    words = str(name).replace("%{", "% {")
    return escape(words if len(words) <= most else words[: most - 1] + "…")


def broken_text(name: object) -> str:
    """Break a name under an axis into short lines, after hyphens."""
    lines = [""]
    for part in re.split(r"(?<=-)", str(name)):
        if lines[-1] and len(lines[-1] + part) > MAX_LINE:
            lines.append("")
        lines[-1] += part
    return "<br>".join(plain_text(line, MAX_TICK) for line in lines)


def wrapped_text(words: str) -> str:
    """Escape outside text for a label and break it into lines of 60 characters."""
    return "<br>".join(escape(line) for line in textwrap.wrap(words, 60))
