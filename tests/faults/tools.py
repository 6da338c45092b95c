"""Tools of the faults: isolated folders, apps, commands and visitors."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.runs.document import SampleResult
from eval.runs.store import RunStore, StoredRun
from tests.load.visitor import Job, Page, Visitor, connections
from tests.support.own_pairs_runs import facts
from tests.support.paths import ROOT
from tests.support.running import App, app_process

SECONDS = 600.0
"""Longest wait for anything, in seconds."""


class Unable(Exception):
    """This machine does not allow the fault to be injected; says why."""


@dataclass(frozen=True)
class Fault:
    """A registered fault."""

    name: str
    """Name on the command line."""
    injected: str
    """Description of the fault, for the table."""
    inject: Callable[["Place"], str]
    """Function that injects the fault, checks the promises and describes the outcome."""
    slow: bool
    """Whether the default tests leave it out."""


FAULTS: dict[str, Fault] = {}


def fault(injected: str, slow: bool = True) -> Callable[[Callable], Callable]:
    """Register a fault under its function's name."""

    def add(inject: Callable[["Place"], str]) -> Callable[["Place"], str]:
        name = inject.__name__.replace("_", "-")
        FAULTS[name] = Fault(name, injected, inject, slow)
        return inject

    return add


@dataclass
class Place:
    """Folders for one fault."""

    folder: Path
    """Folder, empty at the start."""
    extra: dict[str, str] = field(default_factory=dict)
    """Further environment variables."""

    @property
    def state(self) -> Path:
        """Folder of the app's state."""
        return self.folder / "state"

    @property
    def cache(self) -> Path:
        """Cache folder of the app."""
        return self.folder / "cache"

    @property
    def store(self) -> RunStore:
        """Store of the app's runs."""
        return RunStore(self.state / "runs")

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that keep all files in this folder."""
        for name in ("state", "cache", "hf", "temporary"):
            (self.folder / name).mkdir(exist_ok=True, parents=True)
        return {
            "MIRNET_STATE_DIR": str(self.state),
            "MIRNET_CACHE": str(self.cache),
            "HF_HOME": str(self.folder / "hf"),
            "TMPDIR": str(self.folder / "temporary"),
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        } | self.extra

    @contextlib.contextmanager
    def app(self, *arguments: str) -> Iterator[App]:
        """Run an app in this place."""
        log = self.folder / "app.log"
        with app_process(self.environment, *arguments, log=log) as app:
            yield app

    def run(self, *command: str) -> subprocess.CompletedProcess:
        """Run `python -m ...` to its end."""
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    def begin(self, *command: str) -> subprocess.Popen:
        """Start `python -m ...` in the background."""
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


def refused(done: subprocess.CompletedProcess, *words: str) -> str:
    """Check that a command ended with a sentence and exit status 2, and return the sentence."""
    said = " ".join(done.stderr.split())
    assert done.returncode == 2, f"exit {done.returncode}: {said[-400:]}"
    assert "Traceback" not in said, said[-400:]
    for word in words:
        assert word in said, f"{word!r} is not in: {said}"
    return said


def quoted(words: str, most: int = 170) -> str:
    """Quote the end of a message, cut between words, without folders of the test."""
    clean = re.sub(r"\S*/mirnet-fault-\w+/", "", " ".join(words.split()))
    if len(clean) > most:
        clean = "… " + clean[-most:].partition(" ")[2]
    return f"“{clean}”"


def succeeded(done: subprocess.CompletedProcess) -> None:
    """Check that a command worked."""
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-400:]}"


def until(condition: Callable[[], Any], what: str, every: float = 0.02) -> Any:
    """Wait for something and return it."""
    end = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(every)
    return found


def ask(url: str, event: str, *data: Any) -> Job:
    """Send one event to an app."""

    async def work(visitor: Visitor) -> Job:
        return await visitor.ask(event, list(data), Job("ask", visitor.name))

    return _visit(url, work)


def restore(url: str, photo: bytes, name: str = "photo.jpg") -> Job:
    """Have one photo restored by an app."""

    async def work(visitor: Visitor) -> Job:
        return await visitor.restore(name, photo, Job("restore", visitor.name))

    return _visit(url, work)


def _visit(url: str, work: Callable[[Visitor], Any]) -> Job:
    async def visit() -> Job:
        async with connections(SECONDS) as client:
            return await work(Visitor(Page(url), client, {}))

    return asyncio.run(visit())


def rows_in(stored: StoredRun) -> int:
    """Count the complete lines of scores."""
    path = stored.folder / "scores.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


ORDER = ("--benchmark", "mini-denoise", "--methods", "identity,tv,denoise-compact", "--n", "4")
"""An evaluation of 12 pictures."""


_whole: dict[tuple[str, str], SampleResult] = {}


def whole(place: Place) -> dict[tuple[str, str], SampleResult]:
    """Facts of the same evaluation without a fault; computed once."""
    if not _whole:
        folder = place.folder / "whole"
        succeeded(place.run("-m", "eval", "run", *ORDER, "--fresh", "--out", str(folder)))
        _whole.update(facts(only_run(RunStore(folder)).rows()))
    return _whole


def only_run(store: RunStore) -> StoredRun:
    """Find the only run of a store."""
    (header,) = store.headers()
    return store.run(header.id)


def nothing_half_written(folder: Path) -> None:
    """Check that no temporary file was left."""
    left = [path.name for path in folder.rglob("*.part")]
    assert not left, f"left behind: {left}"
