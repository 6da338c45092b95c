"""Options that several commands share, and the tables that they print."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from mirnet.cli.terminal import harmless
from mirnet.errors import InvalidRequest

if TYPE_CHECKING:
    from eval.runs.executors import Executor
    from eval.runs.store import RunStore

Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of runs. Default: $MIRNET_STATE_DIR/runs, or the user's."),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask the Hub.")]
AllowCode = Annotated[
    bool, typer.Option("--allow-code", help="Methods may be 'module:function', which is executed.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes or Ray actors.")]
EngineName = Annotated[str, typer.Option("--engine", help="here, processes or ray.")]
CacheGB = Annotated[
    float | None,
    typer.Option(
        "--output-cache-gb",
        envvar="MIRNET_OUTPUT_CACHE_GB",
        help="Most disk for pictures that other runs may use again. Default: 10; 0 keeps none.",
    ),
]
Address = Annotated[str | None, typer.Option(help="Of a Ray cluster. Default: this machine.")]


def open_store(out: Path | None) -> "RunStore":
    """Open the folder of runs, the user's own by default."""
    from eval.runs.store import RunStore

    return RunStore(out)


def choose_executor(name: str, workers: int, address: str | None) -> "Executor":
    """Find the executor of a name.

    Raises:
        InvalidRequest: No executor has this name.
    """
    from eval.runs import executors

    if name == "here":
        return executors.serial
    if name == "processes":
        return executors.processes(workers)
    if name == "ray":
        from eval.runs.ray_cluster import ray_executor

        return ray_executor(workers, address)
    raise InvalidRequest(f"There is no engine {name!r}: choose here, processes or ray.")


def choose_benchmarks(
    name: str,
    task: str | None,
    degraded: str,
    target: str,
    revision: str | None,
    config: str | None = None,
    split: str | None = None,
    scale: int | None = None,
    same_size: bool = False,
    scenes: str | None = None,
) -> list[Any]:
    """Find one benchmark, or those of a family ('mini' is all of mini-denoise, mini-sr-x2, ...)."""
    from eval.data.benchmarks import custom_benchmark, get_benchmark, load_benchmarks

    known = load_benchmarks()
    family = [row for key, row in known.items() if key.startswith(f"{name}-")]
    if name not in known and family:
        return [row for row in family if task in (None, row.task)]
    if name not in known and task:
        return [
            custom_benchmark(
                name,
                task,
                degraded=degraded,
                target=target,
                revision=revision,
                config=config,
                split=split,
                scale=scale,
                same_size=same_size,
                scenes=scenes,
            )
        ]
    return [get_benchmark(name)]


def as_table(rows: list[dict[str, Any]]) -> Table:
    """Format rows with the same keys as a table for the terminal."""
    table = Table(*(rows[0] if rows else ["nothing"]), box=None)
    for row in rows:
        table.add_row(*map(format_cell, row.values()))
    return table


def format_cell(value: Any) -> str:
    """Format a value as text; floats with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_file(content: bytes, output: Path | None) -> None:
    """Write a file as a whole, or print it where no file is named."""
    from eval.runs.store import replace_file

    if output is None:
        text = content.decode(errors="replace")
        typer.echo(harmless(text) if sys.stdout.isatty() else text, nl=False)
    else:
        replace_file(output, content)
