"""How much memory a restoration needs, each measured in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirnet.errors import MIRNetError
from mirnet.memory import give_back_memory, keep_freed_memory

MEGAPIXELS = (12, 24, 48)
"""Photos measured by default: of today's phones and cameras."""


class Peak:
    """Resident memory at its highest inside a `with`, beyond what there was before (Linux)."""

    megabytes: float | None = None
    """10^6 bytes; None where the system does not say."""

    def __enter__(self) -> "Peak":
        self._before = None
        give_back_memory()  # what earlier work left behind
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            self._before = status_megabytes("VmRSS")
        except OSError:
            pass
        return self

    def __exit__(self, *_: object) -> None:
        highest = status_megabytes("VmHWM")
        if self._before is not None and highest is not None:
            self.megabytes = round(highest - self._before, 1)


def status_megabytes(name: str) -> float | None:
    """A line of /proc/self/status in 10^6 bytes; None on systems without one."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(found[0]) * 1024 / 1e6 if found else None


@dataclass(frozen=True)
class Needed:
    """Memory of one restoration, in 10^6 bytes."""

    weights: str
    """Id in the catalogue, "v1" or "v2"."""
    megapixels: float
    """Of the result."""
    picture_mb: float
    """Pixels before and after: six bytes a pixel."""
    start_mb: float
    """Resident before restoring: the program, the network and the photo."""
    peak_mb: float
    """Resident at the peak."""
    tile_px: int
    """Longest side of a tile."""
    tiling: str
    """How tiles agreed."""
    seconds: float
    """How long it took."""

    @property
    def beyond_mb(self) -> float:
        """At the peak beyond the start and the result's pixels: for a tile and book-keeping."""
        return self.peak_mb - self.start_mb - self.picture_mb / 2


def run(weights: Sequence[str], megapixels: Sequence[float], tiling: str) -> Iterator[Needed]:
    """Restore a photo of each size with each network, one process after the other.

    Raises:
        MIRNetError: One of them failed.
    """
    for name in weights:
        for size in megapixels:
            command = [sys.executable, "-m", "tests.bench.memory", name, str(size), tiling]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                last = (done.stderr.strip() or "no words").splitlines()[-1]
                raise MIRNetError(f"{name} with {size} megapixels failed: {last}")
            yield Needed(**json.loads(done.stdout))


def measure(weights: str, megapixels: float, tiling: str) -> Needed:
    """Restore one photo in this process; call it in a fresh one."""
    from mirnet.restoration.api import restore
    from tests.bench.photos import photo
    from tests.bench.speed import network

    pixels = photo(megapixels)
    work = restore(pixels, weights=network(weights), tiling=tiling, same_size=True)
    give_back_memory()  # of making the photo
    start = status_megabytes("VmRSS") or 0.0
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    made = work.result()
    return Needed(
        weights,
        round(made.megapixels, 2),
        round(2 * pixels.nbytes / 1e6, 1),
        round(start, 1),
        round(status_megabytes("VmHWM") or 0.0, 1),
        made.tile_px,
        made.tiling,
        round(made.seconds, 2),
    )


def main() -> None:
    """One measurement for `run`: prints a document."""
    from dataclasses import asdict

    weights, megapixels, tiling = sys.argv[1:]
    keep_freed_memory()  # as the app and the command line do
    sys.stdout.write(json.dumps(asdict(measure(weights, float(megapixels), tiling))))


if __name__ == "__main__":
    main()
