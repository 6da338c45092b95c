"""State shared by a running download and its observer: progress, limits, a way to stop."""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mirnet.errors import WeightsUnavailable

SPARE_DISK_BYTES = 64 * 10**6
"""Space left free on the disk after a download and its conversion."""


class Stopped(Exception):
    """The caller stopped the transfer; never shown to a person."""


@dataclass
class Transfer:
    """State shared by a running download and its observer."""

    max_bytes: int
    """Largest accepted file in bytes."""
    folder: Path
    """Folder that the file is written to; its disk must have room."""
    done_bytes: int = 0
    """Bytes downloaded so far."""
    total_bytes: int | None = None
    """Size of the file in bytes; None until the server has stated it."""
    began: float | None = None
    """time.monotonic() at the first connection attempt; None before."""
    contacted: threading.Event = field(default_factory=threading.Event)
    """Set by the server's first answer."""
    cancel: threading.Event = field(default_factory=threading.Event)
    """Set to stop the transfer at its next chunk."""
    interrupt: Callable[[], None] = lambda: None
    """Wakes a read that waits for a silent server."""

    def begin(self) -> None:
        """Start the clock; called after slow imports."""
        self.began = time.monotonic()

    def stop(self) -> None:
        """Ask the transfer to end; it does so within a chunk or a timeout."""
        self.cancel.set()
        with contextlib.suppress(Exception):
            self.interrupt()

    def check(self) -> None:
        """Raise `Stopped` where the caller has asked to stop."""
        if self.cancel.is_set():
            raise Stopped

    def expect(self, total: int | None) -> None:
        """Record the size of the file.

        Raises:
            WeightsUnavailable: The size is over the limit, or the disk has no room.
        """
        self.total_bytes = total
        if total is None:
            return
        if total > self.max_bytes:
            raise WeightsUnavailable(
                f"The file has {megabytes(total)}, more than the limit of "
                f"{megabytes(self.max_bytes)}: it is not downloaded, because no weights of MIRNet "
                "or MIRNet-v2 are that large."
            )
        require_disk_space(self.folder, total)

    def advance(self, count: int) -> None:
        """Add to the number of downloaded bytes.

        Raises:
            WeightsUnavailable: The limit is exceeded.
            Stopped: The caller has asked to stop.
        """
        self.check()
        self.done_bytes += count
        if self.done_bytes > self.max_bytes:
            raise WeightsUnavailable(
                f"The server sends more than the limit of {megabytes(self.max_bytes)}: the "
                "download was stopped, because no weights of MIRNet or MIRNet-v2 are that large."
            )


@dataclass(frozen=True)
class Arrived:
    """A file that was downloaded whole."""

    path: Path
    """The file."""
    origin: str
    """Address of the source, for the record."""
    sha256: str | None
    """Hash announced by the server; None if it announced none."""


def megabytes(count: int) -> str:
    """Format a number of bytes: 23,434,240 is '23.4 MB'."""
    return f"{count / 1e6:.1f} MB"


def require_disk_space(folder: Path, file_bytes: int) -> None:
    """Check that a file and its converted copy fit on the disk.

    Raises:
        WeightsUnavailable: The disk has too little free space.
    """
    free = shutil.disk_usage(folder).free
    needed = 2 * file_bytes + SPARE_DISK_BYTES
    if free < needed:
        raise WeightsUnavailable(
            f"The disk of the cache folder has {megabytes(free)} free and {megabytes(needed)} are "
            "needed: make room, or point MIRNET_CACHE at a folder on another disk."
        )
