"""Peak memory of one call of a method, apart from what its process held before."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mirnet.memory import give_back_memory

if TYPE_CHECKING:
    import torch


class PeakMemory:
    """Measures from its creation on; create it right before the call.

    A method's own memory is what the call needed beyond what was held before: its weights, imports
    and the picture are there already, as they are in a server that restores many. Memory that was
    freed is given back first, or the call would reuse it unseen. On a GPU it is torch's allocated
    memory of that GPU, which no other process shares; on a processor the resident memory of the
    process, so what its other threads allocate meanwhile is counted too.

    Args:
        device: Device that the method computes on; None for a processor.
    """

    def __init__(self, device: "torch.device | None" = None):
        self._gpu = device if device is not None and device.type == "cuda" else None
        if self._gpu is not None:
            import torch

            torch.cuda.synchronize(self._gpu)
            torch.cuda.reset_peak_memory_stats(self._gpu)
            self._held = torch.cuda.memory_allocated(self._gpu)
            return
        give_back_memory()
        with contextlib.suppress(OSError):  # the system's peak of resident memory (Linux)
            Path("/proc/self/clear_refs").write_text("5")
        self._resident = _status_mb("VmRSS")

    def process_mb(self) -> float | None:
        """Largest resident memory of the process, in megabytes; None where the system hides it."""
        if sys.platform == "darwin":
            import resource

            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        return _status_mb("VmHWM")

    def own_mb(self) -> float | None:
        """Memory of the call alone, in megabytes; None where it cannot be told apart."""
        if self._gpu is not None:
            import torch

            torch.cuda.synchronize(self._gpu)
            return (torch.cuda.max_memory_allocated(self._gpu) - self._held) / 2**20
        peak = _status_mb("VmHWM")
        if peak is None or self._resident is None:
            return None
        return max(peak - self._resident, 0.0)


def _status_mb(name: str) -> float | None:
    """A line of this process's status in megabytes of 2**20 bytes; None where there is none."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return None
