"""Merging the documents of a run that was worked on in several places."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mirnet.errors import InvalidRequest
from mirnet.files import write_file

from .annotations import NOTES, SELECTIONS, annotation_lock
from .document import Run
from .store import StoredRun


def merge_run(folder: Path, stored: StoredRun) -> bool:
    """Merge a run of the data set into the same run of the store.

    Votes, notes and selections are merged always. Scores and header are left alone while a process
    works on the run; a header that says more replaces one that says less.

    Args:
        folder: What was read of the run: the files that differ from those of the store.
        stored: The run in the store.

    Returns:
        Whether scores and header were merged too.

    Raises:
        InvalidRequest: A file of the store is damaged or cannot be written.
    """
    for path in sorted(folder.glob("votes/*.jsonl")):
        merge_lines(path, stored.folder / "votes" / path.name, key=_moment)
    for name in (NOTES, SELECTIONS):
        if (folder / name).is_file():
            with annotation_lock(stored):
                merge_lines(folder / name, stored.folder / name, key=_moment)
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
    except InvalidRequest:
        if not stored.is_held():
            raise
        return False
    return True


def merge_lines(source: Path, target: Path, key: Callable[[bytes], Any] | None = None) -> None:
    """Add the lines of a file that another one lacks.

    Args:
        source: File that was read; nothing happens if it does not exist.
        target: File of the store; created if it does not exist.
        key: Sorts the merged lines; None keeps their order and appends.
    """
    if not source.is_file():
        return
    new = [line for line in whole_lines(source).split(b"\n") if line]
    old = [line for line in whole_lines(target).split(b"\n") if line] if target.is_file() else []
    merged = list(dict.fromkeys([*old, *new]))
    if key is not None:
        merged.sort(key=key)
    if merged != old:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_file(target, b"".join(line + b"\n" for line in merged))


def _moment(line: bytes) -> str:
    """Time of a line, by which later ones replace it; empty for a damaged line."""
    try:
        return str(json.loads(line)["time"])
    except (ValueError, TypeError, KeyError):
        return ""


def _says_more(one: Run, other: Run) -> bool:
    """Whether a header describes a later state of the same run."""
    ranks = {"running": 0, "stopped": 1, "failed": 1, "done": 2}
    rank = ranks.get(one.status, 0), len(one.attempts), str(one.ended or "")
    return rank > (ranks.get(other.status, 0), len(other.attempts), str(other.ended or ""))


def whole_lines(path: Path) -> bytes:
    """Content of a file; of a file of lines without an unfinished last one."""
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1] if path.suffix == ".jsonl" else content
