"""Global pools of both networks, over a whole picture or merged from tiles of one.

Channel attention and selective-kernel fusion take a mean over the picture; MIRNet-v2's context is a
mean whose weights are a softmax over the picture. Both are weighted means, so results of tiles
merge exactly: values by their weights, weights by the sum of their exponentials (the running
softmax of Milakov and Gimelshein, arXiv 1805.02867). A network computes every pool of a pass
through the `Pools` it was called with, always in the same order. Feature maps are (B, n, H, W).
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


def spatial_mean(x: Tensor) -> Tensor:
    """Mean over the picture: (B, n, H, W) to (B, n, 1, 1)."""
    if not x.is_contiguous(memory_format=torch.channels_last):
        return x.mean((2, 3), keepdim=True)
    # Rows first: as exact, and half again as fast where channels are adjacent in memory.
    pictures, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(pictures, height, width * channels).mean(1)
    return rows.view(pictures, width, channels).mean(1)[..., None, None]


class Pools:
    """Pools over whole feature maps."""

    def reset(self) -> None:
        """Discard the state of an unfinished pass; called before each pass."""

    def mean(self, *maps: Tensor) -> Tensor:
        """Sum of the spatial means of several maps, whose resolutions may differ: (B, n, 1, 1)."""
        means = [spatial_mean(x) for x in maps]
        return sum(means[1:], means[0])

    def attend(self, values: Tensor, scores: Tensor) -> Tensor:
        """Mean of the pixels of `values`, weighted by a softmax over the picture.

        Args:
            values: (B, n, H, W).
            scores: (B, 1, H, W); the weight of a pixel is proportional to exp(score).

        Returns:
            (B, n, 1, 1).
        """
        weights = scores.flatten(2).softmax(2)  # (B, 1, H*W)
        return torch.matmul(values.flatten(2), weights.transpose(1, 2)).unsqueeze(3)


WHOLE = Pools()
"""Default `Pools`, over whole pictures, as in training."""


class Statistic(NamedTuple):
    """One pooled statistic of a region."""

    log_weight: float
    """Logarithm of the sum of the pixels' weights; for a plain mean, of their number."""
    value: Tensor
    """Weighted mean, (1, n, 1, 1) float64 on the CPU."""


def merge(one: Statistic, other: Statistic) -> Statistic:
    """Combine the statistics of two regions.

    >>> parts = [Statistic(math.log(n), torch.tensor(float(v))) for n, v in ((3, 1), (1, 5))]
    >>> both = merge(*parts)
    >>> round(math.exp(both.log_weight), 6), round(both.value.item(), 6)
    (4.0, 2.0)
    """
    largest = max(one.log_weight, other.log_weight)
    weights = math.exp(one.log_weight - largest), math.exp(other.log_weight - largest)
    total = weights[0] + weights[1]
    value = one.value * (weights[0] / total) + other.value * (weights[1] / total)
    return Statistic(largest + math.log(total), value)


def merge_all(regions: Sequence[list[Statistic]]) -> list[Statistic]:
    """Merge the statistics of several regions, pool by pool."""
    merged = regions[0]
    for other in regions[1:]:
        merged = [merge(*pair) for pair in zip(merged, other, strict=True)]
    return merged


class PoolRecorder(Pools):
    """Records each global pool over a region, and optionally substitutes a given value.

    The pictures of a batch are pooled together, as parts of one picture.

    Args:
        substitute: Called with the index of a pool, from 0, and the region's own value, (1, n, 1,
            1); returns the value that the network uses. None uses the region's own value.
        region: Rows and columns to pool over, in pixels of the tile; None for all of it.
        height: Rows of the tile in pixels, from which the resolution of a stream is derived; needed
            with a region.
    """

    def __init__(
        self,
        substitute: Callable[[int, Tensor], Tensor] | None = None,
        region: tuple[slice, slice] | None = None,
        height: int = 0,
    ):
        self._substitute = substitute
        self._region = region
        self._height = height
        self._log_weights: list[Tensor | float] = []
        self._values: list[Tensor] = []
        self.used: list[Tensor] = []
        """Value that the network used at each pool."""

    def reset(self) -> None:
        """See `Pools.reset`."""
        self._log_weights, self._values, self.used = [], [], []

    def mean(self, *maps: Tensor) -> Tensor:
        """See `Pools.mean`."""
        inside = [x[(..., *self._region_of(x))] for x in maps]
        pixels = inside[0].shape[0] * inside[0].shape[2] * inside[0].shape[3]
        return self._record(math.log(pixels), super().mean(*inside).mean(0, keepdim=True))

    def attend(self, values: Tensor, scores: Tensor) -> Tensor:
        """See `Pools.attend`."""
        rows, columns = self._region_of(values)
        inside = torch.full_like(scores, -math.inf)
        inside[..., rows, columns] = scores[..., rows, columns]
        weights = inside.flatten().softmax(0).view(len(scores), -1, 1)  # (B, H*W, 1)
        value = torch.matmul(values.flatten(2), weights).sum(0)[None, ..., None]  # (1, n, 1, 1)
        return self._record(inside.flatten().logsumexp(0), value)

    def statistics(self) -> list[Statistic]:
        """Statistics of the region, one per pool."""
        # A single copy from the device.
        lengths = [value.shape[1] for value in self._values]
        values = torch.cat([value.flatten() for value in self._values]).cpu().double()
        return [
            Statistic(float(weight), value.view(1, -1, 1, 1))
            for weight, value in zip(self._log_weights, values.split(lengths), strict=True)
        ]

    def _region_of(self, x: Tensor) -> tuple[slice, slice]:
        """Cut the region out of a stream's feature map, at the map's resolution."""
        if self._region is None:
            return slice(None), slice(None)
        step = self._height // x.shape[2]
        rows, columns = (slice(side.start // step, side.stop // step) for side in self._region)
        return rows, columns

    def _record(self, log_weight: Tensor | float, value: Tensor) -> Tensor:
        number = len(self._values)
        self._log_weights.append(log_weight)
        self._values.append(value)
        used = value if self._substitute is None else self._substitute(number, value)
        self.used.append(used)
        return used
