"""Dispatch of jobs to workers on other machines, which may be lost and come back.

Nothing here knows Ray: a `Cluster` is what `ray_cluster.py` makes of one, and what tests make.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

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
    """What is known of one worker."""

    ready: bool = False
    """Whether it has answered since it started."""
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
    states = [_State() for _ in range(workers)]
    waiting: deque[tuple[Job, bool]] = deque((job, False) for job in jobs)
    sent: dict[Hashable, tuple[int, Job, bool]] = {}
    tries: dict[Job, int] = {}
    seen = now()  # when a worker was last known to be there
    while waiting or sent:
        for number, state in enumerate(states):
            if not state.ready and state.called is None and now() >= state.again:
                state.called = cluster.hello(number)
            while state.ready and waiting and len(state.jobs) < DEPTH:
                job, with_pair = waiting.popleft()
                try:
                    pair = read_pair(job[0]) if with_pair else None
                except PairUnusable as error:
                    yield unusable(*job, error)
                    continue
                reference = cluster.work(number, job, pair)
                state.jobs.append(reference)
                sent[reference] = number, job, with_pair
        if not waiting and not sent:  # the last pair could not be read
            break
        called = {state.called: n for n, state in enumerate(states) if state.called is not None}
        done = cluster.wait([*sent, *called], POLL_SECONDS)
        if any(state.ready for state in states):
            seen = now()
        elif now() - seen > PATIENCE_SECONDS:
            raise InvalidRequest(
                f"No machine of the cluster has answered for {PATIENCE_SECONDS / 60:g} minutes: "
                "what was finished is safe. Resume the run when the cluster is back."
            )
        if done is None:
            continue
        number = called[done] if done in called else sent[done][0]
        state = states[number]
        try:
            answer = cluster.answer(done)
        except WorkerLost:
            state.ready, state.again = False, now() + POLL_SECONDS
            if done in called:
                state.called = None
                continue
            job = sent[done][1]
            if state.jobs[0] == done:  # the one under way, which may be the reason
                tries[job] = tries.get(job, 0) + 1
            if tries.get(job, 0) >= MAX_TRIES:
                raise InvalidRequest(
                    f"{job[1]} on {job[0].id} ended its worker {MAX_TRIES} times (killed, or out "
                    "of memory): what was finished is safe. Resume the run on machines with more "
                    "memory, or without this method."
                ) from None
            waiting.appendleft((job, sent.pop(done)[2]))
            state.jobs.remove(done)
            continue
        if isinstance(answer, Hello):
            if answer.trouble:
                raise InvalidRequest(
                    f"The machine {answer.machine} of the cluster would give other results: "
                    f"{answer.trouble}."
                )
            state.ready, state.called = True, None
            continue
        _, job, _ = sent.pop(done)
        state.jobs.remove(done)
        if answer is None:
            waiting.appendleft((job, True))
        else:
            yield answer
