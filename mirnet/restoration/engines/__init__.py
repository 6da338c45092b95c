"""Ways to run a network: the same weights, other arithmetic.

An engine takes a network and returns one that is used in its place, with the same methods; pools
are set from outside in all of them, so tiles agree with every engine. `fuse` makes the network for
inference, which all engines build on. What an engine returns is compared with the network itself on
a small picture before it is used. Where anything fails, "torch" is used instead, and where that
fails the network itself.
"""

import torch

from mirnet.models.base import RestorationNetwork

from .auto import quickest
from .fused import fuse
from .prepared import Prepared, fallback_after_failure, is_prepared, prepare_with
from .registry import (
    AUTO,
    ENGINES,
    FASTEST,
    PLAIN,
    Engine,
    available,
    check_choice,
    is_exact,
    rivals,
)

__all__ = [
    "AUTO",
    "ENGINES",
    "FASTEST",
    "PLAIN",
    "Engine",
    "Prepared",
    "available",
    "check_choice",
    "extra_bytes",
    "fallback_after_failure",
    "fuse",
    "is_exact",
    "prepare",
]


def prepare(name: str, model: RestorationNetwork, device: torch.device) -> Prepared:
    """Prepare a network with an engine; the result is kept as long as the network lives.

    Call it while nothing else computes, because "auto" and "fastest" take times.

    Args:
        name: Checked by `check_choice`.
        model: The network, on the device.
        device: Device that the network runs on.

    Returns:
        The engine's network, or its replacement and a note if the engine failed.
    """
    if not model.pools_from_outside:  # a foreign module runs unchanged
        known = name in (AUTO, FASTEST, PLAIN, "torch")
        note = "" if known else f"the engine {name} knows no such network"
        return Prepared(model, "torch", note)
    if name in (AUTO, FASTEST):
        name = quickest(model, device, exact=name == AUTO)
    return prepare_with(name, model)


def extra_bytes(name: str, model: RestorationNetwork, device: torch.device) -> int:
    """Memory in bytes that `prepare` has yet to take for weights of an engine.

    Args:
        name: Checked by `check_choice`.
        device: Device that the network will run on.
    """
    if not model.pools_from_outside:
        return 0
    timed = name in (AUTO, FASTEST)
    candidates = rivals(model, device, exact=name == AUTO) if timed else [ENGINES[name]]
    return max(
        (e.extra_bytes(model) for e in candidates if not is_prepared(e.id, model)), default=0
    )
