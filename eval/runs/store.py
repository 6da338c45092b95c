"""Stored runs: one folder with everything about one evaluation, and a folder of such folders.

    ID/run.json       what was asked, on what machine, how it ended, and the summary (`Run`)
    ID/pairs.json     the pairs of the subset, in order
    ID/scores.jsonl   one line for each picture and method (`SampleResult`), appended as they are
                      made: the only truth while a run is under way
    ID/facts.jsonl    one line for each pair: what its source says of it, and what was measured
                      (`eval.data.pair_facts`); runs of older versions have none
    ID/notes.jsonl, ID/selections.jsonl   what people wrote about its pictures (`annotations`)
    ID/outputs/SHA.png   pictures, lossless: what methods made, named by the hash of their pixels;
                         what they were given and the truth, named by the hash of the file
    ID/thumbs/SHA.jpg    the same, small

Files are replaced atomically and lines are flushed to disk before they are reported, so a run that
is killed at any moment loses the picture in work and nothing else.
"""

import contextlib
import datetime
import json
import math
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import ValidationError

from eval.data.pair_facts import Fact, clean_facts
from mirnet.errors import InvalidRequest
from mirnet.files import PathLock, append_line, write_file

from .document import Run, SampleResult
from .recorded_pictures import picture_files

RECORDED_FOLDER = Path(__file__).parents[1] / "recorded"
"""Folder of the recorded runs, which the project ships; see `recorded`."""
THUMB_PX = 320
"""Long side of stored thumbnails."""


class NotWritten(InvalidRequest):
    """The disk is full or may not be written to."""


def state_folder() -> Path:
    """Folder of results: $MIRNET_STATE_DIR, or the system's folder for a user's data."""
    given = os.environ.get("MIRNET_STATE_DIR")
    return Path(given) if given else platformdirs.user_data_path("mirnet-studio")


def where_results_are_kept(lost_at_restart: bool) -> str:
    """Describe in a sentence where runs and votes are kept, without a path of this machine.

    Args:
        lost_at_restart: Whether this machine's own disk is lost when it restarts, as a Space's is.
    """
    if lost_at_restart and not os.environ.get("MIRNET_STATE_DIR"):
        return (
            "Runs and votes are lost when this Space restarts: its owner may set "
            "MIRNET_RESULTS_REPO, or MIRNET_STATE_DIR to a mounted bucket."
        )
    return "Runs and votes are kept on this machine until somebody deletes them."


def new_id(now: datetime.datetime | None = None) -> str:
    """Make an id of date, time and random digits, for a run created now."""
    moment = now or datetime.datetime.now(datetime.UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


class StoredRun:
    """Folder of one stored run.

    Args:
        folder: The folder; its name is the run's id.

    Raises:
        InvalidRequest: `header` and the readers raise it where a file is missing or damaged.
    """

    has_scored_pictures = True
    """Whether stored outputs are the pictures that were scored, and not copies for looking."""

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def id(self) -> str:
        """The run's id."""
        return self.folder.name

    def header(self) -> Run:
        """Read `run.json`."""
        return _parsed(self.folder / "run.json", Run)

    def write_header(self, run: Run) -> None:
        """Replace `run.json`."""
        replace_file(self.folder / "run.json", run.model_dump_json(indent=2).encode())

    def pairs(self) -> list[str]:
        """Ids of the subset's pairs, in order."""
        path = self.folder / "pairs.json"
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise InvalidRequest(f"Run {self.id} has no readable pairs.json.") from error
        return [str(pair) for pair in found]

    def write_pairs(self, ids: list[str]) -> None:
        """Write `pairs.json`."""
        replace_file(self.folder / "pairs.json", json.dumps(ids).encode())

    def rows(self) -> list[SampleResult]:
        """Read every complete line of `scores.jsonl`; a torn last line is left out.

        Where a picture failed and a resumed run tried it again, the last line counts.

        Raises:
            InvalidRequest: A line before the last is damaged.
        """
        path = self.folder / "scores.jsonl"
        if not path.exists():
            return []
        rows: dict[tuple[str, str], SampleResult] = {}
        for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
            row = parsed_row(line, number, self.id)
            rows[row.pair, row.method] = row
        return list(rows.values())

    def append(self, row: SampleResult) -> None:
        """Append a line and flush it to the disk.

        Raises:
            NotWritten: The disk is full or may not be written to; older lines are as they were.
        """
        path = self.folder / "scores.jsonl"
        try:
            append_line(path, line_of(row))
        except OSError as error:
            raise disk_trouble(path, error) from error

    def facts(self) -> dict[str, dict[str, Fact]]:
        """Read the facts of every pair by its id; damaged lines are left out, later ones count."""
        found: dict[str, dict[str, Fact]] = {}
        path = self.folder / "facts.jsonl"
        if not path.exists():
            return found
        for line in path.read_bytes().split(b"\n")[:-1]:
            with contextlib.suppress(ValueError, RecursionError):
                content = json.loads(line)
                if isinstance(content, dict) and isinstance(content.get("facts"), dict):
                    found[str(content.get("pair"))] = clean_facts(content["facts"])
        return found

    def append_facts(self, pair: str, facts: dict[str, Fact]) -> None:
        """Append the facts of a pair.

        Raises:
            NotWritten: The disk is full or may not be written to.
        """
        path = self.folder / "facts.jsonl"
        content = json.dumps({"pair": pair, "facts": facts}, ensure_ascii=False)
        try:
            append_line(path, content.encode())
        except OSError as error:
            raise disk_trouble(path, error) from error

    def output(self, sha256: str) -> Path:
        """Path of a stored picture."""
        return self.folder / "outputs" / f"{_hex(sha256)}.png"

    def thumb(self, sha256: str) -> Path:
        """Path of a stored picture's thumbnail."""
        return self.folder / "thumbs" / f"{_hex(sha256)}.jpg"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run, so that no second process works on it.

        Raises:
            InvalidRequest: Another process holds the lock.
        """
        with PathLock(self.folder / ".lock") as lock:
            if not lock.acquired(0):
                raise InvalidRequest(
                    f"Run {self.id} is under way in another process: wait for it, or stop that one."
                )
            yield

    def is_held(self) -> bool:
        """Whether a process holds the run's lock."""
        try:
            with self.lock():
                return False
        except InvalidRequest:
            return True


class RecordedRun(StoredRun):
    """Folder of one recorded run; nothing in it can be changed. See `recorded`."""

    has_scored_pictures = False

    def output(self, sha256: str) -> Path:
        """Path of a picture to look at: an output of 8 bits, or a file of the benchmark."""
        path = super().output(sha256).with_suffix(".webp")
        return (
            path if path.exists() else picture_files(self.header().benchmark.id).get(sha256, path)
        )

    def thumb(self, sha256: str) -> Path:
        """Path of a small picture: the picture itself, since those of the repository are small."""
        return self.output(sha256)

    def append(self, row: SampleResult) -> None:
        """Refuse a row."""
        raise self._refusal()

    def append_facts(self, pair: str, facts: dict[str, Fact]) -> None:
        """Refuse facts."""
        raise self._refusal()

    def write_header(self, run: Run) -> None:
        """Refuse a header."""
        raise self._refusal()

    def write_pairs(self, ids: list[str]) -> None:
        """Refuse a list of pairs."""
        raise self._refusal()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Refuse to be worked on."""
        raise self._refusal()
        yield

    def _refusal(self) -> InvalidRequest:
        return InvalidRequest(
            f"Run {self.id} was recorded by the project and is read-only: start a run of your own."
        )


def line_of(row: SampleResult) -> bytes:
    """Line of `scores.jsonl`, without its end."""
    return row.model_dump_json(exclude_defaults=True).encode()


def parsed_row(line: bytes, number: int, run_id: str) -> SampleResult:
    """Parse a line of `scores.jsonl`.

    Args:
        line: The line, without its end.
        number: Its number in the file, from 1.
        run_id: Id of the run, for the message.

    Raises:
        InvalidRequest: The line is damaged.
    """
    try:
        return SampleResult.model_validate_json(line)
    except ValidationError as error:
        raise InvalidRequest(
            f"Line {number} of scores.jsonl in run {run_id} is damaged: remove that line "
            "and resume the run."
        ) from error


def _hex(sha256: str) -> str:
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise InvalidRequest("A stored picture is named by 64 hexadecimal digits.")
    return sha256


def _parsed(path: Path, model: type[Run]) -> Run:
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidRequest(
            f"There is no run {path.parent.name!r} in {path.parent.parent}."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InvalidRequest(
            f"run.json of {path.parent.name} is damaged or of another version ({place}: "
            f"{first['msg']})."
        ) from error


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part.

    Raises:
        NotWritten: The disk is full or may not be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
    except OSError as error:
        raise disk_trouble(path, error) from error


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, so that a crash of the machine leaves its files.

    Systems that cannot (Windows) are left alone.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def disk_trouble(path: Path, error: OSError) -> NotWritten:
    """Build the error for a file that could not be written."""
    return NotWritten(
        f"{path.name} could not be written into {path.parent} ({error.strerror or error}): make "
        "room or choose another folder, then resume the run. What was finished before is safe."
    )


class RunStore:
    """Folder of stored runs.

    Args:
        folder: Path of the folder; `state_folder() / "runs"` by default.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder or state_folder() / "runs"
        self._read: dict[str, tuple[list[int], Run]] = {}

    def run(self, run_id: str) -> StoredRun:
        """Find a run of this folder, or a recorded one, by id.

        Raises:
            InvalidRequest: There is no run of this id, or the id is malformed.
        """
        if run_id.replace("-", "").isalnum():
            if (self.folder / run_id).is_dir():
                return StoredRun(self.folder / run_id)
            if (RECORDED_FOLDER / run_id / "run.json").is_file():
                return RecordedRun(RECORDED_FOLDER / run_id)
        raise InvalidRequest(f"There is no run {run_id[:80]!r} in {self.folder}.")

    def create(self, run: Run, pairs: list[str]) -> StoredRun:
        """Write a new run's header and pairs."""
        stored = StoredRun(self.folder / run.id)
        stored.write_pairs(pairs)
        stored.write_header(run)
        return stored

    def headers(self) -> list[Run]:
        """Read the headers of all runs, youngest first; damaged folders are left out.

        What was read is kept in memory, and an index file makes the first reading quick for
        thousands of runs; both are read again where a header has changed.
        """
        if not self.folder.is_dir():
            return []
        found: dict[str, tuple[list[int], Run]] = {}
        index: dict[str, dict[str, Any]] | None = None
        for entry in os.scandir(self.folder):
            if entry.name.startswith("."):
                continue
            try:
                stat = os.stat(os.path.join(entry.path, "run.json"))
                stamp = [stat.st_mtime_ns, stat.st_size]
                kept = self._read.get(entry.name)
                if kept is None or kept[0] != stamp:
                    if index is None:
                        index = self._index()
                    kept = stamp, self._header(entry, stamp, index)
            except (OSError, InvalidRequest, ValidationError):
                continue
            found[entry.name] = kept
        self._read = found
        if index is not None:
            self._write_index(index)
        runs = [run for _, run in found.values()]
        return sorted(runs, key=lambda run: run.id, reverse=True)

    @staticmethod
    def _header(
        entry: "os.DirEntry[str]", stamp: list[int], index: dict[str, dict[str, Any]]
    ) -> Run:
        """A run's header out of the index, or out of its file where the index has another."""
        seen = index.get(entry.name)
        if seen and seen["stamp"] == stamp:
            return Run.model_validate(seen["run"])
        return StoredRun(Path(entry.path)).header()

    def _write_index(self, old: dict[str, dict[str, Any]]) -> None:
        """Replace the index file if it is not that of the runs in memory."""
        stamps = {name: seen["stamp"] for name, seen in old.items()}
        if stamps == {name: stamp for name, (stamp, _) in self._read.items()}:
            return
        fresh = {
            name: {"stamp": stamp, "run": run.model_dump(mode="json")}
            for name, (stamp, run) in self._read.items()
        }
        with contextlib.suppress(InvalidRequest):  # a read-only store is read without an index
            replace_file(self.folder / ".index.json", json.dumps(fresh).encode())

    def _index(self) -> dict[str, dict[str, Any]]:
        try:
            return dict(json.loads((self.folder / ".index.json").read_bytes()))
        except (OSError, ValueError):
            return {}


def finite(value: float) -> float | None:
    """Replace infinity and not-a-number by None, for tables and JSON."""
    return value if math.isfinite(value) else None
