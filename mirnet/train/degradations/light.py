"""Colour and tone: sRGB, linear light, saturation, and the tone curve of Brooks et al. (2019)."""

import torch
from torch import Tensor

LUMA = (0.2126, 0.7152, 0.0722)
"""Luminance of linear sRGB (ITU-R BT.709)."""


def srgb_to_linear(x: Tensor) -> Tensor:
    """Decode sRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    x = x.clamp(0, 1)
    return torch.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(x: Tensor) -> Tensor:
    """Encode linear light as sRGB (IEC 61966-2-1); the result is clipped to [0, 1]."""
    x = x.clamp(0, 1)
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp_min(1e-8) ** (1 / 2.4) - 0.055)


def tone_curve(x: Tensor) -> Tensor:
    """A camera's S-shaped tone curve, 3x^2 - 2x^3 (Brooks et al. 2019, section 3.1)."""
    return 3 * x**2 - 2 * x**3


def inverse_tone_curve(y: Tensor) -> Tensor:
    """Inverse of `tone_curve` on [0, 1]."""
    return 0.5 - torch.sin(torch.asin((1 - 2 * y).clamp(-1, 1)) / 3)


def luminance(linear: Tensor) -> Tensor:
    """Luminance (B, 1, H, W) of linear sRGB (B, 3, H, W)."""
    red, green, blue = linear.unbind(1)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[:, None]


def saturate(linear: Tensor, amount: Tensor) -> Tensor:
    """Scale the distance of linear colours from their luminance by `amount` (B, 1, 1, 1)."""
    return torch.lerp(luminance(linear).expand_as(linear), linear, amount.expand_as(linear))
