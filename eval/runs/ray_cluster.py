"""Work on a Ray cluster: the only file that imports Ray, which is an extra."""

import contextlib
import multiprocessing
import os
import secrets
import signal
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from eval.data.benchmarks import BENCHMARKS_FILE
from eval.data.pairs import BenchmarkUnavailable, Item, Pair
from eval.data.reader_factory import open_benchmark
from eval.data.readers.base import PairReader
from eval.methods.registry import get_method
from mirnet.errors import InvalidRequest, MIRNetError

from .dispatch import Hello, WorkerLost, dispatch
from .document import Environment
from .environment import environment, environment_changes
from .executors import Executor, Job
from .output_cache import OutputCache
from .worker import Work, Worker, WorkerSpec

SETTING = "MIRNET_RAY_ADDRESS"
"""Environment variable with the address of the cluster that the page evaluates on."""
END_SECONDS = 20.0
"""Time for the process that talks to the cluster to end, before it is killed."""


def ray_executor(workers: int | None, address: str | None = None) -> Executor:
    """Make an executor of Ray actors, here or on a cluster.

    An actor that dies or cannot be reached is started again, and its jobs are done again. A
    process of its own talks to the cluster, because Ray ends a process that loses it.

    Args:
        workers: Number of actors; None for one for each processor of the cluster, or each GPU
            where this machine computes on one.
        address: Address of a cluster; None starts one on this machine for the run.

    Raises:
        InvalidRequest: Ray is not installed.
    """
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise InvalidRequest(
            "The Ray executor needs Ray: `pip install 'ray>=2.50'`, or leave out --engine ray."
        ) from error

    def run(spec: WorkerSpec, jobs: list[Job]) -> Iterator[Work]:
        context = multiprocessing.get_context("spawn")
        receiving, sending = context.Pipe(duplex=False)
        arguments = sending, spec, jobs, workers, address, environment()
        process = context.Process(target=_drive, args=arguments, name="cluster")
        process.start()
        sending.close()
        try:
            while True:
                try:
                    message = receiving.recv()
                except EOFError:
                    raise InvalidRequest(
                        "The connection to the cluster broke: what was finished is safe. Resume "
                        "the run when the cluster is back."
                    ) from None
                if isinstance(message, Exception):
                    raise message
                if message is None:
                    return
                yield message
        finally:
            process.terminate()
            process.join(END_SECONDS)
            process.kill()
            process.join()

    return Executor(run, threads=1)  # Ray counts one processor for an actor


def executor_of_page() -> Executor | None:
    """Executor of the cluster named by $MIRNET_RAY_ADDRESS; None if none is named.

    Raises:
        InvalidRequest: Ray is not installed.
    """
    address = os.environ.get(SETTING)
    return ray_executor(None, address) if address else None


def _drive(
    sending: Any,
    spec: WorkerSpec,
    jobs: list[Job],
    workers: int | None,
    address: str | None,
    here: Environment,
) -> None:
    """Main function of the process that talks to the cluster; sends results, then None."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    message: Any = None
    try:
        for work in _work(spec, jobs, workers, address, here):
            sending.send(work)
    except MIRNetError as error:
        message = error
    except Exception as error:
        message = RuntimeError(f"{type(error).__name__}: {error}"[:1000])
    sending.send(message)


def _work(
    spec: WorkerSpec,
    jobs: list[Job],
    workers: int | None,
    address: str | None,
    here: Environment,
) -> Iterator[Work]:
    import ray

    own: dict[str, Any] = {} if address else {"num_cpus": workers or os.cpu_count()}
    try:
        ray.init(
            address=address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            **own,
        )
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        raise InvalidRequest(
            f"No Ray cluster answers at {address or 'this machine'} "
            f"({' '.join(str(error).split())[:200]}): start one with `ray start`."
        ) from error
    reader = open_benchmark(spec.benchmark, folder=spec.folder, offline=spec.offline)
    mark = _marked(spec.cache)
    counted = "GPU" if here.device == "cuda" else "CPU"
    count = workers or max(int(ray.cluster_resources().get(counted, 1)), 1)
    try:
        cluster = RayCluster(ray, spec, mark, here, min(count, max(len(jobs), 1)))
        yield from dispatch(cluster, len(cluster.actors), jobs, pair_with_facts(reader))
    finally:
        if mark is not None:
            mark.unlink(missing_ok=True)
        ray.shutdown()


def pair_with_facts(reader: PairReader) -> Callable[[Item], Pair]:
    """Make a function that reads a pair with its facts, for a machine without the source.

    All methods of a pair follow each other, so it is read once for them.
    """

    @lru_cache(maxsize=1)
    def read(item: Item) -> Pair:
        return replace(reader.load(item), facts=reader.facts_of(item))

    return read


def _marked(cache: OutputCache | None) -> Path | None:
    """Put an empty file into the cache, by which workers know that they see the same folder."""
    if cache is None:
        return None
    mark = cache.folder / f".seen-by-workers-{secrets.token_hex(8)}"
    try:
        cache.folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:  # nothing is kept on a full disk, and `execute_run` says so
        return None
    return mark


class RayCluster:
    """Actors of a Ray cluster, as `dispatch` uses them.

    Args:
        library: The module `ray`.
        spec: Specification of the run.
        mark: File in the cache; see `_marked`.
        here: Environment of the machine that writes the run.
        count: Number of actors.
    """

    def __init__(
        self, library: Any, spec: WorkerSpec, mark: Path | None, here: Environment, count: int
    ):
        self._ray = library
        # A job that was lost is sent to whoever is there; Ray would keep it for the same actor.
        gpus = int(here.device == "cuda")  # Ray shows an actor the GPU that it was given
        remote = library.remote(num_cpus=1, num_gpus=gpus, max_restarts=-1, max_task_retries=0)
        actor = remote(RemoteWorker)
        self.actors = [actor.remote(spec, mark, here) for _ in range(count)]

    def hello(self, worker: int) -> Hashable:
        """See `dispatch.Cluster`."""
        return self.actors[worker].hello.remote()

    def work(self, worker: int, job: Job, pair: Pair | None) -> Hashable:
        """See `dispatch.Cluster`."""
        return self.actors[worker].work.remote(*job, pair)

    def wait(self, references: Sequence[Hashable], seconds: float) -> Hashable | None:
        """See `dispatch.Cluster`."""
        ready, _ = self._ray.wait(list(references), num_returns=1, timeout=seconds)
        return ready[0] if ready else None

    def answer(self, reference: Hashable) -> Hello | Work | None:
        """See `dispatch.Cluster`."""
        errors = self._ray.exceptions
        lost = errors.RayActorError, errors.ObjectLostError, errors.WorkerCrashedError
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            raise error.cause from error
        except (*lost, errors.NodeDiedError, errors.OutOfMemoryError) as error:
            raise WorkerLost from error


def _local_folder(spec: WorkerSpec) -> Path | None:
    """Folder with the pairs; None where they come from the Hub."""
    name = spec.folder or spec.benchmark.source.folder
    return None if name is None else BENCHMARKS_FILE.parent / name


class RemoteWorker:
    """A `Worker` on a machine that may have neither the run's folders nor its software.

    Args:
        spec: Specification of the run.
        mark: File in the cache of the machine that writes the run.
        here: Environment of that machine.
    """

    def __init__(self, spec: WorkerSpec, mark: Path | None, here: Environment):
        shared = mark is not None and mark.exists()
        self.spec = replace(spec, cache=spec.cache if shared else None)
        self.here = here
        self._worker: Worker | None = None

    def hello(self) -> Hello:
        """Compare software, device and weights with those of the machine that writes the run."""
        import socket

        name = socket.gethostname()
        with contextlib.suppress(ImportError):
            import ray

            name = f"{name} ({ray.util.get_node_ip_address()})"
        changes = environment_changes(self.here, environment())
        if changes:
            return Hello(name, "; ".join(changes))
        for info in self.spec.methods:
            try:
                now = get_method(
                    info.id,
                    self.spec.task,
                    settings=info.settings,
                    allow_code=self.spec.allow_code,
                ).info
            except MIRNetError as error:
                return Hello(name, str(error).rstrip("."))
            if now.weights_sha256 != info.weights_sha256:
                return Hello(name, f"its weights {info.id} are others")
        return Hello(name)

    def work(self, item: Any, method_id: str, pair: Pair | None = None) -> Work | None:
        """Run a job; None where its pair cannot be read on this machine.

        Raises:
            BenchmarkUnavailable: The pair cannot be fetched from the Hub.
            NotWritten: The cache is on a full disk.
        """
        folder = _local_folder(self.spec)
        if pair is None and folder is not None and not folder.is_dir():
            return None
        if self._worker is None:
            self._worker = Worker(self.spec)
        if pair is not None:
            self._worker.hold(pair)
        try:
            return self._worker.work(item, method_id)
        except BenchmarkUnavailable:
            if folder is None or pair is not None:
                raise
            return None
