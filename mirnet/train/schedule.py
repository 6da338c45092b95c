"""Learning rate as a function of the completed share of a cycle, and the clock of a cycle.

A cycle is a number of steps, or a number of minutes: the schedule is the same, stretched to fit.
"""

import math
import time

from .config import Optimizer

SPARE_SECONDS = 3.0
"""Seconds reserved at the end of a cycle for writing files, in addition to the last score."""


def learning_rate(recipe: Optimizer, done: float) -> float:
    """Warm-up, peak, then a cosine down to the final rate (Loshchilov & Hutter 2017).

    Args:
        recipe: Rates, and the steps of warm-up and hold out of all steps.
        done: Share of the cycle that is done, 0 to 1.
    """
    step = done * recipe.steps
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    before = recipe.warmup + recipe.hold
    part = max(step - before, 0) / max(recipe.steps - before, 1)
    wave = (1 + math.cos(math.pi * min(part, 1))) / 2
    return recipe.final_learning_rate + (recipe.learning_rate - recipe.final_learning_rate) * wave


class Clock:
    """Measures the completed share of a cycle, by steps or by time.

    Args:
        steps: Steps of the cycle if `minutes` is None.
        minutes: Minutes of the cycle, including the time before and after its steps.
        spent: Seconds that an interrupted cycle has already trained.
        since: `time.monotonic()` when the cycle's minutes began.
    """

    def __init__(self, steps: int, minutes: float | None, spent: float, since: float):
        self.steps = steps
        self.minutes = minutes
        self._spent = spent
        self._began = time.monotonic()
        self._seconds = math.inf
        if minutes is not None:
            self._seconds = max(60 * minutes - (self._began - since) + spent - SPARE_SECONDS, 0.1)

    def reserve(self, seconds: float) -> None:
        """Reserve time in seconds for the work after the last step."""
        if self.minutes is not None:
            self._seconds = max(self._seconds - seconds, 0.1)

    def seconds(self) -> float:
        """Seconds that the cycle has trained, those before an interruption included."""
        return self._spent + time.monotonic() - self._began

    def done(self, step: int) -> float:
        """Share of the cycle that is done after `step` of its steps, 0 to 1."""
        part = step / self.steps if self.minutes is None else self.seconds() / self._seconds
        return min(part, 1.0)
