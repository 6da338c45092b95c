"""Estimated duration of a run on this machine, and the defaults of a new run."""

import re
from dataclasses import dataclass

from eval.data.benchmarks import Benchmark, load_benchmarks
from eval.methods.registry import list_methods
from eval.runs.environment import machine_name
from eval.runs.store import RunStore

GUESSED_SECONDS = {"weights": 12.0, "baseline": 2.0, "custom": 2.0}
"""Assumed seconds per megapixel by kind of method, if no stored run of this machine timed it."""
GUESSED_MEGAPIXELS = 0.25
"""Assumed megapixels per picture of a benchmark that does not state its size."""


@dataclass(frozen=True)
class Estimate:
    """Estimated time of a run on this machine."""

    seconds: float
    """Total duration in seconds."""
    guessed: tuple[str, ...]
    """Methods that no stored run of this machine has timed."""
    size_known: bool
    """Whether the benchmark states the size of its pictures."""


def estimate_run(
    store: RunStore, benchmark: Benchmark, pairs: int, methods: list[str], repeats: int = 1
) -> Estimate:
    """Estimate the duration of a run from the same methods in stored runs of this machine.

    Args:
        repeats: How often each picture is restored.
    """
    size, known = megapixels_of(benchmark)
    timed = _seconds_per_megapixel(store)
    kinds = {choice.id: choice.kind for choice in list_methods(benchmark.task)}
    pace = {name: timed.get(name, GUESSED_SECONDS[kinds.get(name, "custom")]) for name in methods}
    return Estimate(
        seconds=repeats * pairs * size * sum(pace.values()),
        guessed=tuple(name for name in methods if name not in timed),
        size_known=known,
    )


def _seconds_per_megapixel(store: RunStore) -> dict[str, float]:
    """Seconds per megapixel by method, from the newest run of this machine that has it."""
    here = machine_name()
    found: dict[str, float] = {}
    for run in store.headers():
        if run.environment.machine != here:
            continue
        for line in run.summary:
            if line.seconds_per_megapixel is not None:
                found.setdefault(line.method, line.seconds_per_megapixel)
    return found


def megapixels_of(benchmark: Benchmark) -> tuple[float, bool]:
    """Megapixels of one result, and whether the benchmark states it (else it is a guess).

    >>> from eval.data.benchmarks import get_benchmark
    >>> megapixels_of(get_benchmark("lol")), megapixels_of(get_benchmark("set14-x2"))
    ((0.24, True), (0.25, False))
    """
    size = re.match(r"(\d+) x (\d+)", benchmark.size)
    if size is None:
        return GUESSED_MEGAPIXELS, False
    return int(size[1]) * int(size[2]) / 1e6, True


def default_benchmark(task: str) -> str | None:
    """Id of a task's default benchmark, preferably one that is in the repository."""
    known = [benchmark for benchmark in load_benchmarks().values() if benchmark.task == task]
    local = [benchmark for benchmark in known if benchmark.source.folder is not None]
    return next((benchmark.id for benchmark in [*local, *known]), None)


def default_methods(task: str) -> list[str]:
    """Ids of a task's default methods: our weights if present, and two baselines."""
    here = [choice for choice in list_methods(task) if choice.available]
    learned = [choice.id for choice in here if choice.kind == "weights"][:1]
    return [*learned, *[choice.id for choice in here if choice.kind == "baseline"][:2]]
