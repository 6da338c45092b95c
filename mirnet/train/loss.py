"""Training losses: the distance to the target, and between a patch and its shifted copy."""

import torch
from torch import Tensor

from .batches import Batch
from .config import Optimizer

SHIFT_BORDER_PX = 6
"""Pixels at the border of patches that are not compared: they see the patch's mirror image."""


def distance(difference: Tensor, recipe: Optimizer) -> Tensor:
    """Mean of sqrt(d^2 + epsilon^2) (Charbonnier; MIRNet, section 4.2), or of |d| (MIRNet-v2)."""
    if recipe.loss == "l1":
        return difference.abs().mean()
    return torch.sqrt(difference**2 + recipe.charbonnier_epsilon**2).mean()


def with_shifted(batch: Batch) -> Batch:
    """Cut every patch twice, the second time one pixel further down and right.

    Args:
        batch: B patches of H x W.

    Returns:
        2 B patches of H - 2 x W - 2: all at their place, then all shifted.
    """
    degraded, target, thumbnails = batch
    return Batch(
        torch.cat([degraded[..., :-2, :-2], degraded[..., 1:-1, 1:-1]]),
        torch.cat([target[..., :-2, :-2], target[..., 1:-1, 1:-1]]),
        torch.cat([thumbnails, thumbnails]),
    )


def shift_difference(output: Tensor) -> Tensor:
    """Differences between the restored halves of a `with_shifted` batch where they overlap.

    Args:
        output: (2 B, 3, H, W).

    Returns:
        (B, 3, H', W'), without a border that depends on what lies beyond it.
    """
    first, second = output[..., 1:, 1:].chunk(2)[0], output[..., :-1, :-1].chunk(2)[1]
    border = SHIFT_BORDER_PX
    return (first - second)[..., border:-border, border:-border]
