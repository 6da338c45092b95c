"""HTML of the Blind review tab and of the panel with its results."""

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from eval.app.page_files import TEMPLATES
from eval.app.view_state import VIEWS
from eval.review.metric_agreement import agreement_words
from eval.review.questions import Question
from eval.review.ranking import Ranking
from eval.review.trials import TrialRun
from eval.review.votes import Outcome, Vote
from mirnet.app.kit import html as kit
from mirnet.metrics.registry import metrics_in
from mirnet.number_format import counted

if TYPE_CHECKING:
    import pandas as pd

ANSWERS: dict[Outcome, str] = {
    "a": "A is better",
    "tie": "Equal",
    "b": "B is better",
    "skip": "Skipped",
}
"""Label of each answer."""


def card(title: str, words: str) -> Markup:
    """A card shown in place of a review: a message, or the request for a name."""
    return TEMPLATES.render("card", title=title, words=words)


def question_head(number: int, votes: list[Vote | None]) -> Markup:
    """The question above two pictures, with the previous answer and the progress.

    Args:
        number: Number of the question, from 0.
        votes: The reviewer's vote on every question, None where there is none.
    """
    vote, total = votes[number], len(votes)
    share = sum(found is not None for found in votes) / total
    return TEMPLATES.render(
        "question",
        answer=ANSWERS[vote.outcome] if vote else "",
        progress=kit.progress(f"{number + 1} of {total}", share),
    )


def thanks(votes: list[Vote | None]) -> Markup:
    """The card after the last question: thanks, and a table of the answers.

    Args:
        votes: The reviewer's vote on every question, None where there is none.
    """
    rows = [(ANSWERS[vote.outcome], vote.comment) if vote else (kit.DASH, "") for vote in votes]
    answered = sum(vote is not None and vote.outcome != "skip" for vote in votes)
    return TEMPLATES.render("thanks", rows=rows, answered=answered)


def trial_cards(trials: Sequence[TrialRun]) -> Markup:
    """Cards of the runs that can be tried; the page starts a trial at a click on one."""
    cards = []
    for one in trials:
        bench = one.run.benchmark
        cards.append(
            {
                "id": one.run.id,
                "title": bench.title,
                "words": f"{counted(len(one.run.methods), 'method')} · "
                f"{counted(bench.n, 'picture')} · {one.run.created:%Y-%m-%d}"
                f"{', recorded by us' if one.recorded else ''}",
                "jpeg": base64.b64encode(one.thumbnail or b"").decode(),
            }
        )
    return TEMPLATES.render("trials", trials=cards, votes=VIEWS["votes"])


def trial_end(
    questions: Sequence[Question], votes: Sequence[Vote | None], titles: Mapping[str, str]
) -> Markup:
    """The card after a trial: whose results were compared, and the answers.

    Args:
        questions: Questions of the trial.
        votes: The vote on every question, None where there is none.
        titles: Display names of the methods by id.
    """
    rows = [
        (titles[question.a], titles[question.b], ANSWERS[vote.outcome] if vote else kit.DASH)
        for question, vote in zip(questions, votes, strict=True)
    ]
    answered = sum(vote is not None and vote.outcome != "skip" for vote in votes)
    return TEMPLATES.render("trial_end", rows=rows, answered=answered)


def ranking_table(ranking: Ranking) -> Markup:
    """HTML table of a ranking, with its caption below."""
    metrics = metrics_in(ranking.table.columns)
    labels = [metric.label for metric in metrics]
    heads = ["Method", "Strength", "95 % interval", "Wins", "Ties", "Losses", *labels]
    rows = []
    for row in ranking.table.to_dict("records"):
        low, high = _number(row["low"], 2), _number(row["high"], 2)
        rows.append(
            [
                " · ".join(dict.fromkeys([row["title"], row["method"]])),
                _number(row["strength"], 2),
                kit.DASH if low == kit.DASH else f"{low} to {high}",
                *(str(row[name]) for name in ("wins", "ties", "losses")),
                *(metric.number(row[metric.key]) for metric in metrics),
            ]
        )
    words = f"{ranking.words} Scores: protocol {ranking.protocol}."
    return kit.table(heads, rows, "Ranking by votes") + Markup(
        '<p class="review-note">{}</p>'
    ).format(words)


def agreement_table(table: "pd.DataFrame") -> Markup:
    """HTML table of how often each metric prefers what reviewers prefer, with its caption below.

    Args:
        table: Result of `metric_agreement`.
    """
    heads = ["Metric", "Share", "95 % interval", "Votes", "Kendall", "Spearman", "Verdict"]
    rows = []
    for row in table.to_dict("records"):
        low, high = (_percent(row[name]) for name in ("low", "high"))
        rows.append(
            [
                f"{row['title']} · {row['protocol']}",
                _percent(row["share"]),
                kit.DASH if low == kit.DASH else f"{low} to {high}",
                str(row["votes"]),
                _number(row["kendall"], 2),
                _number(row["spearman"], 2),
                row["verdict"],
            ]
        )
    shown = kit.table(heads, rows, "Metrics against votes") if rows else Markup("")
    return shown + Markup('<p class="review-note">{}</p>').format(agreement_words(table))


def _percent(share: float) -> str:
    text = kit.number(100 * share, 0)
    return text if text == kit.DASH else f"{text} %"


def _number(value: float, digits: int) -> str:
    return kit.number(round(value, digits) + 0.0, digits)  # never -0.00
