"""Networks for inference: the same parameters and values, with fewer maps written and read.

Each class takes the place of a block of `mirnet.models.blocks` and computes its formula with steps
that only pay, or are only allowed, without gradients: sums written over their first operand, bands
of rows that stay in the processor's cache, gates merged into weights, a coarse map that is doubled
and added in one go. Convolutions with an activation, halvings and joins are modules of their own,
so that an engine can put its own in their place.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirnet.models.base import RestorationNetwork
from mirnet.models.blocks import (
    LEAKY_SLOPE,
    CoarserFusion,
    DualAttention,
    ResidualContextualBlock,
    ResidualDown,
    ResidualUp,
    SelectiveKernelFusion,
    upsample,
)
from mirnet.models.global_pooling import WHOLE, Pools

from .shared_parameters import sharing

BAND_VALUES = 2**18
"""Values in a band of rows, few enough to stay in the processor's cache between several steps."""


def fuse(model: RestorationNetwork) -> RestorationNetwork:
    """Make the fast version of a network for inference.

    Args:
        model: `MIRNet` or `MIRNetV2`; left as it is.

    Returns:
        A network with the same parameters and the same results to rounding, which works without
        gradients only.
    """
    fused = sharing(model)
    _fuse_children(fused)
    return fused


def _fuse_children(parent: nn.Module) -> None:
    for name, child in parent.named_children():
        if type(child) in FUSED:
            setattr(parent, name, FUSED[type(child)](child))
        else:
            _fuse_children(child)


def leaky_(x: Tensor, slope: float | Tensor) -> Tensor:
    """Leaky ReLU, or PReLU with one slope for all channels, written over (B, C, H, W) on a CPU.

    PyTorch's PReLU makes a new map, and takes several times as long on a CPU.
    """
    if isinstance(slope, Tensor):
        if x.device.type != "cpu":  # reading a number from a GPU would wait for it
            return F.prelu(x, slope)
        slope = slope.item()
    return F.leaky_relu(x, slope, inplace=True)


class LeakyConv2d(nn.Module):
    """A convolution followed by a leaky ReLU, or by a PReLU with one slope for all channels.

    Args:
        conv: The convolution.
    """

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor, slope: float | Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, O, H, W)."""
        return leaky_(self.conv(x), slope)


class Join(nn.Module):
    """Adds a doubled coarse map to a fine one, both weighted per channel."""

    def forward(
        self,
        fine: Tensor,
        fine_weight: Tensor | None,
        coarse: Tensor,
        coarse_weight: Tensor | None,
    ) -> Tensor:
        """`fine * fine_weight + upsample(coarse * coarse_weight)`, written over `fine`.

        Args:
            fine: (B, C, H, W); overwritten, the caller must own it.
            fine_weight: (B or 1, C, 1, 1); None for ones.
            coarse: (B, C, H / 2, W / 2).
            coarse_weight: (B or 1, C, 1, 1); None for ones.

        Returns:
            (B, C, H, W).
        """
        coarse = coarse if coarse_weight is None else coarse * coarse_weight
        if fine_weight is None:
            return fine.add_(upsample(coarse))
        if fine.is_contiguous(memory_format=torch.channels_last):
            return add_doubled_(fine, fine_weight, coarse)
        return fine.mul_(fine_weight).add_(upsample(coarse))


def add_doubled_(fine: Tensor, factor: Tensor, coarse: Tensor) -> Tensor:
    """`fine * factor + upsample(coarse)`, written over `fine`, without a doubled map.

    Args:
        fine: (B, C, H, W), channels last in memory; overwritten, the caller must own it.
        factor: (B, C, 1, 1).
        coarse: (B, C, H / 2, W / 2).
    """
    coarse = F.pad(coarse, (1, 1, 1, 1), mode="replicate").permute(0, 2, 3, 1)
    pictures, height, width, channels = coarse.shape
    wide = coarse.new_empty(pictures, height, width - 2, 2, channels)
    own = coarse[:, :, 1:-1]  # a quarter comes from the neighbour: the left one, the right one
    torch.lerp(own, coarse[:, :, :-2], 0.25, out=wide[:, :, :, 0])
    torch.lerp(own, coarse[:, :, 2:], 0.25, out=wide[:, :, :, 1])
    wide = wide.view(pictures, height, -1, channels)
    rows = fine.permute(0, 2, 3, 1).view(pictures, height - 2, 2, -1, channels)
    factor = factor.permute(0, 2, 3, 1)
    for parity, neighbour in enumerate((wide[:, :-2], wide[:, 2:])):
        doubled = torch.lerp(wide[:, 1:-1], neighbour, 0.25)
        torch.addcmul(doubled, rows[:, :, parity], factor, out=rows[:, :, parity])
    return fine


class FusedDualAttention(nn.Module):
    """`DualAttention` with its gates merged into the last convolution.

    `[P Q] (r * spatial, r * channel)` is `(P r) * spatial + (Q * channel) r`: a gate that is one
    number per pixel can wait, and one that is a number per channel can go into the weights.
    """

    def __init__(self, unit: DualAttention):
        super().__init__()
        self.conv1 = LeakyConv2d(unit.conv1)
        self.conv2 = unit.conv2
        self.spatial_conv = unit.spatial_conv
        self.squeeze, self.excite = unit.squeeze, unit.excite
        self.merge = unit.merge

    def forward(self, x: Tensor, slope: Tensor, pools: Pools = WHOLE) -> Tensor:
        """See `DualAttention.forward`."""
        r = self.conv2(self.conv1(x, slope))
        extremes = torch.cat([r.amax(1, keepdim=True), r.mean(1, keepdim=True)], 1)  # (B, 2, H, W)
        spatial = torch.sigmoid(self.spatial_conv(extremes))  # (B, 1, H, W)
        channel = torch.sigmoid(self.excite(F.relu(self.squeeze(pools.mean(r)))))  # (B, n, 1, 1)
        by_place, by_channel = self.merge.weight.split(r.shape[1], 1)  # P and Q: (n, n, 1, 1) each
        merged = F.conv2d(r, by_place).mul_(spatial)
        if len(channel) == 1:
            gated = F.conv2d(r, by_channel * channel)
        else:  # every picture of a batch has gates of its own
            gated = F.conv2d(r * channel, by_channel)
        return merged.add_(gated).add_(x)


class FusedSelectiveKernelFusion(SelectiveKernelFusion):
    """`SelectiveKernelFusion`, written over its first stream."""

    def __init__(self, unit: SelectiveKernelFusion):
        nn.Module.__init__(self)
        self.squeeze, self.activate, self.score = unit.squeeze, unit.activate, unit.score

    def forward(self, *streams: Tensor, pools: Pools = WHOLE) -> Tensor:
        """See `SelectiveKernelFusion.forward`; the first stream is overwritten."""
        weights = self.weigh(*streams, pools=pools)
        fused = streams[0].mul_(weights[0])
        for stream, weight in zip(streams[1:], weights[1:], strict=True):
            fused.addcmul_(stream, weight)
        return fused


class FusedCoarserFusion(FusedSelectiveKernelFusion):
    """`CoarserFusion`, written over its finer stream; on a CPU the doubled map is never stored."""

    def __init__(self, unit: CoarserFusion):
        super().__init__(unit)
        self.join = Join()

    def forward(self, *streams: Tensor, pools: Pools = WHOLE) -> Tensor:
        """See `CoarserFusion.forward`; the finer stream is overwritten."""
        fine, coarse = streams
        fine_weight, coarse_weight = self.weigh(fine, coarse, pools=pools)
        return self.join(fine, fine_weight, coarse, coarse_weight)


class FusedResidualDown(nn.Module):
    """`ResidualDown` with activations in place."""

    def __init__(self, unit: ResidualDown):
        super().__init__()
        self.conv1, self.conv2 = LeakyConv2d(unit.conv1), LeakyConv2d(unit.conv2)
        self.act1, self.act2 = unit.act1, unit.act2
        self.halve = unit.halve
        self.widen, self.shortcut = unit.widen, unit.shortcut

    def forward(self, x: Tensor, halved: Tensor | None = None) -> Tensor:
        """See `ResidualDown.forward`."""
        r = self.conv2(self.conv1(x, self.act1.weight), self.act2.weight)
        halved = self.halve(x) if halved is None else halved
        return self.widen(self.halve(r)).add_(self.shortcut(halved))


class FusedResidualUp(nn.Module):
    """`ResidualUp` with activations in place and its two paths joined in one step."""

    def __init__(self, unit: ResidualUp):
        super().__init__()
        self.conv1 = LeakyConv2d(unit.conv1)
        self.act1, self.act2 = unit.act1, unit.act2
        self.expand = unit.expand
        self.narrow, self.shortcut = unit.narrow, unit.shortcut
        self.join = Join()

    def forward(self, x: Tensor) -> Tensor:
        """See `ResidualUp.forward`."""
        r = leaky_(self.expand(self.conv1(x, self.act1.weight)), self.act2.weight)
        return self.join(self.narrow(r), None, self.shortcut(x), None)


class FusedResidualContextualBlock(nn.Module):
    """`ResidualContextualBlock` whose last three steps follow each other band by band."""

    def __init__(self, unit: ResidualContextualBlock):
        super().__init__()
        self.conv1, self.conv2 = LeakyConv2d(unit.conv1), unit.conv2
        self.attend = unit.attend
        self.context1, self.context2 = LeakyConv2d(unit.context1), unit.context2

    def forward(self, x: Tensor, pools: Pools = WHOLE) -> Tensor:
        """See `ResidualContextualBlock.forward`."""
        r = self.conv2(self.conv1(x, LEAKY_SLOPE))
        context = pools.attend(r, self._scores(r))  # (B, n, 1, 1)
        context = self.context2(self.context1(context, LEAKY_SLOPE))
        rows = max(BAND_VALUES // (r.shape[1] * r.shape[3]), 1)
        for band, before in zip(r.split(rows, 2), x.split(rows, 2), strict=True):
            leaky_(band.add_(context), LEAKY_SLOPE).add_(before)
        return r

    def _scores(self, r: Tensor) -> Tensor:
        """`attend`, as a product of a matrix and a vector where channels are adjacent."""
        if not r.is_contiguous(memory_format=torch.channels_last):
            return self.attend(r)
        return torch.matmul(r.permute(0, 2, 3, 1), self.attend.weight.view(-1)).unsqueeze(1)


FUSED: dict[type[nn.Module], type[nn.Module]] = {
    DualAttention: FusedDualAttention,
    SelectiveKernelFusion: FusedSelectiveKernelFusion,
    CoarserFusion: FusedCoarserFusion,
    ResidualDown: FusedResidualDown,
    ResidualUp: FusedResidualUp,
    ResidualContextualBlock: FusedResidualContextualBlock,
}
"""Replacement of each block."""
