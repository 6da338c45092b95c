"""`python -m eval compare`: runs against a baseline run."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mirnet.cli.terminal import console, print_line
from mirnet.number_format import counted

from .options import AsJson, Out, as_table, open_store, write_file

MAX_PRINTED = 50
"""Most changes of single pictures that are printed; files hold all."""


def compare(
    run_ids: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="Ids of two or more runs.")
    ],
    baseline: Annotated[
        str | None, typer.Option(help="Id of the run to compare with. Default: the first.")
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="Default: the baseline run's first.")] = None,
    metric: Annotated[str, typer.Option(help="Key of the score of the LaTeX table.")] = "psnr_db",
    format: Annotated[  # noqa: A002
        str | None, typer.Option(help="csv, pictures (CSV of every picture) or latex.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", help="File. Default: the screen.")] = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Say what differs between runs, and by how much each method changed, with intervals."""
    from eval.analysis.run_comparison import compare_runs
    from eval.reports.comparison_export import export_comparison, missing_words
    from mirnet.metrics.registry import get_metric

    store = open_store(out)
    first = baseline or run_ids[0]
    ids = [first, *(name for name in run_ids if name != first)]
    if baseline is None:
        ids = run_ids
    found = compare_runs([store.run(run_id) for run_id in ids], protocol)
    if format is not None or output is not None:
        write_file(export_comparison(found, format or "csv", metric), output)
        return
    if as_json:
        content = {
            "protocol": found.protocol,
            "differences": json.loads(found.differences.to_json(orient="records")),
            "summary": json.loads(found.summary.to_json(orient="records")),
            "left_out": found.left_out,
        }
        typer.echo(json.dumps(content))
        return
    console().print(as_table(found.differences.to_dict("records")))
    if found.metrics:
        console().print(as_table(found.summary.to_dict("records")))
        console().print(as_table(found.changes.head(MAX_PRINTED).to_dict("records")))
    else:
        print_line(missing_words(found, get_metric(metric)))
    if len(found.changes) > MAX_PRINTED:
        print_line(
            f"{MAX_PRINTED} of {len(found.changes)} changes are shown, the largest: "
            "--format pictures writes all."
        )
    if found.left_out:
        pairs = counted(found.left_out, "pair")
        print_line(f"Not compared: {pairs} with the same id and other files.")
