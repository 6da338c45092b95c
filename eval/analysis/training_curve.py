"""Checkpoint curves: the score of weights that a training kept, against their training step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from eval.runs.common_pictures import common_pictures
from eval.runs.document import Run
from mirnet.metrics.registry import get_metric
from mirnet.number_format import counted

from . import statistics
from .plot_style import (
    GREY,
    MAX_HOVER,
    MAX_TICK,
    blank_figure,
    colour,
    empty_figure,
    hover_text,
    interval_bar,
    marker,
    note_thinning,
    plain_text,
)

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

COLUMNS = ("series", "method", "step", "score", "low", "high")
"""Columns of `training_curve`."""


def has_steps(run: Run) -> bool:
    """Whether the weights of some method say the training step that they were kept at."""
    return any(method.training_step is not None for method in run.methods)


def training_curve(run: Run, board: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """Mean scores of the methods whose weights say their training step.

    Args:
        board: Result of `leaderboards.leaderboard`.

    Returns:
        A row for each such method that has a score, by series and step: `series` (the method's id
        without its step), `method`, `step`, the mean `score`, and its interval `low` and `high`.
    """
    import pandas as pd

    steps = {method.id: method.training_step for method in run.methods}
    stem = get_metric(metric).stem
    rows = []
    for row in board.to_dict("records"):
        step = steps.get(str(row["method"]))
        if step is None or not np.isfinite(row[metric]):
            continue
        series = str(row["method"]).removesuffix(f"-{step}")
        ends = row[f"{stem}_low"], row[f"{stem}_high"]
        rows.append((series, str(row["method"]), step, row[metric], *ends))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["series", "step"], kind="stable", ignore_index=True)


def curves_of_runs(runs: Sequence[tuple[Run, "pd.DataFrame"]], metric: str) -> "pd.DataFrame":
    """Checkpoint curves of several runs, over the same pictures.

    Pictures are those with the same files in all runs that have checkpoints. As on a leaderboard,
    means are over those on which every checkpoint has a finite score, and a checkpoint with scores
    on too few (`common_pictures.MIN_SHARE`) is left out.

    Args:
        runs: Header of each run, and its scores from `score_tables.scores_frame`.
        metric: Key of the metric.

    Returns:
        The columns of `training_curve` with the id of the `run` in front, and two more: `name`, the
        series with its run where several runs have it, and `pictures`, the number averaged over.
    """
    import pandas as pd

    own, scenes = _common_scores(runs, metric)
    common = common_pictures(own)
    over = sorted(common.averaged(own)) if common.methods else []
    labels = _labels_apart([run for run, _ in runs])
    rows = []
    for run, _ in runs:
        for method in run.methods:
            key, step = f"{run.id} {method.id}", method.training_step
            if not over or key not in common.methods:
                continue
            found = statistics.summarise(
                [own[key][pair] for pair in over], [scenes[pair] for pair in over]
            )
            series = method.id.removesuffix(f"-{step}")
            rows.append(
                (run.id, series, method.id, step, found.mean, found.low, found.high, len(over))
            )
    table = pd.DataFrame(rows, columns=["run", *COLUMNS, "pictures"])
    place = table.run.map({run.id: number for number, (run, _) in enumerate(runs)})
    table = table.assign(place=place).sort_values(["place", "series", "step"], ignore_index=True)
    shared = table.groupby("series").run.transform("nunique") > 1
    named = table.series + " · " + table.run.map(labels)
    return table.drop(columns="place").assign(name=table.series.where(~shared, named))


def _common_scores(
    runs: Sequence[tuple[Run, "pd.DataFrame"]], metric: str
) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """Scores of each checkpoint, named by run and method, on the pictures of all runs with some.

    Returns:
        The scores by picture (its pair and the hashes of its files), and the scene of each picture.
    """
    own: dict[str, dict[str, float]] = {}
    scenes: dict[str, str] = {}
    seen: list[set[str]] = []
    for run, scores in runs:
        steps = {method.id for method in run.methods if method.training_step is not None}
        if metric not in scores:
            continue
        rows = scores[scores.method.astype(str).isin(steps) & scores[metric].notna()]
        of_run: set[str] = set()
        for row in rows.to_dict("records"):
            picture = f"{row['pair']} {row['degraded_sha256']} {row['target_sha256']}"
            own.setdefault(f"{run.id} {row['method']}", {})[picture] = row[metric]
            scenes.setdefault(picture, row["scene"])
            of_run.add(picture)
        seen += [of_run] if of_run else []
    everywhere = set.intersection(*seen) if seen else set()
    return {
        key: {picture: score for picture, score in of_key.items() if picture in everywhere}
        for key, of_key in own.items()
    }, scenes


def _labels_apart(runs: Sequence[Run]) -> dict[str, str]:
    """Short label of each run by its id: its name, with the minute or the id where names are equal.

    Long names are cut, so that what tells runs apart stays.
    """
    names = [run.name if len(run.name) <= MAX_TICK else run.name[:MAX_TICK] + "…" for run in runs]
    minutes = [f"{run.created:%Y-%m-%d %H:%M}" for run in runs]
    ids = [run.id for run in runs]
    labels = names
    for ends in (minutes, ids):
        if len(set(labels)) < len(runs):
            labels = [f"{name} · {end}" for name, end in zip(names, ends, strict=True)]
    return {run.id: label for run, label in zip(runs, labels, strict=True)}


def curves_plot(table: "pd.DataFrame", metric: str) -> "go.Figure":
    """Draw the checkpoint curves of several runs with their intervals.

    Args:
        table: Result of `curves_of_runs`, with at least one row.
        metric: Key of the metric.
    """
    figure = blank_figure("Score by training step, all runs")
    for number, (_, part) in enumerate(table.groupby(["run", "series"], sort=False)):
        _add_curve(figure, part, str(part["name"].iloc[0]), number, metric)
    return _finished(
        figure, metric, f"{counted(int(table.pictures.iloc[0]), 'picture')} that all have"
    )


def training_plot(
    table: "pd.DataFrame", run: Run, board: "pd.DataFrame", metric: str
) -> "go.Figure":
    """Draw checkpoint curves with intervals; other methods are dashed lines of their means.

    Args:
        table: Result of `training_curve`.
        board: Result of `leaderboards.leaderboard`.
    """
    shown = get_metric(metric)
    if table.empty:
        return empty_figure(
            "No weights of this run say their training step."
            if not has_steps(run)
            else f"No weights have a {shown.title} yet."
        )
    figure = blank_figure("Score by training step")
    for number, (series, part) in enumerate(table.groupby("series", sort=False)):
        _add_curve(figure, part, str(series), number, metric)
    others = board[~board.method.astype(str).isin(table.method) & np.isfinite(board[metric])]
    for row in others.to_dict("records"):
        figure.add_hline(
            y=row[metric],
            line={"color": GREY, "dash": "dash", "width": 1},
            annotation={"text": plain_text(row["method"], MAX_TICK), "font": {"size": 11}},
        )
    return _finished(figure, metric)


def _add_curve(
    figure: "go.Figure", part: "pd.DataFrame", name: str, number: int, metric: str
) -> None:
    """Draw one series of checkpoints, in the colour and with the symbol of its number."""
    import plotly.graph_objects as go

    figure.add_trace(
        go.Scatter(
            x=part.step,
            y=part.score,
            error_y=interval_bar(part.score, part.low, part.high),
            mode="lines+markers",
            name=plain_text(name, MAX_HOVER),
            line={"color": colour(number), "width": 1.5},
            marker=marker(number, 9),
            customdata=[["", method] for method in part.method],
            hovertemplate=f"{plain_text(name, MAX_HOVER)}<br>step %{{x:,}}<br>{hover_text(metric)}"
            "<extra></extra>",
        )
    )


def _finished(figure: "go.Figure", metric: str, over: str = "pictures") -> "go.Figure":
    """Name the axes and the intervals of a figure of curves, and what they are `over`."""
    note_thinning(figure, False, f"95 % intervals over the {over}")
    figure.update_xaxes(title="Training step")
    title = f"Mean {get_metric(metric).axis_label}"
    return figure.update_yaxes(title=title).update_layout(showlegend=True)
