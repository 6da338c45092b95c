"""Agreement of blind votes: of reviewers with themselves, and with each other."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .questions import QuestionKey
from .votes import Vote


@dataclass(frozen=True)
class Agreement:
    """Consistency of the votes, within and between reviewers; skipped questions are left out."""

    repeated: int
    """Number of questions that were answered twice by one reviewer."""
    consistent: int
    """Number of those with the same answer both times."""
    shared: int
    """Number of questions that two or more reviewers answered."""
    alike: float | None
    """Share of equal answers among all pairs of reviewers' answers to one question, 0 to 1."""
    alpha: float | None
    """Krippendorff's alpha of those answers, ordinal: 1 is agreement, 0 is chance; None where all
    answers are the same or no question is shared."""

    @property
    def words(self) -> str:
        """Sentences for a caption; empty if nothing was measured."""
        parts = []
        if self.repeated:
            parts.append(f"Asked twice: {self.consistent} of {self.repeated} answered alike.")
        if self.alike is not None:
            end = ""
            if self.alpha is not None:
                end = f", Krippendorff's alpha {self.alpha:.2f} (1 agreement, 0 chance)"
            plural = "" if self.shared == 1 else "s"
            parts.append(
                f"Reviewers agree in {100 * self.alike:.0f} % of answers to {self.shared} shared "
                f"question{plural}{end}."
            )
        return " ".join(parts)


def measure_agreement(votes: Sequence[Vote]) -> Agreement:
    """Measure the agreement of votes.

    Alpha is that of Krippendorff (Content Analysis, 2004) for ordinal answers: one method is
    better, they are equal, the other is better. It allows for chance and for questions that some
    reviewers were not asked.

    Args:
        votes: Votes of all reviewers on one run, with repeated and skipped questions.
    """
    answers: dict[QuestionKey, dict[str, int]] = {}
    again: list[tuple[QuestionKey, str, int]] = []
    for vote in votes:
        if vote.outcome == "skip":
            continue
        reviewer, answer = vote.reviewer.casefold(), _answer(vote)
        if vote.repeat:
            again.append((vote.key, reviewer, answer))
        else:
            answers.setdefault(vote.key, {})[reviewer] = answer
    twice = [
        (answers[key][reviewer], answer)
        for key, reviewer, answer in again
        if reviewer in answers.get(key, {})
    ]
    shared = [given for given in answers.values() if len(given) > 1]
    pairs = [pair for given in shared for pair in itertools.combinations(given.values(), 2)]
    return Agreement(
        repeated=len(twice),
        consistent=sum(first == second for first, second in twice),
        shared=len(shared),
        alike=sum(one == two for one, two in pairs) / len(pairs) if pairs else None,
        alpha=_alpha(shared),
    )


def _answer(vote: Vote) -> int:
    """1 if the method that is first by id is better, -1 if the other is, 0 for a tie."""
    better = {"a": vote.a, "b": vote.b}.get(vote.outcome)
    if better is None:
        return 0
    return 1 if better == min(vote.a, vote.b) else -1


def _alpha(shared: list[dict[str, int]]) -> float | None:
    if len({answer for given in shared for answer in given.values()}) < 2:
        return None
    import krippendorff

    reviewers = sorted({name for given in shared for name in given})
    table = np.array([[given.get(name, math.nan) for given in shared] for name in reviewers])
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement="ordinal"))
