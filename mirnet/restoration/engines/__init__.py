"""Ways to run a network: the same weights, other arithmetic.

An engine takes a network and returns one that is used in its place, with the same methods; pools
are answered from outside in all of them, so tiles agree as ever. What an engine returns is compared
with the network itself on a small picture before it is used, and where anything fails the network
itself is used instead. `torch` is that network, and what every score is measured with.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from mirnet.errors import InvalidRequest
from mirnet.models.base import RestorationNetwork

from . import reduced, winograd

AUTO = "auto"
"""The quickest engine that computes with float32, timed once on each machine."""
MAX_DIFFERENCE = 1e-3
"""Largest difference from the network itself, as a share of full scale, where `exact`."""
MAX_REDUCED_DIFFERENCE = 0.1
"""The same where not: more is no rounding."""
PROBE_STEPS = 12
"""Side of the picture on which an engine is checked, in steps of the network's grid."""


@dataclass(frozen=True)
class Engine:
    """One way to run a network."""

    id: str
    """What `--engine` takes."""
    title: str
    """One line for a person."""
    exact: bool
    """Whether it computes with float32 throughout."""
    missing: Callable[[torch.device], str]
    """Called with a device: what it lacks for this engine, or "" where the engine runs."""
    prepare: Callable[[RestorationNetwork], RestorationNetwork]
    """Makes the network that is used in the place of one; parameters may be shared."""
    gains: Callable[[RestorationNetwork], bool]
    """Whether it can be quicker than `torch` for a network."""
    extra_bytes: Callable[[RestorationNetwork], int]
    """Memory that it takes for weights, besides those of a network."""


def _only_cpu(device: torch.device) -> str:
    return "" if device.type == "cpu" else "it is for the CPU"


ENGINES: dict[str, Engine] = {
    engine.id: engine
    for engine in (
        Engine(
            "torch",
            "PyTorch, float32: the reference",
            True,
            lambda device: "",
            lambda model: model,
            lambda model: True,
            lambda model: 0,
        ),
        Engine(
            "winograd",
            "PyTorch, float32, channels last; wide 3x3 convolutions by Winograd's method",
            True,
            _only_cpu,
            winograd.with_winograd,
            winograd.gains,
            winograd.extra_bytes,
        ),
        Engine(
            "bf16",
            "PyTorch, bfloat16 inside the network: quicker, not exact",
            False,
            reduced.missing_bf16,
            lambda model: reduced.with_precision(model, torch.bfloat16),
            lambda model: True,
            reduced.extra_bytes,
        ),
        Engine(
            "fp16",
            "PyTorch, float16 inside the network, on a GPU: quicker, not exact",
            False,
            reduced.missing_fp16,
            lambda model: reduced.with_precision(model, torch.float16),
            lambda model: True,
            reduced.extra_bytes,
        ),
    )
}
"""All engines, the reference first."""


@dataclass(frozen=True)
class Prepared:
    """A network ready to run."""

    network: RestorationNetwork
    """What to call."""
    engine: str
    """Id of the engine that it uses."""
    note: str = ""
    """Why it is not the one that was asked for; else ""."""


def check_choice(name: object, device: torch.device) -> None:
    """Refuse an engine that does not exist or does not run on a device.

    Raises:
        InvalidRequest: With what to choose instead.
    """
    if name == AUTO:
        return
    if not isinstance(name, str) or name not in ENGINES:
        raise InvalidRequest(
            f"There is no engine {str(name)[:40]!r}: choose from {', '.join([AUTO, *ENGINES])}."
        )
    missing = ENGINES[name].missing(device)
    if missing:
        raise InvalidRequest(
            f"The engine {name!r} does not run here, because {missing}: choose from "
            f"{', '.join([AUTO, *available(device)])}."
        )


def available(device: torch.device) -> list[str]:
    """Ids of the engines that run on a device."""
    return [engine.id for engine in ENGINES.values() if not engine.missing(device)]


def is_exact(name: str) -> bool:
    """Whether results are within 1/1000 of full scale of the reference's."""
    return name == AUTO or ENGINES[name].exact


_LOCK = threading.Lock()
_PREPARED: "WeakKeyDictionary[RestorationNetwork, dict[str, Prepared]]" = WeakKeyDictionary()


def prepare(name: str, model: RestorationNetwork, device: torch.device) -> Prepared:
    """Make a network ready to run with an engine; remembered as long as the network lives.

    Call it while nothing else computes: `auto` takes times.

    Args:
        name: Checked by `check_choice`.
        model: The network, on the device.
        device: Where it runs.

    Returns:
        The network for this engine, or the network itself and a note where that failed.
    """
    if not model.pools_from_outside:  # not one of ours, so nothing is known about it
        note = "" if name in (AUTO, "torch") else f"the engine {name} knows no such network"
        return Prepared(model, "torch", note)
    if name == AUTO:
        from .auto import quickest

        name = quickest(model, device)
    with _LOCK:
        known = _PREPARED.setdefault(model, {})
        if name not in known:
            known[name] = _prepare(ENGINES[name], model)
        return known[name]


def _prepare(engine: Engine, model: RestorationNetwork) -> Prepared:
    if engine.id == "torch":
        return Prepared(model, "torch")
    try:
        network = engine.prepare(model)
        difference = largest_difference(network, model)
    except Exception as error:  # whatever an engine does, the photo is to be restored
        return Prepared(model, "torch", f"the engine {engine.id} failed: {_reason(error)}")
    allowed = MAX_DIFFERENCE if engine.exact else MAX_REDUCED_DIFFERENCE
    if not difference <= allowed:
        note = f"the engine {engine.id} was off by {difference:.1g} of full scale"
        return Prepared(model, "torch", note)
    return Prepared(network, engine.id)


def rivals(model: RestorationNetwork, device: torch.device) -> list[Engine]:
    """Among which `auto` chooses: those that compute with float32, run there and may gain."""
    return [
        engine
        for engine in ENGINES.values()
        if engine.exact and not engine.missing(device) and engine.gains(model)
    ]


def extra_bytes(name: str, model: RestorationNetwork, device: torch.device) -> int:
    """Memory that `prepare` is yet going to take for weights of an engine.

    Args:
        name: Checked by `check_choice`.
        model: The network.
        device: Where it is to run.
    """
    if not model.pools_from_outside:
        return 0
    may = rivals(model, device) if name == AUTO else [ENGINES[name]]
    known = _PREPARED.get(model, {})
    return max((e.extra_bytes(model) for e in may if e.id not in known), default=0)


def without(prepared: Prepared, model: RestorationNetwork, error: Exception) -> Prepared:
    """What takes the place of an engine that failed in the middle of a photo.

    Args:
        prepared: What failed.
        model: The network itself.
        error: How it failed.
    """
    note = f"the engine {prepared.engine} failed in the middle: {_reason(error)}"
    return Prepared(model, "torch", note)


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0][:80] or type(error).__name__


def largest_difference(network: RestorationNetwork, model: RestorationNetwork) -> float:
    """Compare a network with its reference on a small picture: share of full scale."""
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
