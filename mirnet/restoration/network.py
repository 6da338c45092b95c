"""Loads the network that a caller names, and the facts about it that a plan needs."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from mirnet import memory
from mirnet.errors import InvalidRequest
from mirnet.models.base import ForeignNetwork, RestorationNetwork
from mirnet.tasks import Task
from mirnet.weights.load import LoadedWeights
from mirnet.weights.load import load as load_by_name

from . import engines
from .plan import NetworkTraits

MAX_NOISE_LEVEL = 100
"""Largest standard deviation of noise that can be given, in 8-bit levels."""


class NamedNetwork(NamedTuple):
    """A network and its origin."""

    model: RestorationNetwork
    """The network itself."""
    id: str
    """Id in the catalogue, the file's name, or the class of a network given as a module."""
    sha256: str | None
    """Hash of the weights file; None for a network given as a module."""

    @property
    def traits(self) -> NetworkTraits:
        """Properties of the network that a plan depends on."""
        model = self.model
        return NetworkTraits(
            model.multiple, model.unshuffle, model.bytes_per_pixel, model.pools_from_outside
        )

    def free_bytes(self, engine: str, device: torch.device) -> int | None:
        """Free memory in bytes for tiles, without an engine's weights; None if unknown."""
        available = memory.available_bytes(device)
        if available is None:
            return None
        return max(available - engines.extra_bytes(engine, self.model, device), 0)


def find_network(
    weights: "str | Path | LoadedWeights | nn.Module | None", task: Task
) -> NamedNetwork:
    """Load the network that a caller named, and check that it is for this task.

    Args:
        weights: See `mirnet.restore`.

    Raises:
        InvalidRequest: The weights are for another task, or of an unusable type.
        WeightsUnavailable: The weights are unknown or not on this machine.
        CheckpointRejected: The weights file fits no network of ours.
    """
    if isinstance(weights, nn.Module):
        model = weights if isinstance(weights, RestorationNetwork) else ForeignNetwork(weights)
        return NamedNetwork(model, f"{model.architecture} module", None)
    if weights is None:
        weights = load_by_name(task.default_weights)
    elif isinstance(weights, (str, Path)):
        weights = load_by_name(weights, allow_paths=True)
    elif not isinstance(weights, LoadedWeights):
        raise InvalidRequest(
            f"Weights cannot be a {type(weights).__name__}: give an id, a path or an nn.Module."
        )
    meant = weights.entry.task if weights.entry else ""
    if meant not in ("", task.id):
        raise InvalidRequest(
            f"The weights {weights.id!r} are for the task {meant}, not {task.id}: choose that task "
            f"or other weights."
        )
    return NamedNetwork(weights.model, weights.id, weights.sha256)


def check_noise_level(level: object, network: NamedNetwork) -> None:
    """Check a noise level in 8-bit levels, if one is given, and that the network takes one.

    Raises:
        InvalidRequest: It is no number from 0 to `MAX_NOISE_LEVEL`, or the network takes none.
    """
    if level is None:
        return
    if not isinstance(level, (int, float)) or not 0 <= level <= MAX_NOISE_LEVEL:
        raise InvalidRequest(
            f"The noise level {level!r} is not a number from 0 to {MAX_NOISE_LEVEL}: give the "
            "standard deviation of the noise in 8-bit levels, such as 15."
        )
    if not network.model.takes_noise_level:
        raise InvalidRequest(
            f"The weights {network.id!r} take no noise level: leave it out, or blend with "
            "`strength`."
        )
