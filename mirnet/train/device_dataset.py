"""Pictures in device memory, and patches cut out of them by tensor operations.

`DeviceDataset` holds pictures of different sizes as one uint8 tensor of pixels. Picture, place,
mirroring and rotation of each patch are drawn on the device, and all patches of a batch are one
gather: nothing synchronises with the device, and no picture passes through the CPU in a step.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from mirnet.errors import InvalidRequest

BLOCK_PX = 16
"""Side in pixels of the blocks whose detail a dataset stores."""
THUMBNAIL_PX = 64
"""Side in pixels of the reduced copy of each whole picture."""


@dataclass(frozen=True)
class Places:
    """Crop positions of a batch of patches; all fields are (B,) tensors on the device."""

    picture: Tensor
    """Index of the picture."""
    top: Tensor
    """First row of the patch."""
    left: Tensor
    """First column of the patch."""
    mirrored: Tensor
    """Whether left and right are exchanged."""
    flipped: Tensor
    """Whether top and bottom are exchanged."""
    transposed: Tensor
    """Whether rows and columns are exchanged; with the other two, all quarter turns."""


class DeviceDataset:
    """Pictures of any size on one device.

    Args:
        pictures: (H, W, 3) uint8 arrays.
        device: Device of the pixels.
        detail: Whether to store the detail of each block of `BLOCK_PX` pixels, for `draw`.
    """

    def __init__(
        self, pictures: Iterable[np.ndarray], device: torch.device | str, detail: bool = False
    ):
        pixels, details, thumbnails, sizes = [], [], [], []
        for picture in pictures:
            tensor = torch.from_numpy(np.array(picture))
            sizes.append(tuple(tensor.shape[:2]))
            thumbnails.append(thumbnail(tensor))
            if detail:
                details.append(_block_detail(tensor))
            pixels.append(tensor.view(-1, 3))
        self.device = torch.device(device)
        self.sizes = sizes
        self.pixels = torch.cat(pixels).to(device)  # (all pixels, 3) uint8
        self.thumbnails = torch.stack(thumbnails).to(device)  # (N, 3, t, t) float32
        self.heights, self.widths = torch.tensor(sizes, device=device).unbind(1)
        self.starts = _starts(self.heights * self.widths)
        self.details = torch.cat(details).to(device) if detail else None
        self.block_columns = self.widths // BLOCK_PX
        self.block_starts = _starts((self.heights // BLOCK_PX) * self.block_columns)

    def chances(self, side: int) -> Tensor:
        """Cumulative probability of each picture for patches of `side` pixels, by its area.

        Raises:
            InvalidRequest: Every picture is smaller than a patch.
        """
        fits = (self.heights >= side) & (self.widths >= side)
        if not fits.any():
            height, width = max(self.sizes, key=min)
            raise InvalidRequest(
                f"Every picture is smaller than a patch of {side} pixels (the largest is {width} x "
                f"{height}): make data.patch_px smaller."
            )
        areas = (self.heights * self.widths * fits).double()
        return (areas.cumsum(0) / areas.sum()).float()

    def draw(
        self, size: int, side: int, chances: Tensor, generator: Generator, detail: float = 0.0
    ) -> Places:
        """Draw the crop positions of a batch of patches.

        Args:
            side: Side of a patch in pixels.
            chances: Result of `chances` for this side.
            generator: Source of the random numbers; must be on the dataset's device.
            detail: Probability that a patch is the most detailed of four: most of a photograph is
                sky or out of focus and teaches little.
        """
        draws = 4 if detail and self.details is not None else 1
        shape = draws, size
        random = torch.rand(4, *shape, generator=generator, device=self.device)
        picture = torch.searchsorted(chances, random[0]).clamp(max=len(self.sizes) - 1)
        down, right = self.heights[picture] - side, self.widths[picture] - side
        top = torch.minimum((random[1] * (down + 1)).long(), down)  # a product may be rounded up
        left = torch.minimum((random[2] * (right + 1)).long(), right)
        if draws > 1:
            best = self._detail(picture, top, left, side).argmax(0)
            best = torch.where(random[3, 0] < detail, best, 0)
            picture, top, left = (x.gather(0, best[None]) for x in (picture, top, left))
        turns = torch.rand(3, size, generator=generator, device=self.device) < 0.5
        return Places(picture[0], top[0], left[0], *turns.unbind(0))

    def _detail(self, picture: Tensor, top: Tensor, left: Tensor, side: int) -> Tensor:
        """Mean detail at 3 x 3 blocks of each candidate patch."""
        assert self.details is not None
        offsets = torch.arange(1, 6, 2, device=self.device) * side // 6
        rows = (top[..., None, None] + offsets[:, None]) // BLOCK_PX
        columns = (left[..., None, None] + offsets) // BLOCK_PX
        picture = picture[..., None, None]
        rows = torch.minimum(rows, self.heights[picture] // BLOCK_PX - 1)
        columns = torch.minimum(columns, self.block_columns[picture] - 1)
        block = self.block_starts[picture] + rows * self.block_columns[picture] + columns
        return self.details[block].mean((-1, -2))

    def cut(self, places: Places, side: int) -> Tensor:
        """Cut patches: (B, 3, side, side) float32 in [0, 1]."""
        along = torch.arange(side, device=self.device)

        def steps(reverse: Tensor) -> Tensor:
            return torch.where(reverse[:, None], side - 1 - along, along)  # (B, side)

        down, right = steps(places.flipped)[:, :, None], steps(places.mirrored)[:, None]
        turned = places.transposed[:, None, None]
        rows = places.top[:, None, None] + torch.where(turned, right, down)
        columns = places.left[:, None, None] + torch.where(turned, down, right)
        which = places.picture[:, None, None]
        index = self.starts[which] + rows * self.widths[which] + columns  # (B, side, side)
        patches = self.pixels[index.view(-1)].view(*index.shape, 3)
        return patches.permute(0, 3, 1, 2).float() / 255


def _starts(lengths: Tensor) -> Tensor:
    return lengths.cumsum(0) - lengths


def _block_detail(picture: Tensor) -> Tensor:
    """Mean step between neighbouring green values in each block, (blocks,) row by row."""
    green = picture[..., 1].float()
    steps = torch.zeros_like(green)
    steps[1:] += (green[1:] - green[:-1]).abs()
    steps[:, 1:] += (green[:, 1:] - green[:, :-1]).abs()
    return F.avg_pool2d(steps[None, None], BLOCK_PX).flatten()


def thumbnail(picture: Tensor) -> Tensor:
    """Average a whole picture (H, W, 3) uint8 to (3, t, t) in [0, 1], t = `THUMBNAIL_PX`."""
    x = picture.permute(2, 0, 1)[None].float()
    return F.adaptive_avg_pool2d(x, THUMBNAIL_PX)[0] / 255


def reduced(picture: np.ndarray, factor: int) -> np.ndarray:
    """Average squares of `factor` pixels: less noise of its own, and sharper; rounded to 8 bits."""
    height, width = (side // factor * factor for side in picture.shape[:2])
    squares = torch.from_numpy(np.array(picture[:height, :width]))
    x = F.avg_pool2d(squares.permute(2, 0, 1)[None].float(), factor)
    return x.round().to(torch.uint8)[0].permute(1, 2, 0).numpy()
