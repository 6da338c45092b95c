"""HTML of the Blind review tab and of the panel with its results."""

from markupsafe import Markup

from eval.review.ranking import Ranking
from eval.review.votes import Outcome, Vote
from mirnet.app.kit import html as kit
from mirnet.metrics.registry import METRICS

from .page_files import TEMPLATES

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


def ranking_table(ranking: Ranking) -> Markup:
    """HTML table of a ranking, with its caption below."""
    labels = [metric.label for metric in METRICS.values()]
    heads = ["Method", "Strength", "95 % interval", "Wins", "Ties", "Losses", *labels]
    rows = []
    for row in ranking.table.to_dict("records"):
        low, high = _number(row["low"], 2), _number(row["high"], 2)
        rows.append(
            [
                " · ".join(dict.fromkeys([row["method"], row["title"]])),
                _number(row["strength"], 2),
                kit.DASH if low == kit.DASH else f"{low} to {high}",
                *(str(row[name]) for name in ("wins", "ties", "losses")),
                *(metric.number(row[metric.key]) for metric in METRICS.values()),
            ]
        )
    words = f"{ranking.words} Scores: protocol {ranking.protocol}."
    return kit.table(heads, rows, "Ranking by votes") + Markup(
        '<p class="review-note">{}</p>'
    ).format(words)


def _number(value: float, digits: int) -> str:
    return kit.number(round(value, digits) + 0.0, digits)  # never -0.00
