"""Small networks of random weights, and a picture of noise to send through them."""

import numpy as np
import torch

from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2


def network(make=MIRNetV2, **shape):
    """Build a small network of random weights, none of them zero."""
    torch.manual_seed(7)
    model = make(**shape).eval()
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    return model


def small_v1(unshuffle=1, **shape):
    return network(
        MIRNet, **{"features": 8, "groups": 2, "blocks": 1, "unshuffle": unshuffle} | shape
    )


def small_v2(unshuffle=1, **shape):
    return network(
        **{"features": 8, "blocks": 2, "conv_groups": (1, 2), "unshuffle": unshuffle} | shape
    )


def photo(height=21, width=30, dtype=np.uint8):
    values = np.random.default_rng(3).random((height, width, 3))
    return (values * np.iinfo(dtype).max).astype(dtype)
