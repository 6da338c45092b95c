"""HTML of the Overview: the table of methods by benchmarks, and the lists of runs."""

from collections.abc import Sequence

from markupsafe import Markup

from eval.analysis.overview import Cell, Column, Line, Overview
from eval.analysis.score_tables import RANKING, leader
from eval.analysis.statistics import MIN_FOR_VERDICT
from eval.app.page_files import TEMPLATES
from eval.app.run_status import Snapshot
from eval.app.view_state import ViewState
from eval.runs.document import Run
from mirnet.app.kit import html as kit
from mirnet.number_format import counted
from mirnet.tasks import TASKS

CHIPS = {"best": "", "tied": "tie", "behind": "", "unranked": ""}
"""Chip beside a mean, by the standing of its method."""


def trust(runs: Sequence[Run]) -> Markup:
    """One sentence on what can be trusted, with date and machine of the recorded runs."""
    if not runs:
        return kit.note(
            "Nothing was recorded with this copy: run `python -m eval record`, or start a run."
        )
    days = sorted({f"{run.created:%Y-%m-%d}" for run in runs})
    return TEMPLATES.render(
        "overview_trust",
        count=len(runs),
        days=" to ".join(dict.fromkeys([days[0], days[-1]])),
        machines=sorted({run.environment.machine for run in runs}),
    )


def overview_table(found: Overview) -> Markup:
    """Table of methods by benchmarks; every cell leads to the board of its run."""
    metric = found.metric

    def cell(cell: Cell | None, column: int) -> dict[str, str] | None:
        if cell is None:
            return None
        low, high = metric.number(cell.low), metric.number(cell.high)
        return {
            "mean": metric.number(cell.mean),
            "interval": f"{low} – {high}",
            "standing": cell.standing,
            "chip": CHIPS[cell.standing],
            "link": board_link(found.columns[column].run.id),
        }

    return TEMPLATES.render(
        "overview",
        metric=metric,
        columns=[
            {
                "title": column.run.benchmark.title,
                "facts": _pictures(column),
                "protocol": column.run.protocol,
                "link": board_link(column.run.id),
                "few": column.scenes < MIN_FOR_VERDICT,
            }
            for column in found.columns
        ],
        lines=[
            {
                "title": line.title,
                "ids": short_ids(line),
                "is_own": line.is_own,
                "parameters": parameters(line.parameters),
                "cells": [cell(one, place) for place, one in enumerate(line.cells)],
            }
            for line in found.lines
        ],
        published=found.published,
        few=MIN_FOR_VERDICT,
    )


def _pictures(column: Column) -> str:
    """Number of a column's pictures, and of their scenes where those are too few to rank."""
    words = counted(column.pictures, "picture")
    if column.scenes < min(MIN_FOR_VERDICT, column.pictures):
        words += f" of {counted(column.scenes, 'scene')}"
    return words + (", simulated" if column.run.benchmark.synthetic else "")


def short_ids(line: Line) -> str:
    """Ids of a method; those of several scales share one, as in sr-x2/x3/x4-photo."""
    first, *others = line.ids
    scales = [part for name in line.ids for part in name.split("-") if part in ("x2", "x3", "x4")]
    return first.replace(scales[0], "/".join(scales)) if others and scales else ", ".join(line.ids)


def parameters(count: int | None) -> str:
    """Number of parameters in millions; a dash for methods without."""
    return kit.DASH if count is None else f"{count / 1e6:.1f} M"


def board_link(run_id: str) -> str:
    """Address of the report of a run."""
    return f"?{ViewState(view='board', run=run_id).query()}"


def own_runs(newest: Sequence[Snapshot], count: int, may_start: bool = True) -> Markup:
    """The newest runs of this machine, the live ones with their progress.

    Args:
        newest: The runs to list.
        count: Number of all runs of this machine.
        may_start: Whether the visitor may start runs.
    """
    return TEMPLATES.render(
        "overview_runs",
        heading="Your runs" if may_start else "Runs made here",
        words=no_own_runs(may_start),
        rows=[
            _run_row(found.run) | {"state": _progress(found), "is_live": found.under_way}
            for found in newest
        ],
        more=f"?{ViewState(view='runs').query()}" if count > len(newest) else "",
        count=count,
    )


def no_own_runs(may_start: bool) -> str:
    """Sentence in place of the runs of this machine.

    Args:
        may_start: Whether the visitor may start runs.
    """
    if not may_start:
        return "None yet. Visitors of this page look at runs and start none."
    return "None yet. Under Run you start one: the small benchmark needs no download."


def recorded_runs(runs: Sequence[Run], opened: bool = False) -> Markup:
    """The recorded runs, with date and machine.

    Args:
        runs: The runs to list.
        opened: Whether the list is unfolded.
    """
    return TEMPLATES.render(
        "overview_recorded",
        opened=opened,
        rows=[
            _run_row(run) | {"state": f"recorded {run.created:%Y-%m-%d}", "is_live": False}
            for run in runs
        ],
    )


def _progress(found: Snapshot) -> str:
    if not found.under_way:
        return found.state
    words = f"{found.state}, {found.done} of {found.total}"
    left = found.seconds_left
    return words if left is None else f"{words}, {kit.duration(left)} left"


def _run_row(run: Run) -> dict[str, str]:
    best = leader(run)
    line = next((line for line in run.summary if line.method == best), None)
    mean = line.scores.get(RANKING.key) if line else None
    return {
        "name": run.name,
        "link": board_link(run.id),
        "when": f"{run.created:%Y-%m-%d %H:%M}",
        "task": TASKS[run.task].title if run.task in TASKS else run.task,
        "pairs": f"{run.benchmark.n} of {run.benchmark.of}",
        "methods": str(len(run.methods)),
        "leader": kit.DASH if mean is None or mean != mean else f"{best} {RANKING.text(mean)}",
    }
