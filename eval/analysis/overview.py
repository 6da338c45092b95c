"""Methods by benchmarks, the table of every paper, from several stored runs.

Every number is a mean of one run's leaderboard; runs are never averaged with each other. Published
numbers are listed apart, because they are of other pictures or follow another protocol.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.metrics.registry import Metric

from . import statistics
from .published import published_for
from .score_tables import UNTOUCHED
from .table_cache import TableCache

if TYPE_CHECKING:
    import pandas as pd

GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "denoise": ("Remove noise", ("denoise",)),
    "enlarge": ("Enlarge", ("sr-x2", "sr-x3", "sr-x4")),
    "lowlight": ("Brighten the dark", ("lowlight",)),
    "retouch": ("Retouch", ("retouch",)),
}
"""Tables of the overview: title and tasks of each, by name."""
PUBLISHED_METHODS = ("MIRNet", "MIRNet-v2")
"""Methods whose published numbers are listed: those that the project implements."""

Standing = Literal["best", "tied", "behind", "unranked"]
"""Standing of a method on a benchmark: the best mean, not told apart from the best by the paired
comparison of `statistics`, behind it, or on too few pictures to rank anybody."""


@dataclass(frozen=True)
class Column:
    """One benchmark, scored by one run."""

    run: Run
    """Header of the run."""
    pictures: int
    """Number of pictures that the means are over."""
    scenes: int
    """Number of scenes that those pictures show (see `eval.data.scenes`)."""


@dataclass(frozen=True)
class Cell:
    """Mean of one method on one benchmark."""

    mean: float
    """Mean score."""
    low: float
    """Lower end of the 95 % interval of the mean."""
    high: float
    """Upper end of the interval."""
    standing: Standing
    """Standing among the methods of the run."""
    method: str
    """Id of the method in the run."""


@dataclass(frozen=True)
class Line:
    """One method with its cells."""

    title: str
    """Name of the method for people."""
    ids: tuple[str, ...]
    """Ids of the method; weights of several scales have one each."""
    is_own: bool
    """Whether these are weights that the project ships."""
    parameters: int | None
    """Most parameters of its networks; None for methods without."""
    cells: tuple[Cell | None, ...]
    """Cell of each column; None where the method was not run."""


@dataclass(frozen=True)
class PublishedLine:
    """Published means of one method."""

    method: str
    """Name of the method."""
    numbers: tuple[str, ...]
    """Data set and number of each, such as "SIDD 39.72"."""
    evidence: str
    """Sentence on where the numbers were read."""
    verified: bool
    """Whether all of them were read in text."""


@dataclass(frozen=True)
class Overview:
    """Table of one group of tasks for one metric."""

    metric: Metric
    """Metric of the cells."""
    columns: tuple[Column, ...]
    """Benchmarks, in the order of the runs."""
    lines: tuple[Line, ...]
    """Methods: the project's weights, then the others, the best first; the input itself last."""
    published: tuple[PublishedLine, ...]
    """Published numbers."""


def overview(tables: TableCache, runs: Sequence[StoredRun], group: str, metric: Metric) -> Overview:
    """Build the table of a group from runs.

    Args:
        metric: Metric of the cells, under the first protocol of each run.

    Raises:
        InvalidRequest: A run is damaged.
    """
    tasks = GROUPS[group][1]
    found = [(stored, run) for stored in runs if (run := stored.header()).task in tasks]
    columns: list[Column] = []
    cells: dict[tuple[str, str], dict[int, Cell]] = {}
    of_line: dict[tuple[str, str], list[Any]] = {}
    for place, (stored, run) in enumerate(found):
        board = tables.board(stored, None)
        standing = _standings(tables.scores(stored), board, metric)
        sizes = (int(board[name].max()) if len(board) else 0 for name in ("pictures", "scenes"))
        columns.append(Column(run, *sizes))
        by_id = {str(row["method"]): row for row in board.to_dict("records")}
        for method in run.methods:
            key = _line_of(method.id), method.title
            of_line.setdefault(key, []).append(method)
            row = by_id[method.id]
            if not math.isfinite(row[metric.key]):
                continue
            cells.setdefault(key, {})[place] = Cell(
                mean=row[metric.key],
                low=row[f"{metric.stem}_low"],
                high=row[f"{metric.stem}_high"],
                standing=standing.get(method.id, "behind"),
                method=method.id,
            )
    lines = [
        _line(methods, [cells.get(key, {}).get(place) for place in range(len(columns))])
        for key, methods in of_line.items()
    ]
    bests = [_best([line.cells[place] for line in lines], metric) for place in range(len(columns))]
    lines.sort(key=lambda line: _rank(line, metric, bests))
    return Overview(metric, tuple(columns), tuple(lines), _published(tasks, metric))


def _line_of(method_id: str) -> str:
    """Name that weights of several scales share: sr-x2-photo and sr-x4-photo are one method."""
    for scale in ("-x2", "-x3", "-x4"):
        method_id = method_id.replace(scale, "")
    return method_id


def _line(methods: list[Any], cells: list[Cell | None]) -> Line:
    parameters = [method.parameters for method in methods if method.parameters]
    return Line(
        title=methods[0].title,
        ids=tuple(dict.fromkeys(method.id for method in methods)),
        is_own=methods[0].kind == "weights",
        parameters=max(parameters, default=None),
        cells=tuple(cells),
    )


def _best(cells: Sequence[Cell | None], metric: Metric) -> float:
    """Best mean of a column; not a number where it has none."""
    means = [cell.mean for cell in cells if cell is not None]
    return (max if metric.higher_is_better else min)(means, default=math.nan)


def _rank(line: Line, metric: Metric, bests: Sequence[float]) -> tuple[bool, bool, float]:
    """Sort key: own weights, then others, the input itself last.

    Within these by how far a method is behind the best of each column, on average: a mean over the
    columns themselves would put one first that was run on the easiest benchmark alone.
    """
    behind = [
        abs(cell.mean - best)
        for cell, best in zip(line.cells, bests, strict=True)
        if cell is not None
    ]
    mean = sum(behind) / len(behind) if behind else math.inf
    return not line.is_own, line.ids[0] in UNTOUCHED, mean


def _standings(
    scores: "pd.DataFrame", board: "pd.DataFrame", metric: Metric
) -> dict[str, Standing]:
    """Standing of every method with a mean, by id."""
    ranked = board[np.isfinite(board[metric.key])]
    if not len(ranked):
        return {}
    means = dict(zip(ranked.method.astype(str), ranked[metric.key], strict=True))
    pick = max if metric.higher_is_better else min
    best = pick(means, key=lambda method: means[method])
    wide = scores.pivot_table(index="pair", columns="method", values=metric.key, observed=False)
    scenes = dict(zip(scores.pair, scores.scene, strict=True))
    compared: dict[str, statistics.Paired] = {}
    for method in means:
        both = wide[[best, method]].dropna() if method != best else wide[[best]].dropna()
        compared[method] = statistics.compare(
            both[method].tolist(),
            both[best].tolist(),
            [scenes[pair] for pair in both.index],
            higher_is_better=metric.higher_is_better,
        )
    others = [method for method in means if method != best]
    among = statistics.pairs_of(len(means))
    corrected = statistics.corrected([compared[method] for method in others], among)
    compared |= dict(zip(others, corrected, strict=True))
    found: dict[str, Standing] = {}
    for method, paired in compared.items():
        if paired.verdict == "too few":
            found[method] = "unranked"
        elif method == best:
            found[method] = "best"
        else:
            found[method] = "behind" if paired.verdict == "worse" else "tied"
    return found


def _published(tasks: tuple[str, ...], metric: Metric) -> tuple[PublishedLine, ...]:
    """Published numbers of the group's tasks for one metric."""
    import pandas as pd

    frame = pd.concat([published_for(task) for task in tasks])
    if metric.key not in frame.columns:
        return ()
    lines = []
    for method in PUBLISHED_METHODS:
        rows = frame[(frame.method == method) & np.isfinite(frame[metric.key])]
        if not len(rows):
            continue
        lines.append(
            PublishedLine(
                method=method,
                numbers=tuple(
                    f"{row.dataset} {metric.as_published(getattr(row, metric.key))}"
                    for row in rows.itertuples()
                ),
                evidence="; ".join(dict.fromkeys(rows.evidence)),
                verified=bool(rows.verified.all()),
            )
        )
    return tuple(lines)
