"""Table of engines: where each runs, and how it prepares a network."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from mirnet.errors import InvalidRequest
from mirnet.models.base import RestorationNetwork

from . import reduced_precision, winograd
from .fused import fuse

AUTO = "auto"
"""The quickest engine that computes with float32, timed once on each machine."""
FASTEST = "fastest"
"""The quickest engine of all that agree well enough with float32, timed once on each machine."""
PLAIN = "plain"
"""The network as it was trained, module by module; not offered, because "torch" is quicker."""


def _everywhere(device: torch.device) -> str:
    return ""


def _only_cpu(device: torch.device) -> str:
    return "" if device.type == "cpu" else "it is for the CPU"


@dataclass(frozen=True)
class Engine:
    """One way to run a network."""

    id: str
    """Value of `--engine`."""
    exact: bool
    """Whether the engine computes with float32 throughout."""
    prepare: Callable[[RestorationNetwork], RestorationNetwork]
    """Makes the engine's network from the original; both may share parameters."""
    missing: Callable[[torch.device], str] = _everywhere
    """Requirement of the engine that a device lacks; "" if the engine runs."""
    gains: Callable[[RestorationNetwork], bool] = lambda model: True
    """Whether the engine can be the quickest for a network."""
    extra_bytes: Callable[[RestorationNetwork], int] = lambda model: 0
    """Memory in bytes that the engine takes for weights of its own."""


ENGINES: dict[str, Engine] = {
    engine.id: engine
    for engine in (
        Engine(PLAIN, True, lambda model: model, gains=lambda model: False),
        Engine("torch", True, fuse),
        Engine(
            "winograd",
            True,
            winograd.with_winograd,
            _only_cpu,
            winograd.gains,
            winograd.extra_bytes,
        ),
        Engine(
            "bf16",
            False,
            lambda model: reduced_precision.with_precision(model, torch.bfloat16),
            reduced_precision.missing_bf16,
            extra_bytes=reduced_precision.extra_bytes,
        ),
        Engine(
            "fp16",
            False,
            lambda model: reduced_precision.with_precision(model, torch.float16),
            reduced_precision.missing_fp16,
            extra_bytes=reduced_precision.extra_bytes,
        ),
        Engine("tf32", False, reduced_precision.with_tf32, reduced_precision.missing_tf32),
    )
}
"""All engines by id. Titles are in `mirnet.restoration.choices`, which imports no torch."""


def check_choice(name: object, device: torch.device) -> None:
    """Refuse an engine that does not exist or does not run on a device.

    Raises:
        InvalidRequest: The engine is unknown or cannot run; the message names alternatives.
    """
    if name in (AUTO, FASTEST):
        return
    if not isinstance(name, str) or name not in ENGINES:
        offered = ", ".join([AUTO, FASTEST, *(engine for engine in ENGINES if engine != PLAIN)])
        raise InvalidRequest(f"There is no engine {str(name)[:40]!r}: choose from {offered}.")
    missing = ENGINES[name].missing(device)
    if missing:
        raise InvalidRequest(
            f"The engine {name!r} does not run here, because {missing}: choose from "
            f"{', '.join([AUTO, FASTEST, *available(device)])}."
        )


def available(device: torch.device) -> list[str]:
    """Ids of the engines that are offered and run on a device."""
    return [e.id for e in ENGINES.values() if e.id != PLAIN and not e.missing(device)]


def is_exact(name: str) -> bool:
    """Whether results are within 1/1000 of full scale of the network's own."""
    return name == AUTO or (name != FASTEST and ENGINES[name].exact)


def rivals(model: RestorationNetwork, device: torch.device, exact: bool = True) -> list[Engine]:
    """Candidates of "auto" and "fastest": engines that run on a device and may gain.

    Args:
        exact: Whether only exact engines count.
    """
    return [
        engine
        for engine in ENGINES.values()
        if (engine.exact or not exact) and not engine.missing(device) and engine.gains(model)
    ]
