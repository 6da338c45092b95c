"""Building blocks of MIRNet and MIRNet-v2, one class per idea.

Written from the papers: MIRNet (Zamir et al., ECCV 2020, arXiv 2003.06792, section 3) and MIRNet-v2
(TPAMI 2022, arXiv 2205.01649, section 3). No convolution has a bias. Feature maps are (B, C, H, W)
float32; "n" is the number of channels a module works on.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .global_pooling import WHOLE, Pools

BAND_VALUES = 2**18
"""Of a map in a band of rows on which several steps follow each other, so that it stays in a
processor's cache between them."""


def conv(channels_in: int, channels_out: int, kernel: int, groups: int = 1) -> nn.Conv2d:
    """A size-keeping convolution without bias (zero padding of kernel // 2)."""
    return nn.Conv2d(
        channels_in, channels_out, kernel, padding=kernel // 2, bias=False, groups=groups
    )


def add(own: Tensor, other: Tensor) -> Tensor:
    """Sum of two maps, written over the first where no gradient can need it.

    Args:
        own: What nobody else holds.
        other: Left alone.
    """
    return own + other if torch.is_grad_enabled() else own.add_(other)


def multiply(own: Tensor, factor: Tensor) -> Tensor:
    """Product of a map and a factor, written as by `add`."""
    return own * factor if torch.is_grad_enabled() else own.mul_(factor)


def add_product(own: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """`own + other * factor`, written as by `add`."""
    if torch.is_grad_enabled():
        return torch.addcmul(own, other, factor)
    return own.addcmul_(other, factor)


LEAKY_SLOPE = 0.2
"""Of MIRNet-v2."""


def leaky(own: Tensor) -> Tensor:
    """Leaky ReLU of MIRNet-v2, slope 0.2, written as by `add`."""
    return F.leaky_relu(own, LEAKY_SLOPE, inplace=not torch.is_grad_enabled())


def prelu(own: Tensor, slope: Tensor) -> Tensor:
    """PReLU with one slope for all channels, written as by `add`.

    PyTorch's own makes a new map of it each time, which takes several times as long on a CPU.
    """
    if torch.is_grad_enabled() or slope.device.type != "cpu":
        return F.prelu(own, slope)
    return F.leaky_relu(own, slope.item(), inplace=True)


def leaky_after(layer: nn.Module, x: Tensor) -> Tensor:
    """`leaky(layer(x))`, in one go where an engine's layer can."""
    at_once = getattr(layer, "leaky", None)
    return leaky(layer(x)) if at_once is None else at_once(x, LEAKY_SLOPE)


def prelu_after(layer: nn.Module, x: Tensor, slope: Tensor) -> Tensor:
    """`prelu(layer(x), slope)`, in one go where an engine's layer can."""
    at_once = getattr(layer, "leaky", None)
    return prelu(layer(x), slope) if at_once is None else at_once(x, slope.item())


class DualAttention(nn.Module):
    """Dual attention unit: what to keep, by place and by channel (MIRNet, section 3, figure 3).

    The PReLU slope is an argument: the authors' network shares a single one between all units.
    """

    def __init__(self, n: int, reduction: int = 8):
        super().__init__()
        squeezed = max(n // reduction, 1)
        self.conv1 = conv(n, n, 3)
        self.conv2 = conv(n, n, 3)
        self.where = conv(2, 1, 5)  # spatial attention
        self.squeeze = conv(n, squeezed, 1)  # channel attention
        self.excite = conv(squeezed, n, 1)
        self.merge = conv(2 * n, n, 1)

    def forward(self, x: Tensor, slope: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Map (B, n, H, W) to (B, n, H, W); `slope` is the PReLU slope, shape (1,)."""
        r = self.conv2(prelu_after(self.conv1, x, slope))
        places = torch.cat([r.amax(1, keepdim=True), r.mean(1, keepdim=True)], 1)  # (B, 2, H, W)
        spatial = torch.sigmoid(self.where(places))  # (B, 1, H, W)
        pooled = pools.mean(r)  # (B, n, 1, 1)
        channel = torch.sigmoid(self.excite(F.relu(self.squeeze(pooled))))
        # [P Q] (r * spatial, r * channel) is (P r) * spatial + (Q * channel) r: a gate that is one
        # number a pixel can wait, one that is a number a channel can go into the weights.
        by_place, by_channel = self.merge.weight.split(r.shape[1], 1)  # P and Q: (n, n, 1, 1) each
        merged = multiply(F.conv2d(r, by_place), spatial)
        if len(channel) == 1:
            gated = F.conv2d(r, by_channel * channel)
        else:  # every picture of a batch has gates of its own
            gated = F.conv2d(r * channel, by_channel)
        return add(add(merged, gated), x)


class SelectiveKernelFusion(nn.Module):
    """Selective kernel feature fusion: softmax over streams, per channel.

    MIRNet, section 3, figure 2.

    Args:
        n: Channels of every stream.
        streams: How many streams are fused.
        leaky_slope: Fixed negative slope (MIRNet-v2 uses 0.2); None learns a PReLU (MIRNet).
    """

    def __init__(self, n: int, streams: int, leaky_slope: float | None = None):
        super().__init__()
        squeezed = max(n // 8, 4)
        self.squeeze = conv(n, squeezed, 1)
        self.activate = nn.PReLU() if leaky_slope is None else nn.LeakyReLU(leaky_slope)
        self.score = nn.ModuleList(conv(squeezed, n, 1) for _ in range(streams))

    def weigh(self, *streams: Tensor, pools: Pools) -> Tensor:
        """How much of each stream's channels is taken: (S, B, n, 1, 1), adding up to 1 over S."""
        z = self.activate(self.squeeze(pools.mean(*streams)))  # (B, d, 1, 1)
        return torch.stack([score(z) for score in self.score]).softmax(0)

    def forward(self, *streams: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Fuse equally shaped (B, n, H, W) maps into one, which is written as by `add`."""
        weights = self.weigh(*streams, pools=pools)
        fused = multiply(streams[0], weights[0])
        for stream, weight in zip(streams[1:], weights[1:], strict=True):
            fused = add_product(fused, stream, weight)
        return fused


class CoarserFusion(SelectiveKernelFusion):
    """Fusion of a stream with the next coarser one, which is doubled on the way (MIRNet-v2).

    A weight for each channel can be applied before the doubling, and the mean of a doubled map is
    that of the map: each of its pixels is taken as often as any other. So the doubled map is never
    pooled or weighted, and on a CPU never stored whole.

    Args:
        n: Channels of both streams.
    """

    join: "Join"
    """`join`, or what an engine does in its place."""

    def __init__(self, n: int):
        super().__init__(n, 2, leaky_slope=LEAKY_SLOPE)
        self.join = join

    def forward(self, *streams: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Fuse (B, n, H, W), written as by `add`, with (B, n, H / 2, W / 2)."""
        fine, coarse = streams
        own, others = self.weigh(fine, coarse, pools=pools)
        return self.join(fine, own, coarse, others)


class BinomialDown(nn.Module):
    """Antialiased halving: reflection pad, [1 2 1] x [1 2 1] / 16, stride 2 (Zhang, ICML 2019)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        # On the CPU even where a network is sketched on the meta device, which is slow at sums.
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
        self.halve = BinomialDown()
        self.widen = conv(n, 2 * n, 1)
        self.shortcut = conv(n, 2 * n, 1)

    def forward(self, x: Tensor, halved: Tensor | None = None) -> Tensor:
        """Map (B, n, H, W) to (B, 2n, H / 2, W / 2); `halved` is `halve(x)` where it is known."""
        r = prelu_after(self.conv1, x, self.act1.weight)
        r = prelu_after(self.conv2, r, self.act2.weight)
        halved = self.halve(x) if halved is None else halved
        return add(self.widen(self.halve(r)), self.shortcut(halved))


class ResidualUp(nn.Module):
    """Residual resizing module, doubling: n channels to n / 2 (MIRNet, section 3, figure 4)."""

    join: "Join"
    """`join`, or what an engine does in its place."""

    def __init__(self, n: int):
        super().__init__()
        self.conv1 = conv(n, n, 1)
        self.act1 = nn.PReLU()
        self.expand = nn.ConvTranspose2d(n, n, 3, 2, padding=1, output_padding=1, bias=False)
        self.act2 = nn.PReLU()
        self.narrow = conv(n, n // 2, 1)
        self.shortcut = conv(n, n // 2, 1)
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n, H, W) to (B, n / 2, 2H, 2W)."""
        r = prelu(self.expand(prelu(self.conv1(x), self.act1.weight)), self.act2.weight)
        r = self.narrow(r)
        # A 1x1 convolution commutes with bilinear resampling and costs a quarter before it.
        return self.join(r, None, self.shortcut(x), None)


def upsample(x: Tensor) -> Tensor:
    """Bilinear doubling, pixel centres aligned: (B, C, H, W) to (B, C, 2H, 2W)."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


Join = Callable[[Tensor, Tensor | None, Tensor, Tensor | None], Tensor]
"""What `join` is."""


def join(fine: Tensor, own: Tensor | None, coarse: Tensor, others: Tensor | None) -> Tensor:
    """`fine * own + upsample(coarse * others)`, written as by `add`.

    Args:
        fine: (B, C, H, W).
        own: (B or 1, C, 1, 1); None for ones.
        coarse: (B, C, H / 2, W / 2).
        others: As `own`.
    """
    coarse = coarse if others is None else coarse * others
    if own is None:
        return add(fine, upsample(coarse))
    if torch.is_grad_enabled() or not fine.is_contiguous(memory_format=torch.channels_last):
        return add(multiply(fine, own), upsample(coarse))
    return add_doubled(fine, own, coarse)


def add_doubled(fine: Tensor, factor: Tensor, coarse: Tensor) -> Tensor:
    """`fine * factor + upsample(coarse)`, written over `fine`; for inference.

    Args:
        fine: (B, C, H, W), channels last in memory.
        factor: (B, C, 1, 1).
        coarse: (B, C, H / 2, W / 2).
    """
    coarse = F.pad(coarse, (1, 1, 1, 1), mode="replicate").permute(0, 2, 3, 1)
    pictures, height, width, channels = coarse.shape
    wide = coarse.new_empty(pictures, height, width - 2, 2, channels)
    own = coarse[:, :, 1:-1]  # a quarter is the neighbour's: the left one's, the right one's
    torch.lerp(own, coarse[:, :, :-2], 0.25, out=wide[:, :, :, 0])
    torch.lerp(own, coarse[:, :, 2:], 0.25, out=wide[:, :, :, 1])
    wide = wide.view(pictures, height, -1, channels)
    rows = fine.permute(0, 2, 3, 1).view(pictures, height - 2, 2, -1, channels)
    factor = factor.permute(0, 2, 3, 1)
    for parity, neighbour in enumerate((wide[:, :-2], wide[:, 2:])):
        doubled = torch.lerp(wide[:, 1:-1], neighbour, 0.25)
        torch.addcmul(doubled, rows[:, :, parity], factor, out=rows[:, :, parity])
    return fine


class PixelScore(nn.Conv2d):
    """A 1x1 convolution to one channel, without bias: a product of a matrix and a vector."""

    def __init__(self, n: int):
        super().__init__(n, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n, H, W) to (B, 1, H, W)."""
        if torch.is_grad_enabled() or not x.is_contiguous(memory_format=torch.channels_last):
            return super().forward(x)
        return torch.matmul(x.permute(0, 2, 3, 1), self.weight.view(-1)).unsqueeze(1)


class ResidualContext(nn.Module):
    """Residual contextual block: two 3x3 convolutions, global context (MIRNet-v2, section 3).

    The context is one vector per picture: a softmax over all pixels weights their sum, two 1x1
    convolutions transform it, and it is added to every pixel (after Cao et al., GCNet, 2019).
    """

    def __init__(self, n: int, groups: int):
        super().__init__()
        self.conv1 = conv(n, n, 3, groups)
        self.conv2 = conv(n, n, 3, groups)
        self.attend = PixelScore(n)
        self.context1 = conv(n, n, 1)
        self.context2 = conv(n, n, 1)

    def forward(self, x: Tensor, pools: Pools = WHOLE) -> Tensor:
        """Map (B, n, H, W) to (B, n, H, W)."""
        r = self.conv2(leaky_after(self.conv1, x))
        context = pools.attend(r, self.attend(r))  # (B, n, 1, 1)
        context = self.context2(leaky(self.context1(context)))
        if torch.is_grad_enabled():
            return leaky(r + context) + x
        rows = max(BAND_VALUES // (r.shape[1] * r.shape[3]), 1)
        for band, before in zip(r.split(rows, 2), x.split(rows, 2), strict=True):
            leaky(band.add_(context)).add_(before)
        return r


class Projection(nn.Module):
    """What a stream's channels become on the way to another resolution (MIRNet-v2, section 3).

    The paper projects after halving by 2x2 averages, and after bilinear doubling. Both commute with
    a 1x1 convolution, so the averages are taken once for all coarser streams and `CoarserFusion`
    doubles what is projected already, at a quarter of the cost.
    """

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.project = conv(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels_out, H, W)."""
        return self.project(x)


class ExposureCurve(nn.Module):
    """A tone curve per colour channel, chosen from the whole picture's statistics.

    Dark pictures differ by far more than a residual network should have to add, so the compact
    low-light and retouch presets first bring the picture to a normal exposure. The curve is that of
    Zero-DCE (Guo et al., CVPR 2020, equation 2), y <- y + a * y * (1 - y), repeated `steps` times
    with another `a` each time; here `a` is global and predicted from quantiles of the picture, so
    that the curve is monotone, keeps [0, 1], and is the same for every tile of a photo. What the
    three channels would get for a grey copy of the picture is evened out: a grey picture stays grey
    by construction, and only a cast is treated as one.

    Args:
        steps: How often the curve is applied.
        hidden: Width of the two hidden layers.
        colour: Predict a 3x3 colour matrix too, applied after the curve. Its rows add up to 1: it
            makes colours livelier or duller and leaves greys grey.
    """

    quantiles: Tensor
    thumbnail_px = 64
    """Side of the averaged copy that the statistics are taken from."""

    def __init__(self, steps: int = 8, hidden: int = 64, colour: bool = False):
        super().__init__()
        levels = torch.tensor([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
        self.register_buffer("quantiles", levels, persistent=False)
        self.steps = steps
        self.hidden = nn.Linear((4 if colour else 3) * len(levels), hidden)
        self.hidden2 = nn.Linear(hidden, hidden)
        self.slopes = nn.Linear(hidden, 3 * steps)
        self.colours = nn.Linear(hidden, 9) if colour else None
        for last in (self.slopes, self.colours):
            if last is not None:
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)

    def predict(self, image: Tensor) -> Tensor:
        """Choose curve and colours for a whole picture (or a thumbnail of it).

        Args:
            image: (B, 3, H, W) in [0, 1].

        Returns:
            (B, steps, 3) slopes in (-1, 1); with `colour` (B, steps + 3, 3), the colour matrix
            below the slopes.
        """
        side = self.thumbnail_px
        small = F.adaptive_avg_pool2d(image, (min(side, image.shape[2]), min(side, image.shape[3])))
        small = small.float().clamp(0, 1)
        hidden = self._hidden(small)
        grey = self._slopes(self._hidden(small.mean(1, keepdim=True).expand_as(small)))
        slopes = torch.tanh(self._slopes(hidden) - (grey - grey.mean(2, keepdim=True)))
        if self.colours is None:
            return slopes
        change = torch.tanh(self.colours(hidden)).unflatten(1, (3, 3))
        matrix = torch.eye(3, device=change.device) + change - change.mean(2, keepdim=True)
        return torch.cat([slopes, matrix], 1)

    def _hidden(self, small: Tensor) -> Tensor:
        """Read a (B, 3, h, w) thumbnail: (B, hidden)."""
        if self.colours is not None:  # how colourful the picture is
            spread = small.amax(1, keepdim=True) - small.amin(1, keepdim=True)
            small = torch.cat([small, spread], 1)
        levels = torch.quantile(small.flatten(2), self.quantiles, dim=2)
        features = torch.log2(levels.permute(1, 2, 0).flatten(1) + 2**-10) / 10 + 0.5
        return F.leaky_relu(self.hidden2(F.leaky_relu(self.hidden(features), 0.2)), 0.2)

    def _slopes(self, hidden: Tensor) -> Tensor:
        """Slopes ahead of their tanh: (B, hidden) to (B, steps, 3)."""
        return self.slopes(hidden).unflatten(1, (self.steps, 3))

    def forward(self, image: Tensor, prediction: Tensor) -> Tensor:
        """Apply what `predict` returned to a picture (B, 3, H, W); the result stays in [0, 1]."""
        y = image.clamp(0, 1)
        for a in prediction[:, : self.steps].unbind(1):
            y = y + a[:, :, None, None] * y * (1 - y)
        if self.colours is None:
            return y
        return torch.einsum("bij,bjhw->bihw", prediction[:, self.steps :], y).clamp(0, 1)
