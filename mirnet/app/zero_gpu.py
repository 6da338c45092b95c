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
from mirnet.images.decode import size_of
from mirnet.tasks import TASKS
from mirnet.weights import catalogue
from mirnet.weights import load as weights

from .jobs import RestoreRequest, Run, restore_file

if TYPE_CHECKING:
    from mirnet.restoration.job import TileProgress
    from mirnet.restoration.result import RestoreResult

ZeroGPU = Callable[[str, RestoreRequest], "Generator[TileProgress | RestoreResult | MIRNetError]"]
"""Restores one file: yields tile events, then the result or the error that prevented one."""

START_SECONDS = 15
"""Time for a new process and its first pass."""
SECONDS_PER_MEGAPIXEL = {True: 1.5, False: 6.0}
"""Time for a megapixel of the result in one view, reading and sending back included; by whether the
network is compact or the papers'. Estimated from multiply-adds, not measured: no such GPU was
at hand."""
MAX_SECONDS = 120
"""Longest time to borrow the GPU: what a visitor without an account may use in a day."""
UNKNOWN_PIXELS = 12_000_000
"""Size assumed for a photo that cannot be read."""


def on_shared_gpu() -> "ZeroGPU | None":
    """On a Space with a shared GPU (ZeroGPU), the function that borrows it; None elsewhere."""
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
"""Weights that were put on the GPU at the start, by id."""


def place_weights(device: str) -> list[str]:
    """Copy this program's own weights to a device, before the app starts.

    ZeroGPU keeps what was put on "cuda" at the start and moves it to each GPU it lends. From then
    on everything that names no device computes on the CPU, because outside of the borrowing
    function there is no GPU, although torch says so.

    Args:
        device: "cuda".

    Returns:
        Ids of the weights that are there now.
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
    path: str, request: RestoreRequest
) -> "Generator[TileProgress | RestoreResult | MIRNetError]":
    """Restore one file, with nothing but plain values in and out.

    Args:
        path: A file on this machine.
        request: What to do.

    Yields:
        One event a tile, then the result. An error of ours comes last instead of being raised:
        of an exception nothing but its class would arrive on the other side.
    """
    device = gpu_or_cpu()
    work = restore_file(path, request, Run(), _placed.get(request.weights), device)
    with contextlib.closing(work):
        try:
            yield from work
        except MIRNetError as error:
            yield error


def restore_through(
    borrowed: ZeroGPU, path: str, request: RestoreRequest
) -> "Generator[TileProgress | RestoreResult]":
    """Restore one file through a wrapped `restore_on_gpu`; closing the iterator stops it there.

    Raises:
        MIRNetError: As `mirnet.app.jobs.restore_file`.
    """
    with contextlib.closing(borrowed(path, request)) as events:
        for event in events:
            if isinstance(event, MIRNetError):
                raise event
            yield event


def gpu_seconds(path: str, request: RestoreRequest) -> int:
    """For how long to borrow the GPU: enough for the photo, little enough to be let in soon.

    Args:
        path: A file on this machine.
        request: What to do.

    Returns:
        Whole seconds up to `MAX_SECONDS`.
    """
    try:
        width, height = size_of(path)
        pixels = width * height
    except MIRNetError:  # the decoder will say so in words
        pixels = UNKNOWN_PIXELS
    task = TASKS.get(request.task)
    if task is not None and not request.same_size:
        pixels *= task.scale**2
    entry = catalogue.load_catalogue().get(request.weights)
    compact = entry is not None and entry.kind == "embedded"
    views = 8 if request.ensemble else 1
    seconds = START_SECONDS + SECONDS_PER_MEGAPIXEL[compact] * views * pixels / 1e6
    return min(round(seconds), MAX_SECONDS)
