"""Pairs of a degraded and a good picture, one function for each kind of training data.

`DEGRADATIONS` lists the values of `data.degradation` in a training recipe.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..noise_profiles import NoiseProfiles
from .camera import Camera, in_camera
from .draws import chosen, normal, swap_colours, uniform
from .filters import eight_bits, resize, smooth
from .jpeg import jpeg
from .light import linear_to_srgb, saturate, srgb_to_linear

WELL_EXPOSED = (0.5, 0.6)
"""sRGB averages of a well-exposed photograph: 0.5 is the best value of Mertens et al. ("Exposure
Fusion", 2007), 0.6 that of Zero-DCE's exposure loss (Guo et al., CVPR 2020)."""
CLEAN_SHARE = 0.125
"""Share of the pictures without noise in training for denoising."""
Pair = tuple[Tensor, Tensor, Tensor]
"""Degraded patches, targets, and thumbnails of the degraded photographs."""


@dataclass(frozen=True)
class CleanBatch:
    """Photographs before a degradation, and what it may draw on."""

    patches: Tensor
    """Patches (B, 3, H, W) in [0, 1]; sides divide by `scale`."""
    thumbnails: Tensor
    """Whole photographs of the patches, small: (B, 3, h, w) in [0, 1]."""
    generator: Generator
    """Source of randomness, on the device of the pictures."""
    scale: int = 1
    """Factor of super-resolution; 1 for other tasks."""
    profiles: NoiseProfiles | None = None
    """Measured noise of cameras; None for a fitted line."""


Degradation = Callable[[CleanBatch], Pair]
"""Function that returns degraded patches at 8 bits and targets, both of the shape of the clean
patches and in [0, 1], and degraded thumbnails, or the thumbnails as they are where the whole
photograph keeps its brightness."""


def noisy_pair(photos: CleanBatch) -> Pair:
    """A noisy photograph and the mean of many such (task 'denoise').

    The target went through the same sensor and colour development, so that a network learns to
    remove noise and not to undo a camera's rendering; but not through the mosaic, whose colour
    fringes at edges average out over frames that a tripod holds nearly still. Clipping and the tone
    curve make noise change the local brightness; the target keeps that change, as the mean of many
    frames does that real benchmarks have for truth, and the network learns to leave brightness
    alone. Lens and sensor make a part of the photographs softer than their noise, which else passes
    for texture. An eighth get no noise at all: fine texture without noise around it is to be kept.
    """
    clean, generator = photos.patches, photos.generator
    batch = len(clean)
    soft = 1.6 * uniform(batch, 0, 1, generator) * chosen(batch, 0.7, generator)
    clean = smooth(clean, soft, 1.6)
    camera = Camera.draw(batch, (6e-5, 2e-2), generator, photos.profiles)
    sensor = camera.sense(clean)
    target = camera.colours(sensor)
    frames = [camera.develop(camera.expose(sensor, generator)) - target for _ in range(3)]
    shift = smooth(torch.stack(frames).mean(0), torch.full_like(soft, 3.0), 3.0)
    target = (target + shift).clamp(0, 1)
    noisy = target + in_camera(frames[0] - shift, generator)
    untouched = chosen(batch, CLEAN_SHARE, generator)
    noisy, target = torch.lerp(noisy, clean, untouched), torch.lerp(target, clean, untouched)
    return jpeg(noisy, 0.5, (75, 98), generator), target, photos.thumbnails


def expose_well(clean: Tensor, mean: Tensor) -> Tensor:
    """Bring photographs to a `WELL_EXPOSED` average by a gentle gamma, as a target for 'lowlight'.

    Args:
        clean: (B, 3, H, W) sRGB in [0, 1].
        mean: (B, 1, 1, 1) average of each whole photograph.

    Returns:
        (B, 3, H, W) in [0, 1]; the exponent stays within 0.45 and 1.6.
    """
    wanted = mean.clamp(*WELL_EXPOSED)
    exponent = (wanted.log() / mean.clamp(0.02, 0.98).log()).clamp(0.45, 1.6)
    return clean.clamp_min(1e-6) ** exponent


def blotches(shape: torch.Size, generator: Generator) -> Tensor:
    """Coarse colour noise of dark photographs: smooth over about 8 pixels, without brightness.

    Args:
        shape: (B, 3, H, W).

    Returns:
        (B, 3, H, W), a standard deviation of about a half.
    """
    batch, _, height, width = shape
    coarse = normal((batch, 3, height // 8 + 2, width // 8 + 2), generator)
    coarse = coarse - coarse.mean(1, keepdim=True)
    return F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)


def dark_pair(photos: CleanBatch) -> Pair:
    """An under-exposed, noisy photograph and the well-exposed one (task 'lowlight').

    Lamps and skies may be brighter than white, and are bright in the dark photograph too. A tenth
    of the photographs, unless they are dark themselves, stay as they are: a good photo is to be
    left alone. Half of them get their colours exchanged: grey is to stay grey.
    """
    batch, generator = len(photos.patches), photos.generator
    clean, thumbnail = swap_colours(photos.patches, photos.thumbnails, 0.5, generator)
    mean = thumbnail.mean((1, 2, 3), keepdim=True)
    target, small = expose_well(clean, mean), expose_well(thumbnail, mean)
    camera = Camera.draw(batch, (3e-5, 3e-3), generator, photos.profiles, (800, 102400))
    cast = 2 ** uniform(batch, -0.2, 0.2, generator, 3)
    gain = 2 ** -uniform(batch, 1, 6, generator) * cast  # stops of light lost
    glare = 40 * uniform(batch, 0, 1, generator) ** 2 * chosen(batch, 0.4, generator)
    contrast = uniform(batch, 0.85, 1.25, generator)
    black = uniform(batch, -0.01, 0.02, generator)

    def light(srgb: Tensor) -> Tensor:
        """Sensor values after the loss of light; values near white are first raised above it."""
        sensor = camera.sense(srgb)
        beyond = (srgb.amin(1, keepdim=True) - 0.85).clamp_min(0) / 0.15
        return (sensor * (1 + glare * beyond**2) * gain).clamp(0, 1)

    def finish(developed: Tensor) -> Tensor:
        return (developed.clamp_min(1e-6) ** contrast + black).clamp(0, 1)

    sensor = light(target)
    plain = camera.colours(sensor)
    grain = camera.develop(camera.expose(sensor, generator)) - plain
    grain = torch.lerp(grain, in_camera(grain, generator), chosen(batch, 0.6, generator))
    strength = grain.square().mean((1, 2, 3), keepdim=True).sqrt()
    coloured = strength * uniform(batch, 0, 0.8, generator) * chosen(batch, 0.4, generator)
    dark = finish((plain + grain + coloured * blotches(plain.shape, generator)).clamp(0, 1))
    dark_small = finish(camera.colours(light(small)))
    untouched = chosen(batch, 0.1, generator) * (mean > 0.35)
    degraded = torch.lerp(dark, clean, untouched)
    return (
        jpeg(degraded, 0.35, (80, 99), generator),
        torch.lerp(target, clean, untouched),
        torch.lerp(dark_small, thumbnail, untouched),
    )


def reduced_pair(photos: CleanBatch) -> Pair:
    """A photograph reduced and enlarged again, both bicubic and at 8 bits (tasks 'sr-x2' to x4)."""
    clean, scale = photos.patches, photos.scale
    height, width = clean.shape[2:]
    small = eight_bits(resize(clean, height // scale, width // scale))
    return eight_bits(resize(small, height, width)), clean, photos.thumbnails


def photographed_pair(photos: CleanBatch) -> Pair:
    """A small photograph as phones and the web hold it, enlarged, and the large sharp one.

    Blur of the lens (a Gaussian, not round), reduction, weak sensor noise and JPEG, in this order,
    as in BSRGAN (Zhang et al., ICCV 2021, section 3) and Real-ESRGAN (Wang et al., 2021, section
    3), but milder: what cannot be seen any more is not to be invented.
    """
    clean, scale, generator = photos.patches, photos.scale, photos.generator
    batch, _, height, width = clean.shape
    sigma = scale * uniform(batch, 0.1, 0.6, generator) * uniform(batch, 0.8, 1.25, generator, 2)
    small = resize(smooth(clean, sigma, scale * 0.75), height // scale, width // scale)
    camera = Camera.draw(batch, (1e-6, 1e-3), generator)
    sensor = camera.sense(small)
    noise = camera.develop(camera.expose(sensor, generator)) - camera.develop(sensor)
    small = jpeg(small + noise, 0.6, (60, 98), generator)
    return eight_bits(resize(small, height, width)), clean, photos.thumbnails


def exported_pair(photos: CleanBatch) -> Pair:
    """A photograph badly exported, and the photographer's own version (task 'retouch').

    Wrong exposure (mostly too dark), a colour cast, dull colours, flat contrast with lifted blacks
    and held-back whites, and highlights that clip: what a default rendering does to a raw file.
    """
    clean, generator = photos.patches, photos.generator
    batch = len(clean)
    exposure = 2 ** uniform(batch, -2.2, 0.6, generator)
    cast = 2 ** (uniform(batch, -0.25, 0.25, generator, 3) * chosen(batch, 0.7, generator))
    saturation = uniform(batch, 0.55, 1.1, generator)
    contrast = uniform(batch, 0.7, 1.1, generator)
    pivot = uniform(batch, 0.2, 0.5, generator)
    black = uniform(batch, -0.02, 0.09, generator)
    white = uniform(batch, 0.82, 1.03, generator)
    untouched = chosen(batch, 0.12, generator)

    def export(srgb: Tensor) -> Tensor:
        x = saturate(srgb_to_linear(srgb) * exposure * cast, saturation)
        x = pivot + (linear_to_srgb(x) - pivot) * contrast
        x = (black + x * (white - black)).clamp(0, 1)
        return torch.lerp(x, srgb, untouched)

    return jpeg(export(clean), 0.35, (80, 99), generator), clean, export(photos.thumbnails)


DEGRADATIONS: dict[str, Degradation] = {
    "noise": noisy_pair,
    "dark": dark_pair,
    "bicubic": reduced_pair,
    "photographed": photographed_pair,
    "export": exported_pair,
}
"""Degradations by their name in `data.degradation` of a training recipe."""
WITH_MOSAIC = frozenset({"noise", "dark", "photographed"})
"""Kinds whose patches are shifted by 0 or 1 pixel afterwards (see `draws.shift`)."""
