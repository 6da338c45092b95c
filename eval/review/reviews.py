"""One reviewer's review of one run: its questions, and the votes on them so far."""

from dataclasses import dataclass

from eval.runs.store import StoredRun

from .questions import DEFAULT_QUESTIONS, Question, choose_questions
from .reviewers import clean_reviewer
from .votes import Vote, votes_of


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
        return [mine.get(question.key) for question in self.questions]

    def first_open(self) -> int:
        """Index of the first question without a vote, or the number of questions if all have one.

        Raises:
            InvalidRequest: The file of votes is damaged.
        """
        votes = self.votes()
        return votes.index(None) if None in votes else len(votes)


def open_review(stored: StoredRun, reviewer: str, limit: int = DEFAULT_QUESTIONS) -> Review:
    """Start a review, or continue one.

    Raises:
        InvalidRequest: See `questions.choose_questions`.
    """
    name = clean_reviewer(reviewer)
    return Review(stored, name, tuple(choose_questions(stored, name, limit)))
