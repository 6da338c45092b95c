"""`python -m eval run`, `resume`, `list`, `show`, `verify`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from mirnet.cli.terminal import console, print_line, progress
from mirnet.number_format import counted

from .options import (
    Address,
    AllowCode,
    AsJson,
    CacheGB,
    EngineName,
    Offline,
    Out,
    Workers,
    as_table,
    choose_benchmarks,
    choose_executor,
    open_store,
)

if TYPE_CHECKING:
    from eval.runs.executors import Executor
    from eval.runs.runner import ImageScored
    from eval.runs.store import StoredRun

COLUMNS = 9
"""Columns of the leaderboard that a terminal shows; the others are printed as lines below it."""


def run(
    benchmark: Annotated[str, typer.Option(help="Id from `benchmarks`, or a Hub set or folder.")],
    methods: Annotated[
        str,
        typer.Option(
            help="Ids from `methods`, by commas; or all, compact, baselines; results of any code "
            "as NAME=folder:PATH, any network as NAME=onnx:FILE, weights as NAME=weights:FILE, "
            "all steps that a training kept as NAME=training:FOLDER."
        ),
    ] = "all",
    n: Annotated[int | None, typer.Option("--n", help="Pairs. Default: all.")] = None,
    seed: Annotated[int, typer.Option(help="Chooses the pairs.")] = 0,
    protocol: Annotated[
        list[str] | None, typer.Option(help="Ids from `protocols`, the ranking one first.")
    ] = None,
    title: Annotated[str, typer.Option(help="What to call the run.")] = "",
    folder: Annotated[
        Path | None, typer.Option(help="Your files of a benchmark that has no home on the Hub.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Of your own data set.")] = None,
    degraded: Annotated[str, typer.Option(help="Column or pattern of your inputs.")] = "degraded",
    target: Annotated[str, typer.Option(help="Column or pattern of your targets.")] = "target",
    revision: Annotated[str | None, typer.Option(help="Of your own Hub data set.")] = None,
    config: Annotated[
        str | None, typer.Option(help="Configuration of your own Hub data set.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Split of your own Hub data set.")] = None,
    scale: Annotated[
        int | None, typer.Option(help="Of your own data set. Default: the task's.")
    ] = None,
    same_size: Annotated[
        bool, typer.Option("--same-size", help="Your inputs are as large as your targets.")
    ] = False,
    scenes: Annotated[
        str | None,
        typer.Option(help="numbered: your pairs that differ only in a last number show one scene."),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=1, help="Times each method runs on each picture, for its median.")
    ] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Use no output made before.")] = False,
    cache_gb: CacheGB = None,
    offline: Offline = False,
    allow_code: AllowCode = False,
    engine: EngineName = "here",
    workers: Workers = 2,
    address: Address = None,
    out: Out = None,
) -> None:
    """Run methods over a benchmark: python -m eval run --benchmark mini --methods all --n 8."""
    from eval.data.reader_factory import open_benchmark
    from eval.methods.registry import resolve
    from eval.runs.runner import RunConfig, create_run

    chosen = choose_executor(engine, workers, address)
    store = open_store(out)
    for one in choose_benchmarks(
        benchmark, task, degraded, target, revision, config, split, scale, same_size, scenes
    ):
        names = resolve([name.strip() for name in methods.split(",") if name.strip()], one.task)
        wanted = RunConfig(
            benchmark=one,
            methods=tuple(names),
            protocols=tuple(protocol or ()),
            n=n,
            seed=seed,
            repeats=repeats,
            title=title,
            folder=folder,
            offline=offline,
            fresh=fresh,
            allow_code=allow_code,
            allow_files=True,
        )
        before = open_benchmark(one, folder, offline).upfront_bytes()
        if before:
            print_line(
                f"{one.title}: {before / 1e6:.1f} MB have to be fetched to list it.", stderr=True
            )
        stored = create_run(store, wanted)
        execute(stored, chosen, offline, fresh, allow_code, cache_gb=cache_gb)


def execute(
    stored: "StoredRun",
    executor: "Executor",
    offline: bool,
    fresh: bool,
    allow_code: bool,
    mixed: bool = False,
    cache_gb: float | None = None,
) -> None:
    """Execute what is left of a run with a progress bar, then show its board."""
    from eval.runs.run_inputs import bytes_to_fetch
    from eval.runs.runner import execute_run

    header = stored.header()
    size = bytes_to_fetch(stored, offline=offline)
    fetched = "" if not size else f", up to {size / 1e6:.1f} MB to fetch"
    print_line(
        f"run {stored.id}: {header.name}, {counted(len(header.methods), 'method')}{fetched}",
        stderr=True,
    )
    if header.benchmark.left_out:
        left_out = counted(header.benchmark.left_out, "file")
        print_line(f"{header.benchmark.title}: left out {left_out} without a picture.", stderr=True)
    events = execute_run(
        stored,
        offline=offline,
        fresh=fresh,
        cache_gb=cache_gb,
        allow_code=allow_code,
        allow_changed=mixed,
        executor=executor,
    )
    show_progress(events)
    show_board(stored)


def show_progress(events: Iterator["ImageScored"]) -> None:
    """Draw a progress bar while events arrive, and print failures on stderr."""
    from rich.progress import MofNCompleteColumn, TimeRemainingColumn

    with progress(MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("scoring", total=None)
        for event in events:
            bar.update(task, completed=event.done, total=event.total)
            if event.row.error:
                print_line(
                    f"{event.row.method} on {event.row.pair}: {event.row.error}", stderr=True
                )


def resume(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    offline: Offline = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Use no output made before.")] = False,
    cache_gb: CacheGB = None,
    allow_code: AllowCode = False,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Go on with other code or packages than it began with.")
    ] = False,
    engine: EngineName = "here",
    workers: Workers = 2,
    address: Address = None,
    out: Out = None,
) -> None:
    """Go on with a run that was stopped, killed or failed."""
    stored = open_store(out).run(run_id)
    executor = choose_executor(engine, workers, address)
    execute(stored, executor, offline, fresh, allow_code, mixed, cache_gb)


def delete(
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of the runs.")],
    out: Out = None,
) -> None:
    """Delete runs with their pictures, and what the output cache keeps for them alone."""
    from eval.runs.removal import remove_run
    from eval.runs.results_repo import forget_run

    store = open_store(out)
    for stored in [store.run(run_id) for run_id in run_ids]:
        with stored.lock():
            pass
        remove_run(stored)
        forget_run(store, stored.id)
        print_line(f"Run {stored.id} is deleted.", stderr=True)


def list_runs(out: Out = None, as_json: AsJson = False) -> None:
    """List the runs, youngest first."""
    from eval.runs.document import public_header

    runs = open_store(out).headers()
    if as_json:
        typer.echo(json.dumps([public_header(run) for run in runs]))
        return
    table = Table("run", "status", "benchmark", "pairs", "methods", "protocol", box=None)
    for header in runs:
        table.add_row(
            header.id,
            header.status,
            header.benchmark.id,
            f"{header.benchmark.n} of {header.benchmark.of}",
            ", ".join(method.id for method in header.methods),
            header.protocol,
        )
    console().print(table)


def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    baseline: Annotated[str | None, typer.Option(help="Method to compare with.")] = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Show a run: leaderboard, protocol, hashes."""
    from eval.runs.document import public_header

    stored = open_store(out).run(run_id)
    if as_json:
        typer.echo(json.dumps(public_header(stored.header())))
        return
    show_board(stored, baseline)


def show_board(stored: "StoredRun", baseline: str | None = None) -> None:
    """Print the leaderboard of a run with its protocol, data and weights hashes."""
    from eval.analysis.leaderboards import caution, lead
    from eval.analysis.score_tables import default_baseline
    from eval.analysis.table_cache import TableCache
    from eval.reports.board_text import board_cells, left_out_words

    header = stored.header()
    # Kept on disk for large runs, so that the page opens them at once.
    board = TableCache().board(stored, baseline or default_baseline(header))
    cells = [dict(list(row.items())[:COLUMNS]) for row in board_cells(board)]
    console().print(as_table(cells))
    for words in (lead(board), caution(board)):
        if words:
            print_line(words)
    where = header.benchmark
    print_line(
        f"{header.protocol} · {where.n} of {where.of} pairs, seed {where.seed} · {header.status}"
    )
    print_line(f"{where.id} at {where.revision} · data {header.data_sha256}")
    print_line(f"Pictures: {where.pictures}.")
    if where.synthetic:
        print_line("The degradation of these pictures was simulated.")
    for method in header.methods:
        if method.weights_sha256:
            print_line(f"{method.id}: weights sha256 {method.weights_sha256}")
    for row in board[board.ranked].sort_values("method").itertuples():  # the run's order
        for words in left_out_words(int(row.failed), int(row.identical)):
            print_line(f"{row.method}: {words}")


def verify(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    sample: Annotated[int, typer.Option(min=1, help="Rows to recompute.")] = 5,
    everything: Annotated[bool, typer.Option("--all", help="Recompute every row.")] = False,
    seed: Annotated[int, typer.Option(help="Chooses the rows.")] = 0,
    folder: Annotated[
        Path | None, typer.Option(help="Your copy of the pairs, for a recorded run.")
    ] = None,
    offline: Offline = False,
    allow_code: AllowCode = False,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Recompute numbers of a run; exit 1 if one is not the same as stored."""
    from dataclasses import asdict

    from eval.runs.verify import verify as recompute

    stored = open_store(out).run(run_id)
    found = list(
        recompute(
            stored,
            sample=None if everything else sample,
            seed=seed,
            folder=folder,
            offline=offline,
            allow_code=allow_code,
        )
    )
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found]))
    else:
        table = Table("pair", "method", "what", "outcome", "detail", box=None)
        for finding in found:
            table.add_row(*asdict(finding).values())
        console().print(table)
    if any(finding.outcome == "differs" for finding in found):
        raise typer.Exit(1)
