"""`python -m eval benchmarks`, `methods`, `protocols`, `metrics`: list the available choices."""

import json
from typing import Annotated

import typer
from rich.table import Table

from mirnet.cli.terminal import console, print_line

from .options import (
    AsJson,
)


def benchmarks(as_json: AsJson = False) -> None:
    """List the benchmarks: pairs, megabytes, licence, where they come from."""
    from eval.data.benchmarks import load_benchmarks

    rows = load_benchmarks().values()
    if as_json:
        typer.echo(json.dumps([row.model_dump(mode="json") for row in rows]))
        return
    table = Table("id", "task", "pairs", "MB", "protocol", "licence", "title", box=None)
    for row in rows:
        megabytes = "-" if row.megabytes is None else f"{row.megabytes:g}"
        table.add_row(
            row.id,
            row.task,
            str(row.pairs or "-"),
            megabytes,
            row.protocols[0],
            row.licence,
            row.title,
        )
    console().print(table)


def methods(
    task: Annotated[str, typer.Option(help="Id of the task.")] = "denoise",
    as_json: AsJson = False,
) -> None:
    """List what can be compared on a task, and what is missing for the rest."""
    from dataclasses import asdict

    from eval.methods.registry import list_methods

    rows = list_methods(task)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows]))
        return
    table = Table("id", "kind", "title", "available", box=None)
    for row in rows:
        table.add_row(row.id, row.kind, row.title, "yes" if row.available else row.reason)
    console().print(table)


def protocols() -> None:
    """List the protocols and what their numbers mean."""
    from mirnet.metrics.protocols import PROTOCOLS

    for entry in PROTOCOLS.values():
        print_line(f"{entry.name}: {entry.title}\n  {entry.meaning}\n  After {entry.follows}.")


def metrics(as_json: AsJson = False) -> None:
    """List the metrics: which way is better, the unit, the source, and who computes them."""
    from mirnet.metrics.protocols import PROTOCOLS
    from mirnet.metrics.registry import METRICS, OPTIONAL

    rows = [
        {
            "key": metric.key,
            "title": metric.title,
            "better": metric.better,
            "unit": metric.unit,
            "protocols": [
                protocol.id
                for protocol in PROTOCOLS.values()
                if key in {own.key for own in protocol.metrics}
            ],
            "source": metric.source,
        }
        for key, metric in (METRICS | OPTIONAL).items()
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("key", "metric", "better", "unit", "protocols", "source", box=None)
    for row in rows:
        everywhere = len(row["protocols"]) == len(PROTOCOLS)
        protocols = "all" if everywhere else ", ".join(row["protocols"])
        table.add_row(*map(str, (row | {"protocols": protocols}).values()))
    console().print(table)
