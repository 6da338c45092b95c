"""The figures of a stored run by name: which table each is drawn from.

Tables come from `tables.py`, drawings from `plots.py`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest

from . import plots
from . import tables as compare
from .frames import Frames
from .published import published_beside, with_measured
from .tables import Metric

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

FIGURES = {
    "distribution": "Every picture",
    "differences": "Differences",
    "scatter": "Two methods",
    "speed": "Quality and time",
    "cumulative": "Share that reaches",
    "input": "Against the input",
    "published": "Published",
}
"""Titles by name."""
READING = {
    "distribution": "A point is a picture. The box holds the middle half of them: its line is the "
    "median, the dashed one the mean; whiskers reach at most 1.5 box lengths further.",
    "differences": "A bar is a picture. Above zero, the method is better than the one it is set "
    "against.",
    "scatter": "A point is a picture. Above the dashed line, the method is better than the one it "
    "is set against.",
    "speed": "Further up is better, further left is faster. What lies on the dotted line is beaten "
    "by no method in both (Pareto front).",
    "cumulative": "How many of the pictures reach a score: a curve further right is better.",
    "input": "A point is a picture. How much was gained depends on how good the input was; on the "
    "dashed line, nothing was.",
    "published": "Points in grey: unverified. Each published number has its own protocol.",
}
"""How to read each, in a sentence or two."""
OF_TWO = ("scatter", "differences")
"""Figures that set two methods against each other."""


@dataclass(frozen=True)
class Drawn:
    """A figure, and the table that it is drawn from."""

    figure: "go.Figure"
    """Of Plotly."""
    table: "pd.DataFrame"
    """What it was drawn from."""


def draw(
    frames: Frames,
    stored: StoredRun,
    name: str,
    metric: Metric = "psnr_db",
    protocol: str | None = None,
    baseline: str | None = None,
    a: str | None = None,
    b: str | None = None,
) -> Drawn:
    """Draw one figure of a run.

    Args:
        frames: Keeps the tables.
        stored: The run.
        name: One of `FIGURES`.
        metric: Score to show; the published numbers are always PSNR.
        protocol: Name with version; the run's first by default.
        baseline: Id of the method that the board pairs with.
        a: Of two methods, the one that the other is measured against; the input by default.
        b: The other; the best by default.

    Raises:
        InvalidRequest: There is no such figure, method or protocol, or the run is damaged.
    """
    if name not in FIGURES:
        raise InvalidRequest(f"There is no figure {name!r}: choose one of {', '.join(FIGURES)}.")
    run = stored.header()
    if name in ("speed", "published"):
        board = frames.board(stored, baseline, protocol)
        if name == "speed":
            return Drawn(plots.quality_speed(board, metric), board)
        beside = published_beside(run)
        return Drawn(plots.published(beside, board), with_measured(beside, board))
    scores = frames.scores(stored, protocol)
    if name in OF_TWO:
        best = compare.leader(run)
        table = compare.paired_scores(
            scores, a or compare.default_baseline(run) or best, b or best, metric
        )
        make = plots.scatter if name == "scatter" else plots.differences
        return Drawn(make(table, metric), table)
    if name == "cumulative":
        table = compare.cumulative(scores, metric)
        return Drawn(plots.cumulative(table, metric), table)
    if name == "input":
        table = compare.input_quality(scores, metric=metric)
        return Drawn(plots.against_input(table, metric), table)
    return Drawn(plots.distribution(scores, compare.quartiles(scores, metric), metric), scores)
