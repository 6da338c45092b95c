"""What the global operations of both networks pool over: a whole picture, or tiles of one.

Channel attention and selective-kernel fusion take a mean over the picture, MIRNet-v2's context a
mean whose weights are a softmax over the picture. Both are weighted means, so what tiles found
merges exactly: values by their weights, weights by the sum of their exponentials (the running
softmax of Milakov and Gimelshein, arXiv 1805.02867). A network hands every pool of a pass to the
`Pools` it was called with, always in the same order. Feature maps are (B, n, H, W).
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


def _mean(one: Tensor) -> Tensor:
    """Mean over the picture: (B, n, 1, 1)."""
    if not one.is_contiguous(memory_format=torch.channels_last):
        return one.mean((2, 3), keepdim=True)
    # Down the columns first: as exact, and half again as fast for such a layout.
    pictures, channels, height, width = one.shape
    rows = one.permute(0, 2, 3, 1).reshape(pictures, height, width * channels).mean(1)
    return rows.view(pictures, width, channels).mean(1)[..., None, None]


class Pools:
    """Pool over all of the feature map that is there: one pass of a whole picture."""

    def begin(self) -> None:
        """A pass begins: forget one that did not come to its end."""

    def mean(self, *maps: Tensor) -> Tensor:
        """Sum of the means over the picture of maps of any resolutions: (B, n, 1, 1)."""
        means = [_mean(one) for one in maps]
        return sum(means[1:], means[0])

    def attend(self, values: Tensor, scores: Tensor) -> Tensor:
        """Mean of the pixels of `values`, weighted by a softmax over the picture.

        Args:
            values: (B, n, H, W).
            scores: (B, 1, H, W); a pixel weighs the exponential of its score.

        Returns:
            (B, n, 1, 1).
        """
        weights = scores.flatten(2).softmax(2)  # (B, 1, H*W)
        return torch.matmul(values.flatten(2), weights.transpose(1, 2)).unsqueeze(3)


WHOLE = Pools()
"""The picture is all there, as in training."""


class Statistic(NamedTuple):
    """One pooled statistic of a region."""

    log_weight: float
    """Logarithm of the sum of the pixels' weights: of their number, for a plain mean."""
    value: Tensor
    """Weighted mean, (1, n, 1, 1) float64 on the CPU."""


def merge(one: Statistic, other: Statistic) -> Statistic:
    """The statistic of two regions together.

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


def merge_all(found: Sequence[list[Statistic]]) -> list[Statistic]:
    """Merge what several regions have at each pool."""
    merged = found[0]
    for other in found[1:]:
        merged = [merge(*pair) for pair in zip(merged, other, strict=True)]
    return merged


class Survey(Pools):
    """One pass that notes what it pools over a region and goes on with what it is told.

    A batch is pooled over as if its pictures were parts of one.

    Args:
        answer: Called with the number of a pool, from 0, and what the region has there, (1, n, 1,
            1); returns what the network goes on with. The default is the region's own.
        region: Rows and columns to pool over, in pixels of the tile; None for all of it.
        height: Rows of the tile in pixels; a stream's resolution is told from it.
    """

    def __init__(
        self,
        answer: Callable[[int, Tensor], Tensor] | None = None,
        region: tuple[slice, slice] | None = None,
        height: int = 0,
    ):
        self._answer = answer
        self._region = region
        self._height = height
        self._log_weights: list[Tensor | float] = []
        self._values: list[Tensor] = []
        self.answers: list[Tensor] = []
        """What the network went on with at each pool."""

    def begin(self) -> None:
        """See `Pools.begin`."""
        self._log_weights, self._values, self.answers = [], [], []

    def mean(self, *maps: Tensor) -> Tensor:
        """See `Pools.mean`."""
        inside = [one[(..., *self._at(one))] for one in maps]
        pixels = inside[0].shape[0] * inside[0].shape[2] * inside[0].shape[3]
        return self._note(math.log(pixels), super().mean(*inside).mean(0, keepdim=True))

    def attend(self, values: Tensor, scores: Tensor) -> Tensor:
        """See `Pools.attend`."""
        rows, columns = self._at(values)
        inside = torch.full_like(scores, -math.inf)
        inside[..., rows, columns] = scores[..., rows, columns]
        weights = inside.flatten().softmax(0).view(len(scores), -1, 1)  # (B, H*W, 1)
        value = torch.matmul(values.flatten(2), weights).sum(0)[None, ..., None]  # (1, n, 1, 1)
        return self._note(inside.flatten().logsumexp(0), value)

    def statistics(self) -> list[Statistic]:
        """What the region has at each pool."""
        # One copy from the device for all of them.
        lengths = [value.shape[1] for value in self._values]
        values = torch.cat([value.flatten() for value in self._values]).cpu().double()
        return [
            Statistic(float(weight), value.view(1, -1, 1, 1))
            for weight, value in zip(self._log_weights, values.split(lengths), strict=True)
        ]

    def _at(self, one: Tensor) -> tuple[slice, slice]:
        """The region at the resolution of a stream."""
        if self._region is None:
            return slice(None), slice(None)
        step = self._height // one.shape[2]
        rows, columns = (slice(side.start // step, side.stop // step) for side in self._region)
        return rows, columns

    def _note(self, log_weight: Tensor | float, value: Tensor) -> Tensor:
        number = len(self._values)
        self._log_weights.append(log_weight)
        self._values.append(value)
        answer = value if self._answer is None else self._answer(number, value)
        self.answers.append(answer)
        return answer
