"""`python -m tests bench WORD`: speed and memory, as ratios from one run."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from mirnet.cli.terminal import Commands, console, print_line

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Measure speed and memory. Let nothing else run meanwhile.",
)


@app.command()
def networks(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the rows as a document.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print tables for the documentation.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only 128 x 128, two rounds, 1 to 3 megapixels.")
    ] = False,
    architecture: Annotated[
        list[str] | None,
        typer.Option(help="v1, v2 or an id from `weights list`; repeatable. Default: four."),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(help="256 or 600x400, width first; repeatable. Megapixels for --memory."),
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option(help="Repeatable. Default: all that may be quicker.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each contestant runs.")] = 5,
    scaling: Annotated[
        bool, typer.Option("--scaling", help="Instead: whole photos by megapixels and threads.")
    ] = False,
    memory: Annotated[
        bool, typer.Option("--memory", help="Instead: memory of large photos, by megapixels.")
    ] = False,
    overhead: Annotated[
        bool, typer.Option("--overhead", help="Instead: what the app adds to a restoration.")
    ] = False,
) -> None:
    """Time every engine against the papers' formulas, side by side, and compare their results."""
    from tests.bench import run

    chosen = run.Chosen(
        architecture or None, size or None, engine or None, 2 if quick else rounds, quick
    )
    kinds = {"scaling": scaling, "memory": memory, "overhead": overhead}
    asked = [name for name, wanted in kinds.items() if wanted] or ["engines"]
    for name in asked:
        for line in run.KINDS[name](chosen, markdown, json_file):
            print_line(line)


@app.command()
def evaluation(
    pairs: Annotated[int, typer.Option(min=2, help="Pairs of the timed runs.")] = 16,
    run: Annotated[str, typer.Option(help="Time opening and drawing this stored run.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder of runs.")] = None,
) -> None:
    """Time scoring beside restoring, and runs by pairs and workers, and print the ratios."""
    from eval.runs.store import RunStore
    from tests.bench.evaluation import growth, opening, scoring

    groups = [opening(RunStore(out).run(run))] if run else [scoring(), growth(pairs)]
    for group in groups:
        table = Table("what", "seconds", "ratio", box=None)
        for timing in group:
            table.add_row(timing.what, f"{timing.seconds:.3f}", f"{timing.ratio:.3f}")
        console().print(table)


@app.command()
def scaling(
    run: Annotated[str, typer.Argument(help="Stored or recorded run with times.")],
    method: Annotated[str, typer.Argument(help="Method of the run.")],
    pictures: Annotated[int, typer.Option(min=1, help="Pictures to simulate.")] = 100_000,
    workers: Annotated[int, typer.Option(min=1, help="Workers of a machine.")] = 2,
    megabits: Annotated[float, typer.Option(help="Network, in Mbit/s.")] = 1000.0,
    dollars: Annotated[float, typer.Option(help="Price of a machine for an hour.")] = 0.08,
    out: Annotated[Path | None, typer.Option(help="Folder of runs.")] = None,
) -> None:
    """Simulate 1 to 1,000 machines on a cluster from what is measured here."""
    from eval.runs.store import RunStore
    from tests.bench.scaling import measured, simulate, table

    inputs = measured(RunStore(out).run(run), method)
    outcomes = simulate(inputs, pictures, workers=workers, megabits=megabits, dollars_hour=dollars)
    print_line(table(inputs, outcomes))


@app.command()
def page(
    pictures: Annotated[int, typer.Option(min=2, help="Pictures of the large run.")] = 5000,
    runs: Annotated[int, typer.Option(min=1, help="Runs of the list.")] = 1000,
    first_paint: Annotated[
        bool,
        typer.Option(
            "--first-paint",
            help="Instead: seconds to the first paint in chromium, beside two busy processes.",
        ),
    ] = False,
    visits: Annotated[int, typer.Option(min=1, help="Visits of a link for --first-paint.")] = 3,
) -> None:
    """Measure what the Evaluate page costs with a large run, one under way and a long list."""
    if first_paint:
        from tests.bench.first_paint import TARGET_SECONDS, first_paints

        table = Table("link", "first paint, s", "first contentful paint, s", "target", box=None)
        for paint in first_paints(visits):
            shown = (f"{paint.first_paint:.2f}", f"{paint.contentful:.2f}")
            table.add_row(paint.link or "/", *shown, f"{TARGET_SECONDS:g}")
        console().print(table)
        return
    from tests.bench.page import page_costs

    table = Table("what", "processor seconds", "target", "kB sent", box=None)
    for cost in page_costs(pictures, runs):
        target = "" if cost.target is None else f"{cost.target:g}"
        table.add_row(cost.what, f"{cost.seconds:.3f}", target, f"{cost.bytes / 1000:.1f}")
    console().print(table)


@app.command()
def startup(
    times: Annotated[int, typer.Option(min=1, help="Starts, of which the median counts.")] = 5,
) -> None:
    """Measure how long the command line, the server and the first page take to come."""
    from tests.bench.startup import startup_times

    table = Table("what", "seconds", "processor seconds", box=None)
    for step in startup_times(times):
        table.add_row(step.what, *(f"{seconds:.2f}" for seconds in step.medians()))
    console().print(table)


@app.command()
def blends(
    megapixels: Annotated[float, typer.Option(min=0.01, help="Size of the whole photo.")] = 12.0,
) -> None:
    """Measure what strength, luminance, colour and detail cost on a preview and on a photo."""
    from tests.bench.blends import blend_costs

    table = Table("what", "milliseconds", "target", "ratio to it", box=None)
    for cost in blend_costs(megapixels):
        target = "" if cost.target is None else f"{cost.target:g}"
        ratio = "" if cost.target is None else f"{cost.milliseconds / cost.target:.2f}"
        table.add_row(cost.what, f"{cost.milliseconds:.1f}", target, ratio)
    console().print(table)


if __name__ == "__main__":
    app(prog_name="python -m tests bench")
