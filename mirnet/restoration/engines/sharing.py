"""Networks that share the parameters of another one, and their layout in memory."""

import copy
import itertools

import torch
from torch import nn

from mirnet.models.base import RestorationNetwork


def sharing(model: RestorationNetwork) -> RestorationNetwork:
    """A network with modules of its own, and the parameters and buffers of another one."""
    tensors = itertools.chain(model.parameters(), model.buffers())
    made: RestorationNetwork = copy.deepcopy(model, {id(value): value for value in tensors})
    return made


def channels_last(model: RestorationNetwork) -> RestorationNetwork:
    """The same network; weights whose order in memory has to change become copies, for inference.

    Args:
        model: What `sharing` made; changed in place.
    """
    for module in _reordered(model):
        weight = module.weight.detach().contiguous(memory_format=torch.channels_last)
        module.weight = nn.Parameter(weight, requires_grad=False)
    model.channels_last = True
    return model


def copied_bytes(model: RestorationNetwork) -> int:
    """Memory that `channels_last` takes."""
    return sum(module.weight.nbytes for module in _reordered(model))


def _reordered(model: RestorationNetwork) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    """Convolutions of more than one pixel: the others' weights are in both orders at once."""
    return [
        module
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.kernel_size != (1, 1)
    ]
