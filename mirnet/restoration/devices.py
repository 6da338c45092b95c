"""Networks and pictures on their way to a device and back.

A network that computes elsewhere than it was loaded is copied once for each device and kept as long
as the original lives, so that a photo does not copy it, or prepare its engine, again. Pictures pass
through pinned memory, from which CUDA copies without a detour.
"""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from mirnet.device import ThreadLock
from mirnet.models.base import RestorationNetwork

_LOCK = ThreadLock()
_COPIES: WeakKeyDictionary[RestorationNetwork, dict[torch.device, tuple[object, Any]]] = (
    WeakKeyDictionary()
)
"""Copies of each network by device, with the versions of the parameters that were copied."""


def on_device(model: RestorationNetwork, device: torch.device) -> RestorationNetwork:
    """Return the network on a device; a copy if it has to move, because networks are shared.

    The copy is made once and kept as long as the network lives; another is made after its
    parameters were written to.

    Args:
        model: The network; left as it is.
    """
    parameter = next(model.parameters(), None)
    if parameter is None or parameter.device == device:
        return model
    if parameter.device.type == device.type and device.index is None:
        return model
    versions = [0 if value.is_inference() else value._version for value in model.parameters()]
    with _LOCK:
        copies = _COPIES.setdefault(model, {})
        copied_from, kept = copies.get(device, (None, None))
        if copied_from != versions:
            kept = copy.deepcopy(model).to(device)
            copies[device] = versions, kept
        return kept


def send(image: Tensor, device: torch.device) -> Tensor:
    """Copy a picture to a device; to a CUDA device without waiting for the copy.

    Args:
        image: (B, 3, H, W) on the CPU; not written to afterwards.
        device: Device that computes; `image` itself is returned if it is the CPU.
    """
    if device.type != "cuda" or image.device.type != "cpu":
        return image.to(device)
    return image.pin_memory().to(device, non_blocking=True)


def receive(output: Tensor) -> Tensor:
    """Copy a result to the CPU; it is complete when this returns."""
    if output.device.type != "cuda":
        return output.cpu()
    pinned = torch.empty(output.shape, dtype=output.dtype, pin_memory=True)
    pinned.copy_(output, non_blocking=True)
    torch.cuda.current_stream(output.device).synchronize()
    return pinned


@contextlib.contextmanager
def float32_arithmetic() -> Iterator[None]:
    """Let CUDA's convolutions multiply float32 as such.

    By default cuDNN rounds their factors to TF32 with its 10 bits, which is neither float32 nor
    told. The setting belongs to the process: hold `COMPUTE_LOCK`.
    """
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def release_cached_memory(device: torch.device) -> None:
    """Return memory that PyTorch keeps for its next tensors to a GPU, before a smaller attempt."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
