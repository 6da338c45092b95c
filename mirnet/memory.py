"""Memory that this program can still have, and settings of its allocator."""

import contextlib
import ctypes
import errno
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import torch

CGROUP = Path("/sys/fs/cgroup")
"""Folder of a container's limits on Linux: version 2, or version 1 below `memory`."""
_NAMES = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""For each version: folder; files with the limit and the use; line of files that can be dropped."""

GROUPS = Path("/proc/self/cgroup")
"""File that names this program's groups: a service of systemd is below the uppermost one."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Options of mallopt, from glibc's malloc.h."""
MAX_ARENAS = 2
"""Number of arenas that all threads share; see `use_few_arenas`."""
KEPT_BYTES = 2**29
"""Freed memory that the program keeps for its next map, at most."""


def use_few_arenas() -> bool:
    """Let all threads share a few arenas of memory, where the C library is glibc.

    By default each thread has an arena of its own, up to 8 for each core, which keeps what the
    largest pass on that thread needed. The page runs every tile on whichever thread is free: with
    photos of 0.35 megapixels its memory grew by 110 MB with each further thread, from 0.24 to
    1.2 GB after nine, and stayed at 0.4 GB with two places (`tests/mirnet/test_memory.py`).

    Returns:
        Whether it took effect; False with other C libraries.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        return ctypes.CDLL(None).mallopt(_M_ARENA_MAX, MAX_ARENAS) == 1
    return False


def keep_freed_memory() -> bool:
    """Let this process keep memory that it frees, for the next feature map (glibc only).

    By default glibc gives a large map back and takes another from the system, which fills it with
    zeros page by page: a tenth of a restoration's time. Peaks stay what they are. It is for
    programs, not for libraries: it holds for all of the process.

    Returns:
        Whether the C library has such settings.
    """
    wanted = ((_TRIM_THRESHOLD, KEPT_BYTES), (_MMAP_THRESHOLD, KEPT_BYTES))
    with contextlib.suppress(OSError, AttributeError, TypeError):
        return all(ctypes.CDLL(None).mallopt(*setting) == 1 for setting in wanted)
    return False


def give_back_memory() -> None:
    """Return what `keep_freed_memory` kept to the system."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


_OUT_OF_MEMORY_WORDS = ("allocate memory", "Insufficient memory", "failed to map segment")
"""Words of PyTorch, OpenCV and the loader of libraries, whose types of errors say nothing."""


_ONEDNN = "could not create a primitive"
"""Text of oneDNN's error where there is no room for a convolution's code or scratch memory."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("a wrong shape"))
    (True, False)
    """
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    said = str(error)
    return (
        type(error).__name__ == "OutOfMemoryError"
        or said.strip() == _ONEDNN
        or any(words in said for words in _OUT_OF_MEMORY_WORDS)
    )


def available_bytes(device: "torch.device") -> int | None:
    """Free memory where a network is to run; None where nothing is known.

    Args:
        device: A CUDA device has memory of its own, of which PyTorch may hold some for its next
            tensors. On the CPU what the system can still give counts, or what a container's limit
            leaves, if that is less; "mps" shares that memory, up to a limit of its own.
    """
    if device.type not in ("cpu", "cuda", "mps"):
        return None
    if device.type != "cpu":
        import torch

        try:
            if device.type == "cuda":
                kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
                return torch.cuda.mem_get_info(device)[0] + kept
            limit = torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
            return max(min(limit, available_ram_bytes()), 0)
        except RuntimeError:  # a shared GPU that is not lent at the moment
            return None
    return available_ram_bytes()


def available_ram_bytes() -> int:
    """Free memory of this machine, or of its container or service if that has less, in bytes."""
    left = psutil.virtual_memory().available
    for folder, limit, used, files in _NAMES:
        for group in _groups(folder):
            most, now = _number(group / limit), _number(group / used)
            if most is not None and now is not None:
                left = min(left, max(most - now + _cached(group / "memory.stat", files), 0))
    return left


def _groups(controller: str) -> list[Path]:
    """Folders of this program's group and of those around it, each with a limit of its own.

    Args:
        controller: "memory" in version 1; empty in version 2.
    """
    top = CGROUP / controller
    try:
        lines = [line.split(":", 2) for line in GROUPS.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return [top]
    own = next((path for _, names, path in lines if controller in names.split(",")), "/")
    parts = [] if ".." in own else own.strip("/").split("/")  # outside what is mounted here
    return [top.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]


def _cached(path: Path, name: str) -> int:
    """Bytes of a line of `memory.stat`; 0 where there is none."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def _number(path: Path) -> int | None:
    """Number in a file; None for "max" and where there is no such file."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
