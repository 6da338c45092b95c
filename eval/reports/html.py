"""One run as one HTML file that needs nothing else: figures, pictures, hashes, published numbers.

The file asks no other machine for anything, and its policy (CSP) forbids it to. Two scripts may
run, named by their hashes: plotly.js and the few lines that draw; figures are data, not code. Every
word from outside is escaped by jinja2.
"""

import base64
import hashlib
import json
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.analysis import leaderboards, score_tables
from eval.analysis.plots import PLOTS, draw
from eval.analysis.published import caveats, published_beside
from eval.analysis.table_cache import TableCache
from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.metrics.protocols import PROTOCOLS
from mirnet.metrics.registry import metrics_in
from mirnet.number_format import counted

from .board_text import COST_HEADS, board_cells, other_differences, score_heads
from .provenance import provenance

if TYPE_CHECKING:
    import pandas as pd

ASSETS = Path(__file__).parent / "assets"
"""Template, style and script of the page."""
FIRST_PLOTS = (
    "distribution",
    "speed",
    "perception",
    "cumulative",
    "scatter",
    "differences",
    "input",
    "published",
)
"""Plots that come first, in this order; further ones of `PLOTS` follow."""
PICTURE_ROWS = 3
"""Pairs shown from each end of the ranking."""
PICTURE_METHODS = 6
"""Methods shown for each of them."""
MAX_THUMB_BYTES = 100_000
"""Larger thumbnails are left out."""


def html_report(stored: StoredRun, baseline: str | None = None) -> str:
    """Write a run as a self-contained page.

    Args:
        stored: The run; one under way is shown as far as it is.
        baseline: Method that the others are paired with. Where none is given, the table takes
            `score_tables.default_baseline` and the paired figures the two methods that rank first.

    Returns:
        HTML of about 5 MB, nearly all of it plotly.js; the same for the same run.

    Raises:
        InvalidRequest: The run has no such method, or is damaged.
    """
    from plotly.offline import get_plotlyjs

    run = stored.header()
    against = baseline or score_tables.default_baseline(run)
    scores = score_tables.scores_frame(stored)
    board = leaderboards.leaderboard(stored, against, scores=scores)
    beside = published_beside(run)
    figures = _figures(stored, _ReportTables(scores, board), baseline, len(beside) > 0)
    library, draw = get_plotlyjs(), _asset("report.js")
    policy = (
        "default-src 'none'; "
        f"script-src '{_csp_hash(library)}' '{_csp_hash(_asset('report.js'))}'; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return _template().render(
        run=run,
        policy=policy,
        style=_asset("report.css"),
        library=library,
        draw=draw,
        meaning=_meaning(run.protocol),
        facts=provenance(run, run.protocol),
        rows=list(zip(board_cells(board), board.to_dict("records"), strict=True)),
        best=_best(board),
        scores=score_heads(board),
        baseline=against,
        caution=leaderboards.caution(board),
        lead=leaderboards.lead(board),
        how_tested=leaderboards.HOW_TESTED,
        other_differences=other_differences(),
        costs=COST_HEADS,
        left_out=int(board.identical.sum()),
        errors=_errors(scores),
        figures=[json.loads(figure.to_json()) for figure in figures],
        ends=_ends(stored, run, scores, board),
        published_metrics=metrics_in(beside.columns),
        beside=[_published_cells(row) for row in beside.to_dict("records")],
        caveats=caveats(beside.dataset.iloc[0]) if len(beside) else (),
        settings={
            method.id: json.dumps(method.settings, sort_keys=True)
            for method in run.without_folders().methods
        },
    )


def _csp_hash(script: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _meaning(protocol: str) -> str:
    name, _, version = protocol.partition("/")
    known = PROTOCOLS.get(name)
    if known is None or str(known.version) != version:
        return "This version of the project does not know the protocol."
    return f"{known.title}. {known.meaning} After {known.follows}."


class _ReportTables(TableCache):
    """The two tables of one report, so that all its figures show the same state of the run."""

    def __init__(self, scores: "pd.DataFrame", board: "pd.DataFrame") -> None:
        super().__init__()
        self._scores, self._board = scores, board

    def scores(self, stored: StoredRun, protocol: str | None = None) -> "pd.DataFrame":
        if protocol not in (None, self._board.protocol.iloc[0]):
            return super().scores(stored, protocol)
        return self._scores

    def board(
        self, stored: StoredRun, baseline: str | None, protocol: str | None = None
    ) -> "pd.DataFrame":
        if protocol not in (None, self._board.protocol.iloc[0]):
            return super().board(stored, baseline, protocol)
        return self._board


def _figures(
    stored: StoredRun, tables: _ReportTables, baseline: str | None, has_published: bool
) -> list[Any]:
    """Draw every plot of `PLOTS` that the run has data for.

    Args:
        baseline: Id of the reference method in paired figures; the second in rank by default.
        has_published: Whether there are published numbers for the run's data set.
    """
    ranked = [str(name) for name in tables.board(stored, None).method]
    compared = next((name for name in ranked if name != baseline), None)
    reference = baseline or (ranked[1] if len(ranked) > 1 else None)
    names = [*FIRST_PLOTS, *(name for name in PLOTS if name not in FIRST_PLOTS)]
    run, drawn = stored.header(), []
    for name in names:
        if not PLOTS[name].applies_to(run, len(ranked)):
            continue
        if name == "published" and not has_published:
            continue
        found = draw(tables, stored, name, a=reference, b=compared)
        if name == "perception" and found.table.empty:
            continue
        drawn.append(found.figure)
    return drawn


def _best(board: "pd.DataFrame") -> dict[str, float]:
    """The best mean of each metric, to be set in bold."""
    return {
        metric.key: board[metric.key].max() if metric.higher_is_better else board[metric.key].min()
        for metric in metrics_in(board.columns)
    }


def _errors(scores: "pd.DataFrame") -> list[dict[str, Any]]:
    failed = scores[scores.error.notna()]
    counts = failed.groupby(["method", "error"], observed=True).size().reset_index(name="pictures")
    return counts.head(20).to_dict("records")


def _published_cells(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "method": row["method"],
        "year": "–" if row["year"] is None or row["year"] != row["year"] else int(row["year"]),
        "numbers": [metric.as_published(row[metric.key]) for metric in metrics_in(row)],
        "protocol": row["protocol"],
        "measured_protocol": row["measured_protocol"],
        "source": row["source"],
        "evidence": row["evidence"],
        "quote": row["quote"],
        "setting": row["setting"],
        "verified": row["verified"],
    }


# ---------------------------------------------------------------- pictures


def _ends(
    stored: StoredRun, run: Run, scores: "pd.DataFrame", board: "pd.DataFrame"
) -> list[dict[str, Any]]:
    """The worst and best pictures of the method that ranks first, with every method's result."""
    ranked = board[np.isfinite(board[score_tables.RANKING.key])]
    if ranked.empty:
        return []
    leader = str(ranked.method.iloc[0])
    shown = [method.id for method in run.methods][:PICTURE_METHODS]
    worst = score_tables.worst(scores, leader, PICTURE_ROWS)
    best = score_tables.best(scores, leader, PICTURE_ROWS)
    best = best[~best.pair.isin(worst.pair)]
    wanted = scores[scores.pair.isin([*worst.pair, *best.pair])]
    of_pair = dict(list(wanted.groupby("pair")))
    return [
        {
            "title": f"{words} of {leader}",
            "pairs": [_pictures(stored, pair, of_pair[pair], shown) for pair in rows.pair],
        }
        for words, rows in (("Worst pictures", worst), ("Best pictures", best))
        if len(rows)
    ]


def _pictures(
    stored: StoredRun, pair: str, rows: "pd.DataFrame", shown: list[str]
) -> dict[str, Any]:
    by_method = {str(row["method"]): row for row in rows.to_dict("records")}
    first = next(iter(by_method.values()))
    cells = [{"name": "input", "score": "", "image": _thumb(stored, first["degraded_sha256"])}]
    for name in shown:
        row = by_method.get(name)
        if row is not None:
            score = _score(row) if row["error"] is None else "failed"
            image = _thumb(stored, row["output_sha256"])
            cells.append({"name": name, "score": score, "image": image})
    cells.append({"name": "target", "score": "", "image": _thumb(stored, first["target_sha256"])})
    return {"id": pair, "cells": cells}


def _score(row: dict[str, Any]) -> str:
    known = [metric for metric in metrics_in(row) if not math.isnan(row[metric.key])]
    return " · ".join(metric.text(row[metric.key]) for metric in known) or "not scored"


def _thumb(stored: StoredRun, sha256: Any) -> str | None:
    """Encode a stored thumbnail as data URI; None if it is missing or no small JPEG."""
    if not isinstance(sha256, str):
        return None
    path = stored.thumb(sha256)
    try:
        if path.stat().st_size > MAX_THUMB_BYTES:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    if not content.startswith(b"\xff\xd8\xff"):
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["counted"] = counted
    return environment.get_template("report.html.j2")
