"""`python -m eval slices`, `describe`: where one method loses to another."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mirnet.cli.terminal import console, print_line
from mirnet.number_format import counted

from .options import AsJson, Offline, Out, as_table, open_store, write_file


def slices(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    a: Annotated[str, typer.Option("-a", help="Id of a method.")],
    b: Annotated[str, typer.Option("-b", help="Id of the method it is compared with.")],
    by: Annotated[
        list[str] | None, typer.Option(help="Facts to look at, such as iso. Default: all.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Key of the score.")] = "psnr_db",
    protocol: Annotated[str | None, typer.Option(help="Default: the run's first.")] = None,
    csv: Annotated[Path | None, typer.Option(help="File to write the table to.")] = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Show where a method loses to another: by camera, ISO, noise, brightness, texture."""
    from eval.analysis.csv_tables import csv_text
    from eval.analysis.slices import compare_in_slices, how_many

    found = compare_in_slices(open_store(out).run(run_id), a, b, metric, protocol, by or ())
    if csv is not None:
        write_file(csv_text(found).encode(), csv)
    if as_json:
        typer.echo(json.dumps(json.loads(found.to_json(orient="records"))))
        return
    columns = ["slice", "pairs", "scenes", "difference", "low", "high", "p_holm", "verdict"]
    console().print(as_table(found[columns].to_dict("records")))
    print_line(how_many(found, a, b))


def describe(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    folder: Annotated[Path | None, typer.Option(help="Your copy of the pairs.")] = None,
    offline: Offline = False,
    out: Out = None,
) -> None:
    """Add to an older run what is known of its pairs (camera, noise, texture), for slices."""
    from eval.runs.fact_backfill import describe_pairs

    stored = open_store(out).run(run_id)
    count = sum(1 for _ in describe_pairs(stored, folder, offline))
    print_line(f"Described: {counted(count, 'pair')} of run {run_id}.")
