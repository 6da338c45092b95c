"""A figure for a paper: one box of a picture by all methods, enlarged, with scores below.

Pixels are those of the stored pictures, each repeated a whole number of times (nearest neighbour);
PNG and PDF hold them without loss, and text in a PDF stays text.
"""

import io
import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from eval.analysis.pictures import INPUT, TARGET, rows_of, stored_pictures
from eval.analysis.score_tables import chosen_protocol, scores_frame
from eval.runs.document import Run, SampleResult
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture, to_eight_bits
from mirnet.images.preview import shrink
from mirnet.metrics.protocols import shown_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf")
"""Formats of the figure."""
MAX_ENLARGE = 16
"""Largest number of times that a pixel is repeated in each direction."""
MAX_PIXELS = 40_000_000
"""Pixels of the largest figure."""
DPI = (72, 1200)
"""Least and most pixels an inch."""
COLUMNS = 6
"""Most crops beside each other."""
GAP_PX = 8
"""Pixels between crops."""
FONT_PT = 8.0
"""Size of the letters in points, where the crops are wide enough."""
CAPTION_PT, CAPTION_LINE_PT = 6.0, 7.2
"""Size of the caption's letters, and height of its lines, in points."""
BOX_COLOUR = "#ffd400"
"""Colour of the box in the overview."""


class Box(NamedTuple):
    """Part of a picture in its own pixels."""

    left: int
    """First column."""
    top: int
    """First row."""
    width: int
    """Number of columns."""
    height: int
    """Number of rows."""

    @classmethod
    def parse(cls, text: str) -> "Box":
        """Read "left,top,width,height".

        Raises:
            InvalidRequest: It is not four whole numbers, or empty.

        >>> Box.parse("10, 20,64,48")
        Box(left=10, top=20, width=64, height=48)
        """
        numbers = re.fullmatch(
            r"\s*(\d{1,6})\s*,\s*(\d{1,6})\s*,\s*(\d{1,6})\s*,\s*(\d{1,6})\s*", text
        )
        if numbers is None or not int(numbers[3]) or not int(numbers[4]):
            raise InvalidRequest(
                f"A box is left,top,width,height in pixels, such as 64,32,80,60, not {text[:40]!r}."
            )
        return cls(*(int(number) for number in numbers.groups()))


class Tile(NamedTuple):
    """One crop of the figure."""

    pixels: np.ndarray
    """(h, w, 3) uint8, not enlarged."""
    title: str
    """First line below."""
    score: str
    """Second line below; "" for input and target without a score."""


def publication_crop(
    stored: StoredRun,
    pair: str,
    box: Box,
    *,
    format: str = "png",  # noqa: A002
    methods: Sequence[str] = (),
    protocol: str | None = None,
    enlarge: int = 4,
    dpi: int = 300,
) -> bytes:
    """Draw the figure.

    Args:
        stored: The run; its pictures must be stored here.
        box: Part of the picture, in pixels of the target.
        methods: Ids of the methods to show, in order; all by default.
        protocol: See `score_tables.chosen_protocol`.
        enlarge: Number of times that each pixel is repeated in each direction.
        dpi: Pixels an inch, which gives the figure its printed size.

    Raises:
        InvalidRequest: An argument is out of range, or a picture is not stored here.
    """
    if format not in FORMATS:
        raise InvalidRequest(f"A figure is png or pdf, not {format[:20]!r}.")
    if not 1 <= enlarge <= MAX_ENLARGE or not DPI[0] <= dpi <= DPI[1]:
        raise InvalidRequest(
            f"Pixels are enlarged 1 to {MAX_ENLARGE} times, at {DPI[0]} to {DPI[1]} dpi."
        )
    run = stored.header()
    name = chosen_protocol(run, protocol)
    rows = rows_of(scores_frame(stored, name), pair, name)
    if not rows:
        raise InvalidRequest(f"Run {run.id} has no picture {pair[:80]!r}.")
    found = stored_pictures(stored, rows)
    wanted = list(methods) or [row.method for row in rows]
    missing = [method for method in wanted if method not in found]
    if missing:
        raise InvalidRequest(f"The picture of {missing[0][:80]!r} is not stored here.")
    tiles = _tiles(run, rows, found, box, wanted, name)
    whole = to_eight_bits(found.get(TARGET, found[wanted[-1]]))
    words = caption(stored, run, pair, box, name, enlarge, dpi, rows)
    return _drawn(tiles, whole, box, words, enlarge, dpi, format)


def _tiles(
    run: Run,
    rows: list[SampleResult],
    found: dict[str, np.ndarray],
    box: Box,
    wanted: Sequence[str],
    protocol: str,
) -> list[Tile]:
    """Crops of the input, the methods and the target, with their scores."""
    titles = {method.id: method.title for method in run.methods} | {
        INPUT: "Input",
        TARGET: "Target",
    }
    scores = {row.method: row.scores.get(protocol, {}) for row in rows}
    metrics = shown_metrics(protocol)[:2]
    tiles = []
    for name in (INPUT, *wanted, TARGET):
        if name not in found:
            continue
        height, width = found[name].shape[:2]
        if box.left + box.width > width or box.top + box.height > height:
            raise InvalidRequest(
                f"The box {','.join(map(str, box))} is not inside a picture of {width} x {height}."
            )
        part = found[name][box.top : box.top + box.height, box.left : box.left + box.width]
        known = scores.get(name, {})
        score = " / ".join(one.text(known[one.key]) for one in metrics if one.key in known)
        tiles.append(Tile(to_eight_bits(part), titles.get(name, name), score))
    return tiles


def caption(
    stored: StoredRun,
    run: Run,
    pair: str,
    box: Box,
    protocol: str,
    enlarge: int,
    dpi: int,
    rows: list[SampleResult],
) -> str:
    """Caption of the figure: what is shown, how it was scored, and the hashes to find it again."""
    first = rows[0]
    hashes = [f"input {str(first.degraded_sha256)[:12]}"]
    hashes += [f"target {first.target_sha256[:12]}"] if first.target_sha256 else []
    hashes += [
        f"{method.id} weights {method.weights_sha256[:12]}"
        for method in run.methods
        if method.weights_sha256
    ]
    copies = "" if stored.has_scored_pictures else " Outputs are lossy 8-bit copies for looking."
    return (
        f"{run.benchmark.title}, picture {pair}: columns {box.left} to {box.left + box.width - 1}, "
        f"rows {box.top} to {box.top + box.height - 1}, every pixel repeated {enlarge} times "
        f"each way (nearest neighbour), {dpi} dpi; the overview is resampled. Scores are of the "
        f"whole picture, protocol {protocol}. Run {run.id}, data {str(run.data_sha256)[:12]}; "
        f"SHA-256: {', '.join(hashes)}.{copies}"
    )


class _Layout(NamedTuple):
    """Sizes of a figure in pixels: the overview on the left, crops in rows beside it."""

    width: int
    """Width of the figure."""
    height: int
    """Height of the figure."""
    overview: np.ndarray
    """(h, w, 3) uint8: the whole picture, reduced."""
    overview_wide: int
    """Width at which the overview is as high as a crop."""
    crop: tuple[int, int]
    """Width and height of an enlarged crop."""
    columns: int
    """Crops in a row."""
    row: int
    """Height of a row: a crop and the text below it."""
    text_top: int
    """Top of the caption."""
    font_pt: float
    """Size of the text below a crop, in points."""
    caption: str
    """The caption, with line breaks."""

    def place(
        self, left: float, top: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of a rectangle as shares of the figure."""
        bottom = 1 - (top + height) / self.height
        return left / self.width, bottom, width / self.width, height / self.height


def _layout(
    tiles: list[Tile], whole: np.ndarray, box: Box, words: str, enlarge: int, dpi: int
) -> _Layout:
    """Lay a figure out in whole pixels.

    Raises:
        InvalidRequest: The figure would be too large.
    """
    wide, high = box.width * enlarge, box.height * enlarge
    overview = shrink(Picture(whole), max(high * max(whole.shape[:2]) // whole.shape[0], 1)).pixels
    overview_wide = round(overview.shape[1] * (high / overview.shape[0]))
    columns = min(len(tiles), COLUMNS)
    longest = max(len(line) for tile in tiles for line in (tile.title, tile.score))
    font_pt = min(FONT_PT, 72 * wide / dpi / (0.56 * max(longest, 1)))
    row = high + int(np.ceil(2.7 * font_pt * dpi / 72)) + GAP_PX
    width = overview_wide + columns * (wide + GAP_PX)
    lines = textwrap.wrap(words, max(int(width / dpi * 72 / (0.62 * CAPTION_PT)), 20))
    text_top = -(-len(tiles) // columns) * row
    height = text_top + int(np.ceil(len(lines) * CAPTION_LINE_PT * dpi / 72)) + GAP_PX
    if width * height > MAX_PIXELS:
        raise InvalidRequest(
            f"The figure would have {width * height / 1e6:.0f} megapixels, more than "
            f"{MAX_PIXELS / 1e6:.0f}: choose a smaller box, or enlarge it less."
        )
    caption = "\n".join(lines)
    return _Layout(
        width, height, overview, overview_wide, (wide, high), columns, row, text_top, font_pt,
        caption,
    )  # fmt: skip


def _drawn(
    tiles: list[Tile],
    whole: np.ndarray,
    box: Box,
    words: str,
    enlarge: int,
    dpi: int,
    format: str,  # noqa: A002
) -> bytes:
    """Draw the figure and write it."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    layout = _layout(tiles, whole, box, words, enlarge, dpi)
    inches = layout.width / dpi, layout.height / dpi
    figure = Figure(figsize=inches, dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)

    def put(pixels: np.ndarray, left: int, top: int, width: int, height: int) -> Any:
        axes = figure.add_axes(layout.place(left, top, width, height))
        axes.imshow(pixels, interpolation="none", aspect="auto")
        axes.set_axis_off()
        return axes

    wide, high = layout.crop
    overview = put(layout.overview, 0, 0, layout.overview_wide, high)
    scale = layout.overview.shape[1] / whole.shape[1]
    corner = (box.left * scale - 0.5, box.top * scale - 0.5)
    overview.add_patch(
        Rectangle(corner, box.width * scale, box.height * scale, fill=False, ec=BOX_COLOUR, lw=1)
    )
    for number, tile in enumerate(tiles):
        line, column = divmod(number, layout.columns)
        left = layout.overview_wide + GAP_PX + column * (wide + GAP_PX)
        top = line * layout.row
        put(tile.pixels, left, top, wide, high)
        text = f"{tile.title}\n{tile.score}" if tile.score else tile.title
        across, up, *_ = layout.place(left + wide / 2, top + high + GAP_PX / 2, 0, 0)
        _write(figure, text, across, up, layout.font_pt, "center")
    _, up, *_ = layout.place(0, layout.text_top, 0, 0)
    _write(figure, layout.caption, 0, up, CAPTION_PT, "left")
    buffer = io.BytesIO()
    facts: dict[str, str | None] = {"Title": "Publication crop"}
    facts |= {"Description": words} if format == "png" else {"Subject": words, "CreationDate": None}
    with rc_context({"pdf.fonttype": 42}):
        figure.savefig(buffer, format=format, dpi=dpi, metadata=facts)
    return buffer.getvalue()


def _write(
    figure: "Figure", text: str, across: float, up: float, points: float, align: str
) -> None:
    """Write text below a place; "$" and the like stand for themselves."""
    figure.text(across, up, text, size=points, ha=align, va="top", parse_math=False)
