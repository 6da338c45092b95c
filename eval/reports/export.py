"""A run's numbers as files: CSV, Parquet, Markdown, LaTeX, and metadata for a model card.

No number leaves without what it depends on: run, protocol with version, hash of the weights,
fingerprint of the pictures, revision of the benchmark and date. A run that lacks one of them is
refused. Titles, ids and error messages are text from outside and are escaped for each format.
"""

import io
from typing import TYPE_CHECKING

from eval.analysis.csv_tables import csv_text
from eval.analysis.leaderboards import leaderboard
from eval.analysis.score_tables import chosen_protocol, default_baseline, scores_frame
from eval.analysis.slices import facts_of_pairs
from eval.data.pair_facts import Fact
from eval.runs.annotations import notes_of, selections_of
from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest
from mirnet.metrics.registry import metrics_in

from .board_text import board_cells, board_heads, how_to_read
from .markdown import markdown_text
from .model_index import model_index
from .provenance import provenance, require_provenance

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = {
    "csv": ".csv",
    "parquet": ".parquet",
    "markdown": ".md",
    "latex": ".tex",
    "model-index": ".yaml",
}
"""Formats that `export` writes, with their file name suffixes."""


def export(
    stored: StoredRun,
    format: str,  # noqa: A002
    baseline: str | None = None,
    protocol: str | None = None,
) -> bytes:
    """Write a run as a file.

    Args:
        format: "csv" and "parquet" hold one row for each picture, method and protocol; "markdown"
            the leaderboard, "latex" (booktabs) its means and times to paste into a paper, with all
            else in comments above;
            "model-index" one YAML document with an entry for each method that has weights.
        baseline: Method that the leaderboard pairs others with; `default_baseline` where
            none is given.
        protocol: Protocol of leaderboard and model-index; the run's first by default.

    Returns:
        Content of the file; text is UTF-8.

    Raises:
        InvalidRequest: The format is unknown, the run has no such baseline or protocol, or it lacks
            what its numbers depend on.
    """
    if format not in SUFFIXES:
        raise InvalidRequest(
            f"There is no export as {format!r}: choose one of {', '.join(SUFFIXES)}."
        )
    run = stored.header()
    require_provenance(run)
    if format == "csv":
        return csv_text(picture_table(stored)).encode()
    if format == "parquet":
        return _parquet(picture_table(stored))
    name = chosen_protocol(run, protocol)
    board = leaderboard(stored, baseline or default_baseline(run), name)
    if format == "model-index":
        return model_index(run, board, name).encode()
    write = _markdown if format == "markdown" else _latex
    return write(run, board, name).encode()


def picture_table(stored: StoredRun) -> "pd.DataFrame":
    """Build a table of one row per picture, method and protocol, with provenance.

    Facts of a pair (`eval.analysis.slices`) are columns whose names begin with "fact."; a fact that
    is a text for any pair is a text for all. Tags, note and saved selections
    (`eval.runs.annotations`) are columns where the run has some. Rows without a result keep their
    error and have no scores.

    Raises:
        InvalidRequest: The run is damaged.
    """
    import pandas as pd

    run = stored.header()
    weights = {method.id: method.weights_sha256 for method in run.methods}
    parts = []
    for protocol in run.protocols:
        part = scores_frame(stored, protocol)
        part.insert(2, "protocol", protocol)
        parts.append(part)
    facts = facts_of_pairs(stored, parts[0])
    table = pd.concat(parts, ignore_index=True)
    table["method"] = table.method.astype(str)
    table["weights_sha256"] = table.method.map(weights)
    for name in dict.fromkeys(name for known in facts.values() for name in known):
        table[f"fact.{name}"] = _of_one_type([facts[pair].get(name) for pair in table.pair])
    notes, selections = notes_of(stored), selections_of(stored)
    if notes:
        table["tags"] = [
            "; ".join(notes[pair].tags) if pair in notes else "" for pair in table.pair
        ]
        table["note"] = [notes[pair].note if pair in notes else "" for pair in table.pair]
    if selections:
        members = {name: set(pairs) for name, pairs in selections.items()}
        table["selections"] = [
            "; ".join(name for name, pairs in members.items() if pair in pairs)
            for pair in table.pair
        ]
    return table.assign(
        run=run.id,
        date=run.created.isoformat(),
        task=run.task,
        benchmark=run.benchmark.id,
        benchmark_revision=run.benchmark.revision,
        synthetic=run.benchmark.synthetic,
        data_sha256=run.data_sha256,
    )


def _of_one_type(cells: list[Fact | None]) -> list[Fact | None]:
    """Cells of a fact that is a text for some pairs and a number for others, all as texts.

    A column of a Parquet file has one type.
    """
    if not any(isinstance(cell, str) for cell in cells):
        return cells
    return [cell if cell is None or isinstance(cell, str) else f"{cell:.15g}" for cell in cells]


def _parquet(table: "pd.DataFrame") -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _markdown(run: Run, board: "pd.DataFrame", protocol: str) -> str:
    import pandas as pd

    cells = pd.DataFrame(board_cells(board), columns=board_heads(board)).map(markdown_text)
    table = cells.to_markdown(
        index=False,
        tablefmt="github",
        disable_numparse=True,
        colalign=("left", *("right" for _ in cells.columns[1:])),
    )
    facts = (
        f"- {what}: {markdown_text(value)}" for what, value in provenance(run, protocol).items()
    )
    title, words = markdown_text(run.name), markdown_text(how_to_read(board))
    return "\n".join([f"# {title}", "", table, "", words, "", *facts]) + "\n"


def _latex(run: Run, board: "pd.DataFrame", protocol: str) -> str:
    import pandas as pd

    columns = ["Method", *(metric.label for metric in metrics_in(board.columns)), "s/MP"]
    cells = pd.DataFrame(board_cells(board), columns=board_heads(board))
    facts = {run.name: how_to_read(board), **provenance(run, protocol)}
    facts |= {f"Weights of {row.method}": row.weights_sha256 for row in board.itertuples()}
    comments = (f"% {what}: {value or 'none'}" for what, value in facts.items())
    table = (
        cells[columns]
        .map(lambda cell: " ".join(str(cell).split()))
        .replace("–", "--")
        .to_latex(index=False, escape=True, column_format="l" + "r" * (len(columns) - 1))
    )
    flat = (" ".join(line.split()) for line in comments)
    return "\n".join(["% needs \\usepackage{booktabs}", *flat]) + f"\n{table}"
