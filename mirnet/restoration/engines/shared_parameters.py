"""Networks that share the parameters of another one, and their layout in memory."""

import copy
import itertools

import torch
from torch import nn

from mirnet.models.base import RestorationNetwork


def sharing(model: RestorationNetwork) -> RestorationNetwork:
    """Copy a network's modules; the copy shares parameters and buffers with the original."""
    tensors = itertools.chain(model.parameters(), model.buffers())
    made: RestorationNetwork = copy.deepcopy(model, {id(value): value for value in tensors})
    return made


def channels_last(model: RestorationNetwork) -> RestorationNetwork:
    """Convert a network to channels last for inference; weights that are reordered become copies.

    Args:
        model: Result of `sharing`; changed in place.

    Returns:
        The same object.
    """
    for module in _reordered(model):
        weight = module.weight.detach().contiguous(memory_format=torch.channels_last)
        module.weight = nn.Parameter(weight, requires_grad=False)
    model.channels_last = True
    return model


def copied_bytes(model: RestorationNetwork) -> int:
    """Memory in bytes that `channels_last` takes for copies of weights."""
    return sum(module.weight.nbytes for module in _reordered(model))


def _reordered(model: RestorationNetwork) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    """Convolutions larger than 1x1; the weights of 1x1 ones have the same order in both layouts."""
    return [
        module
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.kernel_size != (1, 1)
    ]
