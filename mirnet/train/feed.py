"""Feeds the batches of a run to its steps: made when they are asked for, or ahead on GPUs."""

import time

import torch

from .batches import Batch, Source, generator_for
from .config import Config
from .step import mix


class Feed:
    """Batches of a run for one of its processes, made ahead on a second stream on GPUs.

    Args:
        config: The run's configuration.
        source: Source of the pairs.
        process: Number of this process, from 0.
        processes: Number of processes that share a batch.
    """

    def __init__(self, config: Config, source: Source, process: int, processes: int):
        self.config = config
        self.source = source
        self.process = process
        self.processes = processes
        self._seconds = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._stream = torch.cuda.Stream() if source.device.type == "cuda" else None
        self._next: tuple[tuple[int, int], Batch] | None = None

    def take(self, total: int, step: int) -> Batch:
        """The batch of a step.

        Args:
            total: Steps of all cycles before this one; with the recipe's seed it determines the
                batch.
            step: Steps of this cycle before this one; it determines the stage.
        """
        if self._stream is None:
            began = time.monotonic()
            batch = self._make(total, step)
            self._seconds += time.monotonic() - began
            return batch
        ready = self._next
        batch = ready[1] if ready and ready[0] == (total, step) else self._ahead(total, step)
        torch.cuda.current_stream().wait_stream(self._stream)
        for tensor in batch:
            tensor.record_stream(torch.cuda.current_stream())
        self._next = (total + 1, step + 1), self._ahead(total + 1, step + 1)
        return batch

    def seconds(self) -> float:
        """Time spent on batches since the last call; on GPUs that of the second stream."""
        if self._stream is not None:
            self._stream.synchronize()
            self._seconds = sum(a.elapsed_time(b) for a, b in self._events) / 1000
            self._events = []
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def _ahead(self, total: int, step: int) -> Batch:
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with torch.cuda.stream(self._stream):
            began.record()
            batch = self._make(total, step)
            ended.record()
        self._events.append((began, ended))
        return batch

    def _make(self, total: int, step: int) -> Batch:
        config = self.config
        side, size = config.data.stage(step)
        seed = config.seed, total, self.process
        batch = self.source.batch(size // self.processes, side, seed)
        alpha, share = config.optimizer.mixup, config.optimizer.mixup_share
        generator = generator_for(self.source.device, *seed, 1)
        if alpha and generator.initial_seed() % 10_000 < share * 10_000:
            batch = mix(batch, alpha, generator)
        return batch
