"""Peak memory is that of the call, not of the process."""

import sys

import numpy as np
import pytest

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
