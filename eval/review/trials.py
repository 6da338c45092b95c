"""Stored runs that anybody can try a blind review on, without a link."""

import contextlib
import os
from dataclasses import dataclass

from pydantic import ValidationError

from eval.analysis.pictures import thumbnail_jpeg
from eval.runs.document import Run, SampleResult
from eval.runs.recorded import has_pictures, recorded_headers
from eval.runs.store import RunStore, StoredRun
from mirnet.errors import InvalidRequest

MAX_TRIALS = 6
"""Most runs that are offered."""
MAX_LOOKED_AT = 100
"""Most finished runs of several methods whose folders are looked into."""
THUMBNAIL_PX = 320
"""Longest side of a thumbnail in pixels."""
MAX_LINE_BYTES = 100_000
"""Longest line of scores that is read, in bytes."""
MAX_LINES = 200
"""Most lines of scores that are read for a thumbnail."""


@dataclass(frozen=True)
class TrialRun:
    """One run to try."""

    run: Run
    """Header of the run."""
    thumbnail: bytes | None
    """JPEG of one of its pictures; None where none is stored."""
    recorded: bool
    """Whether the run was recorded by the project."""


def list_trials(store: RunStore) -> list[TrialRun]:
    """Runs with stored pictures of two or more methods, at most one of each benchmark.

    Those of this machine come first, the newest of each benchmark, then recorded ones. Damaged runs
    are left out.
    """
    found: dict[str, TrialRun] = {}
    looked_at = 0
    for run in store.headers():
        if run.status == "running" or len(run.methods) < 2 or run.benchmark.id in found:
            continue
        looked_at += 1
        if looked_at > MAX_LOOKED_AT or len(found) >= MAX_TRIALS:
            break
        with contextlib.suppress(InvalidRequest):  # deleted meanwhile
            stored = store.run(run.id)
            if _has_pictures(stored):
                picture = _thumbnail(stored, len(found))
                found[run.benchmark.id] = TrialRun(run, picture, recorded=False)
    for run in recorded_headers():
        if len(found) < MAX_TRIALS and run.benchmark.id not in found and has_pictures(run):
            stored = store.run(run.id)
            found[run.benchmark.id] = TrialRun(run, _thumbnail(stored, len(found)), recorded=True)
    return list(found.values())


def _has_pictures(stored: StoredRun) -> bool:
    try:
        with os.scandir(stored.folder / "outputs") as entries:
            return any(entry.name.endswith(".png") for entry in entries)
    except OSError:
        return False


def _thumbnail(stored: StoredRun, number: int) -> bytes | None:
    """Reduce a picture of a run; cards of runs on the same pictures show different ones.

    Args:
        number: Number of the picture, from 0; the last one read stands in for a missing one.
    """
    rows: dict[str, SampleResult] = {}
    try:
        with (stored.folder / "scores.jsonl").open("rb") as file:
            for _ in range(MAX_LINES):
                line = file.readline(MAX_LINE_BYTES)
                if not line or len(rows) > number:
                    break
                row = SampleResult.model_validate_json(line)
                rows.setdefault(row.pair, row)
    except (OSError, ValidationError):
        return None
    if not rows:
        return None
    row = list(rows.values())[min(number, len(rows) - 1)]
    paths = [stored.thumb(name) for name in (row.target_sha256, row.output_sha256) if name]
    first = next((path for path in paths if path.is_file()), None)
    return thumbnail_jpeg(first, THUMBNAIL_PX) if first else None
