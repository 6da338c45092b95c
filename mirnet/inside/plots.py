"""Draws the records of a pass through a network as pictures and Plotly figures.

Maps are drawn in viridis, whose steps look equally large to everybody, colour-blind people too.
Figures have a transparent background, text of a grey that reads on white and on black (the page's
style sheet gives it the page's colour), and the colours of Okabe and Ito (2008), blue lightened so
that it reads on black. Figure numbers of the papers are those of arXiv 2003.06792.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mirnet.plot_style import TEXT, blank_figure
from mirnet.tasks import get_task

from .trace import Feature, FeatureName, Trace

if TYPE_CHECKING:
    import plotly.graph_objects as go

STREAMS = ("Full", "Half", "Quarter")
"""Names of the streams, by their resolution in the papers."""
TURNS = ("First", "Second")
"""Names of a block's two turns."""
COLOURS = ("#2F86C6", "#E69F00", "#009E73")
"""Colours of the three streams."""
SYMBOLS = ("circle", "diamond", "square")
"""Plotly marker symbols of the three streams."""
RGB = ("#D55E00", "#009E73", "#2F86C6")
"""Line colours of the red, green and blue channel."""
MAP_PX = 640
"""Approximate length of the longer side of a map's picture, in pixels."""
CLIPPED_PERCENT = 0.5
"""Share of values at either end of a map that the scale leaves out, so that one bright pixel does
not darken the rest."""


@dataclass(frozen=True)
class Words:
    """Title, explanation and unit of one kind of record, for the page."""

    title: str
    """Title: the field's term, and what it means to a photographer."""
    sentence: str
    """Explanation in a sentence, with the paper's term and its place in the paper."""
    unit: str
    """Meaning of the values: an axis title, or a word about a map's scale."""


WORDS: dict[FeatureName, Words] = {
    "energy": Words(
        "What each stream responds to",
        "Full keeps the exact place of every edge; Half and Quarter see fewer, larger pieces and "
        "so more of the scene at once (“parallel multi-resolution streams”: MIRNet, section 3, "
        "figure 1; MIRNet-v2, section 3).",
        "energy, our measure: root mean square over the stream's channels",
    ),
    "spatial attention": Words(
        "Spatial attention: the places that a stream weighs most",
        "Every place gets a weight from the largest and the mean response there; what lies where "
        "it is low is held back (“spatial attention”, half of the dual attention unit: MIRNet, "
        "section 3, figure 3).",
        "weight, from 0 to 1",
    ),
    "channel attention": Words(
        "Channel attention: the kinds of detail that it keeps",
        "A channel is what one learned filter finds, such as edges in one direction; each gets a "
        "weight from its mean over the whole photo (“channel attention”, the other half of the "
        "dual attention unit: MIRNet, section 3, figure 3).",
        "Weight, 0 to 1",
    ),
    "context attention": Words(
        "Context attention: the places that sum up the photo",
        "Each stream sums the whole photo up in a short list of numbers, to which bright places "
        "contribute more than an even share (attention of the “residual contextual block”: "
        "MIRNet-v2, section 3).",
        "share of the sum; 1 is an even share",
    ),
    "context channels": Words(
        "Residual context: what the whole photo adds",
        "That list, after two 1 × 1 convolutions, is added at every place: one number for each "
        "channel, that is for each learned kind of detail (“residual contextual block”: MIRNet-v2, "
        "section 3).",
        "Added to the channel",
    ),
    "fusion": Words(
        "Selective kernel fusion: the share of each stream",
        "For each channel, shares that add up to 1 decide how much is taken from which stream "
        "(“selective kernel feature fusion”: MIRNet, section 3, figure 2; kept in MIRNet-v2).",
        "Share of each stream",
    ),
}
SILENT_SENTENCES = {
    "MIRNet": "In the second turn only Full receives others: the block hands on one result, at "
    "full resolution (MIRNet, section 3, figure 1).",
    "MIRNetV2": "Quarter receives no other: in MIRNet-v2 Quarter is fused into Half, then Half "
    "into Full.",
}
"""Reasons why a stream has no fusion plot, by architecture."""
ENERGY_SENTENCE = (
    "The same energy as one number for the whole photo, for each stream, block and turn; the "
    "larger marks are the place chosen above."
)
CURVE_SENTENCE = (
    "Not in the papers: our compact network first applies this tone curve (after Zero-DCE, CVPR "
    "2020), chosen from the photo's brightness; above the diagonal is brighter."
)
MATRIX_SENTENCE = (
    "Then it mixes the colours so (not in the papers either): the factors of each row add up to "
    "1, and greys stay grey."
)


@dataclass(frozen=True, eq=False)
class MapPicture:
    """A map drawn in viridis, and the values its colours stand for."""

    pixels: np.ndarray
    """(H, W, 3) uint8; each value is a square of equal pixels."""
    low: float
    """Value of the darkest colour; lower values are clipped to it."""
    high: float
    """Value of the brightest colour; higher values are clipped to it."""


def map_picture(feature: Feature) -> MapPicture:
    """Draw a map without the padding around the picture.

    Args:
        feature: A record whose values are (h, w).

    Returns:
        Each value as a square of equal pixels, about `MAP_PX` on the longer side.
    """
    values = feature.on_picture.astype(np.float64)
    if feature.name == "context attention":  # an even share is one over the number of pixels
        values = values * feature.values.size
    low, high = np.percentile(values, (CLIPPED_PERCENT, 100 - CLIPPED_PERCENT))
    spread = high - low
    share = (values - low) / spread if spread > 0 else np.full_like(values, 0.5)
    steps = np.rint(255 * share.clip(0, 1)).astype(np.uint8)
    times = max(round(MAP_PX / max(values.shape)), 1)
    large = steps.repeat(times, axis=0).repeat(times, axis=1)
    return MapPicture(viridis()[large], float(low), float(high))


def maps_sentence(name: FeatureName) -> str:
    """Sentence above three maps: their contents and how to read their scales."""
    words = WORDS[name]
    return (
        f"{words.sentence} Dark to bright: {words.unit}; every map has its own scale, "
        f"{CLIPPED_PERCENT:g} % clipped at either end."
    )


def energies(table: np.ndarray, block: int, turn: int) -> "go.Figure":
    """Draw the mean feature energy of each stream from block to block.

    Args:
        table: (3, blocks, 2) from `trace.mean_energy`.
        block: Block whose marks are larger, counted from 1.
        turn: Turn whose marks are larger, 1 or 2.
    """
    import plotly.graph_objects as go

    figure = _figure("Energy from block to block")
    blocks = table.shape[1]
    places = [(number, way) for number in range(1, blocks + 1) for way in (1, 2)]
    name = "Block {}" if blocks <= 3 else "{}"  # many long names do not fit on a phone
    axis = [[name.format(number) for number, _ in places], ["1st", "2nd"] * blocks]
    sizes = [14 if place == (block, turn) else 7 for place in places]
    for stream, rows in enumerate(table):
        figure.add_trace(
            go.Scatter(
                x=axis,
                y=rows.ravel(),
                mode="lines+markers",
                name=STREAMS[stream],
                line={"color": COLOURS[stream], "width": 2},
                marker={
                    "symbol": SYMBOLS[stream],
                    "size": sizes,
                    "opacity": 1,
                    "line": {"width": 0},
                },
                hovertemplate="%{y:.3g}<extra>" + STREAMS[stream] + "</extra>",
            )
        )
    figure.update_xaxes(title="Turn and block", showdividers=False)
    figure.update_yaxes(title="Mean energy", rangemode="tozero")
    return figure


def channel_bars(feature: Feature) -> "go.Figure":
    """Draw one bar for each channel, largest first.

    Args:
        feature: A record named "channel attention" or "context channels".
    """
    import plotly.graph_objects as go

    words = WORDS[feature.name]
    order = np.argsort(-feature.values, kind="stable")
    figure = _figure(f"{words.title}: {STREAMS[feature.stream]}")
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
    """Draw the shares of the streams in each channel, stacked; largest own share first.

    Args:
        feature: A record named "fusion".
    """
    import plotly.graph_objects as go

    words = WORDS["fusion"]
    own = feature.sources.index(feature.stream)
    order = np.argsort(-feature.values[own], kind="stable")
    figure = _figure(f"{words.title}: {STREAMS[feature.stream]}")
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
    title = f"{len(order)} channels, most of its own first"
    figure.update_xaxes(title=title, showgrid=False)
    figure.update_yaxes(title=words.unit, range=[0, 1])
    return figure


def exposure_curve(slopes: np.ndarray, levels: tuple[float, float] | None) -> "go.Figure":
    """Draw the tone curve of each colour, and the diagonal that changes nothing.

    Args:
        slopes: (steps, 3), see `mirnet.models.exposure.ExposureCurve`.
        levels: Black and white point that values are stretched to ahead of the curve, if any.
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
        black, white = levels or (0.0, 1.0)
        y = ((x - black) / (white - black)).clip(0, 1)
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
    """Draw the matrix that mixes red, green and blue after the curve, as a heat map with numbers.

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
            showscale=False,
            hovertemplate="%{y} takes %{z:.3f} of %{x}<extra></extra>",
        )
    )
    figure.update_xaxes(title="Colour in", showgrid=False)
    figure.update_yaxes(title="Colour out", showgrid=False, autorange="reversed")
    return figure


def facts(found: Trace) -> str:
    """Summary line: the network, the size of its input, the time of the pass."""
    name = {"MIRNet": "MIRNet", "MIRNetV2": "MIRNet-v2"}[found.architecture]
    scale = get_task(found.task).scale
    width, height = found.source_px
    seen = found.seen
    size = f"looked at {seen.width} × {seen.height}"
    if (width * scale, height * scale) != (seen.width, seen.height):
        size += f", a reduced copy of {width} × {height}"
    if scale > 1:
        size += f", enlarged x{scale} first"
    parts = [
        f"{found.weights_id} ({name})",
        size,
        f"{found.blocks} block{'s' if found.blocks > 1 else ''}",
        f"streams of {', '.join(map(str, found.channels))} channels",
    ]
    if found.unshuffle > 1:
        parts.append(f"a compact network: its Full has 1/{found.unshuffle} of the photo's sides")
    return " · ".join([*parts, f"one pass in {found.seconds:.1f} s"])


def viridis() -> np.ndarray:
    """The colours of the maps from low to high: (256, 3) uint8, RGB."""
    import cv2

    ramp = np.arange(256, dtype=np.uint8)[None]
    return cv2.applyColorMap(ramp, cv2.COLORMAP_VIRIDIS)[0, :, ::-1]


def _figure(title: str) -> "go.Figure":
    figure = blank_figure(title)
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    return figure.update_layout(margin={"l": 48, "r": 16, "t": 48, "b": 56}, height=320)
