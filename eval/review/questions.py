"""Selection of the blind questions for a reviewer of a run.

A question shows two outputs of one pair as A and B. Selection, order and sides of the questions
depend only on the run's id and the reviewer's name, so a link that is opened again continues the
same review.
"""

import itertools
import os
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest

from .reviewers import file_stem, sha256_text

DEFAULT_QUESTIONS = 30
"""Default number of questions for one reviewer."""
MAX_QUESTIONS = 500
"""Most questions for one reviewer."""

QuestionKey = tuple[str, str, str]
"""Key of a question, independent of the sides: the pair and both methods sorted by id."""


def question_key(pair: str, one: str, two: str) -> QuestionKey:
    """The key of a question about two methods on one pair.

    >>> question_key("p1", "ours", "clahe")
    ('p1', 'clahe', 'ours')
    """
    first, second = sorted((one, two))
    return pair, first, second


@dataclass(frozen=True)
class Question:
    """Two outputs of one pair; it names methods, so it stays on the server."""

    pair: str
    """Id of the pair."""
    a: str
    """Id of the method whose output is A."""
    b: str
    """Id of the method whose output is B."""
    a_sha256: str
    """SHA-256 of the stored picture of A."""
    b_sha256: str
    """SHA-256 of the stored picture of B."""
    degraded_sha256: str | None
    """SHA-256 of the input of both methods; None where it is not stored."""
    target_sha256: str | None
    """SHA-256 of the ground truth; None where there is none or it is not stored."""

    @property
    def key(self) -> QuestionKey:
        """Key of the question; see `QuestionKey`."""
        return question_key(self.pair, self.a, self.b)


def choose_questions(
    stored: StoredRun, reviewer: str, limit: int = DEFAULT_QUESTIONS
) -> list[Question]:
    """Choose the questions for a reviewer.

    Every two methods are compared about equally often, and every picture is shown about equally
    often. Bit-identical outputs are not asked about. The same run and reviewer give the same
    questions in the same order with the same sides.

    Args:
        stored: The run; it must have ended, so that the choice never changes.
        reviewer: Name or token.
        limit: Most questions.

    Raises:
        InvalidRequest: The run has not ended, has no two methods with stored outputs that differ,
            or is damaged; the name or the limit is not valid.
    """
    if not 1 <= limit <= MAX_QUESTIONS:
        raise InvalidRequest(
            f"A review of {limit} questions is not possible: ask for 1 to {MAX_QUESTIONS}."
        )
    run = stored.header()
    if run.status == "running":
        raise InvalidRequest(
            f"Run {run.id} has not ended yet: open the review when it has, or resume the run."
        )
    if len(run.methods) < 2:
        raise InvalidRequest(
            f"Run {run.id} has one method, and a review compares two: choose a run with more."
        )
    seed = f"{run.id} {file_stem(reviewer)}"
    candidates = _candidates(stored, [method.id for method in run.methods])
    if not candidates:
        raise InvalidRequest(
            f"Run {run.id} has no picture with two stored outputs that differ: there is nothing "
            "to review."
        )
    rng = np.random.default_rng(int(sha256_text(seed)[:16], 16))
    chosen = _balanced(candidates, limit, rng)
    return [
        _with_sides(
            candidates[methods][pair], flip=int(sha256_text(f"{seed} {pair} {methods}"), 16) % 2
        )
        for methods, pair in chosen
    ]


def _candidates(
    stored: StoredRun, methods: list[str]
) -> dict[tuple[str, str], dict[str, Question]]:
    """Every possible question, by the two methods and by the pair."""
    folder = stored.folder / "outputs"
    there = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()

    def kept(sha256: str | None) -> str | None:
        return sha256 if f"{sha256}.png" in there else None

    rows: dict[str, dict[str, tuple[str, str | None, str | None]]] = {}
    for row in stored.rows():
        output = kept(row.output_sha256)
        if row.error is None and output is not None:
            context = kept(row.degraded_sha256), kept(row.target_sha256)
            rows.setdefault(row.pair, {})[row.method] = (output, *context)
    found: dict[tuple[str, str], dict[str, Question]] = {}
    for one, two in itertools.combinations(sorted(methods), 2):
        for pair in sorted(rows):
            outputs = rows[pair]
            if one in outputs and two in outputs and outputs[one][0] != outputs[two][0]:
                question = Question(pair, one, two, outputs[one][0], *outputs[two])
                found.setdefault((one, two), {})[pair] = question
    return found


def _balanced(
    candidates: dict[tuple[str, str], dict[str, Question]], limit: int, rng: np.random.Generator
) -> list[tuple[tuple[str, str], str]]:
    """Draw the least used pair of methods, then its least used picture; ties are random."""
    left = {}
    for methods in candidates:
        pairs = list(candidates[methods])
        left[methods] = [pairs[place] for place in rng.permutation(len(pairs))]
    order = dict(zip(left, rng.permutation(len(left)).tolist(), strict=True))
    seen: Counter[str] = Counter()
    asked: Counter[tuple[str, str]] = Counter()
    chosen: list[tuple[tuple[str, str], str]] = []
    while left and len(chosen) < limit:
        methods = min(left, key=lambda name: (asked[name], order[name]))
        pair = min(left[methods], key=lambda name: seen[name])
        chosen.append((methods, pair))
        asked[methods] += 1
        seen[pair] += 1
        left[methods].remove(pair)
        if not left[methods]:
            del left[methods]
    return [chosen[place] for place in rng.permutation(len(chosen))]


def _with_sides(question: Question, flip: int) -> Question:
    """The question itself, or with A and B exchanged."""
    if not flip:
        return question
    return replace(
        question,
        a=question.b,
        b=question.a,
        a_sha256=question.b_sha256,
        b_sha256=question.a_sha256,
    )
