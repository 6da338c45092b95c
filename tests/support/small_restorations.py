"""Networks and photos for tests of restorations."""

import numpy as np
import torch
from torch import nn

from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.restoration.compute_lock import COMPUTE_LOCK


class Identity(nn.Module):
    """Returns its input; counts its calls and checks what it is called with."""

    def __init__(self):
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []
        self.locked: list[bool] = []

    def forward(self, image):
        assert image.dtype == torch.float32 and torch.is_inference_mode_enabled()
        assert image.min() >= 0 and image.max() <= 1
        self.shapes.append(tuple(image.shape))
        self.locked.append(COMPUTE_LOCK.locked())
        return image


class Pointwise(Identity):
    """Network that applies a function to each value."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, image):
        return self.function(super().forward(image))


def photo(height=70, width=90, dtype=np.uint8, channels=3, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (height, width, channels) if channels > 1 else (height, width)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape, dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def tiny(architecture=MIRNetV2, **config) -> nn.Module:
    torch.manual_seed(1)
    sizes = {MIRNetV2: {"conv_groups": (1,), "blocks": 1}, MIRNet: {"groups": 1, "blocks": 1}}
    model = architecture(8, **{**sizes[architecture], "unshuffle": 2, **config})
    return model.eval().requires_grad_(False)
