"""`python -m eval export`, `report`, `submit`, `publish`, `pack`: runs and data sets as files."""

from pathlib import Path
from typing import Annotated

import typer

from mirnet.cli.terminal import print_line
from mirnet.number_format import counted

from .options import (
    Offline,
    Out,
    choose_benchmarks,
    open_store,
    write_file,
)


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

    write_file(make(open_store(out).run(run_id), format, baseline=baseline), output)


def report(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    output: Annotated[Path, typer.Option("-o", help="File.")] = Path("report.html"),
    baseline: Annotated[str | None, typer.Option(help="Method to compare with.")] = None,
    out: Out = None,
) -> None:
    """Write one HTML file with plots, tables and pictures that needs no network."""
    from eval.reports.html import html_report

    write_file(html_report(open_store(out).run(run_id), baseline).encode(), output)
    print_line(f"{output} is written.")


def crop(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    pair: Annotated[str, typer.Argument(help="Id of the picture.")],
    box: Annotated[str, typer.Option(help="left,top,width,height in pixels of the picture.")],
    output: Annotated[Path, typer.Option("-o", help="File: .png or .pdf.")],
    method: Annotated[
        list[str] | None, typer.Option(help="Id of a method to show. Default: all.")
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="Default: the run's first.")] = None,
    enlarge: Annotated[int, typer.Option(help="Times that each pixel is repeated.")] = 4,
    dpi: Annotated[int, typer.Option(help="Pixels an inch.")] = 300,
    out: Out = None,
) -> None:
    """Draw a figure for a paper: one box by all methods, enlarged, with scores below."""
    from eval.reports.crops import Box, publication_crop

    content = publication_crop(
        open_store(out).run(run_id), pair, Box.parse(box), format=output.suffix.lstrip(".").lower(),
        methods=method or (), protocol=protocol, enlarge=enlarge, dpi=dpi,
    )  # fmt: skip
    write_file(content, output)
    print_line(f"{output} is written.")


def hub_results(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    output: Annotated[Path, typer.Option("-o", help="Folder to write.")],
    sample: Annotated[
        int | None, typer.Option(min=1, help="Rows to recompute first. Default: all.")
    ] = None,
    offline: Offline = False,
    out: Out = None,
) -> None:
    """Recompute a run; if it is the same, write it as .eval_results, eval.yaml and a table row."""
    from eval.reports.eval_results import eval_results
    from eval.runs.verify import verify

    stored = open_store(out).run(run_id)
    files = eval_results(stored, list(verify(stored, sample=sample, offline=offline)))
    for name, content in files.items():
        write_file(content.encode(), output / name)
        print_line(f"{output / name} is written.")


def submit(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run of dnd, sidd-server.")],
    method: Annotated[str, typer.Option(help="Id of the method to submit.")],
    output: Annotated[Path, typer.Option("-o", help="Folder to write.")],
    authors: Annotated[str, typer.Option(help="For SIDD: who made the method.")] = "",
    paper: Annotated[str, typer.Option(help="For SIDD: title of the paper.")] = "",
    venue: Annotated[str, typer.Option(help="For SIDD: where it appeared.")] = "",
    out: Out = None,
) -> None:
    """Write a method's results as the files that the server of DND or SIDD takes."""
    from eval.reports.submissions import write_submission

    named = {"Authors": authors, "PaperTitle": paper, "Venue": venue}
    facts = {key: value for key, value in named.items() if value}
    files = write_submission(open_store(out).run(run_id), method, output, facts)
    print_line(f"{counted(len(files), 'file')} in {output}, {files[0].name} first.")


def publish(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    repo: Annotated[str, typer.Option(help="ORG/NAME of a data set on the Hub.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody read it.")] = False,
    pictures: Annotated[bool, typer.Option("--pictures", help="Upload the pictures too.")] = False,
    out: Out = None,
) -> None:
    """Upload a run to a data set on the Hub."""
    from eval.runs.publish import publish_run

    stored = open_store(out).run(run_id)
    print_line(publish_run(stored, repo, private=not public, with_pictures=pictures))


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

    for one in choose_benchmarks(source, task, degraded, target, None):
        made = make(one, output, repo, folder=folder, n=n, seed=seed)
        size = f"{counted(made.pairs, 'pair')}, {made.bytes / 1e6:.1f} MB"
        print_line(f"{output}: {size}, data {made.sha256}")
    if push:
        print_line(f"{upload(output, repo)} is uploaded.")
