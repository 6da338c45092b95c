"""Executors: run jobs in this process or in several on this machine, with the same rows.

`ray_cluster.py` has an executor for a Ray cluster.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.data.pairs import Item
from mirnet.device import SETTING, default_device
from mirnet.errors import InvalidRequest

from .environment import compute_threads
from .worker import Work, Worker, WorkerSpec

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

Job = tuple[Item, str]
"""A pair and the id of the method to restore it with."""


@dataclass(frozen=True)
class Executor:
    """Runs the jobs of a run."""

    work: Callable[[WorkerSpec, list[Job]], Iterator[Work]]
    """Maps a specification and jobs to an iterator of results, in any order; closing it stops."""
    threads: int | None = None
    """Compute threads of each worker; None for this process's setting."""


def _serial(spec: WorkerSpec, jobs: list[Job]) -> Iterator[Work]:
    worker = Worker(spec)
    for item, method_id in jobs:
        yield worker.work(item, method_id)


serial = Executor(_serial)
"""Executor that runs jobs one after another in this process."""


_worker: Worker


def worker_devices(count: int) -> list[str]:
    """Name the devices of workers: where "cuda" means several GPUs, they take them in turn."""
    import torch

    device = default_device()
    gpus = torch.cuda.device_count() if device == "cuda" else 1
    return [f"{device}:{number % gpus}" if gpus > 1 else device for number in range(count)]


def _begin(spec: WorkerSpec, devices: "SimpleQueue[str]") -> None:
    global _worker
    os.environ[SETTING] = devices.get()
    _worker = Worker(spec)


def _work(job: Job) -> Work:
    return _worker.work(*job)


def processes(count: int) -> Executor:
    """Make an executor of several processes on this machine.

    Args:
        count: Number of processes; they share the compute threads of this process, and the GPUs
            of the machine.

    Raises:
        InvalidRequest: While it works, where a process was killed or found no memory.
    """

    def run(spec: WorkerSpec, jobs: list[Job]) -> Iterator[Work]:
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        devices: SimpleQueue[str] = context.SimpleQueue()
        for device in worker_devices(count):
            devices.put(device)
        pool = ProcessPoolExecutor(
            count, mp_context=context, initializer=_begin, initargs=(spec, devices)
        )
        pending: set[Future[Work]] = set()
        waiting = iter(jobs)
        try:
            for job in itertools.islice(waiting, 2 * count):
                pending.add(pool.submit(_work, job))
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    for job in itertools.islice(waiting, 1):
                        pending.add(pool.submit(_work, job))
                    yield future.result()
        except BrokenProcessPool as error:
            raise InvalidRequest(
                "A process that worked on the run has ended by itself (killed, or out of memory): "
                "resume the run, with fewer workers where memory is short. What was finished is "
                "safe."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)

    return Executor(run, max(compute_threads() // count, 1))
