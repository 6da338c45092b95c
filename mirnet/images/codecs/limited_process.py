"""Runs a decoder that is not hardened against made-up files in a limited process of its own.

The process knows no token or password of this program, may write no file, and has limits of memory
and processor time. It takes the file on standard input and answers on standard output; the caller
must check the answer, of bounded length, because a file may have taken the process over.
"""

import contextlib
import os
import subprocess
import sys
import time
from io import BufferedReader
from pathlib import Path
from threading import BoundedSemaphore, Thread
from typing import IO

from ..limits import max_file_bytes

MAX_SECONDS = 120
"""Processor time of one file in seconds; 100 megapixels take about a third."""
PATIENCE = 5
"""Factor on `MAX_SECONDS` for wall-clock time, on a busy machine."""
MAX_BYTES = 3 * 2**30
"""Address space of the process in bytes, beside what the pixels take."""
BYTES_PER_PIXEL = 64
"""Address space for each pixel that is accepted: stored values, half-decoded and result."""
MAX_AT_ONCE = 4
"""Most such processes at once: headers of added photos are read before these wait for a turn."""
_ROOM = BoundedSemaphore(MAX_AT_ONCE)
CHUNK_BYTES = 1 << 20
"""Bytes of an answer that are read at once."""
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG")
"""Variables that the process gets."""


class Unreadable(Exception):
    """The decoder refused the file, crashed, or took more than it may."""


def run_limited(module: str, data: bytes, max_pixels: int) -> bytes:
    """Run a module as a program on a file, when fewer than `MAX_AT_ONCE` others run.

    Args:
        module: Full name of the module, which calls `limit_process` before it looks at the file.
        data: The file.
        max_pixels: Most pixels that are decoded, the only argument of the program.

    Returns:
        What the program wrote to standard output.

    Raises:
        Unreadable: The program could not be started, took too long, answered more than
            `max_file_bytes` of as many pixels, or failed.
    """
    with _ROOM:
        return _run(module, data, max_pixels)


def _run(module: str, data: bytes, max_pixels: int) -> bytes:
    """Run the program at once; see `run_limited`."""
    root = str(Path(__file__).parents[3])
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join([root, *filter(None, sys.path)])
    command = [sys.executable, "-m", module, str(max_pixels)]
    until = time.monotonic() + PATIENCE * MAX_SECONDS
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    except OSError as error:
        raise Unreadable("the process could not be started") from error
    most, parts = max_file_bytes(max_pixels), list[bytes]()
    # Threads that end by themselves: what the process started may hold its pipes open.
    reader = Thread(target=_collect, args=(process.stdout, most, parts), daemon=True)
    try:
        Thread(target=_feed, args=(process.stdin, data), daemon=True).start()
        reader.start()
        reader.join(until - time.monotonic())
        if sum(map(len, parts)) > most:
            raise Unreadable("the process answered too much")
        status = process.wait(max(until - time.monotonic(), 0))
    except subprocess.TimeoutExpired as error:
        raise Unreadable("the process took too long") from error
    finally:
        process.kill()
        process.wait()
    if status or reader.is_alive():
        raise Unreadable(f"the process ended with {status}")
    return b"".join(parts)


def _feed(stream: IO[bytes], data: bytes) -> None:
    """Write a file to a process, which may end before it has read it, and close the stream."""
    with contextlib.suppress(OSError), stream:
        stream.write(data)


def _collect(stream: BufferedReader, most: int, parts: list[bytes]) -> None:
    """Read a stream to its end, or one byte more than `most`."""
    with contextlib.suppress(OSError), stream:
        while most >= 0 and (part := stream.read1(min(CHUNK_BYTES, most + 1))):
            parts.append(part)
            most -= len(part)


def limit_process(max_pixels: int) -> None:
    """Limit this process, where the system can."""
    with contextlib.suppress(ImportError):
        import resource

        for what, most in (
            (resource.RLIMIT_AS, MAX_BYTES + BYTES_PER_PIXEL * max_pixels),
            (resource.RLIMIT_CPU, MAX_SECONDS),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_CORE, 0),
        ):
            with contextlib.suppress(ValueError, OSError):  # a lower limit holds already
                resource.setrlimit(what, (most, most))
