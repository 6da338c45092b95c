"""How photographs go wrong, in linear light: seeded degradations for training and examples.

The camera follows "Unprocessing Images for Learned Raw Denoising" (Brooks et al., CVPR 2019): a
photograph is taken back to sensor-like light, noise is added there, and it is developed again, so
that the noise has the colour, the brightness dependence and the spatial correlation of a real one.
Everything works on batches (B, 3, H, W) float32 and draws only from the generator it is handed.
`DEGRADATIONS` lists what a training recipe can ask for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

LUMA = (0.2126, 0.7152, 0.0722)
"""Luminance of linear sRGB (ITU-R BT.709)."""
WELL_EXPOSED = (0.5, 0.6)
"""sRGB averages of a well-exposed photograph: 0.5 is the best value of Mertens et al. ("Exposure
Fusion", 2007), 0.6 that of Zero-DCE's exposure loss (Guo et al., CVPR 2020)."""


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
    """Undo `tone_curve` on [0, 1]."""
    return 0.5 - torch.sin(torch.asin((1 - 2 * y).clamp(-1, 1)) / 3)


# Malvar, He, Cutler: "High-quality linear interpolation for demosaicing", ICASSP 2004, figure 2.
_MALVAR_GREEN = [
    [0, 0, -1, 0, 0],
    [0, 0, 2, 0, 0],
    [-1, 2, 4, 2, -1],
    [0, 0, 2, 0, 0],
    [0, 0, -1, 0, 0],
]
_MALVAR_ROW = [
    [0, 0, 0.5, 0, 0],
    [0, -1, 0, -1, 0],
    [-1, 4, 5, 4, -1],
    [0, -1, 0, -1, 0],
    [0, 0, 0.5, 0, 0],
]
_MALVAR_DIAGONAL = [
    [0, 0, -1.5, 0, 0],
    [0, 2, 0, 2, 0],
    [-1.5, 0, 6, 0, -1.5],
    [0, 2, 0, 2, 0],
    [0, 0, -1.5, 0, 0],
]
_MALVAR = (
    torch.stack(
        [
            torch.tensor(_MALVAR_GREEN),
            torch.tensor(_MALVAR_ROW),
            torch.tensor(_MALVAR_ROW).T,
            torch.tensor(_MALVAR_DIAGONAL),
        ]
    )[:, None].float()
    / 8
)  # (4, 1, 5, 5)


def mosaic_and_demosaic(x: Tensor) -> Tensor:
    """See a picture through an RGGB Bayer filter and interpolate it back (Malvar et al. 2004).

    Args:
        x: (B, 3, H, W) linear sensor values; H and W even.

    Returns:
        (B, 3, H, W), with the spatial correlation that demosaicking gives to noise.
    """
    red = torch.zeros_like(x[:, :1])
    red[..., 0::2, 0::2] = 1
    blue = torch.zeros_like(red)
    blue[..., 1::2, 1::2] = 1
    green_red_row = torch.zeros_like(red)
    green_red_row[..., 0::2, 1::2] = 1
    green_blue_row = torch.zeros_like(red)
    green_blue_row[..., 1::2, 0::2] = 1
    green = green_red_row + green_blue_row
    raw = x[:, :1] * red + x[:, 1:2] * green + x[:, 2:] * blue
    estimates = F.conv2d(F.pad(raw, (2, 2, 2, 2), mode="reflect"), _MALVAR)
    at_green, from_row, from_column, diagonal = estimates.split(1, dim=1)
    r = raw * red + from_row * green_red_row + from_column * green_blue_row + diagonal * blue
    g = raw * green + at_green * (red + blue)
    b = raw * blue + from_row * green_blue_row + from_column * green_red_row + diagonal * red
    return torch.cat([r, g, b], 1)


def uniform(batch: int, low: float, high: float, generator: Generator, channels: int = 1) -> Tensor:
    """Draw (batch, channels, 1, 1) values evenly between `low` and `high`."""
    return low + (high - low) * torch.rand(batch, channels, 1, 1, generator=generator)


def chosen(batch: int, probability: float, generator: Generator) -> Tensor:
    """Draw (batch, 1, 1, 1) ones with this probability, else zeros."""
    return (torch.rand(batch, 1, 1, 1, generator=generator) < probability).float()


def swap_colours(
    clean: Tensor, thumbnail: Tensor, probability: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Exchange red, green and blue of a part of the photographs.

    Leaves, skies and skin have their colours everywhere; a network that knows only those gives a
    grey wall a tint.

    Args:
        clean: (B, 3, H, W).
        thumbnail: (B, 3, h, w) of the same photographs; exchanged alike.
        probability: That a photograph's channels are put into a random order.
        generator: Source of randomness.
    """
    batch = len(clean)
    order = torch.rand(batch, 3, generator=generator).argsort(1)
    kept = torch.rand(batch, 1, generator=generator) >= probability
    order = torch.where(kept, torch.arange(3), order)
    rows = torch.arange(batch)[:, None]
    return clean[rows, order], thumbnail[rows, order]


@dataclass(frozen=True)
class Camera:
    """One camera and exposure per picture of a batch; fields are (B, 1, 1, 1) or (B, 3, 1, 1)."""

    shot: Tensor
    """Variance of the noise per unit of signal (photon noise)."""
    read: Tensor
    """Variance of the noise in the dark."""
    balance: Tensor
    """White-balance gains of red, green and blue."""
    saturation: Tensor
    """How much the colour matrix widens the sensor's dull colours; amplifies chroma noise."""
    curved: Tensor
    """1 where the picture is developed with `tone_curve`, else 0."""
    mosaic: Tensor
    """1 where the sensor has a Bayer filter, else 0 (noise then is white)."""

    @classmethod
    def draw(cls, batch: int, shot_range: tuple[float, float], generator: Generator) -> "Camera":
        """Draw cameras; shot noise is log-uniform in `shot_range`, read noise follows it.

        The relation of the two is the fit of Brooks et al. 2019, section 3.1 (log read variance =
        2.18 log shot variance + 1.20, standard deviation 0.26).
        """
        low, high = shot_range
        log_shot = uniform(batch, math.log(low), math.log(high), generator)
        jitter = 0.26 * torch.randn(batch, 1, 1, 1, generator=generator)
        red, blue = uniform(batch, 1.2, 2.4, generator), uniform(batch, 1.2, 2.0, generator)
        return cls(
            shot=log_shot.exp(),
            read=(2.18 * log_shot + 1.20 + jitter).exp(),
            balance=torch.cat([red, torch.ones_like(red), blue], 1),
            saturation=uniform(batch, 1.0, 1.8, generator),
            curved=chosen(batch, 0.5, generator),
            mosaic=chosen(batch, 0.75, generator),
        )

    def sense(self, srgb: Tensor) -> Tensor:
        """Take developed pictures back to what the sensor would have seen, linear in [0, 1]."""
        x = torch.lerp(srgb, inverse_tone_curve(srgb), self.curved)
        x = srgb_to_linear(x)
        return (_saturate(x, 1 / self.saturation) / self.balance).clamp(0, 1)

    def expose(self, sensor: Tensor, generator: Generator) -> Tensor:
        """Add photon and read noise, clipped as a sensor clips."""
        deviation = (self.shot * sensor + self.read).sqrt()
        noise = torch.randn(sensor.shape, generator=generator)
        return (sensor + deviation * noise).clamp(0, 1)

    def develop(self, sensor: Tensor) -> Tensor:
        """Demosaic, white balance, colour, sRGB, tone: the way to a JPEG, in [0, 1]."""
        x = torch.lerp(sensor, mosaic_and_demosaic(sensor), self.mosaic)
        return self.colours(x)

    def colours(self, sensor: Tensor) -> Tensor:
        """`develop` without the demosaicking."""
        x = linear_to_srgb(_saturate((sensor * self.balance).clamp(0, 1), self.saturation))
        return torch.lerp(x, tone_curve(x), self.curved).clamp(0, 1)


def _saturate(linear: Tensor, amount: Tensor) -> Tensor:
    luma = linear.new_tensor(LUMA).view(1, 3, 1, 1)
    grey = (linear * luma).sum(1, keepdim=True)
    return grey + (linear - grey) * amount


def jpeg(images: Tensor, share: float, quality: tuple[int, int], generator: Generator) -> Tensor:
    """Compress a random share of the pictures as JPEG, and round the others to 8 bits.

    Args:
        images: (B, 3, H, W) in [0, 1].
        share: Probability of compression.
        quality: Lowest and highest JPEG quality.
        generator: Source of randomness.

    Returns:
        (B, 3, H, W), values k / 255.
    """
    import cv2

    rounded = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    chances = torch.rand(len(images), generator=generator)
    qualities = torch.randint(quality[0], quality[1] + 1, (len(images),), generator=generator)
    for index in torch.nonzero(chances < share).flatten().tolist():
        pixels = rounded[index].permute(1, 2, 0).numpy()[..., ::-1]
        _, code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(qualities[index])])
        decoded = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))[..., ::-1].copy()
        rounded[index] = torch.from_numpy(decoded).permute(2, 0, 1)
    return rounded.float() / 255


def smooth(x: Tensor, sigma_px: Tensor) -> Tensor:
    """Blur every picture of a batch with its own Gaussian; cut off at 9 pixels.

    Args:
        x: (B, C, H, W), sides of at least 10.
        sigma_px: (B, 1, 1, 1), or (B, 2, 1, 1) for rows and columns apart: standard deviations; 0
            leaves a picture alone.

    Returns:
        (B, C, H, W).
    """
    batch, channels, height, width = x.shape
    sigmas = sigma_px.expand(batch, 2, 1, 1).reshape(batch, 2, 1)
    radius = min(9, max(1, math.ceil(3 * float(sigmas.max()))))
    offsets = torch.arange(-radius, radius + 1.0)
    taps = torch.exp(-0.5 * (offsets / sigmas.clamp_min(1e-3)) ** 2)  # (B, 2, 2 * radius + 1)
    taps = (taps / taps.sum(2, keepdim=True)).repeat_interleave(channels, 0)  # (B*C, ...)
    flat = x.reshape(1, batch * channels, height, width)
    flat = F.pad(flat, (radius, radius, radius, radius), mode="reflect")
    flat = F.conv2d(flat, taps[:, :1, None, :], groups=batch * channels)
    flat = F.conv2d(flat, taps[:, 1:, :, None], groups=batch * channels)
    return flat.view(batch, channels, height, width)


def in_camera(noise: Tensor, generator: Generator) -> Tensor:
    """What a camera's own processing makes of noise: coarser, coloured in blotches, sharpened.

    Noise reduction, digital zoom and reduction for the web smooth noise, colour more than
    brightness; ISO gain makes up for any part of the strength that either lost. Sharpening then
    lifts the middle frequencies. A fifth of the pictures keep the noise of the demosaicking alone.

    Args:
        noise: (B, 3, H, W) difference of a noisy and a clean developed picture.
        generator: Source of randomness.

    Returns:
        (B, 3, H, W).
    """
    batch = len(noise)
    luma = noise.mean(1, keepdim=True)
    chroma = noise - luma
    coarse = chosen(batch, 0.8, generator)
    sigma_luma = 2.2 * uniform(batch, 0, 1, generator) ** 1.2 * coarse
    sigma_chroma = sigma_luma + 3.5 * uniform(batch, 0, 1, generator) ** 1.2 * coarse

    def strength(x: Tensor) -> Tensor:
        return x.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)

    def coarser(x: Tensor, sigma: Tensor, kept: Tensor) -> Tensor:
        smoothed = smooth(x, sigma)
        return smoothed * (strength(x) / strength(smoothed)) ** kept

    smoothed = coarser(luma, sigma_luma, uniform(batch, 0, 1, generator))
    smoothed = smoothed + coarser(chroma, sigma_chroma, uniform(batch, 0.2, 0.9, generator))
    sharpening = uniform(batch, 0, 1.2, generator) * chosen(batch, 0.4, generator)
    return smoothed + sharpening * (smoothed - smooth(smoothed, torch.full_like(sharpening, 1.5)))


def noisy_pair(
    clean: Tensor, thumbnail: Tensor, scale: int, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A noisy photograph and the mean of many such (task 'denoise').

    The target went through the same sensor and colour development, so that a network learns to
    remove noise and not to undo a camera's rendering; but not through the mosaic, whose colour
    fringes at edges average out over frames that a tripod holds nearly still. Clipping and the tone
    curve make noise change the local brightness; the target keeps that change, as the mean of many
    frames does that real benchmarks have for truth, and the network learns to leave brightness
    alone. Lens and sensor make a part of the photographs softer than their noise, which else passes
    for texture. A seventh get no noise at all: fine texture without noise around it is to be kept.

    Args:
        clean: (B, 3, H, W) sRGB in [0, 1]; H and W even.
        thumbnail: (B, 3, h, w) of the whole photographs; handed through.
        scale: Not used.
        generator: Source of randomness.

    Returns:
        Degraded and target, both (B, 3, H, W) in [0, 1], and the thumbnail.
    """
    soft = 1.6 * uniform(len(clean), 0, 1, generator) * chosen(len(clean), 0.7, generator)
    clean = smooth(clean, soft)
    camera = Camera.draw(len(clean), (6e-5, 2e-2), generator)
    sensor = camera.sense(clean)
    target = camera.colours(sensor)
    frames = [camera.develop(camera.expose(sensor, generator)) - target for _ in range(3)]
    shift = smooth(torch.stack(frames).mean(0), torch.full((len(clean), 1, 1, 1), 3.0))
    target = (target + shift).clamp(0, 1)
    noisy = target + in_camera(frames[0] - shift, generator)
    untouched = chosen(len(clean), 1 / 7, generator)
    noisy, target = torch.lerp(noisy, clean, untouched), torch.lerp(target, clean, untouched)
    return jpeg(noisy, 0.5, (75, 98), generator), target, thumbnail


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


def dark_pair(
    clean: Tensor, thumbnail: Tensor, scale: int, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """An under-exposed, noisy photograph and the well-exposed one (task 'lowlight').

    A tenth of the photographs, unless they are dark themselves, stay as they are: a good photo is
    to be left alone. Half of them get their colours exchanged: grey is to stay grey.

    Args:
        clean: (B, 3, H, W) sRGB patches in [0, 1]; H and W even.
        thumbnail: (B, 3, h, w) of the whole photographs the patches are from.
        scale: Not used.
        generator: Source of randomness.

    Returns:
        Degraded and target patches (B, 3, H, W), and the thumbnail degraded alike (B, 3, h, w).
    """
    batch = len(clean)
    clean, thumbnail = swap_colours(clean, thumbnail, 0.5, generator)
    mean = thumbnail.mean((1, 2, 3), keepdim=True)
    target, small = expose_well(clean, mean), expose_well(thumbnail, mean)
    camera = Camera.draw(batch, (3e-5, 3e-3), generator)
    cast = 2 ** uniform(batch, -0.2, 0.2, generator, 3)
    gain = 2 ** -uniform(batch, 1, 6, generator) * cast  # stops of light lost
    contrast = uniform(batch, 0.85, 1.25, generator)
    black = uniform(batch, -0.01, 0.02, generator)

    def finish(developed: Tensor) -> Tensor:
        return (developed.clamp_min(1e-6) ** contrast + black).clamp(0, 1)

    sensor = camera.sense(target) * gain
    dark = finish(camera.develop(camera.expose(sensor, generator)))
    dark_small = finish(camera.colours(camera.sense(small) * gain))
    untouched = chosen(batch, 0.1, generator) * (mean > 0.35)
    degraded = torch.lerp(dark, clean, untouched)
    return (
        jpeg(degraded, 0.35, (80, 99), generator),
        torch.lerp(target, clean, untouched),
        torch.lerp(dark_small, thumbnail, untouched),
    )


def resize(x: Tensor, height: int, width: int) -> Tensor:
    """Bicubic resampling (Keys 1981, a = -0.5), wider when reducing, as MATLAB's imresize does."""
    return F.interpolate(x, (height, width), mode="bicubic", antialias=True).clamp(0, 1)


def _eight_bits(x: Tensor) -> Tensor:
    return (x * 255).round() / 255


def reduced_pair(
    clean: Tensor, thumbnail: Tensor, scale: int, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A photograph reduced and enlarged again, both bicubic and at 8 bits (tasks 'sr-x2' to x4).

    Args:
        clean: (B, 3, H, W) sRGB in [0, 1]; sides divide by `scale`.
        thumbnail: (B, 3, h, w) of the whole photographs; handed through.
        scale: Factor of the reduction.
        generator: Not used: nothing here is random.

    Returns:
        Degraded and target, both (B, 3, H, W) in [0, 1], and the thumbnail.
    """
    height, width = clean.shape[2:]
    small = _eight_bits(resize(clean, height // scale, width // scale))
    return _eight_bits(resize(small, height, width)), clean, thumbnail


def photographed_pair(
    clean: Tensor, thumbnail: Tensor, scale: int, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A small photograph as phones and the web hold it, enlarged, and the large sharp one.

    Blur of the lens (a Gaussian, not round), reduction by 2, 3 or 4, weak sensor noise and JPEG, in
    this order, as in BSRGAN (Zhang et al., ICCV 2021, section 3) and Real-ESRGAN (Wang et al.,
    2021, section 3), but milder: what cannot be seen any more is not to be invented.

    Args:
        clean: (B, 3, H, W) sRGB in [0, 1]; sides divide by 24.
        thumbnail: (B, 3, h, w) of the whole photographs; handed through.
        scale: Not used: one of 2, 3 and 4 is drawn for each batch.
        generator: Source of randomness.

    Returns:
        Degraded and target, both (B, 3, H, W) in [0, 1], and the thumbnail.
    """
    batch, _, height, width = clean.shape
    scale = int(torch.randint(2, 5, (1,), generator=generator))
    sigma = scale * uniform(batch, 0.1, 0.6, generator) * uniform(batch, 0.8, 1.25, generator, 2)
    small = resize(smooth(clean, sigma), height // scale, width // scale)
    camera = Camera.draw(batch, (1e-6, 1e-3), generator)
    sensor = camera.sense(small)
    noise = camera.develop(camera.expose(sensor, generator)) - camera.develop(sensor)
    small = jpeg(small + noise, 0.6, (60, 98), generator)
    return _eight_bits(resize(small, height, width)), clean, thumbnail


def exported_pair(
    clean: Tensor, thumbnail: Tensor, scale: int, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A photograph badly exported, and the photographer's own version (task 'retouch').

    Wrong exposure (mostly too dark), a colour cast, dull colours, flat contrast with lifted blacks
    and held-back whites, and highlights that clip: what a default rendering does to a raw file.

    Args:
        clean: (B, 3, H, W) sRGB patches in [0, 1].
        thumbnail: (B, 3, h, w) of the whole photographs the patches are from.
        scale: Not used.
        generator: Source of randomness.

    Returns:
        Degraded and target patches (B, 3, H, W), and the thumbnail degraded alike (B, 3, h, w).
    """
    batch = len(clean)
    exposure = 2 ** uniform(batch, -2.2, 0.6, generator)
    cast = 2 ** (uniform(batch, -0.25, 0.25, generator, 3) * chosen(batch, 0.7, generator))
    saturation = uniform(batch, 0.55, 1.1, generator)
    contrast = uniform(batch, 0.75, 1.1, generator)
    pivot = uniform(batch, 0.2, 0.5, generator)
    black = uniform(batch, -0.02, 0.05, generator)
    white = uniform(batch, 0.88, 1.03, generator)
    untouched = chosen(batch, 0.12, generator)

    def export(srgb: Tensor) -> Tensor:
        x = _saturate(srgb_to_linear(srgb) * exposure * cast, saturation)
        x = pivot + (linear_to_srgb(x) - pivot) * contrast
        x = (black + x * (white - black)).clamp(0, 1)
        return torch.lerp(x, srgb, untouched)

    return jpeg(export(clean), 0.35, (80, 99), generator), clean, export(thumbnail)


Degradation = Callable[[Tensor, Tensor, int, Generator], tuple[Tensor, Tensor, Tensor]]
"""Clean patches, thumbnails, scale and generator to degraded, target and thumbnails."""

DEGRADATIONS: dict[str, Degradation] = {
    "noise": noisy_pair,
    "dark": dark_pair,
    "bicubic": reduced_pair,
    "photographed": photographed_pair,
    "export": exported_pair,
}
"""What `data.degradation` of a training recipe can name."""
