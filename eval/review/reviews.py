"""One reviewer's review of one run: its questions, and the votes on them so far."""

import datetime
import secrets
from dataclasses import dataclass, field

from eval.runs.store import StoredRun

from .invitations import Invitation
from .questions import DEFAULT_QUESTIONS, Question, choose_questions
from .reviewers import clean_reviewer
from .votes import Outcome, Vote, clean_comment, store_vote, votes_of

TRIAL_QUESTIONS = 5
"""Number of questions of a trial."""


@dataclass(frozen=True)
class Review:
    """The questions of one reviewer about one run."""

    stored: StoredRun
    """The run."""
    reviewer: str
    """Cleaned name of the reviewer."""
    questions: tuple[Question, ...]
    """Questions in the order in which they are asked."""

    def votes(self) -> list[Vote | None]:
        """The reviewer's latest vote on each question, None where there is none.

        Raises:
            InvalidRequest: The file of votes is damaged.
        """
        mine = votes_of(self.stored, self.reviewer)
        return [mine.get((question.key, question.repeat)) for question in self.questions]

    def first_open(self) -> int:
        """Index of the first question without a vote, or the number of questions if all have one.

        Raises:
            InvalidRequest: The file of votes is damaged.
        """
        votes = self.votes()
        return votes.index(None) if None in votes else len(votes)

    def vote(self, number: int, outcome: Outcome, comment: str = "") -> None:
        """Store a vote on a question.

        Raises:
            InvalidRequest: See `votes.store_vote`.
        """
        store_vote(self.stored, self.reviewer, self.questions[number], outcome, comment)


@dataclass(frozen=True)
class Trial(Review):
    """A few questions to try, whose votes are kept in memory only."""

    kept: dict[int, Vote] = field(default_factory=dict)
    """Votes by number of the question."""

    def votes(self) -> list[Vote | None]:
        """The vote on each question, None where there is none."""
        return [self.kept.get(number) for number in range(len(self.questions))]

    def vote(self, number: int, outcome: Outcome, comment: str = "") -> None:
        """Keep a vote in memory."""
        question = self.questions[number]
        self.kept[number] = Vote(
            pair=question.pair,
            a=question.a,
            b=question.b,
            outcome=outcome,
            reviewer=self.reviewer,
            time=datetime.datetime.now(datetime.UTC),
            comment=clean_comment(comment),
        )


def open_review(
    stored: StoredRun,
    reviewer: str,
    limit: int = DEFAULT_QUESTIONS,
    *,
    with_unchanged: bool = False,
) -> Review:
    """Start a review, or continue one.

    Raises:
        InvalidRequest: See `questions.choose_questions`.
    """
    name = clean_reviewer(reviewer)
    questions = choose_questions(stored, name, limit, with_unchanged=with_unchanged)
    return Review(stored, name, tuple(questions))


def accept(stored: StoredRun, invitation: Invitation, limit: int = DEFAULT_QUESTIONS) -> Review:
    """Start or continue the review that a checked link leads to.

    Raises:
        InvalidRequest: See `questions.choose_questions`.
    """
    return open_review(stored, invitation.reviewer, limit, with_unchanged=invitation.with_unchanged)


def start_trial(stored: StoredRun) -> Trial:
    """Start a trial with questions of its own.

    Raises:
        InvalidRequest: See `questions.choose_questions`.
    """
    name = f"trial-{secrets.token_hex(8)}"
    return Trial(stored, name, tuple(choose_questions(stored, name, TRIAL_QUESTIONS)))
