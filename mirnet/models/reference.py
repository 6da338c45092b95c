"""Independent check of both networks: the papers' formulas as plain functions, without speed-ups.

Functions use only the weights of a network. Tests compare `blocks.py`, which uses three algebraic
identities (halvings shared, projections ahead of doubling, averages ahead of projections), with
them in value, gradient and multiply-adds. (B, C, H, W) throughout.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import pad_to_multiple
from .mirnet import MIRNet

Unit = Any
"""A module of a network, used only for its weights."""


def restore(model: Unit, image: Tensor) -> Tensor:
    """Compute `model(image)`; the exposure curve, which the papers lack, is the model's own."""
    margin = model.margin
    height, width = image.shape[2:]
    padded = pad_to_multiple(image, model.multiple, margin)
    condition = model.condition(image)
    base = model.base_image(padded, condition)
    planes = model.network_input(padded, base, condition)
    y = model.conv_in(F.pixel_unshuffle(planes, model.unshuffle))
    for group in model.groups:
        before = y
        for block in group.blocks:
            if isinstance(model, MIRNet):
                y = block_v1(block, y, model.attention_slope)
            else:
                y = block_v2(block, y)
        y = group.conv_out(y) + before
    restored = F.pixel_shuffle(model.conv_out(y), model.unshuffle) + base
    return restored[..., margin : margin + height, margin : margin + width]


def pool(x: Tensor) -> Tensor:
    """Mean over the picture: (B, n, H, W) to (B, n, 1, 1)."""
    return x.mean((2, 3), keepdim=True)


# ---------------------------------------------------------------- MIRNet, section 3


def block_v1(block: Unit, x: Tensor, slope: Tensor) -> Tensor:
    """Multi-scale residual block, figure 1."""
    attend = [lambda y, unit=unit: dual_attention(unit, y, slope) for unit in block.attend]
    a0 = attend[0](x)
    a1 = attend[1](down(block.down_0to1, a0))
    a2 = attend[2](down(block.down_1to2, a1))
    t0 = fuse(block.fuse[0], a0, up(block.up_1to0, a1), twice(up, block.up_2to0, a2))
    t1 = fuse(block.fuse[1], down(block.down_0to1, a0), a1, up(block.up_2to1, a2))
    t2 = fuse(block.fuse[2], twice(down, block.down_0to2, a0), down(block.down_1to2, a1), a2)
    b0, b1, b2 = attend[0](t0), attend[1](t1), attend[2](t2)
    last = up(block.last_up_1to0, b1), twice(up, block.last_up_2to0, b2)
    return block.conv_out(fuse(block.fuse[0], b0, *last)) + x


def twice(resize: Unit, stages: Unit, x: Tensor) -> Tensor:
    """Resize twice, with one stage after the other."""
    return resize(stages[1], resize(stages[0], x))


def dual_attention(unit: Unit, x: Tensor, slope: Tensor) -> Tensor:
    """Dual attention unit, figure 3."""
    r = unit.conv2(F.prelu(unit.conv1(x), slope))
    places = torch.cat([r.max(1, keepdim=True).values, r.mean(1, keepdim=True)], 1)
    spatial = torch.sigmoid(unit.spatial_conv(places))
    channel = torch.sigmoid(unit.excite(F.relu(unit.squeeze(pool(r)))))
    return unit.merge(torch.cat([r * spatial, r * channel], 1)) + x


def fuse(unit: Unit, *streams: Tensor) -> Tensor:
    """Selective kernel feature fusion, figure 2."""
    z = unit.activate(unit.squeeze(pool(sum(streams[1:], streams[0]))))
    weights = torch.stack([score(z) for score in unit.score]).softmax(0)
    return (torch.stack(streams) * weights).sum(0)


def blur_halve(x: Tensor) -> Tensor:
    """Antialiased halving."""
    row = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype, device=x.device) / 4
    kernel = torch.outer(row, row).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=x.shape[1])


def double(x: Tensor) -> Tensor:
    """Bilinear doubling."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def down(unit: Unit, x: Tensor) -> Tensor:
    """Residual downsampling, figure 4."""
    top = unit.act2(unit.conv2(unit.act1(unit.conv1(x))))
    return unit.widen(blur_halve(top)) + unit.shortcut(blur_halve(x))


def up(unit: Unit, x: Tensor) -> Tensor:
    """Residual upsampling, figure 4."""
    top = unit.act2(unit.expand(unit.act1(unit.conv1(x))))
    return unit.narrow(top) + unit.shortcut(double(x))


# ---------------------------------------------------------------- MIRNet-v2, section 3


def block_v2(block: Unit, x: Tensor) -> Tensor:
    """Multi-scale residual block, figure 2."""
    top, mid = x, average_down(block.down_mid, x)
    bot = average_down(block.down_bot[1], average_down(block.down_bot[0], x))
    for up_bot, up_mid in ((block.up_bot1, block.up_mid1), (block.up_bot2, block.up_mid2)):
        top = context(block.context_top, top)
        mid = context(block.context_mid, mid)
        bot = context(block.context_bot, bot)
        mid = fuse(block.fuse_mid, mid, double(up_bot.project(bot)))
        top = fuse(block.fuse_top, top, double(up_mid.project(mid)))
    return block.conv_out(top) + x


def average_down(unit: Unit, x: Tensor) -> Tensor:
    """Halving by averages and a 1x1 convolution."""
    return unit.project(F.avg_pool2d(x, 2))


def context(unit: Unit, x: Tensor) -> Tensor:
    """Residual contextual block."""
    r = unit.conv2(F.leaky_relu(unit.conv1(x), 0.2))
    weights = unit.attend(r).flatten(2).softmax(2)  # (B, 1, H*W)
    summed = (r.flatten(2) * weights).sum(2)[..., None, None]
    r = r + unit.context2(F.leaky_relu(unit.context1(summed), 0.2))
    return F.leaky_relu(r, 0.2) + x
