"""The six restoration tasks, as rows of one table.

The ids are what the page, the command line, the API and the catalogue of weights use. Benchmarks
are those of the MIRNet paper (ECCV 2020, section 4). What else a new task needs: CONTRIBUTING.md.
"""

from dataclasses import dataclass

from .errors import InvalidRequest


@dataclass(frozen=True)
class Task:
    """One restoration task."""

    id: str
    """Short name used everywhere: page, command line, API, catalogue."""
    title: str
    """Two or three words for a button."""
    explanation: str
    """One sentence for a person who has a photo and no knowledge of the field."""
    scale: int
    """Factor of the sides of the result; 1 where the size stays."""
    benchmark: str
    """The benchmark the paper measures this task on."""
    default_weights: str
    """Id in the catalogue of the weights used when none are named."""


TASKS: dict[str, Task] = {
    task.id: task
    for task in (
        Task(
            "denoise",
            "Remove noise",
            "Cleans the grain and coloured speckle of high-ISO and phone photos.",
            1,
            "SIDD, DND",
            "denoise-compact",
        ),
        Task(
            "sr-x2",
            "Enlarge x2",
            "Doubles width and height, then sharpens what resampling left soft.",
            2,
            "RealSR x2",
            "sr-x2-compact",
        ),
        Task(
            "sr-x3",
            "Enlarge x3",
            "Triples width and height, then sharpens what resampling left soft.",
            3,
            "RealSR x3",
            "sr-x3-compact",
        ),
        Task(
            "sr-x4",
            "Enlarge x4",
            "Makes width and height four times larger, then sharpens what resampling left soft.",
            4,
            "RealSR x4",
            "sr-x4-compact",
        ),
        Task(
            "lowlight",
            "Brighten the dark",
            "Lifts an under-exposed photo to a normal exposure and removes the noise that shows.",
            1,
            "LoL",
            "lowlight-compact",
        ),
        Task(
            "retouch",
            "Retouch",
            "Corrects exposure, contrast and colour the way a photo editor would.",
            1,
            "MIT-Adobe FiveK, expert C",
            "retouch-compact",
        ),
    )
}


def get_task(task_id: str) -> Task:
    """Look a task up.

    Returns:
        The task's row.

    Raises:
        InvalidRequest: No task has this id.
    """
    if task_id not in TASKS:
        raise InvalidRequest(
            f"There is no task {str(task_id)[:80]!r}: choose one of {', '.join(TASKS)}."
        )
    return TASKS[task_id]
