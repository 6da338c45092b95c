"""Interface of networks: the contract of `MIRNet`, `MIRNetV2` and foreign modules.

Pictures are (B, 3, H, W) float32, sRGB in [0, 1]. Results have the same shape and are not clamped.
"""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from .global_pooling import WHOLE, Pools

EARLIER_NAMES = {"stem": "unshuffle"}
"""Constructor arguments by their names in older files, and their current names."""


def current_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Translate constructor arguments from older files to their current names.

    >>> current_settings({"features": 8, "stem": 2})
    {'features': 8, 'unshuffle': 2}
    """
    return {EARLIER_NAMES.get(name, name): value for name, value in settings.items()}


class RestorationNetwork(nn.Module):
    """A network that restores a picture whole, or tile by tile as if it were whole.

    Subclasses implement `residual`, and override the properties that differ for them.

    Args:
        features: Channels of the feature maps at full resolution.
        unshuffle: Pixel-unshuffle factor ahead of the first convolution; 1 for none.
    """

    pools_from_outside = True
    """Whether `restore_padded` takes the values of its global pools from a `Pools` object, as exact
    tiling needs."""
    peak_maps = 24
    """Full-resolution feature maps alive at the peak of a pass: resident memory of a pass on the
    CPU, per pixel, over 4 bytes * features / unshuffle**2, measured and rounded up."""

    def __init__(self, features: int, unshuffle: int = 1):
        super().__init__()
        self.features = features
        self.unshuffle = unshuffle
        # Measured on CPUs: behind a pixel-unshuffle, channels last is up to a tenth faster.
        self.channels_last = unshuffle > 1
        """Whether the network is fastest with pictures that are channels last in memory."""

    @classmethod
    def _from_pretrained(cls, *, config: Mapping[str, Any] | None = None, **given: Any) -> Any:
        """Hook of `PyTorchModelHubMixin`: accept older argument names, but no missing tensor."""
        given["strict"] = True
        known = current_settings(config or {})
        given |= {name: known[name] for name in EARLIER_NAMES.values() if name in known}
        return super()._from_pretrained(**given)  # type: ignore[misc]

    @property
    def architecture(self) -> str:
        """Name of the architecture: "MIRNet" or "MIRNetV2"."""
        return type(self).__name__

    @property
    def multiple(self) -> int:
        """Step of the network's grid in pixels: it divides padded sides and tile positions."""
        return 4 * self.unshuffle

    @property
    def margin(self) -> int:
        """Width in pixels of the mirrored border that is added on all four sides of a picture."""
        return 0

    @property
    def thumbnail_px(self) -> int:
        """Side in pixels of the averaged copy that `condition` takes; 0 if it takes none."""
        return 0

    @property
    def window_px(self) -> int:
        """Side in pixels of the unreduced windows that `condition` takes; 0 if it takes none."""
        return 0

    @property
    def takes_noise_level(self) -> bool:
        """Whether `condition` is the noise level, (B, 1), which a caller may know better."""
        return False

    @property
    def bytes_per_pixel(self) -> float:
        """Peak memory of a pass in bytes per pixel of the picture."""
        return self.peak_maps * 4 * self.features / self.unshuffle**2

    def condition(self, image: Tensor) -> Tensor | None:
        """Compute what the network needs to know about the whole picture to restore a tile of it.

        Args:
            image: (B, 3, H, W) in [0, 1]: the whole picture, a thumbnail of it (`thumbnail_px`), or
                windows of it side by side (`window_px`).

        Returns:
            The `condition` of `forward` and `restore_padded`; None if they need none.
        """
        return None

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Tensor:
        """Restore pictures of any size from 1x1 up.

        Args:
            image: (B, 3, H, W) float32, sRGB in [0, 1].
            condition: Result of `condition` for the whole picture when `image` is a tile of it;
                None computes it from `image` itself.

        Returns:
            (B, 3, H, W) float32, not clamped.
        """
        height, width = image.shape[-2:]
        margin = self.margin
        if condition is None:
            condition = self.condition(image)
        padded = pad_to_multiple(image, self.multiple, margin)
        restored = self.restore_padded(padded, condition)
        return restored[..., margin : margin + height, margin : margin + width]

    def restore_padded(
        self, padded: Tensor, condition: Tensor | None = None, pools: Pools = WHOLE
    ) -> Tensor:
        """Restore a padded picture, or a tile cut out of one.

        Args:
            padded: (B, 3, H, W) as `forward` pads it, margin included; both sides divide by
                `multiple`.
            pools: Computes, records or substitutes the values of global pools.

        Returns:
            (B, 3, H, W) float32, not clamped, with margin and padding.
        """
        base = self.base_image(padded, condition)
        return self.residual(self.network_input(padded, base, condition), pools) + base

    def base_image(self, image: Tensor, condition: Tensor | None) -> Tensor:
        """Picture that the residual is added to: `image` (B, 3, H, W), or a brightened one."""
        return image

    def network_input(self, padded: Tensor, base: Tensor, condition: Tensor | None) -> Tensor:
        """Input of the first convolution (B, C, H, W): the picture, and further planes if any."""
        return padded

    def residual(self, planes: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Compute the residual from feature maps; it is added to `base_image`.

        Args:
            planes: (B, C, H, W), result of `network_input`.
            pools: See `restore_padded`.

        Returns:
            (B, 3, H, W).
        """
        raise NotImplementedError


class ForeignNetwork(RestorationNetwork):
    """Wraps any module that maps (B, 3, H, W) to the same shape; only naive tiling suits it.

    Args:
        module: The module; its memory is assumed to be that of MIRNet.
    """

    pools_from_outside = False

    def __init__(self, module: nn.Module):
        super().__init__(features=64)
        self.module = module

    @property
    def architecture(self) -> str:
        """Class name of the module."""
        return type(self.module).__name__

    @property
    def multiple(self) -> int:
        """Always 1: the module gets pictures without padding."""
        return 1

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Tensor:
        """Run the module on (B, 3, H, W)."""
        return self.module(image)


def pad_to_multiple(image: Tensor, multiple: int, margin: int = 0) -> Tensor:
    """Extend a picture to the right and below until both sides divide by `multiple`.

    Reflects where the side is longer than the padding and repeats the border pixel where it is not
    (reflection needs at least one pixel more than it adds), so that 1x1 works too.

    Args:
        image: (B, C, H, W).
        multiple: Divisor of both sides of the result.
        margin: Further pixels added on all four sides; a multiple of `multiple`.

    Returns:
        (B, C, H', W') with H' >= H and W' >= W.
    """
    height, width = image.shape[-2:]
    below, right = margin + -height % multiple, margin + -width % multiple
    if right:
        image = F.pad(image, (margin, right, 0, 0), mode=padding_mode(right, width))
    if below:
        image = F.pad(image, (0, 0, margin, below), mode=padding_mode(below, height))
    return image


def padding_mode(added: int, side: int) -> str:
    """Padding mode for `added` pixels at a side: "reflect" or "replicate" (`pad_to_multiple`)."""
    return "reflect" if added < side else "replicate"
