"""Compute device, the processor's name, and a lock that is free in a forked process."""

import os
import platform
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mirnet.errors import InvalidRequest

if TYPE_CHECKING:
    import torch

SETTING = "MIRNET_DEVICE"
"""Environment variable with the default device: "cpu", "cuda", "cuda:1", "mps"."""


def default_device() -> str:
    """The device named by $MIRNET_DEVICE, else CUDA where there is a GPU, else the CPU."""
    return os.environ.get(SETTING, "").strip() or gpu_or_cpu()


def gpu_or_cpu() -> str:
    """CUDA where there is a GPU, else the CPU, whatever $MIRNET_DEVICE says."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_device(name: "str | torch.device | None" = None) -> "torch.device":
    """Check or choose where to compute.

    Args:
        name: "cpu", "cuda", "cuda:1", "mps" or a `torch.device`; None for `default_device`.

    Returns:
        A device that this machine has.

    Raises:
        InvalidRequest: There is no such device here.
    """
    import torch

    if name is None:
        name = default_device()
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise InvalidRequest(
            f"There is no device {str(name)[:40]!r}: choose cpu, cuda or mps."
        ) from error
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = {"cpu": True, "cuda": gpus > 0, "mps": torch.backends.mps.is_available()}
    missing = device.type == "cuda" and (device.index or 0) >= gpus
    if not here.get(device.type, False) or missing:
        have = ", ".join(kind for kind, is_here in here.items() if is_here)
        raise InvalidRequest(
            f"This machine cannot compute on {str(name)[:40]!r}: choose from {have}."
        )
    return device


@cache
def _processor_fields() -> dict[str, str]:
    """Fields of /proc/cpuinfo on the first core; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (x.partition(":") for x in lines)}


def processor_name() -> str:
    """Name of the processor, as far as the system reveals it."""
    return _processor_fields().get("model name") or platform.processor() or platform.machine()


def processor_version() -> str:
    """Name, family, model and stepping of the processor; equal ones compute at the same speed."""
    fields = _processor_fields()
    numbers = [fields[name] for name in ("cpu family", "model", "stepping") if name in fields]
    return f"{processor_name()} ({'/'.join(numbers)})" if fields else processor_name()


class ThreadLock:
    """A lock between the threads of one process.

    A process that is forked while another thread holds an ordinary lock never gets it: the thread
    that would let go was not copied. This one is free in the new process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """See `threading.Lock`."""
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        """See `threading.Lock`."""
        self._lock.release()

    def locked(self) -> bool:
        """See `threading.Lock`."""
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
