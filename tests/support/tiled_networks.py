"""Small networks and pictures for tests of tiling."""

import math

import numpy as np
import torch
from torch import nn

from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.restoration.api import restore

NETWORKS = {
    "v1": (MIRNet, {"groups": 1, "blocks": 2}),
    "v1-unshuffle2": (MIRNet, {"groups": 1, "blocks": 1, "unshuffle": 2}),
    "v2": (MIRNetV2, {"conv_groups": (1, 2)}),
    "v2-unshuffle2": (MIRNetV2, {"conv_groups": (1,), "blocks": 1, "unshuffle": 2}),
    "v2-unshuffle3": (MIRNetV2, {"conv_groups": (1,), "blocks": 1, "unshuffle": 3}),
    "v2-noise": (MIRNetV2, {"conv_groups": (1,), "blocks": 1, "unshuffle": 2, "noise_level": True}),
    "v2-exposure": (MIRNetV2, {"conv_groups": (1,), "blocks": 1, "unshuffle": 2, "exposure": True}),
}


def network(name: str) -> nn.Module:
    """Build a small network whose gates depend strongly on the picture."""
    architecture, config = NETWORKS[name]
    torch.manual_seed(3)
    model = architecture(8, **config)
    for key, value in model.named_parameters():
        if value.dim() > 1:
            nn.init.normal_(value, std=1 / value[0].numel() ** 0.5)
        if key.endswith(("excite.weight", "attend.weight")) or ".score." in key:
            value.data *= 4
    model.conv_out.weight.data *= 0.1
    return model.eval().requires_grad_(False)


def photo(height=200, width=231, dtype=np.float32) -> np.ndarray:
    """Make a picture, dark and smooth on top, bright and rough below: tiles differ from it."""
    rng = np.random.default_rng(0)
    light = np.linspace(0.02, 0.9, height)[:, None, None] * np.array([1, 0.8, 0.6])
    rough = light * rng.random((height, width, 3)) ** (2 * np.linspace(0, 1, height))[:, None, None]
    return rough.astype(np.float32) if dtype == np.float32 else (rough * 65535).astype(dtype)


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    scale = 1 if one.dtype.kind == "f" else np.iinfo(one.dtype).max
    error = np.mean(np.square(one.astype(np.float64) - other)) / scale**2
    return -10 * math.log10(max(error, 1e-20))


def result(pixels, model, tiling, tile_px=96, **settings):
    return restore(pixels, weights=model, tiling=tiling, tile_px=tile_px, **settings).result()


def whole(pixels, model, **settings) -> np.ndarray:
    side = max(max(pixels.shape), 32)
    made = restore(pixels, weights=model, tile_px=side, **settings).result()
    assert made.tiles == 1 and made.tiling == "whole"
    return made.picture.pixels
