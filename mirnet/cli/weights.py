"""`python -m mirnet weights`: list, fetch, import, check, export and delete weights."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from mirnet.errors import InvalidRequest
from mirnet.tasks import TASKS, get_task

from .arguments import named_folders
from .terminal import console, print_error, print_line, progress

app = typer.Typer(no_args_is_help=True, help="List, fetch, import, check and export weights.")


@app.command("list")
def list_weights(
    task: Annotated[str | None, typer.Option(help="Only those of one task.")] = None,
) -> None:
    """Show all weights, those on this machine marked."""
    from mirnet.weights.catalogue import entries_for
    from mirnet.weights.download_state import megabytes
    from mirnet.weights.load import locate

    table = Table(box=None, pad_edge=False)
    for column in ("id", "task", "network", "kind", "size", "here", "licence"):
        table.add_column(column, no_wrap=column == "id", justify="left")
    for task_id in [get_task(task).id] if task else [*TASKS, ""]:
        for entry in entries_for(task_id):
            path = locate(entry.id)
            size = path.stat().st_size if path else entry.size_bytes
            table.add_row(
                *(escape(text) for text in (entry.id, entry.task, entry.architecture, entry.kind)),
                megabytes(size) if size else "",
                "yes" if path else "",
                escape(entry.licence),
            )
    console().print(table)


@app.command("fetch")
def fetch_weights(
    weights_id: Annotated[
        str, typer.Argument(metavar="ID", help="From the list, or hub:org/name@revision.")
    ],
    task: Annotated[str, typer.Option(help="For hub weights: the task they are for.")] = "",
) -> None:
    """Download weights into the cache."""
    from mirnet.weights.fetch import fetch

    with progress(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bar:
        shown = bar.add_task(weights_id, total=None)
        for event in fetch(weights_id, task=task):
            bar.update(
                shown,
                completed=event.done_bytes,
                total=event.total_bytes,
                description=f"{weights_id}: {event.state}",
            )
    print_line(f"{weights_id} is ready: {event.path}")


@app.command("import")
def import_weights(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .safetensors or .pth file.")],
    weights_id: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="Default: made from the file's name.")
    ] = None,
    task: Annotated[str | None, typer.Option(help=f"One of {', '.join(TASKS)}.")] = None,
) -> None:
    """Check a weights file you have, convert it, and keep it in the cache."""
    from mirnet.weights.importing import import_file
    from mirnet.weights.store import read_record

    before = read_record(weights_id) if weights_id else None
    entry = import_file(file, id=weights_id, task=task)
    after = read_record(entry.id)
    if before and after and before.original_sha256 not in ("", after.original_sha256):
        print_line(f"It replaces other weights of this id, which were made from {before.origin}.")
    print_line(f"{entry.id} is ready: {entry.architecture} for the task {entry.task}.")


@app.command("verify")
def verify_weights(
    weights_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Default: all on this machine.")
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FOLDER of a score on the card of our own weights; repeatable."),
    ] = None,
) -> None:
    """Hash weights anew, compare, and load them once; with --pairs, measure their scores anew."""
    from mirnet.weights.catalogue import load_catalogue
    from mirnet.weights.load import locate
    from mirnet.weights.verify import verify

    folders = named_folders(pairs or [])
    if folders and not weights_id:
        raise InvalidRequest("--pairs measures one set of weights: name its ID too.")
    chosen = [weights_id] if weights_id else [key for key in load_catalogue() if locate(key)]
    fine = True
    for key in chosen:
        report = verify(key)
        fine &= report.ok
        if report.ok:
            print_line(f"{report.message} sha256 {report.sha256}")
        else:
            print_error(report.message)
    if weights_id and fine:
        from mirnet.train.publish import recompute

        for name, place in folders.items():
            again = recompute(weights_id, name, place)
            fine &= again.ok
            (print_line if again.ok else print_error)(again.message)
    if not fine:
        raise typer.Exit(2)


@app.command("export")
def export_weights(
    weights_id: Annotated[
        str, typer.Argument(metavar="ID", help="From the list, or a weights file of yours.")
    ],
    onnx: Annotated[Path, typer.Option("--onnx", metavar="FILE", help="ONNX file to write.")],
) -> None:
    """Write a network as one ONNX file for pictures of any size, compared with PyTorch first."""
    from mirnet.weights.load import load
    from mirnet.weights.onnx_export import export_onnx

    done = export_onnx(load(weights_id, allow_paths=True), onnx)
    sizes = ", ".join(f"{width}x{height}" for height, width in done.sizes)
    print_line(f"{done.path} is written: {done.bytes / 1e6:.1f} MB, opset {done.opset}.")
    print_line(f"Largest difference from PyTorch: {done.max_error:.2g} (values 0 to 1; {sizes}).")


@app.command("forget")
def forget_weights(weights_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Delete downloaded or imported weights from the cache."""
    from mirnet.weights.importing import forget

    deleted = forget(weights_id)
    print_line(f"{weights_id} was deleted." if deleted else f"{weights_id} was not in the cache.")
