"""An app in its own folders, and samples of its memory, threads, files and disk use."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.running import app_process
from tests.support.runs_factory import write_run

STORED_RUNS = 6
"""Number of stored runs for readers."""


@dataclass(frozen=True)
class Sample:
    """Memory, threads, files and disk use of the app at one moment."""

    seconds: float
    """Seconds since sampling began."""
    rss_mb: float
    """Resident memory of the app and its children, in MB of 2**20 bytes."""
    threads: int
    """Threads of the app and its children."""
    files: int
    """Open file descriptors of the app and its children."""
    temporary_mb: float
    """Size of the folder of uploads and results, in MB."""


@dataclass
class Served:
    """A running app and the samples taken of it."""

    url: str
    """Address of the app."""
    pid: int
    """Process id of the app."""
    folder: Path
    """Folder with its state and log."""
    runs: list[str]
    """Ids of the stored runs."""
    samples: list[Sample] = field(default_factory=list)
    """Samples taken so far."""

    @property
    def cache(self) -> Path:
        """Cache folder of the app."""
        return self.folder / "cache"

    @property
    def log(self) -> str:
        """Output of the app."""
        return (self.folder / "app.log").read_text(errors="replace")


@contextmanager
def served(folder: Path, *arguments: str, every_seconds: float = 0.5) -> Iterator[Served]:
    """Start the app with a fresh state, watch it, and end it.

    Args:
        folder: Empty folder for its state, cache, uploads and log.
        arguments: Further flags of the app.
        every_seconds: Seconds between two samples.
    """
    runs = [
        write_run(folder / "state" / "runs", seed=n, thumbs=True, id=f"20260101-12000{n}-abcdef").id
        for n in range(STORED_RUNS)
    ]
    for name in ("temporary", "cache"):
        (folder / name).mkdir()
    environment = {
        "MIRNET_STATE_DIR": str(folder / "state"),
        "MIRNET_CACHE": str(folder / "cache"),
        "TMPDIR": str(folder / "temporary"),
        "GRADIO_TEMP_DIR": str(folder / "temporary" / "gradio"),
        "HF_HUB_OFFLINE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    with app_process(environment, *arguments, log=folder / "app.log") as app:
        found = Served(app.url, app.process.pid, folder, runs)
        over = threading.Event()
        watch = threading.Thread(target=_watch, args=(found, every_seconds, over), daemon=True)
        watch.start()
        try:
            yield found
        finally:
            over.set()
            watch.join(10)


def _watch(app: Served, every_seconds: float, over: threading.Event) -> None:
    began = time.monotonic()
    while not over.wait(every_seconds):
        with suppress(psutil.NoSuchProcess):
            app.samples.append(_sample(app, time.monotonic() - began))


def _sample(app: Served, seconds: float) -> Sample:
    root = psutil.Process(app.pid)
    processes = [root, *root.children(recursive=True)]
    return Sample(
        seconds,
        sum(process.memory_info().rss for process in processes) / 2**20,
        sum(process.num_threads() for process in processes),
        sum(process.num_fds() for process in processes),
        _size(app.folder / "temporary") / 2**20,
    )


def _size(folder: Path) -> int:
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # deleted meanwhile
                size += os.stat(os.path.join(place, name)).st_size
    return size
