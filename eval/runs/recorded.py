"""Recorded runs: made by the project, shipped with it in eval/recorded, and read-only.

`recordings.toml` says what is recorded; `recording` makes the runs. They are kept apart from the
runs of a user: `RunStore.run` finds them by id, and `RunStore.headers` does not list them.
Scores, hashes and settings are complete; times are left out, because they
are of the machine that recorded. Pictures are kept for the benchmarks of the repository
alone: inputs and targets are the benchmark's own files, and outputs are WebP of 8 bits per channel,
for looking; `verify` computes them again.
"""

import contextlib
import functools
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from eval.data.benchmarks import Benchmark, get_benchmark
from mirnet.errors import InvalidRequest

from .document import Run
from .store import RECORDED_FOLDER, RecordedRun

RECORDINGS_FILE = RECORDED_FOLDER / "recordings.toml"
"""Table of what is recorded."""


class Recording(BaseModel):
    """Definition of one recorded run: an entry of recordings.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z0-9]{4,12}$")]
    """Short name, which the id of the recorded run ends in."""
    benchmark: str
    """Id of a benchmark in the catalogue."""
    folder: str = ""
    """Folder of the pairs below the folder of data sets; "" for files of the repository."""
    title: str = ""
    """Title where the pairs are not the whole benchmark; "" for the benchmark's."""
    pairs: Annotated[int, Field(ge=1)] | None = None
    """Number of pairs in the folder, where the pairs are not the whole benchmark."""
    pictures: bool = False
    """Whether outputs are kept to be looked at."""

    def definition(self) -> Benchmark:
        """Benchmark that the run is recorded on.

        Raises:
            BenchmarkUnavailable: The catalogue has no such benchmark.
        """
        entry = get_benchmark(self.benchmark)
        if not self.title:
            return entry
        return entry.model_copy(
            update={"title": self.title, "pairs": self.pairs, "official": False}
        )


@functools.cache
def load_recordings() -> dict[str, Recording]:
    """Read the table of recordings, by id.

    Raises:
        ValueError: The table is wrong, which is a bug.
    """
    tables = tomllib.loads(RECORDINGS_FILE.read_text(encoding="utf-8"))["recordings"]
    recordings = [Recording.model_validate(table) for table in tables]
    return {recording.id: recording for recording in recordings}


def recorded_headers(folder: Path = RECORDED_FOLDER) -> list[Run]:
    """Headers of the recorded runs, in the order of the table of recordings.

    They are read once; a damaged one is left out.
    """
    return list(_headers(folder))


def forget_headers() -> None:
    """Read the headers again at the next use, after a recording was made."""
    _headers.cache_clear()


def recording_of(run: Run) -> str:
    """Id of the recording that a recorded run belongs to."""
    return run.id.rpartition("-")[2]


def has_pictures(run: Run) -> bool:
    """Whether a recorded run has pictures to look at."""
    return load_recordings()[recording_of(run)].pictures


@functools.cache
def _headers(folder: Path) -> tuple[Run, ...]:
    order = {name: place for place, name in enumerate(load_recordings())}
    found = []
    for path in folder.glob("*/run.json"):
        with contextlib.suppress(InvalidRequest):
            run = RecordedRun(path.parent).header()
            if recording_of(run) in order:
                found.append(run)
    return tuple(sorted(found, key=lambda run: order[recording_of(run)]))
