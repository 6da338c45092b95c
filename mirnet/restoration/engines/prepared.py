"""Networks made ready by an engine: checked against the network itself, kept while it lives."""

import threading
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from mirnet.models.base import RestorationNetwork

from .registry import ENGINES, PLAIN, Engine

MAX_DIFFERENCE = 1e-3
"""Largest difference from the network itself, as a share of full scale, of an exact engine."""
MAX_REDUCED_DIFFERENCE = 0.1
"""The same of an engine that rounds more."""
PROBE_STEPS = 12
"""Side of the picture on which an engine is checked, in steps of the network's grid."""


@dataclass(frozen=True)
class Prepared:
    """A network ready to run."""

    network: RestorationNetwork
    """What to call."""
    engine: str
    """Id of the engine that it uses."""
    note: str = ""
    """Why it is not the one that was asked for; else ""."""


_LOCK = threading.Lock()
_PREPARED: WeakKeyDictionary[RestorationNetwork, dict[str, Prepared]] = WeakKeyDictionary()


def prepare_with(name: str, model: RestorationNetwork) -> Prepared:
    """Make a network ready with one engine; remembered as long as the network lives.

    Args:
        name: A key of `ENGINES`.
        model: The network, on its device.

    Returns:
        The engine's network. Where that fails, or is off, that of "torch", and at last the network
        itself, with a note.
    """
    with _LOCK:
        known = _PREPARED.setdefault(model, {})
        if name not in known:
            known[name] = _checked(ENGINES[name], model)
        found = known[name]
    return found if found.engine == name else _instead(found, name, model)


def is_prepared(name: str, model: RestorationNetwork) -> bool:
    """Whether `prepare_with` has been called already."""
    return name in _PREPARED.get(model, {})


def without(prepared: Prepared, model: RestorationNetwork, error: Exception) -> Prepared:
    """What takes the place of an engine that failed in the middle of a photo.

    Args:
        prepared: What failed.
        model: The network itself.
        error: How it failed.
    """
    note = f"the engine {prepared.engine} failed in the middle: {_reason(error)}"
    return _instead(Prepared(model, PLAIN, note), prepared.engine, model)


def _instead(failed: Prepared, name: str, model: RestorationNetwork) -> Prepared:
    """The engine "torch" in the place of another one; the network itself in place of that."""
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
    except Exception as error:  # whatever an engine does, the photo is to be restored
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
    """A smooth picture with some noise, on the device of a network.

    Args:
        model: The network.
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
