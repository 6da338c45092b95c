"""State and progress of a run at one moment, for the page and the API."""

from dataclasses import dataclass
from typing import Literal

from eval.runs.document import Run, SampleResult
from eval.runs.store import StoredRun

State = Literal[
    "queued", "running", "stopping", "elsewhere", "interrupted", "done", "stopped", "failed"
]
"""State of a run. "elsewhere": another process executes it, such as the command line;
"interrupted": its header says "running", but no process executes it."""
RESUMABLE: tuple[State, ...] = ("interrupted", "stopped", "failed")
"""States in which a run can be resumed."""
UNDER_WAY: tuple[State, ...] = ("queued", "running", "stopping", "elsewhere")
"""States of waiting and running runs."""

_SENTENCES: dict[State, str] = {
    "running": "Under way.",
    "stopping": "Stopping after the current picture …",
    "elsewhere": "Under way in another process, such as the command line.",
    "interrupted": "Interrupted: the program ended first. All results so far are kept.",
    "done": "Done.",
    "stopped": "Stopped. All results so far are kept.",
    "failed": "Failed.",
}


@dataclass(frozen=True)
class Snapshot:
    """State and progress of one run at one moment."""

    run: Run
    """Header of the run."""
    state: State
    """State of the run; see `State`."""
    done: int
    """Number of results so far, scored or failed, over all methods."""
    total: int
    """Total number of results: pairs times methods."""
    seconds_left: float | None
    """Estimated remaining seconds of a running run, else None."""
    latest: SampleResult | None
    """Newest result if this program executes the run, else None."""
    words: str
    """One sentence about the state."""
    recorded: bool = False
    """Whether the project recorded the run and ships it."""

    @property
    def under_way(self) -> bool:
        """Whether the run waits or is being executed."""
        return self.state in UNDER_WAY


def state_without_job(run: Run, stored: StoredRun) -> State:
    """State of a run that is not in this program's queue."""
    if run.status != "running":
        return run.status
    try:
        return "elsewhere" if stored.is_held() else "interrupted"
    except OSError:  # a read-only disk has no locks and no writers
        return "interrupted"


def sentence(run: Run, state: State, position: int = 0) -> str:
    """One sentence about the state of a run, with the stored reason if it failed or was limited.

    Args:
        position: Position in the queue from 1, for a queued run.
    """
    if state == "queued":
        return f"Waiting: number {position} in the queue."
    if state in ("failed", "stopped") and run.error:
        return run.error
    return _SENTENCES[state]
