"""The noise level of a picture, as a condition for denoising; neither paper has one.

A network that is told how strong the noise is removes that much and leaves a clean picture alone
(after FFDNet, Zhang et al., TIP 2018).
"""

import torch
from torch import Tensor

NORMAL_MAD = 0.6745
"""Median absolute value of a standard normal variable."""
PLANE_SCALE = 10.0
"""The network's input plane is the standard deviation times this, about 0 to 1 for usual noise."""
WINDOW_PX = 64
"""Side of the windows of a large picture on which its noise is estimated."""


def estimate_noise(image: Tensor) -> Tensor:
    """Standard deviation of the noise: median absolute deviation of the finest diagonal details.

    The diagonal Haar coefficients of 2x2 pixels hold noise nearly everywhere and edges in few
    places, so their median sees the noise (Donoho and Johnstone, Biometrika 81, 1994, section 4).
    Pixels that are fully black or white have lost their noise, so 2x2 pixels that hold one are left
    out, per channel. Noise of neighbouring pixels that is alike, as after demosaicking or JPEG, is
    underestimated.

    Args:
        image: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 1) in [0, 1]; 0 where no 2x2 pixels can be judged.

    >>> noise = 0.1 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> round(estimate_noise(0.5 + noise).item(), 2)
    0.1
    """
    height, width = image.shape[-2] // 2 * 2, image.shape[-1] // 2 * 2
    if not height or not width:
        return image.new_zeros(len(image), 1)
    corners = [image[..., y:height:2, x:width:2] for y in (0, 1) for x in (0, 1)]
    a, b, c, d = corners  # (B, 3, H/2, W/2) each
    detail = (a - b - c + d).abs() / 2  # has the standard deviation of one pixel's noise
    stacked = torch.stack(corners)
    judged = (stacked.amin(0) > 0) & (stacked.amax(0) < 1)
    details = torch.where(judged, detail, torch.nan).flatten(1)  # (B, 3 * H/2 * W/2)
    return (details.nanmedian(1, keepdim=True).values / NORMAL_MAD).nan_to_num(0.0)


def noise_plane(level: Tensor, image: Tensor) -> Tensor:
    """The input plane that tells a network the noise level.

    Args:
        level: (B or 1, 1), standard deviation as a share of full scale.
        image: (B, 3, H, W), whose size the plane has.

    Returns:
        (B, 1, H, W).
    """
    plane = PLANE_SCALE * level.to(image)[..., None, None]  # (B or 1, 1, 1, 1)
    return plane.expand(len(image), 1, *image.shape[2:])
