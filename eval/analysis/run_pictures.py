"""Pictures that one method made in several runs, for a screen."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eval.runs.store import StoredRun
from mirnet.errors import MIRNetError

from .pictures import INPUT, TARGET, rows_of, stored_pictures

if TYPE_CHECKING:
    import pandas as pd


class RunPicture(NamedTuple):
    """One picture of the comparison."""

    run: str
    """Id of the run that made it; "" for input and target."""
    name: str
    """`INPUT`, `TARGET`, or the id of the method."""
    pixels: np.ndarray
    """(H, W, 3) uint8 or uint16."""
    score: float
    """Score of the method; not a number for input and target."""


def pictures_of_runs(
    runs: Sequence[StoredRun],
    pair: str,
    method: str,
    metric: str,
    protocol: str,
    scores: "Callable[[StoredRun, str], pd.DataFrame]",
    most: int,
) -> tuple[list[RunPicture], list[str]]:
    """Read the input, the result of a method in each run, and the target of one pair.

    Args:
        metric: Key of the score to give with each result.
        scores: Reads the table of a run's scores; see `compare_runs`.
        most: Number of results after which no further run is read.

    Returns:
        The pictures, and the ids of the runs among those read that keep none for this pair and
        method.
    """
    made: list[RunPicture] = []
    ends: dict[str, RunPicture] = {}
    without: list[str] = []
    for stored in runs:
        if len(made) == most:
            break
        rows = rows_of(scores(stored, protocol), pair, protocol)
        rows = [row for row in rows if row.method == method]
        try:
            found = stored_pictures(stored, rows)
        except MIRNetError:  # only numbers are stored
            found = {}
        for name in (INPUT, TARGET):
            if name in found:
                ends.setdefault(name, RunPicture("", name, found[name], math.nan))
        if method not in found:
            without.append(stored.id)
            continue
        score = rows[0].scores.get(protocol, {}).get(metric, math.nan)
        made.append(RunPicture(stored.id, method, found[method], score))
    first = [ends[INPUT]] if INPUT in ends else []
    return [*first, *made, *([ends[TARGET]] if TARGET in ends else [])], without
