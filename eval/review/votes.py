"""Blind questions about a run's outputs, and the votes on them.

    ID/votes/HASH.jsonl   the votes of one reviewer, one line each (`Vote`), appended and seen to
                          the disk; HASH is of the reviewer's name, so that no name is a path

A question shows two outputs of one pair as A and B. Which questions a reviewer gets, in which
order and which output is A follow from the run's id and the reviewer's name alone, so a link that
is opened again goes on where it was left. A later vote on the same question replaces the earlier
one; reading needs no lock and works where nothing can be written.
"""

import contextlib
import datetime
import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

import filelock
import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.images.decode import read_image
from mirnet.images.names import clean_name
from mirnet.images.picture import Picture, to_eight_bits
from mirnet.images.preview import cut_out, shrink

if TYPE_CHECKING:
    import pandas as pd

QUESTIONS = 30
"""Questions of one reviewer, where nobody says otherwise."""
MAX_QUESTIONS = 500
"""Most questions of one reviewer."""
MAX_COMMENT = 500
"""Longest comment, in letters."""
MAX_REVIEWERS = 500
"""Most reviewers of one run."""
MAX_BYTES = 4_000_000
"""Largest file of votes: room for every question with a comment, answered over and over."""
LOCK_SECONDS = 10.0
"""How long a vote waits for another vote of the same reviewer."""
MAX_ROOM_PX = 1600
"""Longest side of a cut-out, whatever a browser asks for."""

Outcome = Literal["a", "b", "tie", "skip"]
"""A is better, B is better, no difference that matters, or no answer."""
Key = tuple[str, str, str]
"""What a question is about, whichever output is A: the pair and both methods in order of id."""


class Vote(BaseModel):
    """One answer of one reviewer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pair: str = Field(max_length=200)
    """Id of the pair."""
    a: str = Field(max_length=200)
    """Id of the method whose output was A, on the left."""
    b: str = Field(max_length=200)
    """Id of the method whose output was B."""
    outcome: Outcome
    """What the reviewer said."""
    reviewer: str = Field(max_length=80)
    """Name as `clean_reviewer` left it."""
    time: AwareDatetime
    """UTC."""
    comment: str = Field("", max_length=MAX_COMMENT)
    """In the reviewer's words."""

    @property
    def key(self) -> Key:
        """What it is about."""
        return _key(self.pair, self.a, self.b)


@dataclass(frozen=True)
class Question:
    """Two outputs of one pair; stays on the server until it is answered."""

    pair: str
    """Id of the pair."""
    a: str
    """Id of the method whose output is A."""
    b: str
    """Id of the method whose output is B."""
    a_sha256: str
    """Names the stored picture of A."""
    b_sha256: str
    """Names the stored picture of B."""
    degraded_sha256: str | None
    """Names what both methods were given, where it was stored."""
    target_sha256: str | None
    """Names the truth, where there is one and it was stored."""

    @property
    def key(self) -> Key:
        """What it is about."""
        return _key(self.pair, self.a, self.b)


@dataclass(frozen=True)
class Look:
    """How a reviewer looks at the pictures of a question."""

    close: bool = False
    """True pixels around one point instead of the reduced whole."""
    context: bool = False
    """Input and target as well."""
    across: float = 0.5
    """The point, from 0 at the left edge to 1 at the right one."""
    down: float = 0.5
    """The same from top to bottom."""
    room_px: int = 640
    """Sides of the cut-out."""


@dataclass(frozen=True)
class Review:
    """One reviewer's way through one run."""

    stored: StoredRun
    """The run."""
    reviewer: str
    """Cleaned name."""
    questions: tuple[Question, ...]
    """In the order they are asked."""

    def votes(self) -> list[Vote | None]:
        """The reviewer's latest vote on each question, None where there is none.

        Raises:
            InvalidRequest: The file of votes is damaged.
        """
        mine = votes_of(self.stored, self.reviewer)
        return [mine.get(question.key) for question in self.questions]

    def place(self) -> int:
        """Number from 0 of the first question without a vote; as many as there are at the end."""
        found = self.votes()
        return found.index(None) if None in found else len(found)


# ---------------------------------------------------------------- reviewers and questions


def clean_reviewer(name: str) -> str:
    """Make a name or token from a link safe to store and show; at most 80 letters.

    Raises:
        InvalidRequest: It has no letter and no digit.
    """
    if not any(letter.isalnum() for letter in name[:1000]):
        raise InvalidRequest("A reviewer needs a name of letters or digits: enter one.")
    return clean_name(name[:1000])


def reviewer_link(run_id: str, reviewer: str) -> str:
    """Query part of the link that a reviewer opens.

    >>> reviewer_link("20260101-120000-abcdef", "Anna B")
    '?tab=review&run=20260101-120000-abcdef&reviewer=Anna+B'
    """
    return "?" + urlencode({"tab": "review", "run": run_id, "reviewer": clean_reviewer(reviewer)})


def open_review(stored: StoredRun, reviewer: str, limit: int = QUESTIONS) -> Review:
    """Begin a review, or go on with one.

    Raises:
        InvalidRequest: See `questions`.
    """
    name = clean_reviewer(reviewer)
    return Review(stored, name, tuple(questions(stored, name, limit)))


def questions(stored: StoredRun, reviewer: str, limit: int = QUESTIONS) -> list[Question]:
    """Choose what a reviewer is asked.

    Every two methods are compared about equally often, and every picture is shown about equally
    often. Outputs that are equal to the bit are not asked about. The same run and reviewer give the
    same questions in the same order with the same sides.

    Args:
        stored: The run; it must have ended, so that the choice does not change under way.
        reviewer: Name or token.
        limit: Most questions.

    Raises:
        InvalidRequest: The run has not ended, has no two methods with stored outputs that differ,
            or is damaged; the name or the limit is none.
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
    seed = f"{run.id} {_stem(reviewer)}"
    candidates = _candidates(stored, [method.id for method in run.methods])
    if not candidates:
        raise InvalidRequest(
            f"Run {run.id} has no picture with two stored outputs that differ: there is nothing "
            "to review."
        )
    rng = np.random.default_rng(int(_sha256(seed)[:16], 16))
    chosen = _balanced(candidates, limit, rng)
    return [
        _turned(candidates[methods][pair], flip=int(_sha256(f"{seed} {pair} {methods}"), 16) % 2)
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
    """Take from the methods and then the pictures taken least so far; chance decides ties."""
    left = {}
    for methods in candidates:
        pairs = list(candidates[methods])
        left[methods] = [pairs[place] for place in rng.permutation(len(pairs))]
    turn = dict(zip(left, rng.permutation(len(left)).tolist(), strict=True))
    seen: Counter[str] = Counter()
    asked: Counter[tuple[str, str]] = Counter()
    chosen: list[tuple[tuple[str, str], str]] = []
    while left and len(chosen) < limit:
        methods = min(left, key=lambda name: (asked[name], turn[name]))
        pair = min(left[methods], key=lambda name: seen[name])
        chosen.append((methods, pair))
        asked[methods] += 1
        seen[pair] += 1
        left[methods].remove(pair)
        if not left[methods]:
            del left[methods]
    return [chosen[place] for place in rng.permutation(len(chosen))]


def _turned(question: Question, flip: int) -> Question:
    if not flip:
        return question
    return replace(
        question,
        a=question.b,
        b=question.a,
        a_sha256=question.b_sha256,
        b_sha256=question.a_sha256,
    )


def _key(pair: str, one: str, two: str) -> Key:
    first, second = sorted((one, two))
    return pair, first, second


def _stem(reviewer: str) -> str:
    """File name of a reviewer's votes; one for 'Anna' and 'anna'."""
    return _sha256(clean_reviewer(reviewer).casefold())[:32]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# ---------------------------------------------------------------- pictures


def pictures(stored: StoredRun, question: Question, look: Look) -> dict[str, np.ndarray]:
    """What a reviewer sees of a question.

    Returns:
        (H, W, 3) uint8 under "a" and "b", and where `look.context` is set and they were stored,
        under "input" and "target". All show the same part; an input of another size (before
        super-resolution) is enlarged with its pixels as squares.

    Raises:
        InvalidRequest: A stored picture is gone or damaged.
    """
    names = {"a": question.a_sha256, "b": question.b_sha256}
    if look.context and question.degraded_sha256:
        names["input"] = question.degraded_sha256
    if look.context and question.target_sha256:
        names["target"] = question.target_sha256
    try:
        found = {name: _decoded(stored.output(sha256)) for name, sha256 in names.items()}
    except MIRNetError as error:
        raise InvalidRequest(
            "A picture of this question is gone or damaged: skip it, and tell whoever sent you "
            "the link."
        ) from error
    height, width = found["a"].pixels.shape[:2]
    room = int(np.clip(look.room_px, 64, MAX_ROOM_PX))
    shown = {}
    for name, picture in found.items():
        fitted = _same_size(picture, height, width)
        part = cut_out(fitted, look.across, look.down, room, room) if look.close else shrink(fitted)
        shown[name] = part.pixels
    return shown


@lru_cache(maxsize=4)
def _decoded(path: Path) -> Picture:
    """Read a stored picture; named by its content, so it never changes."""
    return Picture(to_eight_bits(read_image(path).pixels))


def _same_size(picture: Picture, height: int, width: int) -> Picture:
    if picture.pixels.shape[:2] == (height, width):
        return picture
    import cv2

    return Picture(cv2.resize(picture.pixels, (width, height), interpolation=cv2.INTER_NEAREST))


# ---------------------------------------------------------------- votes


def can_store(stored: StoredRun) -> bool:
    """Whether votes can be written beside a run."""
    folder = stored.folder / "votes"
    return os.access(folder if folder.exists() else stored.folder, os.W_OK)


def cast(
    stored: StoredRun, reviewer: str, question: Question, outcome: Outcome, comment: str = ""
) -> Vote:
    """Store a vote and see it to the disk.

    Args:
        stored: The run.
        reviewer: Name or token.
        question: What was asked, with the sides as they were shown.
        outcome: The answer.
        comment: Anything the reviewer wants to say; control characters are taken out, and what is
            beyond `MAX_COMMENT` letters.

    Raises:
        InvalidRequest: Votes cannot be written here, there are too many, or the name or the
            outcome is none.
    """
    name = clean_reviewer(reviewer)
    try:
        vote = Vote(
            pair=question.pair,
            a=question.a,
            b=question.b,
            outcome=outcome,
            reviewer=name,
            time=datetime.datetime.now(datetime.UTC),
            comment=clean_comment(comment),
        )
    except ValidationError as error:
        raise InvalidRequest(
            f"{str(outcome)[:20]!r} is no answer: choose a, b, tie or skip."
        ) from error
    line = vote.model_dump_json().encode() + b"\n"
    path = stored.folder / "votes" / f"{_stem(name)}.jsonl"
    try:
        with _held(stored, path):
            _append(stored, path, line)
    except OSError as error:
        raise InvalidRequest(
            f"Votes on run {stored.id} cannot be stored ({error.strerror or error}): ask whoever "
            "sent you the link to open the store for writing. Votes stored before are safe."
        ) from error
    return vote


def clean_comment(text: str) -> str:
    r"""Printable letters on one line, at most `MAX_COMMENT` of them.

    >>> clean_comment(" too\n\tsoft ")
    'too soft'
    """
    letters = (letter if letter.isprintable() else " " for letter in text[: 4 * MAX_COMMENT])
    return " ".join("".join(letters).split())[:MAX_COMMENT].strip()


@contextlib.contextmanager
def _held(stored: StoredRun, path: Path) -> Iterator[None]:
    """Keep other processes from appending to a reviewer's file."""
    path.parent.mkdir(exist_ok=True)
    lock = filelock.FileLock(path.with_name(f".{path.stem}.lock"))
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except filelock.Timeout as error:
        raise InvalidRequest(
            f"Another window is storing a vote of yours on run {stored.id}: try again."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _append(stored: StoredRun, path: Path, line: bytes) -> None:
    if not path.exists() and len(list(path.parent.glob("*.jsonl"))) >= MAX_REVIEWERS:
        raise InvalidRequest(
            f"Run {stored.id} has votes of {MAX_REVIEWERS} reviewers, the most there can be: "
            "start a new run for more."
        )
    with path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        end = content.rfind(b"\n") + 1
        if end + len(line) > MAX_BYTES:
            raise InvalidRequest(
                f"You have voted so often on run {stored.id} that no more is stored: the last "
                "vote on each question counts."
            )
        file.truncate(end)  # what a killed process left of its last line
        try:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise


def votes_of(stored: StoredRun, reviewer: str) -> dict[Key, Vote]:
    """The latest vote of one reviewer on each question.

    Raises:
        InvalidRequest: The file is damaged.
    """
    return _latest(stored, stored.folder / "votes" / f"{_stem(reviewer)}.jsonl")


def all_votes(stored: StoredRun) -> list[Vote]:
    """The latest vote of every reviewer on each question, oldest first.

    Raises:
        InvalidRequest: A file is damaged.
    """
    found = [
        vote
        for path in sorted((stored.folder / "votes").glob("*.jsonl"))
        for vote in _latest(stored, path).values()
    ]
    return sorted(found, key=lambda vote: (vote.time, vote.reviewer, vote.key))


def _latest(stored: StoredRun, path: Path) -> dict[Key, Vote]:
    """Read a file of votes; a torn last line is left out."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidRequest(
            f"Votes on run {stored.id} cannot be read ({error.strerror or error}): check the "
            "permissions of its folder."
        ) from error
    if len(content) > MAX_BYTES:
        raise InvalidRequest(
            f"votes/{path.name} of run {stored.id} is larger than votes can be: remove that file."
        )
    votes: dict[Key, Vote] = {}
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            vote = Vote.model_validate_json(line)
        except ValidationError as error:
            raise InvalidRequest(
                f"Line {number} of votes/{path.name} in run {stored.id} is damaged: remove that "
                "line."
            ) from error
        votes[vote.key] = vote
    return votes


# ---------------------------------------------------------------- export


def table(stored: StoredRun) -> "pd.DataFrame":
    """One row for each reviewer and question, oldest first.

    Returns:
        Columns `run`, `pair`, `method_a` and `method_b` as they were shown, `outcome` ("a", "b",
        "tie" or "skip"), `preferred` (id of the better method, empty without one), `reviewer`,
        `time` (UTC, ISO 8601), `comment`.

    Raises:
        InvalidRequest: A file of votes is damaged.
    """
    import pandas as pd

    rows = [
        {
            "run": stored.id,
            "pair": vote.pair,
            "method_a": vote.a,
            "method_b": vote.b,
            "outcome": vote.outcome,
            "preferred": {"a": vote.a, "b": vote.b}.get(vote.outcome, ""),
            "reviewer": vote.reviewer,
            "time": vote.time.isoformat(timespec="seconds"),
            "comment": vote.comment,
        }
        for vote in all_votes(stored)
    ]
    columns = ["run", "pair", "method_a", "method_b", "outcome", "preferred", "reviewer"]
    return pd.DataFrame(rows, columns=[*columns, "time", "comment"])


def export(stored: StoredRun) -> bytes:
    """`table` as CSV in UTF-8; text that a spreadsheet would take for a formula is quoted.

    Raises:
        InvalidRequest: A file of votes is damaged.
    """
    from eval.analysis.csv_tables import csv_text

    return csv_text(table(stored)).encode()
