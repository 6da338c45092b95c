"""Votes of blind reviews, stored with the run.

    ID/votes/HASH.jsonl   the votes of one reviewer, one line each (`Vote`), appended and synced to
                          the disk; HASH is of the reviewer's name (`reviewers.file_stem`)

A later vote on the same question replaces the earlier one, even where the clock of the machine that
took it was ahead; reading needs no lock and works where nothing can be written.
"""

import contextlib
import datetime
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from eval.runs.store import RecordedRun, StoredRun
from eval.runs.timestamps import latest_time, time_after
from mirnet.errors import InvalidRequest
from mirnet.files import PathLock, append_line

from .questions import Question, QuestionKey, question_key
from .reviewers import clean_reviewer, file_stem

if TYPE_CHECKING:
    import pandas as pd

MAX_COMMENT = 500
"""Longest comment in characters."""
MAX_REVIEWERS = 500
"""Most reviewers of one run."""
MAX_BYTES = 4_000_000
"""Largest file of votes in bytes; holds every question with a comment, answered many times."""
LOCK_SECONDS = 10.0
"""Longest wait in seconds for another vote of the same reviewer."""

Outcome = Literal["a", "b", "tie", "skip"]
"""A is better, B is better, no difference that matters, or no answer."""


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
    """The reviewer's answer."""
    reviewer: str = Field(max_length=80)
    """Name as `clean_reviewer` left it."""
    time: AwareDatetime
    """Time of the vote, in UTC."""
    comment: str = Field("", max_length=MAX_COMMENT)
    """Free text of the reviewer, may be empty."""
    repeat: bool = False
    """Whether the reviewer had been asked the same before; such votes measure consistency only."""

    @property
    def key(self) -> QuestionKey:
        """Key of the question; see `QuestionKey`."""
        return question_key(self.pair, self.a, self.b)


def check_votable(stored: StoredRun) -> None:
    """Check that votes on a run may be stored.

    Raises:
        InvalidRequest: The run is a recorded one, which nothing is added to.
    """
    if isinstance(stored, RecordedRun):
        raise InvalidRequest(
            f"Run {stored.id} was recorded by the project and takes no votes: start a run of your "
            "own to invite reviewers."
        )


def can_store(stored: StoredRun) -> bool:
    """Whether votes can be written beside a run."""
    if isinstance(stored, RecordedRun):
        return False
    folder = stored.folder / "votes"
    return os.access(folder if folder.exists() else stored.folder, os.W_OK)


def store_vote(
    stored: StoredRun, reviewer: str, question: Question, outcome: Outcome, comment: str = ""
) -> Vote:
    """Append a vote to the reviewer's file and sync it to the disk.

    Args:
        reviewer: Name or token.
        question: The question, with the sides as they were shown.
        comment: Free text, shortened by `clean_comment`.

    Raises:
        InvalidRequest: Votes cannot be written here, there are too many, or the name or the
            outcome is not valid.
    """
    check_votable(stored)
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
            repeat=question.repeat,
        )
    except ValidationError as error:
        raise InvalidRequest(
            f"{str(outcome)[:20]!r} is no answer: choose a, b, tie or skip."
        ) from error
    path = stored.folder / "votes" / f"{file_stem(name)}.jsonl"
    try:
        with _locked(stored, path):
            vote = _later_than_before(stored, path, vote)
            _append(stored, path, vote.model_dump_json().encode())
    except OSError as error:
        raise InvalidRequest(
            f"Votes on run {stored.id} cannot be stored ({error.strerror or error}): ask whoever "
            "sent you the link to open the store for writing. Votes stored before are safe."
        ) from error
    return vote


def _later_than_before(stored: StoredRun, path: Path, vote: Vote) -> Vote:
    """The vote with a time after that of the vote that it replaces, if a clock was ahead.

    Files of several machines are merged by time.
    """
    with contextlib.suppress(InvalidRequest):  # a damaged file takes votes as well
        earlier = _latest(stored, path).get((vote.key, vote.repeat))
        if earlier is not None and earlier.time >= vote.time:
            return vote.model_copy(update={"time": time_after([earlier.time])})
    return vote


def clean_comment(text: str) -> str:
    r"""Reduce a text to one line of printable characters, at most `MAX_COMMENT`.

    >>> clean_comment(" too\n\tsoft ")
    'too soft'
    """
    letters = (letter if letter.isprintable() else " " for letter in text[: 4 * MAX_COMMENT])
    return " ".join("".join(letters).split())[:MAX_COMMENT].strip()


@contextlib.contextmanager
def _locked(stored: StoredRun, path: Path) -> Iterator[None]:
    """Hold the lock of a reviewer's file, so that no other process appends to it."""
    path.parent.mkdir(exist_ok=True)
    with PathLock.beside(path) as lock:
        if not lock.acquired(LOCK_SECONDS):
            raise InvalidRequest(
                f"Another window is storing a vote of yours on run {stored.id}: try again."
            )
        yield


def _append(stored: StoredRun, path: Path, line: bytes) -> None:
    if not path.exists() and len(list(path.parent.glob("*.jsonl"))) >= MAX_REVIEWERS:
        raise InvalidRequest(
            f"Run {stored.id} has votes of {MAX_REVIEWERS} reviewers, the most there can be: "
            "start a new run for more."
        )
    size = path.stat().st_size if path.exists() else 0
    if size + len(line) >= MAX_BYTES:
        raise InvalidRequest(
            f"You have voted so often on run {stored.id} that no more is stored: the last "
            "vote on each question counts."
        )
    append_line(path, line)


def votes_of(stored: StoredRun, reviewer: str) -> dict[tuple[QuestionKey, bool], Vote]:
    """The latest vote of one reviewer on each question, by its key and whether it is a repeat.

    Raises:
        InvalidRequest: The file is damaged.
    """
    return _latest(stored, stored.folder / "votes" / f"{file_stem(reviewer)}.jsonl")


def all_votes(stored: StoredRun) -> list[Vote]:
    """The latest vote of every reviewer on each question, repeated ones too, oldest first.

    Raises:
        InvalidRequest: A file is damaged.
    """
    found = [
        vote
        for path in sorted((stored.folder / "votes").glob("*.jsonl"))
        for vote in _latest(stored, path).values()
    ]
    return sorted(found, key=lambda vote: (vote.time, vote.reviewer, vote.key))


def _latest(stored: StoredRun, path: Path) -> dict[tuple[QuestionKey, bool], Vote]:
    """Read a file of votes; an incomplete last line, and votes of the far future, are ignored."""
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
    votes: dict[tuple[QuestionKey, bool], Vote] = {}
    latest = latest_time()
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            vote = Vote.model_validate_json(line)
        except ValidationError as error:
            raise InvalidRequest(
                f"Line {number} of votes/{path.name} in run {stored.id} is damaged: remove that "
                "line."
            ) from error
        if vote.time <= latest:
            votes[vote.key, vote.repeat] = vote
    return votes


def votes_table(stored: StoredRun) -> "pd.DataFrame":
    """One row for each reviewer and question, oldest first.

    Returns:
        Columns `run`, `pair`, `method_a` and `method_b` as they were shown, `outcome` ("a", "b",
        "tie" or "skip"), `preferred` (id of the better method, empty without one), `reviewer`,
        `time` (UTC, ISO 8601), `comment`, `repeat` (whether it was asked the second time).

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
            "repeat": vote.repeat,
        }
        for vote in all_votes(stored)
    ]
    columns = ["run", "pair", "method_a", "method_b", "outcome", "preferred", "reviewer"]
    return pd.DataFrame(rows, columns=[*columns, "time", "comment", "repeat"])
