"""`python -m mirnet inspect`: measures pictures and suggests what they may need."""

from typing import Annotated

import typer

from mirnet.errors import MIRNetError

from .pictures import find_pictures
from .terminal import print_error, print_line


def inspect(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN", help="Pictures, folders of pictures, or patterns."),
    ],
) -> None:
    """Measure noise, light, sharpness and size, and suggest a task; nothing is changed."""
    from mirnet.restoration.inspection import inspect as measure

    found = find_pictures(inputs)
    for complaint in found.complaints:
        print_error(complaint)
    failed = len(found.complaints)
    for source in found.sources:
        try:
            one = measure(source.path)
        except MIRNetError as error:
            failed += 1
            print_error(str(error))
            continue
        print_line(f"{source.path} · {one.facts()}")
        print_line(f"  {one.words()}")
    if failed:
        raise typer.Exit(2)
