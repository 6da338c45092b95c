"""Work on a Ray cluster: the only file that imports Ray, which is an extra."""

import itertools
from collections.abc import Iterator
from typing import Any

from mirnet.errors import InvalidRequest

from .executors import Executor, Job
from .worker import Work, Worker, WorkerSpec


def ray_executor(workers: int, address: str | None = None) -> Executor:
    """Make an executor of Ray actors, here or on a cluster.

    An actor that dies is started again and its job is done again.

    Args:
        workers: Number of actors.
        address: Address of a cluster; None starts one on this machine for the run.

    Raises:
        InvalidRequest: Ray is not installed.
    """
    try:
        import ray as library
    except ImportError as error:
        raise InvalidRequest(
            "The Ray executor needs Ray: `pip install 'ray>=2.50'`, or leave out --engine ray."
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

    return Executor(run, threads=1)  # Ray counts one processor for an actor


def _result(library: Any, reference: Any) -> Work:
    """Fetch an actor's result, or raise its original exception."""
    try:
        return library.get(reference)
    except library.exceptions.RayTaskError as error:
        raise error.cause from error
