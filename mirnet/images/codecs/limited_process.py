"""Runs a decoder that is not hardened against made-up files in a limited process of its own.

The process knows no token or password of this program, may write no file, and has limits of memory
and processor time. It takes the file on standard input and answers on standard output; the caller
must check the answer, because a file may have taken the process over.
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

MAX_SECONDS = 120
"""Processor time of one file in seconds; 100 megapixels take about a third."""
PATIENCE = 5
"""Factor on `MAX_SECONDS` for wall-clock time, on a busy machine."""
MAX_BYTES = 3 * 2**30
"""Address space of the process in bytes, beside what the pixels take."""
BYTES_PER_PIXEL = 64
"""Address space for each pixel that is accepted: stored values, half-decoded and result."""
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG")
"""Variables that the process gets."""


class Unreadable(Exception):
    """The decoder refused the file, crashed, or took more than it may."""


def run_limited(module: str, data: bytes, max_pixels: int) -> bytes:
    """Run a module as a program on a file.

    Args:
        module: Full name of the module, which calls `limit_process` before it looks at the file.
        data: The file.
        max_pixels: Most pixels that are decoded, the only argument of the program.

    Returns:
        What the program wrote to standard output.

    Raises:
        Unreadable: The program could not be started, took too long or failed.
    """
    root = str(Path(__file__).parents[3])
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join([root, *filter(None, sys.path)])
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, str(max_pixels)],
            input=data,
            capture_output=True,
            timeout=PATIENCE * MAX_SECONDS,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unreadable("the process could not be started or took too long") from error
    if done.returncode:
        raise Unreadable(f"the process ended with {done.returncode}")
    return done.stdout


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
