"""Dispatch of jobs to workers on other machines, which may be lost and come back.

Nothing here knows Ray: a `Cluster` is what `ray_cluster.py` makes of one, and what tests make.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from eval.data.pairs import Item, Pair, PairUnusable
from mirnet.errors import InvalidRequest

from .executors import Job
from .worker import Work, unusable

DEPTH = 2
"""Jobs that a worker holds at a time: one under way, one that follows without a pause."""
MAX_TRIES = 4
"""Times that a job may end its worker, before the run ends and names it."""
PATIENCE_SECONDS = 300.0
"""Time without any worker after which the run ends."""
POLL_SECONDS = 1.0
"""Longest wait for news of the cluster, and pause before a lost worker is called again."""


class WorkerLost(Exception):
    """A worker ended or cannot be reached; its jobs have to be done again."""


@dataclass(frozen=True)
class Hello:
    """First answer of a worker."""

    machine: str
    """Name or address of its machine."""
    trouble: str = ""
    """Reason why its rows would not be those of this machine; empty if they would."""


class Cluster(Protocol):
    """Workers by number, and their answers by reference."""

    def hello(self, worker: int) -> Hashable:
        """Call a worker, which starts again if it was lost; refers to a `Hello`."""
        ...

    def work(self, worker: int, job: Job, pair: Pair | None) -> Hashable:
        """Send a job, with the pair where it cannot be read there; refers to `Work` or None."""
        ...

    def wait(self, references: Sequence[Hashable], seconds: float) -> Hashable | None:
        """Return one reference that is answered; None if none is within `seconds`."""
        ...

    def answer(self, reference: Hashable) -> Hello | Work | None:
        """Fetch an answer.

        Raises:
            WorkerLost: The worker ended before it answered.
            MIRNetError: What the worker raised.
        """
        ...


@dataclass
class _State:
    """State of one worker."""

    ready: bool = False
    """Whether the worker has answered since it started."""
    called: Hashable | None = None
    """Reference of a call that it has not answered."""
    again: float = 0.0
    """Time of the next call."""
    jobs: list[Hashable] = field(default_factory=list)
    """References of its jobs, the one under way first."""


def dispatch(
    cluster: Cluster,
    workers: int,
    jobs: Sequence[Job],
    read_pair: Callable[[Item], Pair],
    now: Callable[[], float] = time.monotonic,
) -> Iterator[Work]:
    """Run jobs on workers; each job gives one result, however often workers are lost.

    Args:
        read_pair: Reads a pair here, for a worker whose machine does not have it.
        now: Clock.

    Yields:
        Results in any order. A pair that cannot be read here, for a machine that does not have it,
        gives a row with the error.

    Raises:
        InvalidRequest: A worker would give other rows, a job has ended `MAX_TRIES` workers, or no
            worker answers for `PATIENCE_SECONDS`.
        MIRNetError: What a worker raised.
    """
    yield from _Dispatcher(cluster, workers, jobs, read_pair, now).run()


class _Sent(NamedTuple):
    """A job that a worker holds."""

    worker: _State
    """The worker."""
    job: Job
    """The job."""
    with_pair: bool
    """Whether its pair was sent along."""


class _Dispatcher:
    """Sends jobs to the workers that are there, and takes their answers; see `dispatch`."""

    def __init__(
        self,
        cluster: Cluster,
        workers: int,
        jobs: Sequence[Job],
        read_pair: Callable[[Item], Pair],
        now: Callable[[], float],
    ):
        self.cluster, self.read_pair, self.now = cluster, read_pair, now
        self.workers = [_State() for _ in range(workers)]
        self.waiting: deque[tuple[Job, bool]] = deque((job, False) for job in jobs)
        """Jobs that no worker holds, and whether their pair is to be sent along."""
        self.sent: dict[Hashable, _Sent] = {}
        self.tries: Counter[Job] = Counter()
        self.seen = now()
        """Time at which a worker was last known to be there."""

    def run(self) -> Iterator[Work]:
        """Yield the result of each job."""
        while self.waiting or self.sent:
            for number, worker in enumerate(self.workers):
                if not worker.ready and worker.called is None and self.now() >= worker.again:
                    worker.called = self.cluster.hello(number)
                yield from self._send_jobs(number, worker)
            if self.waiting or self.sent:
                work = self._take_answer()
                if work is not None:
                    yield work

    def _send_jobs(self, number: int, worker: _State) -> Iterator[Work]:
        """Send a worker as many jobs as it may hold; yields rows of pairs that cannot be read."""
        while worker.ready and self.waiting and len(worker.jobs) < DEPTH:
            job, with_pair = self.waiting.popleft()
            try:
                pair = self.read_pair(job[0]) if with_pair else None
            except PairUnusable as error:
                yield unusable(*job, error)
                continue
            reference = self.cluster.work(number, job, pair)
            worker.jobs.append(reference)
            self.sent[reference] = _Sent(worker, job, with_pair)

    def _take_answer(self) -> Work | None:
        """Wait a moment for an answer; None if it is no result."""
        called = {worker.called: worker for worker in self.workers if worker.called is not None}
        done = self.cluster.wait([*self.sent, *called], POLL_SECONDS)
        self._check_patience()
        if done is None:
            return None
        worker = called[done] if done in called else self.sent[done].worker
        try:
            answer = self.cluster.answer(done)
        except WorkerLost:
            worker.ready, worker.again = False, self.now() + POLL_SECONDS
            if done in called:
                worker.called = None
            else:
                self._put_back(done)
            return None
        if isinstance(answer, Hello):
            if answer.trouble:
                raise InvalidRequest(
                    f"The machine {answer.machine} of the cluster would give other results: "
                    f"{answer.trouble}."
                )
            worker.ready, worker.called = True, None
            return None
        job = self.sent.pop(done).job
        worker.jobs.remove(done)
        if answer is None:
            self.waiting.appendleft((job, True))
        return answer

    def _check_patience(self) -> None:
        if any(worker.ready for worker in self.workers):
            self.seen = self.now()
        elif self.now() - self.seen > PATIENCE_SECONDS:
            raise InvalidRequest(
                f"No machine of the cluster has answered for {PATIENCE_SECONDS / 60:g} minutes: "
                "what was finished is safe. Resume the run when the cluster is back."
            )

    def _put_back(self, reference: Hashable) -> None:
        """Let another worker do a job of one that was lost."""
        worker, job, with_pair = self.sent.pop(reference)
        if worker.jobs[0] == reference:  # the one under way, which may be the reason
            self.tries[job] += 1
        if self.tries[job] >= MAX_TRIES:
            raise InvalidRequest(
                f"{job[1]} on {job[0].id} ended its worker {MAX_TRIES} times (killed, or out "
                "of memory): what was finished is safe. Resume the run on machines with more "
                "memory, or without this method."
            ) from None
        self.waiting.appendleft((job, with_pair))
        worker.jobs.remove(reference)
