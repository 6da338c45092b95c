"""Peak memory is that of the call, not of the process."""

import sys

import numpy as np
import pytest
import torch

from eval.runs.peak_memory import PeakMemory

MB = 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells only the process's peak")
def test_only_what_the_call_needs_is_counted():
    held = np.ones(150 * MB, np.uint8)  # what the process had before
    freed = [np.ones(60_000, np.uint8) for _ in range(1000)]  # small enough to stay on the heap
    del freed
    memory = PeakMemory()
    used = np.ones(80 * MB, np.uint8)
    del used
    assert memory.own_mb() == pytest.approx(80, abs=10)
    assert memory.process_mb() > 230
    small = PeakMemory()
    assert small.own_mb() < 10
    parts = [np.ones(60_000, np.uint8) for _ in range(1000)]  # from memory that was freed above
    assert small.own_mb() == pytest.approx(57, abs=10)
    assert held[0] == len(parts) / 1000


def test_memory_of_a_gpu_is_that_of_the_one_computed_on(monkeypatch):
    """In a process of its own each worker computes on another GPU."""
    second = torch.device("cuda:1")
    held, peak, reset = {second: 3 * MB}, {second: 11 * MB}, []
    for name, answer in {
        "synchronize": lambda device: None,
        "reset_peak_memory_stats": reset.append,
        "memory_allocated": held.__getitem__,
        "max_memory_allocated": peak.__getitem__,
    }.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    assert PeakMemory(second).own_mb() == 8 and reset == [second]
