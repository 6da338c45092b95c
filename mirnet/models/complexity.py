"""Counts the multiply-adds of a network."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode


def multiply_adds(run: Callable[[Tensor], Tensor], height: int, width: int) -> int:
    """Count the multiply-adds of convolutions and matrix products for one picture.

    Transposed convolutions are counted on their input's size: zeros are not multiplied. Everything
    else (activations, sums, gates, resampling) is left out by convention.

    Args:
        run: A network on the meta device, so that nothing is computed.

    >>> with torch.device("meta"):
    ...     network = torch.nn.Conv2d(3, 8, 3, padding=1)
    >>> multiply_adds(network, 10, 20) == 10 * 20 * 3 * 8 * 9
    True
    """
    with FlopCounterMode(display=False) as counter:
        run(torch.empty(1, 3, height, width, device="meta"))
    return counter.get_total_flops() // 2
