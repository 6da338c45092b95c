"""Restoration in a process of its own, which a Space with a shared GPU (ZeroGPU) starts for it.

The GPU exists only inside the function that borrows it. That function runs in a fork of the app:
its arguments and what it yields are pickled, and nothing it changes in memory comes back.
Evaluations and the Look inside tab compute on the Space's processor.
"""

import contextlib
import copy
import os
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirnet.device import SETTING, gpu_or_cpu
from mirnet.errors import MIRNetError
from mirnet.images.picture import Picture
from mirnet.weights import catalogue
from mirnet.weights import load as weights

from .jobs import RestoreRequest, Run, restore_photo

if TYPE_CHECKING:
    from mirnet.restoration.job import TileProgress
    from mirnet.restoration.result import RestoreResult

ZeroGPU = Callable[
    [Picture, RestoreRequest], "Generator[TileProgress | RestoreResult | MIRNetError]"
]
"""Function that restores one photo: yields tile events, then the result or an error."""

START_SECONDS = 15
"""Seconds for a new process and its first pass."""
SECONDS_PER_MEGAPIXEL = {True: 1.5, False: 6.0}
"""Seconds per megapixel of the result in one view, reading and sending back included, for compact
networks (True) and the papers' (False). Estimated from multiply-adds, not measured: no such GPU was
available."""
MAX_SECONDS = 120
"""Longest time to borrow the GPU, in seconds: the daily quota of a visitor without an account."""


def on_shared_gpu() -> "ZeroGPU | None":
    """The function that restores on a Space's shared GPU (ZeroGPU); None elsewhere."""
    try:
        import spaces
        from spaces.config import Config
    except ImportError:
        return None
    if not Config.zero_gpu:
        return None
    place_weights("cuda")
    return spaces.GPU(restore_on_gpu, duration=gpu_seconds)


_placed: dict[str, weights.LoadedWeights] = {}
"""Weights that were placed on the GPU at startup, by id."""


def place_weights(device: str) -> list[str]:
    """Copy this program's own weights to a device, before the app starts.

    ZeroGPU keeps tensors placed on "cuda" at startup and moves them to each GPU it lends. From then
    on everything without an explicit device computes on the CPU: outside of the borrowing function
    there is no GPU, although torch reports one.

    Args:
        device: Target device, "cuda" on a Space.

    Returns:
        Ids of the weights on the device.
    """
    moved: dict[Path, Any] = {}  # some files serve several tasks
    for entry in catalogue.load_catalogue().values():
        path = weights.locate(entry.id) if entry.kind == "embedded" else None
        if path is not None:
            loaded = weights.load(entry.id)
            if path not in moved:
                moved[path] = copy.deepcopy(loaded.model).to(device)
            _placed[entry.id] = replace(loaded, model=moved[path])
    os.environ[SETTING] = "cpu"
    return list(_placed)


def restore_on_gpu(
    photo: Picture, request: RestoreRequest
) -> "Generator[TileProgress | RestoreResult | MIRNetError]":
    """Restore one photo; all arguments and yielded values can be pickled.

    Yields:
        One event per tile, then the result. A `MIRNetError` is yielded last instead of raised,
        because only the class of an exception would reach the calling process.
    """
    device = gpu_or_cpu()
    work = restore_photo(photo, request, Run(), _on_gpu, device)
    with contextlib.closing(work):
        try:
            yield from work
        except MIRNetError as error:
            yield error


def _on_gpu(weights_id: str) -> weights.LoadedWeights:
    """Weights that were placed on the GPU, or loaded now."""
    return _placed.get(weights_id) or weights.load(weights_id)


def restore_through(
    borrowed: ZeroGPU,
    photo: Picture | str,
    request: RestoreRequest,
    read: Callable[[Picture | str], Picture],
) -> "Generator[TileProgress | RestoreResult]":
    """Restore one photo through a wrapped `restore_on_gpu`; closing the iterator stops it there.

    Args:
        read: Function that gives the decoded photo; the other process does not decode it again.

    Raises:
        MIRNetError: As `mirnet.app.jobs.restore_photo`.
    """
    with contextlib.closing(borrowed(read(photo), request)) as events:
        for event in events:
            if isinstance(event, MIRNetError):
                raise event
            yield event


def gpu_seconds(photo: Picture, request: RestoreRequest) -> int:
    """Seconds for which to borrow the GPU; shorter requests are scheduled sooner.

    Returns:
        Whole seconds up to `MAX_SECONDS`.
    """
    known = catalogue.load_catalogue()
    views = 8 if request.ensemble else 1
    seconds = float(START_SECONDS)
    for scale, weights_id in zip(request.scales, request.weights_ids, strict=True):
        entry = known.get(weights_id)
        compact = entry is not None and entry.kind == "embedded"
        megapixels = photo.width * photo.height * scale**2 / 1e6
        seconds += SECONDS_PER_MEGAPIXEL[compact] * views * megapixels
    return min(round(seconds), MAX_SECONDS)
