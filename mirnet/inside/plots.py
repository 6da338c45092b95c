"""Records of a pass as pictures and figures; nothing is computed here but their look.

Maps are drawn in viridis, whose steps look equally large to everybody, colour-blind people too.
Figures have a transparent background, text of a grey that reads on white and on black, and the
colours of Okabe and Ito (2008).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .trace import Feature, Name, Trace

if TYPE_CHECKING:
    import plotly.graph_objects as go

STREAMS = ("Full", "Half", "Quarter")
"""Names of the streams, by their resolution in the papers."""
COLOURS = ("#0072B2", "#E69F00", "#009E73")
"""Of the streams."""
RGB = ("#D55E00", "#009E73", "#0072B2")
"""Of red, green and blue."""
TEXT = "#767676"
"""Of axes and titles."""
MAP_PX = 640
"""About how long the longer side of a map's picture is."""
CLIPPED_PERCENT = 0.5
"""Share of values at either end of a map that the scale leaves out, so that one bright pixel does
not darken the rest."""

_GRID = "rgba(128, 128, 128, 0.25)"


@dataclass(frozen=True)
class Words:
    """What a record is, for a person."""

    title: str
    """A few words."""
    sentence: str
    """What it is in the paper."""
    unit: str
    """What its values are: an axis title, or beside a map's scale."""


WORDS: dict[Name, Words] = {
    "energy": Words(
        "Feature energy",
        "How strongly a stream responds at each place. A full-resolution stream keeps exact detail "
        "while coarser ones gather context (MIRNet and MIRNet-v2, section 3).",
        "root mean square over channels",
    ),
    "spatial attention": Words(
        "Spatial attention",
        "Half of the dual attention unit: from the maximum and the mean over channels, one weight "
        "for each place; features where it is low are held back (MIRNet, section 3.2).",
        "weight, 0 to 1",
    ),
    "channel attention": Words(
        "Channel attention",
        "The other half of the dual attention unit: from each channel's mean over the picture, one "
        "weight for each channel (MIRNet, section 3.2).",
        "Weight, 0 to 1",
    ),
    "context attention": Words(
        "Context attention",
        "How much each place counts when the residual contextual block sums the whole picture up "
        "in one vector: a softmax over all places (MIRNet-v2, section 3).",
        "times the even share",
    ),
    "context channels": Words(
        "Context, channel by channel",
        "That vector, transformed by two 1 × 1 convolutions, is added to every place "
        "(MIRNet-v2, section 3).",
        "Added to the channel",
    ),
    "fusion": Words(
        "Selective kernel fusion",
        "A softmax over streams decides, for each channel, how much to take from which "
        "(MIRNet, section 3.1; kept in MIRNet-v2).",
        "Share of each stream",
    ),
}
CURVE_SENTENCE = (
    "Not in the papers: our compact network first applies this tone curve (after Zero-DCE, CVPR "
    "2020), chosen from the picture's brightness; above the diagonal is brighter."
)
MATRIX_SENTENCE = "Then it mixes the colours so; each row adds up to 1, and greys stay grey."


@dataclass(frozen=True, eq=False)
class MapPicture:
    """A map drawn in colours."""

    pixels: np.ndarray
    """(H, W, 3) uint8; each value is a square of equal pixels."""
    low: float
    """Value of the darkest colour; lower ones have it too."""
    high: float
    """Value of the brightest colour; higher ones have it too."""


def map_picture(feature: Feature) -> MapPicture:
    """Draw a map, without what was padded around the picture.

    Args:
        feature: One whose values are (h, w).
    """
    values = feature.on_picture.astype(np.float64)
    if feature.name == "context attention":  # the even share is one over the number of places
        values = values * feature.values.size
    low, high = np.percentile(values, (CLIPPED_PERCENT, 100 - CLIPPED_PERCENT))
    spread = high - low
    share = (values - low) / spread if spread > 0 else np.full_like(values, 0.5)
    steps = np.rint(255 * share.clip(0, 1)).astype(np.uint8)
    times = max(round(MAP_PX / max(values.shape)), 1)
    large = steps.repeat(times, axis=0).repeat(times, axis=1)
    return MapPicture(_viridis()[large], float(low), float(high))


def scale_html(drawn: MapPicture, feature: Feature) -> str:
    """The scale of a map: its colours from left to right with both ends and the unit."""
    stops = ", ".join("#{:02x}{:02x}{:02x}".format(*row) for row in _viridis()[::51])
    height, width = feature.on_picture.shape
    return (
        '<div class="mir-small"><div style="display: flex; align-items: center; gap: 8px">'
        f"<span>{drawn.low:.3g}</span>"
        '<i aria-hidden="true" style="flex: 1; height: 8px; border-radius: 4px; '
        f'background: linear-gradient(90deg, {stops})"></i>'
        f"<span>{drawn.high:.3g}</span></div>"
        f"<p>{WORDS[feature.name].unit} · {width} × {height} values · dark to bright, "
        f"{CLIPPED_PERCENT:g} % clipped at either end</p></div>"
    )


def energies(table: np.ndarray) -> "go.Figure":
    """Mean feature energy of each stream from block to block.

    Args:
        table: From `trace.mean_energy`.
    """
    import plotly.graph_objects as go

    figure = _figure("Energy from block to block")
    numbers = list(range(1, table.shape[1] + 1))
    for stream, row in enumerate(table):
        figure.add_trace(
            go.Scatter(
                x=numbers,
                y=row,
                mode="lines+markers",
                name=STREAMS[stream],
                line={"color": COLOURS[stream], "width": 2},
                marker={"symbol": ("circle", "diamond", "square")[stream], "size": 8},
                hovertemplate="Block %{x}: %{y:.3g}<extra>" + STREAMS[stream] + "</extra>",
            )
        )
    figure.update_xaxes(title="Block", tickvals=numbers)
    figure.update_yaxes(title="Energy (root mean square)", rangemode="tozero")
    return figure


def channel_bars(feature: Feature) -> "go.Figure":
    """One bar for each channel, largest first.

    Args:
        feature: "channel attention" or "context channels".
    """
    import plotly.graph_objects as go

    words = WORDS[feature.name]
    order = np.argsort(-feature.values, kind="stable")
    figure = _figure(words.title)
    figure.add_trace(
        go.Bar(
            x=np.arange(1, len(order) + 1),
            y=feature.values[order],
            customdata=order,
            marker={"color": COLOURS[feature.stream], "line": {"width": 0}},
            hovertemplate="Channel %{customdata}: %{y:.3f}<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_layout(bargap=0.1)
    figure.update_xaxes(title=f"{len(order)} channels, largest first", showgrid=False)
    figure.update_yaxes(title=words.unit)
    if feature.name == "channel attention":
        figure.update_yaxes(range=[0, 1])
    return figure


def fusion_bars(feature: Feature) -> "go.Figure":
    """Shares of the streams in each channel, stacked; most of the receiving stream first.

    Args:
        feature: "fusion".
    """
    import plotly.graph_objects as go

    words = WORDS["fusion"]
    own = feature.sources.index(feature.stream)
    order = np.argsort(-feature.values[own], kind="stable")
    figure = _figure(words.title)
    rows = sorted(range(len(feature.sources)), key=lambda row: row != own)
    for row in rows:  # the receiving stream lies at the bottom
        stream = feature.sources[row]
        share = feature.values[row]
        figure.add_trace(
            go.Bar(
                x=np.arange(1, len(order) + 1),
                y=share[order],
                name=f"{STREAMS[stream]} {100 * share.mean():.0f} %",
                customdata=order,
                marker={"color": COLOURS[stream], "line": {"width": 0}},
                hovertemplate="Channel %{customdata}: %{y:.3f}<extra>"
                + STREAMS[stream]
                + "</extra>",
            )
        )
    figure.update_layout(barmode="stack", bargap=0, legend_traceorder="normal")
    title = f"{len(order)} channels, most of “{STREAMS[feature.stream]}” first"
    figure.update_xaxes(title=title, showgrid=False)
    figure.update_yaxes(title=words.unit, range=[0, 1])
    return figure


def exposure_curve(slopes: np.ndarray) -> "go.Figure":
    """The tone curve of each colour, and the diagonal that changes nothing.

    Args:
        slopes: (steps, 3), see `mirnet.layers.ExposureCurve`.
    """
    import plotly.graph_objects as go

    x = np.linspace(0, 1, 65)
    figure = _figure("Exposure curve for this photo")
    figure.add_trace(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            name="unchanged",
            line={"color": TEXT, "width": 1, "dash": "dash"},
            hoverinfo="skip",
        )
    )
    for channel, name in enumerate(("Red", "Green", "Blue")):
        y = x
        for slope in slopes[:, channel]:
            y = y + slope * y * (1 - y)
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="lines",
                name=name,
                line={
                    "color": RGB[channel],
                    "width": 2.5,
                    "dash": ("solid", "longdash", "dot")[channel],
                },
                hovertemplate="%{x:.2f} → %{y:.2f}<extra>" + name + "</extra>",
            )
        )
    figure.update_xaxes(title="sRGB value in the photo, 0 to 1", range=[0, 1])
    figure.update_yaxes(title="After the curve", range=[0, 1.01])
    return figure


def colour_matrix(matrix: np.ndarray) -> "go.Figure":
    """How red, green and blue are mixed after the curve, as a heat map with its numbers.

    Args:
        matrix: (3, 3), rows are outputs.
    """
    import plotly.graph_objects as go

    names = ["Red", "Green", "Blue"]
    figure = _figure("Colour matrix for this photo")
    figure.add_trace(
        go.Heatmap(
            z=matrix,
            x=names,
            y=names,
            colorscale="Viridis",
            texttemplate="%{z:.2f}",
            textfont={"size": 14},
            colorbar={"title": {"text": "Factor"}, "thickness": 12, "outlinewidth": 0},
            hovertemplate="%{y} takes %{z:.3f} of %{x}<extra></extra>",
        )
    )
    figure.update_xaxes(title="Colour in", showgrid=False)
    figure.update_yaxes(title="Colour out", showgrid=False, autorange="reversed")
    return figure


def facts(found: Trace) -> str:
    """One line: which network looked, at how much of the photo, for how long."""
    name = {"MIRNet": "MIRNet", "MIRNetV2": "MIRNet-v2"}[found.architecture]
    width, height = found.source_px
    seen = f"{found.seen.width} × {found.seen.height}"
    size = f"looked at {seen}"
    if found.source_px != (found.seen.width, found.seen.height):
        size += f", a resized copy of {width} × {height}"
    parts = [
        f"{found.weights_id} ({name})",
        size,
        f"{found.blocks} blocks, streams of {', '.join(map(str, found.channels))} channels",
    ]
    if found.stem > 1:
        parts.append(f"compact: “Full” is 1/{found.stem} of the sides")
    return " · ".join([*parts, f"one pass in {found.seconds:.1f} s"])


def _viridis() -> np.ndarray:
    """(256, 3) uint8, RGB."""
    import cv2

    ramp = np.arange(256, dtype=np.uint8)[None]
    return cv2.applyColorMap(ramp, cv2.COLORMAP_VIRIDIS)[0, :, ::-1]


def _figure(title: str) -> "go.Figure":
    import plotly.graph_objects as go

    axis: dict[str, Any] = {
        "gridcolor": _GRID,
        "linecolor": _GRID,
        "zeroline": False,
        "automargin": True,
        "title": {"standoff": 8},
        "fixedrange": True,
    }
    return go.Figure(
        layout={
            "template": "none",
            "title": {"text": title, "x": 0.02, "xref": "container", "font": {"size": 15}},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": TEXT, "size": 13},
            "margin": {"l": 48, "r": 12, "t": 48, "b": 40},
            "height": 320,
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
