"""How fast it is: what scoring costs beside restoring, how time grows, how long a run opens.

Everything is timed side by side in one process run; ratios mean more than seconds.
"""

import contextlib
import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.analysis.plots import PLOTS, draw
from eval.analysis.table_cache import TableCache
from eval.data.benchmarks import custom_benchmark
from eval.methods.registry import get_method
from eval.runs.executors import Executor, processes, serial
from eval.runs.ray_cluster import ray_executor
from eval.runs.runner import RunConfig, create_run, execute_run
from eval.runs.store import RunStore, StoredRun
from eval.runs.worker import storable
from mirnet.errors import InvalidRequest
from mirnet.images.encode import write_image
from mirnet.images.picture import Picture
from mirnet.metrics.protocols import PROTOCOLS

SIZE = 400, 600
"""Height and width of the pictures: those of LoL."""
ROUNDS = 7
"""Each measurement is repeated this often, in turn with the others; the fastest counts."""


@dataclass(frozen=True)
class Timing:
    """One measurement."""

    what: str
    """What was timed."""
    seconds: float
    """Wall clock, the fastest round."""
    ratio: float
    """To the first measurement of its group."""


def scoring(weights: str = "retouch-compact", task: str = "retouch") -> Iterator[Timing]:
    """Time every protocol beside one restoration by a compact network, on one picture.

    Args:
        weights: The fastest weights there are.
        task: Their task.
    """
    rng = np.random.default_rng(0)
    picture = Picture(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
    restorer = get_method(weights, task).load()
    output = storable(restorer(picture, SIZE).pixels)
    calls: dict[str, Callable[[], Any]] = {
        f"restore with {weights}": functools.partial(restorer, picture, SIZE)
    }
    for protocol in PROTOCOLS.values():
        calls[f"score with {protocol.name}"] = functools.partial(
            protocol.score, output, picture.pixels, 2 if protocol.scaled else 1
        )
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for what, call in calls.items():
            began = time.perf_counter()
            call()
            best[what] = min(best[what], time.perf_counter() - began)
    first = next(iter(best.values()))
    for what, seconds in best.items():
        yield Timing(what, seconds, seconds / first)


def growth(pairs: int = 16, method: str = "nlm") -> Iterator[Timing]:
    """Time whole runs: half the pairs, all of them, then all of them by more workers.

    Args:
        pairs: Pairs of a run.
        method: A classical denoiser, which uses one core.
    """
    engines: list[tuple[str, int, Executor]] = [
        (f"{pairs // 2} pairs, this process", pairs // 2, serial),
        (f"{pairs} pairs, this process", pairs, serial),
        (f"{pairs} pairs, 1 process", pairs, processes(1)),
        (f"{pairs} pairs, 2 processes", pairs, processes(2)),
    ]
    with contextlib.suppress(InvalidRequest):  # Ray is not installed
        engines.append((f"{pairs} pairs, 2 Ray actors", pairs, ray_executor(2)))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rng = np.random.default_rng(0)
        for half in ("input", "target"):
            (folder / "pairs" / half).mkdir(parents=True)
            for number in range(pairs):
                picture = Picture(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
                write_image(picture, folder / "pairs" / half / f"{number:03d}.png")
        benchmark = custom_benchmark(
            str(folder / "pairs"), "denoise", degraded="input/*", target="target/*"
        )
        first = 0.0
        for what, n, engine in engines:
            order = RunConfig(benchmark=benchmark, methods=(method,), n=n)
            stored = create_run(RunStore(folder / "runs"), order)
            began = time.perf_counter()
            for _ in execute_run(stored, fresh=True, executor=engine):
                pass
            seconds = time.perf_counter() - began
            first = first or seconds
            yield Timing(what, seconds, seconds / first)


def opening(stored: StoredRun) -> Iterator[Timing]:
    """Time how long a stored run takes to open, and each of its plots to draw.

    Args:
        stored: The run; one of thousands of pictures tells most.
    """
    import plotly.graph_objects  # noqa: F401 - the page imports both when it starts
    import scipy.stats  # noqa: F401

    from eval.analysis.leaderboards import leaderboard
    from eval.analysis.score_tables import default_baseline, scores_frame

    baseline = default_baseline(stored.header())
    TableCache().board(stored, baseline)  # keeps the tables of a large run
    tables = TableCache()
    calls: dict[str, Callable[[], Any]] = {
        "first look": lambda: leaderboard(stored, baseline, None, scores_frame(stored)),
        "after a restart": lambda: (tables.scores(stored), tables.board(stored, baseline)),
    }
    for name, entry in PLOTS.items():
        calls[f"plot: {entry.title}"] = functools.partial(_drawn, tables, stored, name)
    first = 0.0
    for what, call in calls.items():
        began = time.perf_counter()
        call()
        seconds = time.perf_counter() - began
        first = first or seconds
        yield Timing(what, seconds, seconds / first)


def _drawn(tables: TableCache, stored: StoredRun, name: str) -> str:
    return str(draw(tables, stored, name).figure.to_json())
