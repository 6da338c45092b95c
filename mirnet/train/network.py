"""The network of a run and its initial weights: random, given, or grown from a smaller network."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mirnet.errors import InvalidRequest
from mirnet.models.base import current_settings
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.weights import load as weights
from mirnet.weights.checkpoints import read_checkpoint

from .config import Config


def build(config: Config) -> MIRNet | MIRNetV2:
    """The network of a configuration with its seeded initial weights.

    Raises:
        InvalidRequest: The settings do not fit the architecture.
    """
    torch.manual_seed(config.seed)
    architecture: Any = {"MIRNet": MIRNet, "MIRNetV2": MIRNetV2}[config.network.architecture]
    try:
        model = architecture(**current_settings(config.network.settings))
    except TypeError as error:
        raise InvalidRequest(
            f"network.settings do not fit {architecture.__name__}: {error}."
        ) from error
    # Starting as the identity, the network need not learn it first.
    nn.init.zeros_(model.conv_out.weight)
    if config.network.start:
        _start_from(model, config.network.start)
    return model


def _start_from(model: nn.Module, start: str) -> None:
    given = read_checkpoint(start_file(start))
    own = model.state_dict()
    fitting = {
        name: grow(own[name], value)
        for name, value in given.items()
        if name in own and _can_grow(name, own[name].shape, value.shape)
    }
    if not fitting:
        raise InvalidRequest(f"Nothing in {start} fits the network of network.settings.")
    model.load_state_dict(fitting, strict=False)
    _pass_through(model, given)


def _pass_through(model: nn.Module, given: dict[str, Tensor]) -> None:
    """Initialise the groups that are missing in `given` as the identity."""
    for name, value in model.named_parameters():
        if re.fullmatch(r"groups\.\d+\.conv_out\.weight", name) and name not in given:
            nn.init.zeros_(value)


def _can_grow(name: str, wider: torch.Size, narrow: torch.Size) -> bool:
    """Whether a tensor differs only in the number of features; picture channels must be equal.

    A network with a noise-level input can start from one without it: that plane comes after the
    picture's three channels.
    """
    if name == "conv_in.weight" and wider[1] != narrow[1] and 3 * wider[1] != 4 * narrow[1]:
        return False
    if name == "conv_out.weight" and wider[0] != narrow[0]:
        return False
    return len(wider) == len(narrow) and all(
        more >= less for more, less in zip(wider, narrow, strict=True)
    )


def grow(wider: Tensor, narrow: Tensor) -> Tensor:
    """Embed a narrow layer in a wider one that computes the old features unchanged.

    Weights from new inputs to old outputs are zero, and new outputs keep their initial weights;
    after Net2Net (Chen, Goodfellow, Shlens, ICLR 2016), without its copies of features.

    Args:
        wider: Initial weights, (out, in, h, w) or (out,).
        narrow: Trained weights with as many axes, none of them longer.

    Returns:
        A tensor shaped like `wider`.
    """
    grown = wider.clone()
    grown[: len(narrow)] = 0
    grown[tuple(slice(length) for length in narrow.shape)] = narrow
    return grown


def start_file(start: str) -> Path:
    """The file that `network.start` names: a path, or the id of weights in the catalogue.

    Raises:
        InvalidRequest: Neither such a file nor such weights are on this machine.
    """
    path = Path(start) if Path(start).is_file() else weights.locate(start)
    if path is None:
        raise InvalidRequest(
            f"network.start names {start!r}, which is neither a file nor weights on this machine."
        )
    return path
