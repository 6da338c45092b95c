"""Blur, resampling and rounding of batches of pictures."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def smooth(x: Tensor, sigma_px: Tensor, max_sigma_px: float) -> Tensor:
    """Blur every picture of a batch with its own Gaussian, cut off at 3 sigma and 9 pixels.

    Args:
        x: (B, C, H, W), sides longer than the filter's radius.
        sigma_px: (B, 1, 1, 1), or (B, 2, 1, 1) for rows and columns apart: standard deviations; 0
            leaves a picture alone.
        max_sigma_px: No value of `sigma_px` is larger; decides the size of the filter without
            looking at values on the device.

    Returns:
        (B, C, H, W).
    """
    batch, channels, height, width = x.shape
    sigmas = sigma_px.expand(batch, 2, 1, 1).reshape(batch, 2, 1)
    radius = min(9, max(1, math.ceil(3 * max_sigma_px)), height - 1, width - 1)
    offsets = torch.arange(-radius, radius + 1.0, device=x.device)
    taps = torch.exp(-0.5 * (offsets / sigmas.clamp_min(1e-3)) ** 2)  # (B, 2, 2 * radius + 1)
    taps = (taps / taps.sum(2, keepdim=True)).repeat_interleave(channels, 0)  # (B*C, ...)
    flat = x.reshape(1, batch * channels, height, width)
    flat = F.pad(flat, (radius, radius, radius, radius), mode="reflect")
    flat = F.conv2d(flat, taps[:, :1, None, :], groups=batch * channels)
    flat = F.conv2d(flat, taps[:, 1:, :, None], groups=batch * channels)
    return flat.view(batch, channels, height, width)


def resize(x: Tensor, height: int, width: int) -> Tensor:
    """Bicubic resampling (Keys 1981, a = -0.5), wider when reducing, as MATLAB's imresize does."""
    return F.interpolate(x, (height, width), mode="bicubic", antialias=True).clamp(0, 1)


def eight_bits(x: Tensor) -> Tensor:
    """Round values in [0, 1] to k / 255."""
    return (x * 255).round() / 255
