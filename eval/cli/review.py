"""`python -m eval invite` and `review-keys`: links of reviewers, and the keys that sign them."""

from typing import Annotated

import typer

from mirnet.cli.terminal import print_line

from .options import Out, open_store


def invite(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    reviewers: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names or tokens.")],
    page: Annotated[str, typer.Option(help="Address of your page, before the links.")] = "",
    unchanged: Annotated[
        bool, typer.Option("--unchanged", help="Ask about the unchanged input too.")
    ] = False,
    out: Out = None,
) -> None:
    """Make the signed link of each reviewer for a blind review of a run."""
    from eval.review.invitations import Invitation, make_link
    from eval.review.questions import choose_questions
    from eval.review.votes import check_votable

    store = open_store(out)
    stored = store.run(run_id)
    check_votable(stored)
    for name in reviewers:
        choose_questions(stored, name, with_unchanged=unchanged)
        print_line(f"{page}{make_link(store, Invitation(stored.id, name, unchanged))}")


def review_keys(
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Sign new links with a new key.")
    ] = False,
    forget_old: Annotated[
        bool, typer.Option("--forget-old", help="End all links that older keys signed.")
    ] = False,
    out: Out = None,
) -> None:
    """Change the key that signs reviewers' links; votes stay as they are."""
    from eval.review.invitations import forget_old_keys, rotate_key
    from mirnet.errors import InvalidRequest

    if not (rotate or forget_old):
        raise InvalidRequest("Nothing to do: give --rotate, --forget-old, or both.")
    store = open_store(out)
    if rotate:
        rotate_key(store)
        print_line("New links are signed with a new key; earlier links keep working.")
    if forget_old:
        print_line(f"{forget_old_keys(store)} old keys are forgotten.")
