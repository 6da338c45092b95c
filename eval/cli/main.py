"""The command line: `python -m eval run|resume|list|show|compare|verify|report|export|...`.

Commands print results on stdout and complaints on stderr; a wrong input ends with exit code 2 and
one sentence. Nothing heavy is imported before a command needs it.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from mirnet.cli.terminal import Commands, console, progress, say
from mirnet.errors import InvalidRequest

if TYPE_CHECKING:
    from eval.runs.executors import Engine
    from eval.runs.runner import ImageScored
    from eval.runs.store import RunStore, StoredRun

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run restoration methods over benchmarks, and score, store, check and report the results.",
)

COLUMNS = 9
"""Of the leaderboard that a terminal shows; the others are said in words below it."""

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
Address = Annotated[str | None, typer.Option(help="Of a Ray cluster. Default: this machine.")]


def _store(out: Path | None) -> "RunStore":
    from eval.runs.store import RunStore

    return RunStore(out)


def _engine(name: str, workers: int, address: str | None) -> "Engine":
    from eval.runs import executors as engines

    if name == "here":
        return engines.serial
    if name == "processes":
        return engines.processes(workers)
    if name == "ray":
        return engines.ray(workers, address)
    raise InvalidRequest(f"There is no engine {name!r}: choose here, processes or ray.")


@app.command()
def run(
    benchmark: Annotated[str, typer.Option(help="Id from `benchmarks`, or a Hub set or folder.")],
    methods: Annotated[
        str, typer.Option(help="Ids from `methods`, by commas; or all, compact, baselines.")
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
    fresh: Annotated[bool, typer.Option("--fresh", help="Use no output made before.")] = False,
    offline: Offline = False,
    allow_code: AllowCode = False,
    engine: EngineName = "here",
    workers: Workers = 2,
    address: Address = None,
    out: Out = None,
) -> None:
    """Run methods over a benchmark: python -m eval run --benchmark mini --methods all --n 8."""
    from eval.data.benchmarks import open_benchmark
    from eval.methods.registry import resolve
    from eval.runs.runner import RunConfig, begin

    chosen = _engine(engine, workers, address)
    store = _store(out)
    for one in _benchmarks(benchmark, task, degraded, target, revision):
        names = resolve([name.strip() for name in methods.split(",") if name.strip()], one.task)
        order = RunConfig(
            benchmark=one,
            methods=tuple(names),
            protocols=tuple(protocol or ()),
            n=n,
            seed=seed,
            title=title,
            folder=folder,
            offline=offline,
            fresh=fresh,
            allow_code=allow_code,
        )
        before = open_benchmark(one, folder, offline).upfront_bytes()
        if before:
            say(f"{one.title}: {before / 1e6:.1f} MB have to be fetched to list it.", stderr=True)
        stored = begin(store, order)
        _do(stored, chosen, offline, fresh, allow_code)


def _benchmarks(
    name: str, task: str | None, degraded: str, target: str, revision: str | None
) -> list[Any]:
    """One benchmark, or those of a family ('mini' is all of mini-denoise, mini-sr-x2, ...)."""
    from eval.data.benchmarks import custom_benchmark, get_benchmark, load_benchmarks

    known = load_benchmarks()
    family = [row for key, row in known.items() if key.startswith(f"{name}-")]
    if name not in known and family:
        return [row for row in family if task in (None, row.task)]
    if name not in known and task:
        return [custom_benchmark(name, task, degraded=degraded, target=target, revision=revision)]
    return [get_benchmark(name)]


def _do(
    stored: "StoredRun", engine: "Engine", offline: bool, fresh: bool, allow_code: bool
) -> None:
    from eval.runs.runner import go_on, to_fetch

    header = stored.header()
    size = to_fetch(stored, offline=offline)
    fetched = "" if not size else f", up to {size / 1e6:.1f} MB to fetch"
    say(f"run {stored.id}: {header.name}, {len(header.methods)} methods{fetched}", stderr=True)
    events = go_on(stored, offline=offline, fresh=fresh, allow_code=allow_code, engine=engine)
    _draw(events)
    _show(stored)


def _draw(events: Iterator["ImageScored"]) -> None:
    from rich.progress import MofNCompleteColumn, TimeRemainingColumn

    with progress(MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("scoring", total=None)
        for event in events:
            bar.update(task, completed=event.done, total=event.total)
            if event.row.error:
                say(f"{event.row.method} on {event.row.pair}: {event.row.error}", stderr=True)


@app.command()
def resume(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    offline: Offline = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Use no output made before.")] = False,
    allow_code: AllowCode = False,
    engine: EngineName = "here",
    workers: Workers = 2,
    address: Address = None,
    out: Out = None,
) -> None:
    """Go on with a run that was stopped, killed or failed."""
    stored = _store(out).run(run_id)
    _do(stored, _engine(engine, workers, address), offline, fresh, allow_code)


@app.command("list")
def list_runs(out: Out = None, as_json: AsJson = False) -> None:
    """List the runs, youngest first."""
    runs = _store(out).headers()
    if as_json:
        typer.echo(json.dumps([run.model_dump(mode="json") for run in runs]))
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


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    baseline: Annotated[str | None, typer.Option(help="Method to compare with.")] = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Show a run: leaderboard, protocol, hashes."""
    stored = _store(out).run(run_id)
    if as_json:
        typer.echo(stored.header().model_dump_json())
        return
    _show(stored, baseline)


def _show(stored: "StoredRun", baseline: str | None = None) -> None:
    from eval.analysis.tables import caution, default_baseline, leaderboard
    from eval.reports.export import board_cells

    header = stored.header()
    board = leaderboard(stored, baseline or default_baseline(header))
    cells = [dict(list(row.items())[:COLUMNS]) for row in board_cells(board)]
    console().print(_rich(cells))
    if warning := caution(board):
        say(warning)
    where = header.benchmark
    say(f"{header.protocol} · {where.n} of {where.of} pairs, seed {where.seed} · {header.status}")
    say(f"{where.id} at {where.revision} · data {header.data_sha256}")
    if where.synthetic:
        say("The degradation of these pictures was simulated.")
    for method in header.methods:
        if method.weights_sha256:
            say(f"{method.id}: weights sha256 {method.weights_sha256}")
    for found in header.summary:
        if found.failed:
            say(f"{found.method}: no result on {found.failed} pictures")
        if found.identical:
            say(
                f"{found.method}: {found.identical} results equal their target and are not averaged"
            )


def _rich(rows: list[dict[str, Any]]) -> Table:
    table = Table(*(rows[0] if rows else ["nothing"]), box=None)
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    return table


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="Id of a run.")],
    second: Annotated[str, typer.Argument(help="Id of another.")],
    out: Out = None,
) -> None:
    """Say what differs between two runs, and what it did to each picture."""
    from eval.analysis.tables import compare_runs

    store = _store(out)
    found = compare_runs(store.run(first), store.run(second))
    for frame in (found.differences, found.summary, found.changes):
        console().print(_rich(frame.to_dict("records")))


@app.command()
def verify(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    sample: Annotated[int, typer.Option(min=1, help="Rows to recompute.")] = 5,
    everything: Annotated[bool, typer.Option("--all", help="Recompute every row.")] = False,
    seed: Annotated[int, typer.Option(help="Chooses the rows.")] = 0,
    offline: Offline = False,
    allow_code: AllowCode = False,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Recompute numbers of a run and say, of each, whether it is the same. Exit 1 if one is not."""
    from dataclasses import asdict

    from eval.runs.verify import verify as recompute

    stored = _store(out).run(run_id)
    found = list(
        recompute(
            stored,
            sample=None if everything else sample,
            seed=seed,
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


@app.command()
def export(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    format: Annotated[  # noqa: A002
        str, typer.Option(help="csv, parquet, markdown, latex or model-index.")
    ] = "csv",
    output: Annotated[Path | None, typer.Option("-o", help="File. Default: the screen.")] = None,
    baseline: Annotated[str | None, typer.Option(help="Method to compare with.")] = None,
    out: Out = None,
) -> None:
    """Write a run as a table, with its protocol, hashes and origin."""
    from eval.reports.export import export as make

    _write(make(_store(out).run(run_id), format, baseline=baseline), output)


@app.command()
def report(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    output: Annotated[Path, typer.Option("-o", help="File.")] = Path("report.html"),
    baseline: Annotated[str | None, typer.Option(help="Method to compare with.")] = None,
    out: Out = None,
) -> None:
    """Write one HTML file with plots, tables and pictures that needs no network."""
    from eval.reports.html import html_report

    _write(html_report(_store(out).run(run_id), baseline).encode(), output)
    say(f"{output} is written.")


def _write(content: bytes, output: Path | None) -> None:
    from eval.runs.store import replace_file

    if output is None:
        typer.echo(content.decode(errors="replace"), nl=False)
    else:
        replace_file(output, content)


@app.command()
def benchmarks(as_json: AsJson = False) -> None:
    """List the benchmarks: pairs, megabytes, licence, where they come from."""
    from dataclasses import asdict

    from eval.data.benchmarks import load_benchmarks

    rows = load_benchmarks().values()
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows]))
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


@app.command()
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


@app.command()
def pack(
    source: Annotated[str, typer.Argument(help="Id from `benchmarks`, or a folder of pairs.")],
    repo: Annotated[str, typer.Option(help="ORG/NAME on the Hub.")],
    output: Annotated[Path, typer.Option("-o", help="Folder to write.")],
    folder: Annotated[Path | None, typer.Option(help="Your files of that benchmark.")] = None,
    task: Annotated[str | None, typer.Option(help="Of your own data set.")] = None,
    degraded: Annotated[str, typer.Option(help="Column or pattern of your inputs.")] = "degraded",
    target: Annotated[str, typer.Option(help="Column or pattern of your targets.")] = "target",
    n: Annotated[int | None, typer.Option("--n", help="Pairs. Default: all.")] = None,
    seed: Annotated[int, typer.Option(help="Chooses them.")] = 0,
    push: Annotated[bool, typer.Option("--push", help="Upload it.")] = False,
) -> None:
    """Make a Hub-ready data set of which a few pairs can be read without the rest."""
    from eval.data.pack import pack as make
    from eval.data.pack import push as upload

    for one in _benchmarks(source, task, degraded, target, None):
        made = make(one, output, repo, folder=folder, n=n, seed=seed)
        say(f"{output}: {made.pairs} pairs, {made.bytes / 1e6:.1f} MB, data {made.sha256}")
    if push:
        say(f"{upload(output, repo)} is uploaded.")


@app.command()
def publish(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    repo: Annotated[str, typer.Option(help="ORG/NAME of a data set on the Hub.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody read it.")] = False,
    pictures: Annotated[bool, typer.Option("--pictures", help="Upload the pictures too.")] = False,
    out: Out = None,
) -> None:
    """Upload a run to a data set on the Hub."""
    from eval.runs.publish import publish_run

    stored = _store(out).run(run_id)
    say(publish_run(stored, repo, private=not public, with_pictures=pictures))


@app.command()
def score(
    restored: Annotated[Path, typer.Argument(help="A restored picture, or a folder of them.")],
    target: Annotated[Path, typer.Argument(help="The truth, or a folder with the same names.")],
    protocol: Annotated[str, typer.Option(help="Id from `protocols`.")] = "rgb",
    scale: Annotated[int, typer.Option(help="Factor of super-resolution.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score two pictures, or two folders by file name, and print PSNR in dB and SSIM."""
    from eval.analysis.statistics import summarise
    from eval.runs.scoring import pair_files, score_files
    from mirnet.metrics.protocols import get_protocol

    chosen = get_protocol(protocol)
    rows = [
        (ours.name, score_files(ours, theirs, chosen, scale))
        for ours, theirs in pair_files(restored, target)
    ]
    psnr = summarise([result.psnr_db for _, result in rows])
    ssim = summarise([result.ssim for _, result in rows])
    if as_json:
        content: dict[str, Any] = {
            "psnr": _number(psnr.mean if psnr.infinite < psnr.count else math.inf),
            "ssim": ssim.mean,
            "protocol": chosen.name,
            "scale": scale,
            "images": len(rows),
            "identical": psnr.infinite,
        }
        if restored.is_dir():
            content["scores"] = [
                {"name": name, "psnr": _number(result.psnr_db), "ssim": result.ssim}
                for name, result in rows
            ]
        typer.echo(json.dumps(content))
        return
    table = Table("picture", "PSNR dB", "SSIM", box=None)
    for name, result in rows:
        table.add_row(name, f"{result.psnr_db:.4f}", f"{result.ssim:.4f}")
    if len(rows) > 1:
        table.add_row("mean", f"{psnr.mean:.4f}", f"{ssim.mean:.4f}", style="bold")
    console().print(table)
    say(f"{chosen.name}: {chosen.meaning}")
    if psnr.infinite:
        say(f"{psnr.infinite} identical to the target: counted, and left out of the mean PSNR.")


def _number(psnr_db: float) -> float | str:
    """JSON has no infinity."""
    return psnr_db if math.isfinite(psnr_db) else "identical"


@app.command()
def protocols() -> None:
    """List the protocols and what their numbers mean."""
    from mirnet.metrics.protocols import PROTOCOLS

    for entry in PROTOCOLS.values():
        say(f"{entry.name}: {entry.title}\n  {entry.meaning}\n  After {entry.follows}.")


@app.command()
def bench(
    pairs: Annotated[int, typer.Option(min=2, help="Pairs of the timed runs.")] = 16,
    run: Annotated[str, typer.Option(help="Time opening and drawing this stored run.")] = "",
    out: Out = None,
) -> None:
    """Time scoring beside restoring, and runs by pairs and workers, and print the ratios."""
    from tests.bench.evaluation import growth, opening, scoring

    for group in [opening(_store(out).run(run))] if run else [scoring(), growth(pairs)]:
        table = Table("what", "seconds", "ratio", box=None)
        for timing in group:
            table.add_row(timing.what, f"{timing.seconds:.3f}", f"{timing.ratio:.3f}")
        console().print(table)


if __name__ == "__main__":
    app(prog_name="python -m eval")
