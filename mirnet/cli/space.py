"""`python -m mirnet space`: put the app on a Hugging Face Space."""

from typing import Annotated

import typer

from .terminal import print_line

app = typer.Typer(no_args_is_help=True, help="Put the app on a Hugging Face Space.")


@app.callback()
def space() -> None:
    """Put the app on a Hugging Face Space."""


@app.command("push")
def space_push(
    repo: Annotated[str, typer.Option(help="ORG/NAME of the Space.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Upload; without it the files are only listed.")
    ] = False,
    private: Annotated[bool, typer.Option(help="Hide a new Space from others.")] = False,
    replace: Annotated[
        bool, typer.Option(help="Replace files that another program put into the Space.")
    ] = False,
) -> None:
    """List what a Space needs, and upload it with --yes.

    Files of an earlier push that are not needed any more are removed, and listed before; other
    files in the Space stay.
    """
    from mirnet.app.space import changes, push, stage

    staged = stage()
    for file in staged:
        print_line(f"{file.size / 1e3:>9,.1f} kB  {file.path}")
    print_line(f"{len(staged)} files, {sum(file.size for file in staged) / 1e6:.1f} MB")
    if yes:
        found = changes(repo, staged)
        for path in found.removed:
            print_line(f"removed, of an earlier push: {path}")
        for path in found.kept:
            print_line(f"stays, not of this program: {path}")
        if replace:
            for path in found.replaced:
                print_line(f"replaced, not of this program: {path}")
        print_line(push(repo, staged, private, replace))
    else:
        print_line(f"Nothing was uploaded: add --yes to put this on {repo}.")
