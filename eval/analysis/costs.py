"""Costs of the methods of a run: time, memory and size of the pictures."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def costs(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Sum up the time and find the peak memory of every method.

    Args:
        scores: Result of `score_tables.scores_frame`.

    Returns:
        One row for each method in the run's order, with `method`, `results` (number of rows that
        have an output), `cached` (of them, outputs of earlier runs), and over the rows that were
        timed: `seconds` and `megapixels` (sums), `s_per_mp`, `peak_mb` (largest) and `tiles` (most
        for one picture). Not a number where nothing was timed or measured.
    """
    made = scores[scores.error.isna()]
    timed = made[made.seconds.notna() & (made.megapixels > 0)]
    by_method = timed.groupby("method", observed=False)
    found = by_method[["seconds", "megapixels"]].sum(min_count=1)
    found["s_per_mp"] = found.seconds / found.megapixels
    found["peak_mb"] = by_method.peak_mb.max()
    found["tiles"] = (
        timed.assign(tiles=timed.tiles.astype(float)).groupby("method", observed=False).tiles.max()
    )
    found["results"] = made.groupby("method", observed=False).size()
    found["cached"] = made[made.cached].groupby("method", observed=False).size()
    return found.reset_index()
