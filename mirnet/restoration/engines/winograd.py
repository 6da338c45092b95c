"""3x3 convolutions with a quarter of the products: Winograd's F(4x4, 3x3).

After Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016, arXiv
1509.09308, section 4.3). An output of 4x4 pixels is made from 6x6 of the input: patch and kernel
are brought into a domain where a convolution is a product at each of 36 places, so 36 matrix
products take the place of 144. The transforms cost the same for any number of output channels, so
wide layers gain and narrow ones lose.

The products are PyTorch's. The transforms are compiled (`winograd_transforms.py`), or made of its
operations where they cannot be. A map is worked on in bands, so that everything between input and
output stays in the cache. Maps are (B, C, H, W) float32, channels last in memory.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirnet.memory import give_back_memory
from mirnet.models.base import RestorationNetwork
from mirnet.models.blocks import BlurPool

from . import resizing
from .fused import Join, LeakyConv2d, fuse
from .native import check
from .shared_parameters import channels_last, copied_bytes
from .winograd_transforms import Transforms, transforms

MIN_CHANNELS = 64
"""Channels of the narrowest layer that is replaced where the transforms are not compiled."""
MIN_COMPILED = 24
"""Channels of the narrowest layer without groups that compiled transforms replace."""
MIN_GROUPED = 40
"""Channels per group of the narrowest layer with groups that compiled transforms replace."""
BAND_VALUES = 32768
"""Patches times channels in one band: about 4.7 MB for each of its three buffers."""

# The matrices of the paper, for one dimension: of the input, the kernel and the output.
_INPUT = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
_KERNEL = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]
_OUTPUT = [
    [1, 1, 1, 1, 1, 0],
    [0, 1, -1, 2, -2, 0],
    [0, 1, 1, 4, 4, 0],
    [0, 1, -1, 8, -8, 1],
]


def _both_dimensions(matrix: Sequence[Sequence[float]]) -> Tensor:
    one = torch.tensor(matrix, dtype=torch.float32)
    return torch.kron(one, one)


_FREE: list[Tensor] = []
"""Memory that `_scratch` lends next; at most one buffer."""


@contextlib.contextmanager
def _scratch(values: int) -> Iterator[Tensor]:
    """Lend memory for one layer: (values,) float32, uninitialised.

    Layers and passes reuse one buffer, because memory that is new from the system costs as much as
    a transform; layers that run at the same time get buffers of their own.
    """
    try:
        buffer = _FREE.pop()
    except IndexError:
        buffer = torch.empty(0)
    if len(buffer) < values:
        with torch.inference_mode(False):  # so that the buffer can be written in any mode
            buffer = torch.empty(values)
    try:
        yield buffer[:values]
    finally:
        _FREE[:] = [buffer]


class WinogradConv2d(nn.Module):
    """A size-keeping 3x3 convolution without bias, for inference only.

    Args:
        conv: The convolution to replace; see `fits`.
    """

    weight: Tensor
    to_domain: Tensor
    from_domain: Tensor

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        kernel = torch.tensor(_KERNEL, dtype=torch.float64)
        weight = conv.weight.detach().cpu().double().unflatten(0, (conv.groups, -1))
        domain = torch.einsum("ai,gocij,bj->gabco", kernel, weight, kernel)  # (G, 6, 6, C, O)
        constants = {
            "weight": domain.flatten(0, 2).float().contiguous(),  # (G * 36, C, O)
            "to_domain": _both_dimensions(_INPUT),  # (36, 36)
            "from_domain": _both_dimensions(_OUTPUT),  # (16, 36)
        }
        for name, value in constants.items():
            self.register_buffer(name, value.to(conv.weight.device), persistent=False)
        self.groups = conv.groups

    def forward(self, x: Tensor, slope: float | Tensor = 1.0) -> Tensor:
        """Map (B, C, H, W) to (B, O, H, W), and values below zero to `slope` times as much.

        The result is channels last in memory.
        """
        slope = float(slope)
        compiled = transforms()
        if compiled is not None and min(self.weight.shape[1:]) >= compiled.lanes:
            return self._compiled(x, slope, compiled)
        made = self._plain(x)
        return made if slope == 1 else F.leaky_relu(made, slope, inplace=True)

    def _compiled(self, x: Tensor, slope: float, transforms: Transforms) -> Tensor:
        x = x if x.stride(1) == 1 else x.contiguous(memory_format=torch.channels_last)
        _, c, o = self.weight.shape
        if x.shape[1] != self.groups * c:
            raise ValueError(f"{x.shape[1]} channels instead of {self.groups * c}")
        check(x)
        x = x.permute(0, 2, 3, 1)  # (B, H, W, G * C)
        pictures, height, width, _ = x.shape
        total = -(-height // 4) * -(-width // 4)
        most = max(BAND_VALUES // (self.groups * max(c, o)), 1)
        count = -(-total // -(-total // most))  # bands of about equal size
        out = x.new_empty(pictures, height, width, self.groups * o)
        # One extra patch, never read: see `_plain`.
        places = self.groups * 36 * (count + 1)
        with _scratch(places * (c + o)) as buffer:
            domain, products = (
                part.view(self.groups, 36, count + 1, -1)
                for part in buffer.split([places * c, places * o])
            )
            domain[:, :, count].zero_()
            for picture, result in zip(x, out, strict=True):
                for first in range(0, total, count):
                    band = min(count, total - first)
                    transforms.to_domain(picture, domain, first, band)
                    torch.bmm(domain.flatten(0, 1), self.weight, out=products.flatten(0, 1))
                    transforms.from_domain(products, result, first, band, slope)
        return out.permute(0, 3, 1, 2)

    def _plain(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        pictures, height, width, c = x.shape
        o = self.weight.shape[2]
        down, across = -(-height // 4), -(-width // 4)  # patches
        high = min(max(BAND_VALUES // (across * max(c, o)), 1), down)
        high = -(-down // -(-down // high))  # bands of about equal height
        count = high * across
        out = x.new_empty(pictures, height, width, o)
        # A band with a border of one pixel; nothing is ever written over its left and right zeros.
        rows = x.new_empty(4 * high + 2, 4 * across + 2, c)
        rows[:, 0].zero_()
        rows[:, width + 1 :].zero_()
        down_step, across_step, _ = rows.stride()
        overlapping = rows.as_strided(
            (6, 6, high, across, c), (down_step, across_step, 4 * down_step, 4 * across_step, 1)
        )
        # One extra patch, never read: if rows of these matrices were a large power of
        # two apart, they would evict each other from the cache.
        patches = x.new_empty(36, count + 1, c)
        patches[:, count].zero_()
        own = patches[:, :count].view(6, 6, high, across, c)
        domain = torch.empty_like(patches)
        products = x.new_empty(36, count + 1, o)
        made = x.new_empty(16, count + 1, o)
        in_place = made[:, :count].view(4, 4, high, across, o).permute(2, 0, 3, 1, 4)
        for picture, result in zip(x, out, strict=True):
            for top in range(0, height, 4 * high):
                self._fill(rows, picture, top)
                own.copy_(overlapping)
                torch.mm(self.to_domain, patches.view(36, -1), out=domain.view(36, -1))
                torch.bmm(domain, self.weight, out=products)
                torch.mm(self.from_domain, products.view(36, -1), out=made.view(16, -1))
                band = result[top : top + 4 * high]
                if band.shape[0] == 4 * high and width == 4 * across:
                    band.view(high, 4, across, 4, o).copy_(in_place)
                else:  # the last patches reach beyond the picture
                    whole = in_place.reshape(4 * high, 4 * across, o)
                    band.copy_(whole[: band.shape[0], :width])
        return out.permute(0, 3, 1, 2)

    @staticmethod
    def _fill(rows: Tensor, picture: Tensor, top: int) -> None:
        """Copy a band and its neighbouring rows; beyond the picture there are zeros."""
        first, last = max(top - 1, 0), min(top + rows.shape[0] - 1, picture.shape[0])
        start = first - (top - 1)
        stop = start + last - first
        rows[:start].zero_()
        rows[start:stop, 1 : picture.shape[1] + 1].copy_(picture[first:last])
        rows[stop:].zero_()


def compile_ahead() -> None:
    """Compile the transforms before the first photo; takes a fifth of a second."""
    transforms()
    resizing.resizing()


def fits(module: nn.Module) -> bool:
    """Whether a module is a convolution that is faster as `WinogradConv2d`."""
    if not (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (3, 3)
        and module.stride == (1, 1)
        and module.padding == (1, 1)
        and module.dilation == (1, 1)
        and module.bias is None
        and module.padding_mode == "zeros"
    ):
        return False
    channels = min(module.in_channels, module.out_channels) // module.groups
    if transforms() is None:
        return module.groups == 1 and channels >= MIN_CHANNELS
    return channels >= (MIN_COMPILED if module.groups == 1 else MIN_GROUPED)


def gains(model: RestorationNetwork) -> bool:
    """Whether a network is expected to gain.

    Without compiled transforms, too few maps behind a pixel-unshuffle are wide enough.
    """
    if transforms() is None and model.unshuffle > 1:
        return False
    return any(fits(module) for module in model.modules())


def with_winograd(model: RestorationNetwork) -> RestorationNetwork:
    """Make the fused network with `WinogradConv2d` for wide 3x3 convolutions, channels last.

    Halving and doubling use the modules of `resizing.py`.
    """
    prepared = fuse(model)
    for parent in list(prepared.modules()):
        for name, child in parent.named_children():
            conv = child.conv if isinstance(child, LeakyConv2d) else child
            if fits(conv):
                setattr(parent, name, WinogradConv2d(cast(nn.Conv2d, conv)))
            elif isinstance(child, BlurPool):
                setattr(parent, name, resizing.CompiledBlurPool(child))
            elif isinstance(child, Join):
                setattr(parent, name, resizing.CompiledJoin())
    give_back_memory()  # of temporaries of the weights' transform
    return channels_last(prepared)


def extra_bytes(model: RestorationNetwork) -> int:
    """Memory in bytes that `with_winograd` takes for weights of its own."""
    taken = [module for module in model.modules() if fits(module)]
    before = sum(cast(nn.Conv2d, module).weight.nbytes for module in taken)
    return copied_bytes(model) - before + before // 9 * 36
