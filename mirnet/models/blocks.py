"""Building blocks of MIRNet and MIRNet-v2, one class per idea.

Written from the papers: MIRNet (Zamir et al., ECCV 2020, arXiv 2003.06792, section 3) and MIRNet-v2
(TPAMI 2022, arXiv 2205.01649, section 3). No convolution has a bias. Feature maps are (B, C, H, W)
float32; "n" is a module's number of channels. Nothing is overwritten in place, so forward hooks
see the values of the formulas; `mirnet.restoration.engines.fuse` makes the fast networks.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .global_pooling import WHOLE, Pools

LEAKY_SLOPE = 0.2
"""Slope of the leaky ReLUs of MIRNet-v2."""


def conv(channels_in: int, channels_out: int, kernel: int, groups: int = 1) -> nn.Conv2d:
    """A size-keeping convolution without bias (zero padding of kernel // 2)."""
    return nn.Conv2d(
        channels_in, channels_out, kernel, padding=kernel // 2, bias=False, groups=groups
    )


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU of MIRNet-v2."""
    return F.leaky_relu(x, LEAKY_SLOPE)


def upsample(x: Tensor) -> Tensor:
    """Bilinear upsampling by 2, half-pixel centres (align_corners=False)."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


# ---------------------------------------------------------------- both networks


class SelectiveKernelFusion(nn.Module):
    """Selective kernel feature fusion (SKFF): softmax over streams, per channel.

    MIRNet, section 3, figure 2.

    Args:
        n: Channels of every stream.
        streams: Number of streams to fuse.
        leaky_slope: Fixed negative slope (MIRNet-v2 uses 0.2); None learns a PReLU (MIRNet).
    """

    def __init__(self, n: int, streams: int, leaky_slope: float | None = None):
        super().__init__()
        squeezed = max(n // 8, 4)
        self.squeeze = conv(n, squeezed, 1)
        self.activate = nn.PReLU() if leaky_slope is None else nn.LeakyReLU(leaky_slope)
        self.score = nn.ModuleList(conv(squeezed, n, 1) for _ in range(streams))

    def weigh(self, *streams: Tensor, pools: Pools) -> Tensor:
        """Share of each stream in each channel: (S, B, n, 1, 1), sum over S is 1."""
        z = self.activate(self.squeeze(pools.mean(*streams)))  # (B, d, 1, 1)
        return torch.stack([score(z) for score in self.score]).softmax(0)

    def forward(self, *streams: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Fuse equally shaped (B, n, H, W) maps into one."""
        weights = self.weigh(*streams, pools=pools)  # (S, B, n, 1, 1)
        fused = streams[0] * weights[0]
        for stream, weight in zip(streams[1:], weights[1:], strict=True):
            fused = torch.addcmul(fused, stream, weight)
        return fused  # (B, n, H, W)


# ---------------------------------------------------------------- MIRNet


class DualAttention(nn.Module):
    """Dual attention unit (DAU): gates its features by pixel and by channel.

    MIRNet, section 3, figure 3. The PReLU slope is an argument, because the authors' network shares
    a single one between all units.
    """

    def __init__(self, n: int, reduction: int = 8):
        super().__init__()
        squeezed = max(n // reduction, 1)
        self.conv1 = conv(n, n, 3)
        self.conv2 = conv(n, n, 3)
        self.spatial_conv = conv(2, 1, 5)  # spatial attention
        self.squeeze = conv(n, squeezed, 1)  # channel attention
        self.excite = conv(squeezed, n, 1)
        self.merge = conv(2 * n, n, 1)

    def forward(self, x: Tensor, slope: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Map (B, n, H, W) to (B, n, H, W); `slope` is the PReLU slope, shape (1,)."""
        r = self.conv2(F.prelu(self.conv1(x), slope))
        extremes = torch.cat([r.amax(1, keepdim=True), r.mean(1, keepdim=True)], 1)  # (B, 2, H, W)
        spatial = torch.sigmoid(self.spatial_conv(extremes))  # (B, 1, H, W)
        channel = torch.sigmoid(self.excite(F.relu(self.squeeze(pools.mean(r)))))  # (B, n, 1, 1)
        return self.merge(torch.cat([r * spatial, r * channel], 1)) + x


class BlurPool(nn.Module):
    """Antialiased halving: reflection pad, [1 2 1] x [1 2 1] / 16, stride 2 (Zhang, ICML 2019)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        # On the CPU even for a network on the meta device, where sums are slow.
        row = torch.tensor([1.0, 2.0, 1.0], device="cpu")
        self.register_buffer("kernel", torch.outer(row, row)[None, None] / 16, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, ceil(H / 2), ceil(W / 2))."""
        channels = x.shape[1]
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(x, self.kernel.expand(channels, 1, 3, 3), stride=2, groups=channels)


class ResidualDown(nn.Module):
    """Residual resizing module, halving: n channels to 2n (MIRNet, section 3, figure 4)."""

    def __init__(self, n: int):
        super().__init__()
        self.conv1 = conv(n, n, 1)
        self.act1 = nn.PReLU()
        self.conv2 = conv(n, n, 3)
        self.act2 = nn.PReLU()
        self.halve = BlurPool()
        self.widen = conv(n, 2 * n, 1)
        self.shortcut = conv(n, 2 * n, 1)

    def forward(self, x: Tensor, halved: Tensor | None = None) -> Tensor:
        """Map (B, n, H, W) to (B, 2n, H / 2, W / 2); `halved` is `halve(x)` if already computed."""
        r = self.act2(self.conv2(self.act1(self.conv1(x))))  # (B, n, H, W)
        halved = self.halve(x) if halved is None else halved
        return self.widen(self.halve(r)) + self.shortcut(halved)


class ResidualUp(nn.Module):
    """Residual resizing module, doubling: n channels to n / 2 (MIRNet, section 3, figure 4)."""

    def __init__(self, n: int):
        super().__init__()
        self.conv1 = conv(n, n, 1)
        self.act1 = nn.PReLU()
        self.expand = nn.ConvTranspose2d(n, n, 3, 2, padding=1, output_padding=1, bias=False)
        self.act2 = nn.PReLU()
        self.narrow = conv(n, n // 2, 1)
        self.shortcut = conv(n, n // 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n, H, W) to (B, n / 2, 2H, 2W)."""
        r = self.act2(self.expand(self.act1(self.conv1(x))))  # (B, n, 2H, 2W)
        # A 1x1 convolution commutes with bilinear resampling and costs a quarter before it.
        return self.narrow(r) + upsample(self.shortcut(x))


# ---------------------------------------------------------------- MIRNet-v2


class ResidualContextualBlock(nn.Module):
    """Residual contextual block (RCB): two 3x3 convolutions, then global context.

    MIRNet-v2, section 3. The context is one vector per picture: a softmax over all pixels weights
    their sum, two 1x1 convolutions transform it, and it is added to every pixel (after Cao et al.,
    GCNet, 2019).
    """

    def __init__(self, n: int, groups: int):
        super().__init__()
        self.conv1 = conv(n, n, 3, groups)
        self.conv2 = conv(n, n, 3, groups)
        self.attend = conv(n, 1, 1)
        self.context1 = conv(n, n, 1)
        self.context2 = conv(n, n, 1)

    def forward(self, x: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Map (B, n, H, W) to (B, n, H, W)."""
        r = self.conv2(leaky(self.conv1(x)))
        context = pools.attend(r, self.attend(r))  # (B, n, 1, 1)
        context = self.context2(leaky(self.context1(context)))
        return leaky(r + context) + x


class Projection(nn.Module):
    """The 1x1 convolution of a stream on its way to another resolution (MIRNet-v2, section 3).

    The paper projects after halving by 2x2 averages, and after bilinear doubling. Both commute with
    a 1x1 convolution, so the averages are taken once for all coarser streams, and `CoarserFusion`
    doubles the projected maps, at a quarter of the cost.
    """

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.project = conv(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels_out, H, W)."""
        return self.project(x)


class CoarserFusion(SelectiveKernelFusion):
    """SKFF of a stream with the next coarser one, which is doubled first (MIRNet-v2).

    A weight for each channel can be applied before the doubling, and the mean of a doubled map is
    that of the map: each of its pixels is taken as often as any other. So the doubled map is
    neither pooled nor weighted.

    Args:
        n: Channels of both streams.
    """

    def __init__(self, n: int):
        super().__init__(n, 2, leaky_slope=LEAKY_SLOPE)

    def forward(self, *streams: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Fuse (B, n, H, W) with (B, n, H / 2, W / 2) to (B, n, H, W)."""
        fine, coarse = streams
        fine_weight, coarse_weight = self.weigh(fine, coarse, pools=pools)  # (B, n, 1, 1) each
        return fine * fine_weight + upsample(coarse * coarse_weight)
