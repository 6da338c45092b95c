"""Merging the documents of a run that was worked on in several places."""

import functools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mirnet.errors import InvalidRequest
from mirnet.files import PathLock, write_file

from .annotations import (
    LOCK_SECONDS,
    MAX_FILE_BYTES,
    NOTES,
    SELECTIONS,
    annotation_lock,
    latest_lines,
)
from .document import Run
from .store import NotWritten, StoredRun

MAX_VOTES_BYTES = 4_000_000
"""Largest file of votes in bytes, as `eval.review.votes` reads and writes them."""


def merge_run(folder: Path, stored: StoredRun) -> bool:
    """Merge a run of the data set into the same run of the store.

    Votes, notes and selections are merged always. Scores and header are left alone while a process
    works on the run; a header that says more replaces one that says less.

    Args:
        folder: What was read of the run: the files that differ from those of the store.

    Returns:
        Whether scores and header were merged too.

    Raises:
        NotWritten: The disk is full or may not be written to.
        OSError: The disk is full or may not be written to.
        InvalidRequest: A file of the store is damaged, somebody else has been writing a file for
            long, or the merged file would be larger than it may be.
    """
    for path in sorted(folder.glob("votes/*.jsonl")):
        _merge_votes(path, stored.folder / "votes" / path.name)
    for name in (NOTES, SELECTIONS):
        if (folder / name).is_file():
            with annotation_lock(stored):
                merge_lines(
                    folder / name,
                    stored.folder / name,
                    key=_moment,
                    most=MAX_FILE_BYTES,
                    reduce=functools.partial(latest_lines, name),
                )
    try:
        with stored.lock():
            merge_lines(folder / "facts.jsonl", stored.folder / "facts.jsonl")
            known = {(row.pair, row.method) for row in stored.rows()}
            for row in StoredRun(folder).rows():
                if (row.pair, row.method) not in known:
                    stored.append(row)
            if (folder / "run.json").is_file():
                there = StoredRun(folder).header()
                if there.id == stored.id and _says_more(there, stored.header()):
                    stored.write_header(there)
    except NotWritten:
        raise
    except InvalidRequest:
        if not stored.is_held():
            raise
        return False
    return True


def _merge_votes(source: Path, target: Path) -> None:
    """Merge the votes of one reviewer, while no vote of theirs is stored."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with PathLock.beside(target) as lock:
        if not lock.acquired(LOCK_SECONDS):
            raise InvalidRequest("A vote is being stored: the next exchange tries again.")
        merge_lines(source, target, key=_moment, most=MAX_VOTES_BYTES)


def merge_lines(
    source: Path,
    target: Path,
    key: Callable[[bytes], Any] | None = None,
    most: int | None = None,
    reduce: Callable[[Iterable[bytes]], list[bytes]] = list,
) -> None:
    """Add the lines of a file that another one lacks.

    Args:
        source: File that was read; nothing happens if it does not exist.
        target: File of the store; created if it does not exist.
        key: Sorts the merged lines; None keeps their order and appends.
        most: Largest size of the merged file in bytes; None for any.
        reduce: Leaves out lines that no longer count; called if the merged file is larger.

    Raises:
        InvalidRequest: The reduced file is still larger than `most`; both files are as they were.
        OSError: The disk is full or may not be written to.
    """
    if not source.is_file():
        return
    new = [line for line in whole_lines(source).split(b"\n") if line]
    old = [line for line in whole_lines(target).split(b"\n") if line] if target.is_file() else []
    merged = list(dict.fromkeys([*old, *new]))
    if key is not None:
        merged.sort(key=key)
    if most is not None and _size(merged) > most:
        merged = reduce(merged)
        if _size(merged) > most:
            raise InvalidRequest(
                f"{target.name} would have more than {most / 1e6:g} MB after a merge: both files "
                "stay as they are."
            )
    if merged != old:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_file(target, b"".join(line + b"\n" for line in merged))


def _size(lines: list[bytes]) -> int:
    """Size in bytes of a file of lines."""
    return sum(len(line) + 1 for line in lines)


def _moment(line: bytes) -> tuple[str, bytes]:
    """Time of a line, by which later ones replace it, then the line itself.

    Lines of the same time are in the same order on every machine, so that their files become equal.
    The time of a damaged line is empty.
    """
    try:
        return str(json.loads(line)["time"]), line
    except (ValueError, TypeError, KeyError, RecursionError):
        return "", line


def _says_more(one: Run, other: Run) -> bool:
    """Whether a header describes a later state of the same run."""
    ranks = {"running": 0, "stopped": 1, "failed": 1, "done": 2}
    rank = ranks.get(one.status, 0), len(one.attempts), str(one.ended or "")
    return rank > (ranks.get(other.status, 0), len(other.attempts), str(other.ended or ""))


def whole_lines(path: Path) -> bytes:
    """Content of a file; of a file of lines without an unfinished last one."""
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1] if path.suffix == ".jsonl" else content
