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
) -> None:
    """List what a Space needs, and upload it with --yes."""
    from mirnet.app.space import push, stage

    staged = stage()
    for file in staged:
        print_line(f"{file.size / 1e3:>9,.1f} kB  {file.path}")
    print_line(f"{len(staged)} files, {sum(file.size for file in staged) / 1e6:.1f} MB")
    if yes:
        print_line(push(repo, staged, private))
    else:
        print_line(f"Nothing was uploaded: add --yes to put this on {repo}.")
