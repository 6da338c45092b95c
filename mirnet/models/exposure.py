"""A global tone curve ahead of a network; our addition, in neither paper."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ExposureCurve(nn.Module):
    """A tone curve per colour channel, chosen from the whole picture's statistics.

    Dark pictures differ by far more than a residual network should have to add, so the compact
    low-light and retouch presets first bring the picture to a normal exposure. The curve is that of
    Zero-DCE (Guo et al., CVPR 2020, equation 2), y <- y + a * y * (1 - y), repeated `steps` times
    with another `a` each time; here `a` is global and predicted from quantiles of the picture, so
    that the curve is monotone, keeps [0, 1], and is the same for every tile of a photo. The
    curves that the three channels would get for a grey copy of the picture are made equal, so a
    grey picture stays grey, and only a colour cast is treated as one.

    Args:
        steps: Number of times that the curve is applied.
        hidden: Width of the two hidden layers.
        colour: Predict a 3x3 colour matrix too, applied after the curve. Its rows add up to 1: it
            makes colours livelier or duller and leaves greys grey.
        levels: Predict a black and a white point too: the curve keeps 0 and 1 where they are, so a
            picture with lifted blacks needs them. Values are stretched to them ahead of the curve,
            alike in all channels. Needs `colour`.
    """

    quantiles: Tensor
    thumbnail_px = 64
    """Side in pixels of the averaged copy that the statistics are computed on."""
    max_shift = 0.25
    """Largest distance of the black point from 0 and of the white point from 1."""

    def __init__(
        self, steps: int = 8, hidden: int = 64, colour: bool = False, levels: bool = False
    ):
        super().__init__()
        if levels and not colour:
            raise ValueError("levels need colour: set both")
        quantiles = torch.tensor([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
        self.register_buffer("quantiles", quantiles, persistent=False)
        self.steps = steps
        self.hidden = nn.Linear((4 if colour else 3) * len(quantiles), hidden)
        self.hidden2 = nn.Linear(hidden, hidden)
        self.slopes = nn.Linear(hidden, 3 * steps)
        self.colours = nn.Linear(hidden, 9) if colour else None
        self.levels = nn.Linear(hidden, 2) if levels else None
        for last in (self.slopes, self.colours, self.levels):
            if last is not None:
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)

    def predict(self, image: Tensor) -> Tensor:
        """Predict curve and colours for a whole picture (or a thumbnail of it).

        Args:
            image: (B, 3, H, W) in [0, 1].

        Returns:
            (B, steps, 3) slopes in (-1, 1); with `colour` (B, steps + 3, 3), the colour matrix
            below the slopes; with `levels` (B, steps + 4, 3), the last row the black point, the
            white point and 0.
        """
        side = self.thumbnail_px
        small = F.adaptive_avg_pool2d(image, (min(side, image.shape[2]), min(side, image.shape[3])))
        return self.predict_from(small.float().clamp(0, 1))

    def predict_from(
        self, small: Tensor, quantile: Callable[..., Tensor] = torch.quantile
    ) -> Tensor:
        """Predict curve and colours from a thumbnail; see `predict`.

        Args:
            small: (B, 3, h, w) in [0, 1].
            quantile: Computes what `torch.quantile` does, in other operators.
        """
        hidden = self._hidden(small, quantile)
        grey = self._slopes(self._hidden(small.mean(1, keepdim=True).expand_as(small), quantile))
        slopes = torch.tanh(self._slopes(hidden) - (grey - grey.mean(2, keepdim=True)))
        if self.colours is None:
            return slopes
        change = torch.tanh(self.colours(hidden)).unflatten(1, (3, 3))
        matrix = torch.eye(3, device=change.device) + change - change.mean(2, keepdim=True)
        if self.levels is None:
            return torch.cat([slopes, matrix], 1)
        shifts = self.max_shift * torch.tanh(self.levels(hidden))
        points = F.pad(shifts + shifts.new_tensor([0.0, 1.0]), (0, 1))
        return torch.cat([slopes, matrix, points[:, None]], 1)

    def _hidden(self, small: Tensor, quantile: Callable[..., Tensor]) -> Tensor:
        """Features of a thumbnail: (B, 3, h, w) to (B, hidden)."""
        if self.colours is not None:  # colourfulness of the picture
            spread = small.amax(1, keepdim=True) - small.amin(1, keepdim=True)
            small = torch.cat([small, spread], 1)
        levels = quantile(small.flatten(2), self.quantiles, dim=2)
        features = torch.log2(levels.permute(1, 2, 0).flatten(1) + 2**-10) / 10 + 0.5
        return F.leaky_relu(self.hidden2(F.leaky_relu(self.hidden(features), 0.2)), 0.2)

    def _slopes(self, hidden: Tensor) -> Tensor:
        """Slopes before tanh: (B, hidden) to (B, steps, 3)."""
        return self.slopes(hidden).unflatten(1, (self.steps, 3))

    def forward(self, image: Tensor, prediction: Tensor) -> Tensor:
        """Apply a result of `predict` to a picture (B, 3, H, W); the result stays in [0, 1]."""
        y = image.clamp(0, 1)
        if self.levels is not None:
            black, white = prediction[:, -1, :2, None, None, None].unbind(1)
            y = ((y - black) / (white - black)).clamp(0, 1)
        for a in prediction[:, : self.steps].unbind(1):
            y = y + a[:, :, None, None] * y * (1 - y)
        if self.colours is None:
            return y
        return torch.einsum("bij,bjhw->bihw", prediction[:, self.steps : self.steps + 3], y).clamp(
            0, 1
        )
