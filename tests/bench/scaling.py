"""How far more machines help: a simulation of `eval.runs.dispatch` whose inputs are measured.

Measured are the seconds of each picture of a stored run, the start of a worker, and what the
machine that writes the run needs for a result. Prices and the network are given.
"""

import heapq
import random
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eval.data.benchmarks import get_benchmark
from eval.runs.dispatch import DEPTH
from eval.runs.executors import Executor, Job, serial
from eval.runs.runner import RunConfig, create_run, execute_run
from eval.runs.store import RunStore, StoredRun
from eval.runs.worker import Work, WorkerSpec
from mirnet.errors import InvalidRequest

NODES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Numbers of machines in the table."""


@dataclass(frozen=True)
class Inputs:
    """Measured inputs of the simulation."""

    seconds: tuple[float, ...]
    """Time of a worker for each picture of the run."""
    start_seconds: float
    """Time from the start of a worker to its first picture."""
    keep_seconds: float
    """Time of the machine that writes the run, for a result."""
    result_bytes: float
    """Size of a result on the network."""


@dataclass(frozen=True)
class Outcome:
    """One row of the table."""

    nodes: int
    """Number of machines."""
    hours: float
    """Time of the run in hours."""
    faster: float
    """Time of one machine by this one's."""
    busy: float
    """Share of the workers' time that they compute."""
    dollars: float
    """Price of the machines for that time."""


def measured(stored: StoredRun, method: str) -> Inputs:
    """Measure the inputs on this machine, for a method of a stored run.

    Raises:
        InvalidRequest: The run has no times of the method.
    """
    rows = [row for row in stored.rows() if row.method == method and row.error is None]
    seconds = tuple(row.seconds for row in rows if row.seconds is not None)
    if not seconds:
        raise InvalidRequest(f"Run {stored.id} has no times of {method!r}.")
    keep_seconds, result_bytes = _keeping()
    return Inputs(seconds, _starting(stored, method), keep_seconds, result_bytes)


def _starting(stored: StoredRun, method: str) -> float:
    """Time for a process to start and load a method, in seconds."""
    code = (
        "from eval.methods.registry import get_method; import sys;"
        "get_method(sys.argv[1], sys.argv[2]).load()"
    )
    began = time.perf_counter()
    command = [sys.executable, "-c", code, method, stored.header().task]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def _keeping() -> tuple[float, float]:
    """Time to store a result, in seconds, and its size in bytes: of the bundled photographs."""
    works: list[Work] = []

    def noted(spec: WorkerSpec, jobs: list[Job]):
        for work in serial.work(spec, jobs):
            works.append(work)
            yield work

    def again(spec: WorkerSpec, jobs: list[Job]):
        yield from works

    order = RunConfig(get_benchmark("mini-retouch"), ("identity",))
    with tempfile.TemporaryDirectory() as folder:
        list(execute_run(create_run(RunStore(Path(folder) / "a"), order), executor=Executor(noted)))
        stored = create_run(RunStore(Path(folder) / "b"), order)
        began = time.perf_counter()
        list(execute_run(stored, executor=Executor(again)))
        seconds = time.perf_counter() - began
    size = sum(len(content) for work in works for _, content in (*work.pictures, *work.thumbs))
    return seconds / len(works), size / len(works)


@dataclass
class _Worker:
    """One simulated worker."""

    free: float
    """Time at which it has computed what it has."""
    sent: deque[float] = field(default_factory=deque)
    """Times at which its further jobs were sent."""


def simulate(
    inputs: Inputs,
    pictures: int,
    nodes: Sequence[int] = NODES,
    workers: int = 2,
    megabits: float = 1000.0,
    dollars_hour: float = 0.08,
    seed: int = 0,
) -> list[Outcome]:
    """Simulate a run of many pictures, by numbers of machines.

    A worker holds `DEPTH` jobs and gets the next one when a result of its is stored; one machine
    receives and stores all results, one after another.

    Args:
        inputs: Measured inputs.
        pictures: Number of pictures, whose times are drawn from the measured ones.
        nodes: Numbers of machines.
        workers: Workers of a machine.
        megabits: Megabits a second that reach the machine that writes the run.
        dollars_hour: Price of a machine for an hour.
        seed: Seed of the draw.
    """
    times = random.Random(seed).choices(inputs.seconds, k=pictures)
    store = inputs.keep_seconds + inputs.result_bytes * 8 / (megabits * 1e6)
    found: list[Outcome] = []
    for count in nodes:
        ended = _ended(times, count * workers, inputs.start_seconds, store)
        base = found[0].hours * 3600 if found else ended
        busy = sum(times) / (ended * count * workers)
        price = ended / 3600 * count * dollars_hour
        found.append(Outcome(count, ended / 3600, base / ended, busy, price))
    return found


def _ended(times: Sequence[float], workers: int, start: float, store: float) -> float:
    """Time at which the last result is stored, in seconds."""
    left = deque(times)
    crew = [_Worker(start) for _ in range(workers)]
    ends: list[tuple[float, int]] = []  # of the job under way
    for _ in range(DEPTH):
        for worker in crew:
            worker.sent.append(0.0)

    def begin(number: int) -> None:
        worker = crew[number]
        if worker.sent and left:
            worker.free = max(worker.free, worker.sent.popleft()) + left.popleft()
            heapq.heappush(ends, (worker.free, number))

    for number in range(workers):
        begin(number)
    stored = 0.0
    while ends:
        done, number = heapq.heappop(ends)
        stored = max(stored, done) + store
        crew[number].sent.append(stored)
        begin(number)
    return stored


def table(inputs: Inputs, outcomes: Sequence[Outcome]) -> str:
    """The measured inputs in a line, and the outcomes as Markdown."""
    mean = sum(inputs.seconds) / len(inputs.seconds)
    lines = [
        f"{mean:.3f} s a picture ({len(inputs.seconds)} measured), {inputs.start_seconds:.1f} s to "
        f"start a worker, {inputs.keep_seconds * 1000:.1f} ms and "
        f"{inputs.result_bytes / 1e6:.2f} MB for a result",
        "",
        "| machines | hours | times faster | workers busy | $ |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.nodes:,} | {one.hours:.3g} | {one.faster:.1f} | {one.busy:.0%} | "
        f"{one.dollars:.2f} |"
        for one in outcomes
    ]
    return "\n".join(lines)
