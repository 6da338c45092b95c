"""MIRNet-v2: "Learning Enriched Features for Fast Image Restoration and Enhancement" (TPAMI 2022).

Zamir et al., arXiv 2205.01649. Smaller and faster than MIRNet: residual contextual blocks, grouped
convolutions that get sparser with depth, plain resizing. The compact presets of this project are
the same design with fewer features behind a pixel-unshuffle stem. Written from the paper; the
authors' file format is handled in `checkpoints.py`.
"""

from collections.abc import Sequence
from typing import cast

import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, cat, nn

from .blocks import (
    CoarserFusion,
    ExposureCurve,
    Projection,
    ResidualContext,
    add,
    conv,
    pad_to_multiple,
)
from .global_pooling import WHOLE, Pools


class MultiScaleBlockV2(nn.Module):
    """Multi-scale residual block of MIRNet-v2 (section 3, figure 2).

    Three streams of n, f*n, f*f*n channels. Each contextual block and each fusion is used twice
    with one set of weights; the upsamplers of the two rounds are their own.
    """

    def __init__(self, n: int, channel_factor: float, groups: int):
        super().__init__()
        n1 = int(n * channel_factor)
        n2 = int(n1 * channel_factor)
        self.context_top = ResidualContext(n, groups)
        self.context_mid = ResidualContext(n1, groups)
        self.context_bot = ResidualContext(n2, groups)
        self.down_mid = Projection(n, n1)
        self.down_bot = nn.Sequential(Projection(n, n1), Projection(n1, n2))
        self.up_bot1, self.up_bot2 = Projection(n2, n1), Projection(n2, n1)
        self.up_mid1, self.up_mid2 = Projection(n1, n), Projection(n1, n)
        self.fuse_mid = CoarserFusion(n1)
        self.fuse_top = CoarserFusion(n)
        self.conv_out = conv(n, n, 1)

    def forward(self, x: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Map (B, n, H, W) to the same shape; H and W divide by 4."""
        top, (mid, bot) = x, self._downs(x)
        for up_bot, up_mid in ((self.up_bot1, self.up_mid1), (self.up_bot2, self.up_mid2)):
            top = self.context_top(top, pools)  # (B, n, H, W)
            mid = self.context_mid(mid, pools)  # (B, f*n, H/2, W/2)
            bot = self.context_bot(bot, pools)  # (B, f*f*n, H/4, W/4)
            mid = self.fuse_mid(mid, up_bot(bot), pools=pools)
            top = self.fuse_top(top, up_mid(mid), pools=pools)
        return add(self.conv_out(top), x)

    def _downs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`down_mid` and `down_bot`: (B, f*n, H/2, W/2) and (B, f*f*n, H/4, W/4).

        Averages commute with 1x1 convolutions, so both of `down_bot` are taken first and the
        convolutions are one; and the first average is that of `down_mid`.
        """
        first, second = cast(list[Projection], list(self.down_bot))
        weight = second.project.weight[..., 0, 0] @ first.project.weight[..., 0, 0]
        halved = F.avg_pool2d(x, 2)
        quartered = F.avg_pool2d(halved, 2)
        return self.down_mid(halved), F.conv2d(quartered, weight[..., None, None])


class RecursiveGroupV2(nn.Module):
    """Recursive residual group: blocks, a 3x3 convolution, and the group's input."""

    def __init__(self, n: int, blocks: int, channel_factor: float, groups: int):
        super().__init__()
        self.blocks = nn.ModuleList(
            MultiScaleBlockV2(n, channel_factor, groups) for _ in range(blocks)
        )
        self.conv_out = conv(n, n, 3)

    def forward(self, x: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Map (B, n, H, W) to the same shape."""
        y = x
        for block in self.blocks:
            y = block(y, pools)
        return add(self.conv_out(y), x)


class MIRNetV2(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="mirnet-studio",
    pipeline_tag="image-to-image",
    tags=["image-restoration", "mirnet-v2"],
):
    """MIRNet-v2 (TPAMI 2022). The defaults are the paper's network: 5,858,560 parameters.

    Args:
        features: Channels of the full-resolution stream.
        blocks: Multi-scale residual blocks in each recursive residual group.
        channel_factor: How much wider each coarser stream is; products are truncated to int.
        conv_groups: One recursive residual group for each entry, its 3x3 convolutions split into
            that many channel groups.
        stem: Pixel-unshuffle factor ahead of the first convolution. 1 is the paper's network; more
            runs everything at a fraction of the resolution, for CPUs (after FFDNet, 2018).
        exposure: Put an `ExposureCurve` first; the network then sees the brightened picture and the
            original, and its residual is added to the brightened one. Not in the paper.
        colour: The `ExposureCurve` chooses a colour matrix too; needs `exposure`.
    """

    def __init__(
        self,
        features: int = 80,
        blocks: int = 2,
        channel_factor: float = 1.5,
        conv_groups: Sequence[int] = (1, 2, 4, 4),
        stem: int = 1,
        exposure: bool = False,
        colour: bool = False,
    ):
        super().__init__()
        self.stem = stem
        self.exposure = ExposureCurve(colour=colour) if exposure else None
        self.conv_in = conv(3 * stem**2 * (2 if exposure else 1), features, 3)
        self.groups = nn.ModuleList(
            RecursiveGroupV2(features, blocks, channel_factor, groups) for groups in conv_groups
        )
        self.conv_out = conv(features, 3 * stem**2, 3)

    @property
    def multiple(self) -> int:
        """Sides are padded to a multiple of this many pixels inside `forward`."""
        return 4 * self.stem

    @property
    def margin(self) -> int:
        """How many pixels of its mirror image are laid around a picture ahead of the network.

        The zeros that convolutions see beyond a border make it stand out. The paper's network (a
        `stem` of 1) is left as it was trained and published, without a margin.
        """
        return 0 if self.stem == 1 or self.training else 2 * self.multiple

    @property
    def thumbnail_px(self) -> int:
        """Sides of the averaged copy from which `condition` takes all it needs; 0 if nothing."""
        return 0 if self.exposure is None else self.exposure.thumbnail_px

    def condition(self, image: Tensor) -> Tensor | None:
        """What a tile must know about the whole picture before it is restored.

        Args:
            image: (B, 3, H, W) in [0, 1]: the whole picture or a thumbnail of it.

        Returns:
            What `ExposureCurve.predict` returns, or None where the network has no curve.
        """
        return None if self.exposure is None else self.exposure.predict(image)

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Tensor:
        """Restore pictures of any size from 1x1 up.

        Args:
            image: (B, 3, H, W) float32, sRGB in [0, 1].
            condition: Result of `condition` for the whole picture when `image` is a tile of it; by
                default it is taken from `image` itself.

        Returns:
            (B, 3, H, W) float32, not clamped.
        """
        height, width = image.shape[-2:]
        margin = self.margin
        if self.exposure is not None and condition is None:
            condition = self.condition(image)
        padded = pad_to_multiple(image, self.multiple, margin)
        restored = self.restore_padded(padded, condition)
        return restored[..., margin : margin + height, margin : margin + width]

    def restore_padded(
        self, padded: Tensor, condition: Tensor | None = None, pools: Pools = WHOLE
    ) -> Tensor:
        """Restore a padded picture, or a tile cut out of one.

        Args:
            padded: (B, 3, H, W) as `forward` takes it, margin and padding included; both sides
                divide by `multiple`.
            condition: Result of `condition` for the whole picture; needed where there is a curve.
            pools: What the global operations pool over.

        Returns:
            (B, 3, H, W) float32, not clamped, with margin and padding.
        """
        base = seen = padded
        if self.exposure is not None:
            if condition is None:
                raise ValueError("a network with an exposure curve needs its condition")
            base = self.exposure(padded, condition)
            seen = cat([base, padded], 1)
        return self.residual(seen, pools) + base

    def residual(self, seen: Tensor, pools: Pools = WHOLE) -> Tensor:
        """All that is computed with feature maps: what to add to the picture.

        Args:
            seen: (B, 3, H, W); with an exposure curve (B, 6, H, W), brightened and original.
            pools: See `restore_padded`.

        Returns:
            (B, 3, H, W).
        """
        y = self.conv_in(nn.functional.pixel_unshuffle(seen, self.stem))
        for group in self.groups:
            y = group(y, pools)
        return nn.functional.pixel_shuffle(self.conv_out(y), self.stem)
