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

from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest

from .reviewers import file_stem, sha256_text

DEFAULT_QUESTIONS = 30
"""Default number of questions for one reviewer."""
MAX_QUESTIONS = 500
"""Most questions for one reviewer."""
COMMON_SHARE = 3
"""One question in so many is the same for all reviewers of a run."""
REPEAT_EVERY = 10
"""One question in so many is an earlier one with its sides exchanged."""
UNCHANGED = "identity"
"""Id of the method that returns its input, which takes part only on request."""

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
    repeat: bool = False
    """Whether the reviewer was asked the same before, with the sides exchanged."""

    @property
    def key(self) -> QuestionKey:
        """Key of the question; see `QuestionKey`."""
        return question_key(self.pair, self.a, self.b)


def choose_questions(
    stored: StoredRun,
    reviewer: str,
    limit: int = DEFAULT_QUESTIONS,
    *,
    with_unchanged: bool = False,
) -> list[Question]:
    """Choose the questions for a reviewer.

    Every two methods are compared about equally often, and every picture is shown about equally
    often. Bit-identical outputs are not asked about. A third of the questions are those of every
    reviewer of the run, so that their agreement can be measured; every tenth is an earlier question
    again with A and B exchanged, so that a reviewer's consistency can. The same run and reviewer
    give the same questions in the same order with the same sides.

    Args:
        stored: The run; it must have ended, so that the choice never changes.
        reviewer: Name or token.
        limit: Most questions, repeated ones included.
        with_unchanged: Whether the unchanged input takes part. It always does in a run with
            fewer than two other methods.

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
    seed = f"{run.id} {file_stem(reviewer)}"
    candidates = _candidates(stored, _methods(run, with_unchanged))
    if not candidates:
        raise InvalidRequest(
            f"Run {run.id} has no picture with two stored outputs that differ: there is nothing "
            "to review."
        )
    draw = _BalancedDraw(candidates)
    repeated = limit // REPEAT_EVERY
    common = draw.take((limit - repeated) // COMMON_SHARE, _generator(run.id))
    rng = _generator(seed)
    chosen = common + draw.take(limit - repeated - len(common), rng)
    asked = [
        _with_sides(
            candidates[methods][pair], flip=int(sha256_text(f"{seed} {pair} {methods}"), 16) % 2
        )
        for methods, pair in (chosen[place] for place in rng.permutation(len(chosen)))
    ]
    return _with_repeats(asked, min(repeated, len(asked) // (REPEAT_EVERY - 1)), rng)


def _generator(seed: str) -> np.random.Generator:
    return np.random.default_rng(int(sha256_text(seed)[:16], 16))


def _methods(run: Run, with_unchanged: bool) -> list[str]:
    """Ids of the methods that are compared.

    Raises:
        InvalidRequest: There is only one.
    """
    ids = [method.id for method in run.methods]
    if len(ids) < 2:
        raise InvalidRequest(
            f"Run {run.id} has one method, and a review compares two: choose a run with more."
        )
    others = [name for name in ids if name != UNCHANGED]
    return ids if with_unchanged or len(others) < 2 else others


def _candidates(
    stored: StoredRun, methods: list[str]
) -> dict[tuple[str, str], dict[str, Question]]:
    """Every possible question, by the two methods and by the pair."""
    folder = stored.folder / "outputs"
    there = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()

    def kept(sha256: str | None) -> str | None:
        if sha256 is None or f"{sha256}.png" in there:
            return sha256
        return sha256 if stored.output(sha256).is_file() else None  # of a recorded run

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


class _BalancedDraw:
    """Draws the least used pair of methods, then its least used picture; ties are random.

    Args:
        candidates: Every possible question, by the two methods and by the pair.
    """

    def __init__(self, candidates: dict[tuple[str, str], dict[str, Question]]) -> None:
        self.left = {methods: list(pairs) for methods, pairs in candidates.items()}
        self.seen: Counter[str] = Counter()
        self.asked: Counter[tuple[str, str]] = Counter()

    def take(self, number: int, rng: np.random.Generator) -> list[tuple[tuple[str, str], str]]:
        """Take up to `number` questions that were not taken before."""
        for methods, pairs in self.left.items():
            self.left[methods] = [pairs[place] for place in rng.permutation(len(pairs))]
        order = dict(zip(self.left, rng.permutation(len(self.left)).tolist(), strict=True))
        taken: list[tuple[tuple[str, str], str]] = []
        while self.left and len(taken) < number:
            methods = min(self.left, key=lambda name: (self.asked[name], order[name]))
            pair = min(self.left[methods], key=lambda name: self.seen[name])
            taken.append((methods, pair))
            self.asked[methods] += 1
            self.seen[pair] += 1
            self.left[methods].remove(pair)
            if not self.left[methods]:
                del self.left[methods]
        return taken


def _with_repeats(asked: list[Question], number: int, rng: np.random.Generator) -> list[Question]:
    """Ask questions of the first third again within the last third, with A and B exchanged."""
    if not number:
        return asked
    third = len(asked) // 3
    again = [
        replace(_with_sides(asked[place], flip=1), repeat=True)
        for place in rng.choice(third, number, replace=False)
    ]
    end = asked[len(asked) - third :] + again
    return asked[: len(asked) - third] + [end[place] for place in rng.permutation(len(end))]


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
