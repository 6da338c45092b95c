"""Where networks run when nobody says so, and a lock that is free in a forked process."""

import os
import threading

SETTING = "MIRNET_DEVICE"
"""Environment variable with the default device: "cpu", "cuda", "cuda:1", "mps"."""


def default_device() -> str:
    """The device named by $MIRNET_DEVICE, else CUDA where there is a GPU, else the CPU."""
    return os.environ.get(SETTING, "").strip() or gpu_or_cpu()


def gpu_or_cpu() -> str:
    """CUDA where there is a GPU, else the CPU, whatever $MIRNET_DEVICE says."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


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
        """As of `threading.Lock`."""
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        """As of `threading.Lock`."""
        self._lock.release()

    def locked(self) -> bool:
        """As of `threading.Lock`."""
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
