"""Whole photos by size, threads and engine, and what the app adds to a restoration."""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from mirnet.app.jobs import RestoreRequest, Run, restore_photo
from mirnet.images.encode import write_image
from mirnet.images.picture import Picture
from mirnet.restoration.api import restore
from mirnet.restoration.engines import available
from mirnet.weights.load import load

SIDES = (4, 3)
"""Width to height of a photo."""


def engines_here() -> list[str]:
    """Engines that run on this CPU."""
    return available(torch.device("cpu"))


def photo(megapixels: float) -> np.ndarray:
    """A ramp with some noise: (H, W, 3) uint8."""
    wide = round((megapixels * 1e6 * SIDES[0] / SIDES[1]) ** 0.5)
    high = round(megapixels * 1e6 / wide)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 50, (high, wide, 3), dtype=np.uint8)
    pixels += np.linspace(0, 200, wide, dtype=np.uint8)[None, :, None]
    return pixels


def scaling(
    weights: Sequence[str], megapixels: Sequence[float], engines: Sequence[str]
) -> Iterator[dict[str, str]]:
    """Restore photos of several sizes with one thread and with all of them, once each."""
    most = torch.get_num_threads()
    try:
        for name in weights:
            loaded = load(name)
            restore(photo(0.1), weights=loaded.model, same_size=True).result()  # warm up
            for engine in engines:
                for size in megapixels:
                    for threads in sorted({1, most}):
                        torch.set_num_threads(threads)
                        work = restore(
                            photo(size), weights=loaded.model, same_size=True, engine=engine
                        )
                        made = work.result()
                        yield {
                            "network": name,
                            "engine": made.engine,
                            "photo": f"{made.megapixels:.3g} MP",
                            "threads": str(threads),
                            "time": f"{made.seconds:.2f} s",
                            "speed": f"{made.megapixels_per_second:.2f} MP/s",
                            "tiles": f"{made.tiles} {made.tiling}",
                        }
    finally:
        torch.set_num_threads(most)


def overhead(
    weights: Sequence[str], megapixels: Sequence[float], rounds: int
) -> Iterator[dict[str, str]]:
    """Compare `restore(...).result().save(...)` with what the app does for a visitor, in turns.

    Both read a file and write a PNG. Of the app it is all but the page: order, weights by their id,
    one event a tile, and the file.
    """
    with tempfile.TemporaryDirectory(prefix="mirnet-bench-") as folder:
        for name in weights:
            task = load(name).entry
            order = RestoreRequest(
                task.task if task else "denoise", name, same_size=True, max_pixels=10**8
            )
            for size in megapixels:
                source = write_image(Picture(photo(size)), Path(folder) / "photo.png")
                target = Path(folder) / "result.png"
                ratios, plain = [], []
                for turn in range(rounds + 1):
                    library, app = _library(source, target, order), _app(source, target, order)
                    if turn:
                        plain.append(library)
                        ratios.append(app / library)
                yield {
                    "network": name,
                    "photo": f"{size:g} MP",
                    "library": f"{statistics.median(plain):.3f} s",
                    "the app adds": f"{statistics.median(ratios) - 1:+.1%}",
                    "range": f"{min(ratios) - 1:+.1%} to {max(ratios) - 1:+.1%}",
                }


def _library(source: Path, target: Path, order: RestoreRequest) -> float:
    began = time.perf_counter()
    work = restore(source, order.task, weights=load(order.weights), same_size=True)
    work.result().save(target)
    return time.perf_counter() - began


def _app(source: Path, target: Path, order: RestoreRequest) -> float:
    began = time.perf_counter()
    for event in restore_photo(str(source), order, Run()):
        if hasattr(event, "save"):
            event.save(target)
    return time.perf_counter() - began
