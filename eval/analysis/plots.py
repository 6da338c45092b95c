"""The plots of a stored run by name: title, how to read it, its table and its drawing.

To add one, write its drawing (`picture_plots.py`, `method_plots.py`) and an entry of `PLOTS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest
from mirnet.metrics.registry import get_metric

from . import method_plots, perception_tradeoff, picture_plots, statistics
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
from .table_cache import TableCache
from .training_curve import has_steps, training_curve, training_plot

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True)
class DrawnPlot:
    """A drawn plot and its table."""

    figure: "go.Figure"
    """Plotly figure."""
    table: "pd.DataFrame"
    """Data that the plot shows, for users' own plots."""


@dataclass(frozen=True)
class PlotRequest:
    """Run, protocol, metric and methods that a plot is drawn for."""

    tables: TableCache
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
    """Id of the reference method in a plot of two; the input by default."""
    b: str | None
    """Id of the method compared with the reference; the leader by default."""
    unverified: bool = False
    """Whether published numbers that nobody has read in text are drawn too."""

    def scores(self) -> "pd.DataFrame":
        """Table of scores; see `score_tables.scores_frame`."""
        return self.tables.scores(self.stored, self.protocol)

    def board(self, protocol: str | None = None) -> "pd.DataFrame":
        """Leaderboard, of another protocol where named; see `leaderboards.leaderboard`."""
        return self.tables.board(self.stored, self.baseline, protocol or self.protocol)

    def two_methods(self) -> "pd.DataFrame":
        """Scores of `a` and `b` on common pictures; see `score_tables.paired_scores`."""
        run = self.stored.header()
        best = leader(run)
        a = self.a or default_baseline(run) or best
        return paired_scores(self.scores(), a, self.b or best, self.metric)


@dataclass(frozen=True)
class Plot:
    """An entry of `PLOTS`."""

    title: str
    """Display name in lists."""
    reading: str
    """Explanation of how to read the plot, in a sentence or two."""
    draw: Callable[[PlotRequest], DrawnPlot]
    """Function that computes the table and draws it."""
    of_two: bool = False
    """Whether the plot compares two methods that are chosen."""
    needs_two: bool = False
    """Whether a run of one method has nothing to draw."""
    needs_steps: bool = False
    """Whether a run without weights that say their training step has nothing to draw."""

    def applies_to(self, run: Run, ranked: int) -> bool:
        """Whether there is something to draw.

        Args:
            ranked: Number of methods that can be drawn.
        """
        return not (self.needs_two and ranked < 2) and (not self.needs_steps or has_steps(run))


def _distribution(request: PlotRequest) -> DrawnPlot:
    scores, metric = request.scores(), request.metric
    return DrawnPlot(picture_plots.distribution(scores, quartiles(scores, metric), metric), scores)


def _differences(request: PlotRequest) -> DrawnPlot:
    table = request.two_methods()
    scenes = request.scores().drop_duplicates("pair").set_index("pair").scene
    mean = statistics.summarise(table.difference, list(table.pair.map(scenes)))
    return DrawnPlot(picture_plots.differences(table, request.metric, mean), table)


def _scatter(request: PlotRequest) -> DrawnPlot:
    table = request.two_methods()
    return DrawnPlot(picture_plots.scatter(table, request.metric), table)


def _speed(request: PlotRequest) -> DrawnPlot:
    board = request.board()
    return DrawnPlot(method_plots.quality_speed(board, request.metric), board)


def _perception(request: PlotRequest) -> DrawnPlot:
    run = request.stored.header()
    board = request.board()
    if not perception_tradeoff.axes(board, request.metric):
        others = map(request.board, perception_tradeoff.protocols_with_both(run.protocols))
        board = next(others, board)
    table = perception_tradeoff.perception_distortion(board, request.metric)
    return DrawnPlot(perception_tradeoff.perception_plot(table), table)


def _cumulative(request: PlotRequest) -> DrawnPlot:
    table = cumulative(request.scores(), request.metric)
    return DrawnPlot(picture_plots.cumulative(table, request.metric), table)


def _against_input(request: PlotRequest) -> DrawnPlot:
    table = input_quality(request.scores(), metric=request.metric)
    return DrawnPlot(picture_plots.against_input(table, request.metric), table)


def _training(request: PlotRequest) -> DrawnPlot:
    run, board = request.stored.header(), request.board()
    table = training_curve(run, board, request.metric)
    return DrawnPlot(training_plot(table, run, board, request.metric), table)


def _published(request: PlotRequest) -> DrawnPlot:
    board = request.board()
    beside = published_beside(request.stored.header(), request.protocol)
    figure = method_plots.published(beside, board, request.unverified, request.metric)
    shown = beside if request.unverified else beside[beside.verified]
    return DrawnPlot(figure, with_measured(shown, board))


PLOTS: dict[str, Plot] = {
    "distribution": Plot(
        "Score distribution",
        "A point is a picture. The box holds the middle half of them: its line is the "
        "median, the dashed one the mean; whiskers reach at most 1.5 box lengths further. Beside "
        "it, the mean with its 95 % interval.",
        _distribution,
    ),
    "differences": Plot(
        "Paired differences",
        "A bar is a picture: the score of one method minus that of the other. The line is their "
        "mean, the band its 95 % interval.",
        _differences,
        of_two=True,
        needs_two=True,
    ),
    "scatter": Plot(
        "Two methods",
        "A point is a picture. On the dashed line, both methods have the same score.",
        _scatter,
        of_two=True,
        needs_two=True,
    ),
    "speed": Plot(
        "Quality and time",
        "Further left is faster. No method on the dotted line is beaten in both quality and time "
        "(Pareto front).",
        _speed,
    ),
    "perception": Plot(
        "Perception and distortion",
        "Up looks closer to the original, right has values closer to it; a method can rarely have "
        "both (Blau and Michaeli 2018). No method on the dotted line is beaten in both.",
        _perception,
    ),
    "cumulative": Plot(
        "Cumulative scores",
        "How many of the pictures reach a score or a better one.",
        _cumulative,
    ),
    "input": Plot(
        "Gain by input quality",
        "A point is a picture. How much was gained depends on how good the input was; on the "
        "dashed line, nothing was.",
        _against_input,
        needs_two=True,
    ),
    "training": Plot(
        "Score by training step",
        "A point is the mean score of the weights that a training kept at a step, with its 95 % "
        "interval. Dashed: the other methods of the run.",
        _training,
        needs_steps=True,
    ),
    "published": Plot(
        "Published",
        "Each published number has its own protocol; those of one setting stand together. Filled: "
        "read in the primary source; open: restated by others.",
        _published,
    ),
}
"""Every plot by name, in the order of lists."""


def draw(
    tables: TableCache,
    stored: StoredRun,
    name: str,
    metric: str = RANKING.key,
    protocol: str | None = None,
    baseline: str | None = None,
    a: str | None = None,
    b: str | None = None,
    unverified: bool = False,
) -> DrawnPlot:
    """Draw one plot of a run; the arguments are those of `PlotRequest`.

    Args:
        tables: Source of the run's tables.
        metric: Key of the metric to show; PSNR by default.
        protocol: Name with version; the run's first by default.
        baseline: Id of the method that the leaderboard pairs with.
        a: Id of the reference method in a plot of two; the input by default.
        b: Id of the method compared with the reference; the leader by default.
        unverified: Whether published numbers that nobody has read in text are drawn too.

    Raises:
        InvalidRequest: There is no such plot, metric, method or protocol, or the run is damaged.
    """
    if name not in PLOTS:
        raise InvalidRequest(f"There is no plot {name!r}: choose one of {', '.join(PLOTS)}.")
    key = get_metric(metric).key
    request = PlotRequest(tables, stored, key, protocol, baseline, a, b, unverified)
    return PLOTS[name].draw(request)
