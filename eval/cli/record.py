"""`python -m eval record`: make the runs that the project ships."""

from pathlib import Path
from typing import Annotated

import typer

from mirnet.cli.terminal import print_line


def record(
    data: Annotated[
        Path | None, typer.Option(help="Folder of data sets, laid out as recordings.toml says.")
    ] = None,
    only: Annotated[
        str, typer.Option(help="Ids out of recordings.toml, by commas. Default: all.")
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Also those that are up to date.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is out of date; exit 1 if anything is.")
    ] = False,
) -> None:
    """Record the shipped runs anew where weights or protocols have moved on."""
    from eval.cli.runs import show_progress
    from eval.runs.recorded import load_recordings
    from eval.runs.recording import outdated
    from eval.runs.recording import record as make
    from mirnet.errors import InvalidRequest

    known = load_recordings()
    names = [name.strip() for name in only.split(",") if name.strip()] or list(known)
    for name in names:
        if name not in known:
            raise InvalidRequest(
                f"There is no recording {name[:80]!r}: choose from {', '.join(known)}."
            )
    reasons = {name: outdated(known[name]) for name in names}
    due = [name for name in names if again or reasons[name]]
    for name in names:
        print_line(f"{name}: {reasons[name] or 'up to date'}")
    if check:
        raise typer.Exit(1 if any(reasons.values()) else 0)
    without_data = [name for name in due if known[name].folder and data is None]
    for name in due:
        if name not in without_data:
            print_line(f"{name}: recording ...", stderr=True)
            show_progress(make(known[name], data))
    if without_data:
        raise InvalidRequest(
            f"{', '.join(without_data)}: their pictures are not in the repository; name the folder "
            "of data sets with --data."
        )
