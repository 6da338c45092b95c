"""Where work is done: here, in several processes, or on a Ray cluster; the rows are the same."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from eval.data.pairs import Item
from mirnet.errors import InvalidRequest

from .worker import Work, Worker, WorkerSpec

Job = tuple[Item, str]
"""A pair and the id of a method."""
Engine = Callable[[WorkerSpec, list[Job]], Iterator[Work]]
"""Does jobs and yields what comes of them, in any order; closing it stops the work."""


def serial(spec: WorkerSpec, jobs: list[Job]) -> Iterator[Work]:
    """One after another in this process."""
    worker = Worker(spec)
    for item, method_id in jobs:
        yield worker.work(item, method_id)


_worker: Worker


def _begin(spec: WorkerSpec) -> None:
    global _worker
    _worker = Worker(spec)


def _work(job: Job) -> Work:
    return _worker.work(*job)


def processes(count: int) -> Engine:
    """Make an engine of several processes on this machine.

    Args:
        count: Processes; the threads of the networks are divided among them.

    Raises:
        InvalidRequest: While it works, where a process was killed or found no memory.
    """

    def run(spec: WorkerSpec, jobs: list[Job]) -> Iterator[Work]:
        import multiprocessing

        pool = ProcessPoolExecutor(
            count,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(spec,),
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

    return run


def ray(workers: int, address: str | None = None) -> Engine:
    """Make an engine of Ray actors, here or on a cluster.

    An actor that dies is started again and its job is done again.

    Args:
        workers: Actors.
        address: Of a cluster; None starts one on this machine for as long as the run takes.

    Raises:
        InvalidRequest: Ray is not installed.
    """
    try:
        import ray as library
    except ImportError as error:
        raise InvalidRequest(
            "The Ray engine needs Ray: `pip install 'ray>=2.50'`, or leave out --engine ray."
        ) from error

    def run(spec: WorkerSpec, jobs: list[Job]) -> Iterator[Work]:
        own = not library.is_initialized()
        if own:
            here: dict[str, Any] = {} if address else {"num_cpus": workers}
            library.init(
                address=address,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
                **here,
            )
        actor = library.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)(Worker)
        actors = [actor.remote(spec) for _ in range(workers)]
        waiting = iter(jobs)
        busy: dict[Any, Any] = {}
        try:
            for number, job in enumerate(itertools.islice(waiting, 2 * workers)):
                busy[actors[number % workers].work.remote(*job)] = actors[number % workers]
            while busy:
                finished, _ = library.wait(list(busy), num_returns=1)
                free = busy.pop(finished[0])
                for job in itertools.islice(waiting, 1):
                    busy[free.work.remote(*job)] = free
                yield _result(library, finished[0])
        finally:
            for one in actors:
                library.kill(one)
            if own:
                library.shutdown()

    return run


def _result(library: Any, reference: Any) -> Work:
    """Fetch what an actor made, or raise the error that it met as it was."""
    try:
        return library.get(reference)
    except library.exceptions.RayTaskError as error:
        raise error.cause from error
