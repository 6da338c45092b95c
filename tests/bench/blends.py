"""What blends of a result cost: on the preview that the page shows, and on a whole photo."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from mirnet.app.result_cache import KeptResult
from mirnet.images.encode import SaveOptions
from mirnet.images.picture import Picture
from mirnet.images.preview import PREVIEW_PX
from mirnet.restoration.blending import Blend
from mirnet.restoration.result import RestoreResult

PREVIEW_TARGET_MS = 100.0
"""Time in milliseconds in which the preview is to follow a slider."""
ROUNDS = 5
"""Number of times that each blend is timed; the median counts."""
BLENDS = {
    "strength": Blend(0.8),
    "luminance and colour": Blend(0.8, 0.5, 0.9),
    "detail": Blend(0.8, 1.0, 1.0, 0.5),
}
"""Blends by the sliders that differ from the full effect."""


class BlendCost(NamedTuple):
    """Time of one step of showing or saving a blend."""

    what: str
    """The step and the sliders."""
    milliseconds: float
    """Median time in milliseconds."""
    target: float | None
    """Time in milliseconds that is not to be exceeded; None without one."""


def blend_costs(megapixels: float = 12.0) -> Iterator[BlendCost]:
    """Time blends of a made-up result of this size, 4 by 3.

    Yields:
        For the sliders of `BLENDS`: the preview's blend alone, the preview with its PNG, and the
        whole photo; then the file that a download writes. First uses, which reduce the pictures
        and look for texture, have rows of their own.
    """
    result = _made_up(megapixels)
    kept = KeptResult(result)
    yield BlendCost("preview, first use", _median(lambda: kept.preview(Blend()), 1), None)
    detail = BLENDS["detail"]
    yield BlendCost("preview, first use of detail", _median(lambda: kept.preview(detail), 1), None)
    small = result.blender.shrunk(PREVIEW_PX, detail=True)
    for name, blend in BLENDS.items():
        alone = _median(lambda blend=blend: small.picture(blend))
        yield BlendCost(f"preview, {name}", alone, PREVIEW_TARGET_MS)
        shown = _median(lambda blend=blend: kept.preview(blend))
        yield BlendCost(f"preview with its PNG, {name}", shown, None)
        whole = _median(lambda blend=blend: result.blender.picture(blend))
        yield BlendCost(f"{megapixels:g} megapixels, {name}", whole, None)
    options = SaveOptions(format="JPEG")
    yield BlendCost(f"{megapixels:g} megapixels, JPEG file", _median(
        lambda: result.encode(options)), None)  # fmt: skip


def _median(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median time of some work in milliseconds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def _made_up(megapixels: float) -> RestoreResult:
    """A result whose input is its smooth picture with noise."""
    height, width = round((megapixels * 0.75e6) ** 0.5), round((megapixels / 0.75 * 1e6) ** 0.5)
    down, across = np.mgrid[:height, :width].astype(np.float32)
    clean = 0.5 + 0.4 * np.sin(down / 37)[..., None] * np.cos(across / 53)[..., None]
    noise = np.random.default_rng(0).standard_normal((height, width, 3), np.float32)
    full = np.round(255 * np.repeat(clean, 3, axis=2)).astype(np.uint8)
    before = np.clip(full + 8 * noise, 0, 255).astype(np.uint8)
    return RestoreResult(
        picture=Picture(full), before=Picture(before), full=Picture(full), task="denoise",
        weights_id="made-up", weights_sha256=None, architecture="none", parameters=0, seconds=0.0,
        tiles=1, tile_px=0, overlap_px=0, mix=Blend(), ensemble=False, device="cpu",
    )  # fmt: skip
