"""Bayer filters of all four patterns, and their interpolation by Malvar, He and Cutler.

"High-quality linear interpolation for demosaicing of Bayer-patterned color images", ICASSP 2004.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

# Figure 2 of the paper, times 8.
_GREEN = [
    [0, 0, -1, 0, 0],
    [0, 0, 2, 0, 0],
    [-1, 2, 4, 2, -1],
    [0, 0, 2, 0, 0],
    [0, 0, -1, 0, 0],
]
_ROW = [
    [0, 0, 0.5, 0, 0],
    [0, -1, 0, -1, 0],
    [-1, 4, 5, 4, -1],
    [0, -1, 0, -1, 0],
    [0, 0, 0.5, 0, 0],
]
_DIAGONAL = [
    [0, 0, -1.5, 0, 0],
    [0, 2, 0, 2, 0],
    [-1.5, 0, 6, 0, -1.5],
    [0, 2, 0, 2, 0],
    [0, 0, -1.5, 0, 0],
]
_FILTERS = (
    torch.stack(
        [
            torch.tensor(_GREEN),
            torch.tensor(_ROW),
            torch.tensor(_ROW).T,
            torch.tensor(_DIAGONAL),
        ]
    )[:, None].float()
    / 8
)  # (4, 1, 5, 5)
_on_device: dict[torch.device, Tensor] = {}


def _filters(device: torch.device) -> Tensor:
    """The four filters on a device; copied there once, as a captured graph must not copy."""
    if device not in _on_device:
        _on_device[device] = _FILTERS.to(device)
    return _on_device[device]


def draw_phases(batch: int, generator: Generator) -> Tensor:
    """Draw which pixel of 2 x 2 is the first of RGGB: (2, batch), row and column, each 0 or 1.

    The four phases of RGGB are the four Bayer patterns: RGGB, GRBG, GBRG and BGGR.
    """
    return torch.randint(0, 2, (2, batch), generator=generator, device=generator.device)


def mosaic_and_demosaic(x: Tensor, phases: Tensor) -> Tensor:
    """Sample pictures through Bayer filters and interpolate the missing colours.

    Args:
        x: (B, 3, H, W) linear sensor values.
        phases: Phases from `draw_phases`.

    Returns:
        Pictures, (B, 3, H, W), with the spatial correlation of demosaicked noise.
    """
    height, width = x.shape[2:]
    row, column = phases.view(2, -1, 1, 1, 1)
    odd_row = (torch.arange(height, device=x.device).view(1, 1, -1, 1) + row) % 2
    odd_column = (torch.arange(width, device=x.device).view(1, 1, 1, -1) + column) % 2
    odd_row, odd_column = odd_row.to(x.dtype), odd_column.to(x.dtype)
    even_row, even_column = 1 - odd_row, 1 - odd_column
    red, blue = even_row * even_column, odd_row * odd_column  # (B, 1, H, W)
    green_red_row, green_blue_row = even_row * odd_column, odd_row * even_column
    green = green_red_row + green_blue_row
    raw = x[:, :1] * red + x[:, 1:2] * green + x[:, 2:] * blue
    estimates = F.conv2d(F.pad(raw, (2, 2, 2, 2), mode="reflect"), _filters(x.device))
    at_green, from_row, from_column, diagonal = estimates.split(1, dim=1)
    r = raw * red + from_row * green_red_row + from_column * green_blue_row + diagonal * blue
    g = raw * green + at_green * (red + blue)
    b = raw * blue + from_row * green_blue_row + from_column * green_red_row + diagonal * red
    return torch.cat([r, g, b], 1)
