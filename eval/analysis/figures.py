"""The figures of a stored run by name: title, how to read it, its table and its drawing.

To add one, write its drawing (`picture_plots.py`, `method_plots.py`) and an entry of `FIGURES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest
from mirnet.metrics.registry import get_metric

from . import method_plots, picture_plots
from .frames import Frames
from .published import published_beside, with_measured
from .score_tables import (
    RANKING,
    cumulative,
    default_baseline,
    input_quality,
    leader,
    paired_scores,
    quartiles,
)

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Drawn:
    """A figure and the table that it is drawn from."""

    figure: "go.Figure"
    """Plotly figure."""
    table: "pd.DataFrame"
    """Data that the figure shows, for users' own plots."""


@dataclass(frozen=True)
class FigureRequest:
    """Run, protocol, metric and methods that a figure is drawn for."""

    frames: Frames
    """Source of the run's tables."""
    stored: StoredRun
    """Stored run."""
    metric: str
    """Key of the metric to show."""
    protocol: str | None
    """Name with version; the run's first by default."""
    baseline: str | None
    """Id of the method that the leaderboard pairs with."""
    a: str | None
    """Id of the reference method in a figure of two; the input by default."""
    b: str | None
    """Id of the method compared with the reference; the leader by default."""
    unverified: bool = False
    """Whether published numbers that nobody has read in text are drawn too."""

    def scores(self) -> "pd.DataFrame":
        """Table of scores; see `score_tables.scores_frame`."""
        return self.frames.scores(self.stored, self.protocol)

    def board(self) -> "pd.DataFrame":
        """Leaderboard; see `leaderboards.leaderboard`."""
        return self.frames.board(self.stored, self.baseline, self.protocol)

    def two_methods(self) -> "pd.DataFrame":
        """Scores of `a` and `b` on common pictures; see `score_tables.paired_scores`."""
        run = self.stored.header()
        best = leader(run)
        a = self.a or default_baseline(run) or best
        return paired_scores(self.scores(), a, self.b or best, self.metric)


@dataclass(frozen=True)
class Figure:
    """An entry of `FIGURES`."""

    title: str
    """Display name in lists."""
    reading: str
    """Explanation of how to read the figure, in a sentence or two."""
    draw: Callable[[FigureRequest], Drawn]
    """Function that computes the table and draws it."""
    of_two: bool = False
    """Whether the figure compares two methods."""
    of_any_metric: bool = True
    """Whether the metric can be chosen."""


def _distribution(request: FigureRequest) -> Drawn:
    scores, metric = request.scores(), request.metric
    return Drawn(picture_plots.distribution(scores, quartiles(scores, metric), metric), scores)


def _differences(request: FigureRequest) -> Drawn:
    table = request.two_methods()
    return Drawn(picture_plots.differences(table, request.metric), table)


def _scatter(request: FigureRequest) -> Drawn:
    table = request.two_methods()
    return Drawn(picture_plots.scatter(table, request.metric), table)


def _speed(request: FigureRequest) -> Drawn:
    board = request.board()
    return Drawn(method_plots.quality_speed(board, request.metric), board)


def _cumulative(request: FigureRequest) -> Drawn:
    table = cumulative(request.scores(), request.metric)
    return Drawn(picture_plots.cumulative(table, request.metric), table)


def _against_input(request: FigureRequest) -> Drawn:
    table = input_quality(request.scores(), metric=request.metric)
    return Drawn(picture_plots.against_input(table, request.metric), table)


def _published(request: FigureRequest) -> Drawn:
    board = request.board()
    beside = published_beside(request.stored.header(), request.protocol)
    figure = method_plots.published(beside, board, request.unverified)
    shown = beside if request.unverified else beside[beside.verified]
    return Drawn(figure, with_measured(shown, board))


FIGURES: dict[str, Figure] = {
    "distribution": Figure(
        "Score distribution",
        "A point is a picture. The box holds the middle half of them: its line is the "
        "median, the dashed one the mean; whiskers reach at most 1.5 box lengths further.",
        _distribution,
    ),
    "differences": Figure(
        "Paired differences",
        "A bar is a picture: the score of one method minus that of the other.",
        _differences,
        of_two=True,
    ),
    "scatter": Figure(
        "Two methods",
        "A point is a picture. On the dashed line, both methods have the same score.",
        _scatter,
        of_two=True,
    ),
    "speed": Figure(
        "Quality and time",
        "Further left is faster. No method on the dotted line is beaten in both quality and time "
        "(Pareto front).",
        _speed,
    ),
    "cumulative": Figure(
        "Cumulative scores",
        "How many of the pictures reach a score or a better one.",
        _cumulative,
    ),
    "input": Figure(
        "Gain by input quality",
        "A point is a picture. How much was gained depends on how good the input was; on the "
        "dashed line, nothing was.",
        _against_input,
    ),
    "published": Figure(
        "Published",
        "Each published number has its own protocol; those of one setting stand together. Filled: "
        "read in the primary source; open: restated by others.",
        _published,
        of_any_metric=False,
    ),
}
"""Every figure by name, in the order of lists."""


def draw(
    frames: Frames,
    stored: StoredRun,
    name: str,
    metric: str = RANKING.key,
    protocol: str | None = None,
    baseline: str | None = None,
    a: str | None = None,
    b: str | None = None,
    unverified: bool = False,
) -> Drawn:
    """Draw one figure of a run; the arguments are those of `FigureRequest`.

    Args:
        frames: Source of the run's tables.
        stored: The run.
        name: Key of `FIGURES`.
        metric: Key of the metric to show; published numbers are always PSNR.
        protocol: Name with version; the run's first by default.
        baseline: Id of the method that the leaderboard pairs with.
        a: Id of the reference method in a figure of two; the input by default.
        b: Id of the method compared with the reference; the leader by default.
        unverified: Whether published numbers that nobody has read in text are drawn too.

    Raises:
        InvalidRequest: There is no such figure, metric, method or protocol, or the run is damaged.
    """
    if name not in FIGURES:
        raise InvalidRequest(f"There is no figure {name!r}: choose one of {', '.join(FIGURES)}.")
    key = get_metric(metric).key
    request = FigureRequest(frames, stored, key, protocol, baseline, a, b, unverified)
    return FIGURES[name].draw(request)
