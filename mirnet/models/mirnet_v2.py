"""MIRNet-v2: "Learning Enriched Features for Fast Image Restoration and Enhancement" (TPAMI 2022).

Zamir et al., arXiv 2205.01649. Smaller and faster than MIRNet: residual contextual blocks, grouped
convolutions that get sparser with depth, plain resizing. The compact presets of this project are
the same design with fewer features behind a pixel-unshuffle. Written from the paper; the
authors' names are handled in `mirnet.weights.official_names`.
"""

from collections.abc import Sequence
from typing import cast

import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, cat, nn

from .base import RestorationNetwork
from .blocks import CoarserFusion, Projection, ResidualContextualBlock, conv
from .exposure import ExposureCurve
from .global_pooling import WHOLE, Pools
from .noise_level import WINDOW_PX, estimate_noise, noise_plane


class MultiScaleResidualBlockV2(nn.Module):
    """Multi-scale residual block (MRB) of MIRNet-v2 (section 3, figure 2).

    Three streams of n, f*n, f*f*n channels. Each contextual block and each fusion is used twice
    with one set of weights; the upsamplers of the two rounds are their own.
    """

    def __init__(self, n: int, channel_factor: float, groups: int):
        super().__init__()
        n1 = int(n * channel_factor)
        n2 = int(n1 * channel_factor)
        self.context_top = ResidualContextualBlock(n, groups)
        self.context_mid = ResidualContextualBlock(n1, groups)
        self.context_bot = ResidualContextualBlock(n2, groups)
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
        return self.conv_out(top) + x

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


class RecursiveResidualGroupV2(nn.Module):
    """Recursive residual group (RRG): blocks, a 3x3 convolution, the input added."""

    def __init__(self, n: int, blocks: int, channel_factor: float, groups: int):
        super().__init__()
        self.blocks = nn.ModuleList(
            MultiScaleResidualBlockV2(n, channel_factor, groups) for _ in range(blocks)
        )
        self.conv_out = conv(n, n, 3)

    def forward(self, x: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Map (B, n, H, W) to the same shape."""
        y = x
        for block in self.blocks:
            y = block(y, pools)
        return self.conv_out(y) + x


class MIRNetV2(
    RestorationNetwork,
    PyTorchModelHubMixin,
    library_name="mirnet-studio",
    pipeline_tag="image-to-image",
    tags=["image-restoration", "mirnet-v2"],
):
    """MIRNet-v2 (TPAMI 2022). The defaults are the paper's network: 5,858,560 parameters.

    Args:
        features: Channels of the full-resolution stream.
        blocks: Multi-scale residual blocks in each recursive residual group.
        channel_factor: Ratio of channels of a stream to those of the next finer one; products are
            truncated to int.
        conv_groups: One recursive residual group for each entry, its 3x3 convolutions split into
            that many channel groups.
        unshuffle: Pixel-unshuffle factor ahead of the first convolution. 1 is the paper's network;
            more runs everything at a fraction of the resolution, for CPUs (after FFDNet, 2018).
        exposure: Put an `ExposureCurve` first; the network then sees the brightened picture and the
            original, and its residual is added to the brightened one. Not in the paper.
        colour: The `ExposureCurve` chooses a colour matrix too; needs `exposure`.
        levels: The `ExposureCurve` chooses a black and a white point too; needs `colour`.
        noise_level: Show the network the noise level as one more input plane. `condition` is then
            the standard deviation, (B, 1) as a share of full scale, estimated by `estimate_noise`
            unless the caller gives one. Not in the paper, and not together with `exposure`.

    Raises:
        ValueError: Both `exposure` and `noise_level` are set.
    """

    peak_maps = 16

    def __init__(
        self,
        features: int = 80,
        blocks: int = 2,
        channel_factor: float = 1.5,
        conv_groups: Sequence[int] = (1, 2, 4, 4),
        unshuffle: int = 1,
        exposure: bool = False,
        colour: bool = False,
        levels: bool = False,
        noise_level: bool = False,
    ):
        super().__init__(features, unshuffle)
        if exposure and noise_level:
            raise ValueError("exposure and noise_level exclude each other: choose one condition")
        self.noise_level = noise_level
        self.exposure = ExposureCurve(colour=colour, levels=levels) if exposure else None
        planes = 6 if exposure else 4 if noise_level else 3
        self.conv_in = conv(planes * unshuffle**2, features, 3)
        self.groups = nn.ModuleList(
            RecursiveResidualGroupV2(features, blocks, channel_factor, groups)
            for groups in conv_groups
        )
        self.conv_out = conv(features, 3 * unshuffle**2, 3)

    @property
    def margin(self) -> int:
        """See `RestorationNetwork.margin`: 0 for the paper's network, as it was published.

        The zeros that convolutions see beyond a border make the border stand out.
        """
        return 0 if self.unshuffle == 1 or self.training else 2 * self.multiple

    @property
    def thumbnail_px(self) -> int:
        """See `RestorationNetwork.thumbnail_px`: that of the exposure curve."""
        return 0 if self.exposure is None else self.exposure.thumbnail_px

    @property
    def window_px(self) -> int:
        """See `RestorationNetwork.window_px`: a noise level is estimated on unreduced pixels."""
        return WINDOW_PX if self.noise_level else 0

    @property
    def takes_noise_level(self) -> bool:
        """See `RestorationNetwork.takes_noise_level`."""
        return self.noise_level

    def condition(self, image: Tensor) -> Tensor | None:
        """Predict the curve or estimate the noise level of (B, 3, H, W); None without either."""
        if self.noise_level:
            return estimate_noise(image)
        return None if self.exposure is None else self.exposure.predict(image)

    def base_image(self, image: Tensor, condition: Tensor | None) -> Tensor:
        """Picture (B, 3, H, W) that the residual is added to, after the exposure curve if any.

        Raises:
            ValueError: The network has an exposure curve and was given no condition.
        """
        if self.exposure is None:
            return image
        if condition is None:
            raise ValueError("a network with an exposure curve needs its condition")
        return self.exposure(image, condition)

    def network_input(self, padded: Tensor, base: Tensor, condition: Tensor | None) -> Tensor:
        """Stack the picture (B, 3, H, W) after its brightened copy, or before its noise level.

        Raises:
            ValueError: The network needs a noise level and was given none.
        """
        if self.exposure is not None:
            return cat([base, padded], 1)
        if not self.noise_level:
            return padded
        if condition is None:
            raise ValueError("a network with a noise level needs its condition")
        return cat([padded, noise_plane(condition, padded)], 1)

    def residual(self, planes: Tensor, pools: Pools = WHOLE) -> Tensor:
        """See `RestorationNetwork.residual`; `planes` is (B, C, H, W), C = 3, 4 or 6."""
        y = self.conv_in(nn.functional.pixel_unshuffle(planes, self.unshuffle))
        for group in self.groups:
            y = group(y, pools)
        return nn.functional.pixel_shuffle(self.conv_out(y), self.unshuffle)
