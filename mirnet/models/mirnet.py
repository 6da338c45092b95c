"""MIRNet: "Learning Enriched Features for Real Image Restoration and Enhancement" (ECCV 2020).

Zamir et al., arXiv 2003.06792. A full-resolution stream lives beside half- and quarter-resolution
streams; they exchange features after every column (section 3). Written from the paper; the
authors' names are handled in `mirnet.weights.official_names`.
"""

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from .base import RestorationNetwork
from .blocks import (
    DualAttention,
    ResidualDown,
    ResidualUp,
    SelectiveKernelFusion,
    conv,
)
from .global_pooling import WHOLE, Pools


class MultiScaleResidualBlock(nn.Module):
    """Multi-scale residual block (MRB): three streams, two columns (section 3, figure 1).

    Both columns use one attention unit per stream, and both fusions at full resolution are one
    module, as in the released weights.
    """

    def __init__(self, n: int):
        super().__init__()
        self.attend = nn.ModuleList(DualAttention(n * 2**j) for j in range(3))
        self.fuse = nn.ModuleList(SelectiveKernelFusion(n * 2**j, 3) for j in range(3))
        self.down_0to1 = ResidualDown(n)
        self.down_1to2 = ResidualDown(2 * n)
        self.down_0to2 = nn.Sequential(ResidualDown(n), ResidualDown(2 * n))
        self.up_1to0 = ResidualUp(2 * n)
        self.up_2to1 = ResidualUp(4 * n)
        self.up_2to0 = nn.Sequential(ResidualUp(4 * n), ResidualUp(2 * n))
        self.last_up_1to0 = ResidualUp(2 * n)
        self.last_up_2to0 = nn.Sequential(ResidualUp(4 * n), ResidualUp(2 * n))
        self.conv_out = conv(n, n, 3)

    def forward(self, x: Tensor, slope: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Map (B, n, H, W) to the same shape; H and W divide by 4."""
        attend, fuse = self.attend, self.fuse
        # First column: each stream starts from the one above it.
        a0 = attend[0](x, slope, pools)  # (B, n, H, W)
        a0_halved = self.down_0to1.halve(a0)  # both paths down start from it
        a0_at1 = self.down_0to1(a0, a0_halved)
        a1 = attend[1](a0_at1, slope, pools)  # (B, 2n, H/2, W/2)
        a1_at2 = self.down_1to2(a1)
        a2 = attend[2](a1_at2, slope, pools)  # (B, 4n, H/4, W/4)
        first, second = self.down_0to2
        a0_at2 = second(first(a0, a0_halved))
        # Every stream is fused with all others.
        t0 = fuse[0](a0, self.up_1to0(a1), self.up_2to0(a2), pools=pools)
        t1 = fuse[1](a0_at1, a1, self.up_2to1(a2), pools=pools)
        t2 = fuse[2](a0_at2, a1_at2, a2, pools=pools)
        # Second column, then all streams at full resolution.
        b0 = attend[0](t0, slope, pools)
        b1 = attend[1](t1, slope, pools)
        b2 = attend[2](t2, slope, pools)
        merged = fuse[0](b0, self.last_up_1to0(b1), self.last_up_2to0(b2), pools=pools)
        return self.conv_out(merged) + x


class RecursiveResidualGroup(nn.Module):
    """Recursive residual group (RRG): blocks, a 3x3 convolution, the input added (section 3)."""

    def __init__(self, n: int, blocks: int):
        super().__init__()
        self.blocks = nn.ModuleList(MultiScaleResidualBlock(n) for _ in range(blocks))
        self.conv_out = conv(n, n, 3)

    def forward(self, x: Tensor, slope: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Map (B, n, H, W) to the same shape."""
        y = x
        for block in self.blocks:
            y = block(y, slope, pools)
        return self.conv_out(y) + x


class MIRNet(
    RestorationNetwork,
    PyTorchModelHubMixin,
    library_name="mirnet-studio",
    pipeline_tag="image-to-image",
    tags=["image-restoration", "mirnet"],
):
    """MIRNet (ECCV 2020). The defaults are the paper's network: 31,787,419 parameters.

    Args:
        features: Channels of the full-resolution stream (C); the others have 2C and 4C.
        groups: Recursive residual groups.
        blocks: Multi-scale residual blocks in each group.
        unshuffle: Pixel-unshuffle factor ahead of the first convolution. 1 is the paper's network;
            2 runs everything at half resolution, for CPUs (after FFDNet, Zhang et al. 2018).
    """

    def __init__(self, features: int = 64, groups: int = 3, blocks: int = 2, unshuffle: int = 1):
        super().__init__(features, unshuffle)
        self.conv_in = conv(3 * unshuffle**2, features, 3)
        self.groups = nn.ModuleList(RecursiveResidualGroup(features, blocks) for _ in range(groups))
        self.conv_out = conv(features, 3 * unshuffle**2, 3)
        self.attention_slope = nn.Parameter(torch.full((1,), 0.25))

    def residual(self, planes: Tensor, pools: Pools = WHOLE) -> Tensor:
        """See `RestorationNetwork.residual`; `planes` is the picture, (B, 3, H, W)."""
        y = self.conv_in(nn.functional.pixel_unshuffle(planes, self.unshuffle))
        for group in self.groups:
            y = group(y, self.attention_slope, pools)
        return nn.functional.pixel_shuffle(self.conv_out(y), self.unshuffle)
