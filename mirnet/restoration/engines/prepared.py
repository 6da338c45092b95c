"""Networks prepared by an engine: compared with the original network, kept while that lives."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from mirnet.device import ThreadLock
from mirnet.models.base import RestorationNetwork

from .registry import ENGINES, PLAIN, Engine

MAX_DIFFERENCE = 1e-3
"""Largest accepted difference of an exact engine from the network, as a share of full scale."""
MAX_REDUCED_DIFFERENCE = 0.1
"""Largest accepted difference of an engine with reduced precision, as a share of full scale."""
PROBE_STEPS = 12
"""Side of the picture on which an engine is checked, in steps of the network's grid."""


@dataclass(frozen=True)
class Prepared:
    """A network ready to run, and the engine it uses."""

    network: RestorationNetwork
    """Network to run."""
    engine: str
    """Id of the engine that the network uses."""
    note: str = ""
    """Reason why another engine than the requested one is used; "" if it is not."""


_LOCK = ThreadLock()
_PREPARED: WeakKeyDictionary[RestorationNetwork, dict[str, Prepared]] = WeakKeyDictionary()


def prepare_with(name: str, model: RestorationNetwork) -> Prepared:
    """Prepare a network with one engine; the result is kept as long as the network lives.

    Args:
        model: The network, on its device.

    Returns:
        The engine's network. If it fails or differs too much, that of "torch", or else the network
        itself, with a note.
    """
    with _LOCK:
        known = _PREPARED.setdefault(model, {})
        if name not in known:
            known[name] = _checked(ENGINES[name], model)
        found = known[name]
    return found if found.engine == name else _torch_fallback(found, name, model)


def is_prepared(name: str, model: RestorationNetwork) -> bool:
    """Whether `prepare_with` has been called already."""
    return name in _PREPARED.get(model, {})


def fallback_after_failure(
    prepared: Prepared, model: RestorationNetwork, error: Exception
) -> Prepared:
    """Replace an engine that failed in the middle of a photo.

    Args:
        prepared: The failed engine's network.

    Returns:
        The network of "torch", or the network itself if "torch" failed, with a note.
    """
    note = f"the engine {prepared.engine} failed in the middle: {_reason(error)}"
    return _torch_fallback(Prepared(model, PLAIN, note), prepared.engine, model)


def _torch_fallback(failed: Prepared, name: str, model: RestorationNetwork) -> Prepared:
    """Return the network of "torch", or `failed` (the network itself) if `name` is "torch"."""
    if name == "torch":
        return failed
    torch_engine = prepare_with("torch", model)
    return Prepared(torch_engine.network, torch_engine.engine, failed.note)


def _checked(engine: Engine, model: RestorationNetwork) -> Prepared:
    if engine.id == PLAIN:
        return Prepared(model, PLAIN)
    try:
        network = engine.prepare(model)
        difference = largest_difference(network, model)
    except Exception as error:  # an engine's failure must not stop the restoration
        return Prepared(model, PLAIN, f"the engine {engine.id} failed: {_reason(error)}")
    allowed = MAX_DIFFERENCE if engine.exact else MAX_REDUCED_DIFFERENCE
    if not difference <= allowed:
        note = f"the engine {engine.id} was off by {difference:.1g} of full scale"
        return Prepared(model, PLAIN, note)
    return Prepared(network, engine.id)


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0][:80] or type(error).__name__


def largest_difference(network: RestorationNetwork, model: RestorationNetwork) -> float:
    """Largest difference of two networks on a small picture, as a share of full scale."""
    image = probe(model, PROBE_STEPS)
    with torch.inference_mode():
        one, other = network(image), model(image)
    return (one.clamp(0, 1) - other.clamp(0, 1)).abs().max().item()


def probe(model: RestorationNetwork, steps: int) -> Tensor:
    """Make a smooth picture with some noise, on the device of a network.

    Args:
        steps: Sides of the picture, in steps of the network's grid.

    Returns:
        (1, 3, h, h) in [0, 1], channels last in memory.
    """
    side = steps * model.multiple
    ramp = torch.linspace(0.1, 0.9, side)
    noise = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    picture = 0.8 * (ramp[:, None] + ramp) / 2 + 0.2 * noise
    device = next(model.parameters()).device
    return picture.to(device).contiguous(memory_format=torch.channels_last)
