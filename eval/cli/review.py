"""`python -m eval invite`, `review-keys` and `votes`: links, their keys, and what votes say."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mirnet.cli.terminal import console, print_line

from .options import AsJson, Out, as_table, open_store, write_file


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


def votes(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="CSV of the metrics against the votes.")
    ] = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Rank a run's methods by the blind votes, and say how often each metric agrees with them."""
    from eval.analysis.csv_tables import csv_text
    from eval.review.metric_agreement import agreement_words, metric_agreement
    from eval.review.ranking import rank_methods

    stored = open_store(out).run(run_id)
    ranking, agreement = rank_methods(stored), metric_agreement(stored)
    if output is not None:
        write_file(csv_text(agreement).encode(), output)
    if as_json:
        metrics = json.loads(agreement.to_json(orient="records"))
        typer.echo(json.dumps(ranking.as_json() | {"metrics": metrics}))
        return
    columns = ["method", "strength", "low", "high", "wins", "ties", "losses"]
    for table, words in (
        (ranking.table[columns], ranking.words),
        (agreement.drop(columns="metric"), agreement_words(agreement)),
    ):
        if len(table):
            console().print(as_table(table.to_dict("records")))
        print_line(words)
