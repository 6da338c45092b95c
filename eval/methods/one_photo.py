"""Several methods on one photo, to look at: nothing is scored or stored."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.images.network_input import prepare_photo
from mirnet.images.picture import Picture, to_eight_bits
from mirnet.images.preview import cut_out, detailed_place, shrink
from mirnet.tasks import Task

from .onnx_method import onnx_method
from .registry import Choice, get_method, list_methods

logger = logging.getLogger(__name__)

MIN_METHODS, MAX_METHODS = 2, 6
"""Fewest and most methods that are compared at once."""
MAX_RESULT_PIXELS = 800_000
"""Most pixels of each result; of larger photos a part is used, or the photo is reduced."""
OWN_NETWORK = "onnx-file"
"""Id of the visitor's own network among the methods."""
WHOLE_TASKS = ("lowlight", "retouch")
"""Tasks whose methods judge the photo as a whole: a large photo is reduced, not cut."""


@dataclass(frozen=True)
class UsedPhoto:
    """Input that all methods get of a photo."""

    picture: Picture
    """(H, W) picture in sRGB, 8 bits."""
    size: tuple[int, int]
    """(height, width) of every result."""
    words: str
    """Sentence on the part that is used; empty for a whole photo."""

    def enlarged(self) -> np.ndarray:
        """The input at the size of the results, (H, W, 3) uint8, its pixels as squares."""
        times = self.size[0] // self.picture.height
        return self.picture.pixels.repeat(times, 0).repeat(times, 1)


@dataclass(frozen=True)
class MethodResult:
    """Result of one method on the photo."""

    id: str
    """Id of the method."""
    title: str
    """Display name."""
    pixels: np.ndarray | None
    """(H, W, 3) uint8; None where the method failed."""
    seconds: float
    """Compute time, without loading the method and without waiting."""
    error: str = ""
    """Sentence saying why the method failed; "" where it did not."""


def use_photo(picture: Picture, task: Task) -> UsedPhoto:
    """Take what the methods get of a photo: all of it, its most detailed part, or a reduced copy.

    Args:
        task: The task, whose scale decides how large results are.
    """
    seen = prepare_photo(picture).seen
    pixels, most = seen.width * seen.height, MAX_RESULT_PIXELS // task.scale**2
    full = f"{seen.width} × {seen.height}"
    if pixels <= most:
        used, words = shrink(seen, max(seen.width, seen.height)), ""
    elif task.id in WHOLE_TASKS:
        used = shrink(seen, int(max(seen.width, seen.height) * (most / pixels) ** 0.5))
        words = f"Your photo ({full}) is reduced to {used.width} × {used.height} for all methods."
    else:
        # A part of the photo's own shape.
        factor = (most / pixels) ** 0.5
        width, height = max(int(seen.width * factor), 1), max(int(seen.height * factor), 1)
        across, down = detailed_place(seen, width, height)
        used = cut_out(seen, across, down, width, height)
        words = (
            f"Of your photo ({full}) the most detailed {used.width} × {used.height} pixels are "
            "compared."
        )
    plain = Picture(used.pixels, name=picture.name)
    return UsedPhoto(plain, (plain.height * task.scale, plain.width * task.scale), words)


def offered_methods(task_id: str) -> list[Choice]:
    """Methods that are on this machine for a task: weights first, then baselines, then plugins.

    Raises:
        InvalidRequest: There is no such task.
    """
    return [choice for choice in list_methods(task_id) if choice.available]


def title_of_own(settings: Mapping[str, Any]) -> str:
    """Display name of the visitor's own network: the name of its file.

    Args:
        settings: Settings from `onnx_method.new_settings`.
    """
    return Path(settings["onnx"]).name


def check_choice(
    method_ids: Sequence[str], task_id: str, own: Mapping[str, Any] | None = None
) -> list[str]:
    """Check a choice of methods from outside.

    Args:
        own: Settings of the visitor's own network, from `onnx_method.new_settings`; None without
            one.

    Returns:
        The ids, each once, in the given order.

    Raises:
        InvalidRequest: There are too few or too many, or one is not offered.
    """
    ids = list(dict.fromkeys(method_ids))
    if not MIN_METHODS <= len(ids) <= MAX_METHODS:
        raise InvalidRequest(
            f"Choose {MIN_METHODS} to {MAX_METHODS} methods: {len(ids)} are chosen."
        )
    offered = {choice.id for choice in offered_methods(task_id)} | ({OWN_NETWORK} if own else set())
    for name in ids:
        if name not in offered:
            raise InvalidRequest(
                f"The method {name[:60]!r} is not offered here: choose from the list."
            )
    return ids


def run_methods(
    used: UsedPhoto,
    task: Task,
    method_ids: Sequence[str],
    own: Mapping[str, Any] | None = None,
) -> Iterator[MethodResult]:
    """Run methods one after another; one that fails says why and the others go on.

    Args:
        method_ids: Ids from `check_choice`.
        own: Settings of the visitor's own network, as for `check_choice`.

    Yields:
        The result of each method, in order.
    """
    titles = {choice.id: choice.title for choice in list_methods(task.id)}
    if own:
        titles[OWN_NETWORK] = title_of_own(own)
    for name in method_ids:
        title = titles.get(name, name)
        try:
            if own and name == OWN_NETWORK:
                restorer = onnx_method(name, task, dict(own)).load()
            else:
                restorer = get_method(name, task.id).load()
            began = time.perf_counter()
            output = restorer(used.picture, used.size)
            seconds = time.perf_counter() - began - output.waited_seconds
        except MIRNetError as error:
            yield MethodResult(name, title, None, 0.0, str(error))
        except (ValueError, RuntimeError, MemoryError):  # of a library, on an unusual photo
            logger.exception("%s failed on a photo of %s", name, used.picture.pixels.shape)
            yield MethodResult(name, title, None, 0.0, f"{title} cannot restore this photo.")
        else:
            yield MethodResult(name, title, to_eight_bits(output.pixels), seconds)
