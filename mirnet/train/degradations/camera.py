"""Conversion of a developed photograph to sensor values, and back with sensor noise.

"Unprocessing Images for Learned Raw Denoising" (Brooks et al., CVPR 2019): noise is added to
sensor-like light and developed with it, so that it has the colour, the dependence on brightness and
the spatial correlation of real noise.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ..noise_profiles import NoiseProfiles
from .draws import chosen, normal, uniform
from .filters import smooth
from .light import inverse_tone_curve, linear_to_srgb, saturate, srgb_to_linear, tone_curve
from .mosaic import draw_phases, mosaic_and_demosaic


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
    """Saturation gain of the colour matrix; it also amplifies chroma noise."""
    curved: Tensor
    """1 where the picture is developed with `tone_curve`, else 0."""
    mosaic: Tensor
    """1 where the sensor has a Bayer filter, else 0 (noise then is white)."""
    phases: Tensor
    """Phases of the Bayer filter, (2, B); see `mosaic.draw_phases`."""

    @classmethod
    def draw(
        cls,
        batch: int,
        shot_range: tuple[float, float],
        generator: Generator,
        profiles: NoiseProfiles | None = None,
        iso_range: tuple[float, float] = (400, 51200),
    ) -> "Camera":
        """Draw cameras and their noise.

        Without profiles, shot noise is log-uniform in `shot_range` and read noise follows the fit
        of Brooks et al. 2019, section 3.1 (log read variance = 2.18 log shot variance + 1.20,
        standard deviation 0.26).

        Args:
            shot_range: Weakest and strongest shot noise, variance per unit of signal; not used
                with `profiles`.
            profiles: Measured noise to draw from.
            iso_range: Sensitivities that are drawn from `profiles`.
        """
        if profiles is None:
            low, high = shot_range
            log_shot = uniform(batch, math.log(low), math.log(high), generator)
            jitter = 0.26 * normal((batch, 1, 1, 1), generator)
            shot, read = log_shot.exp(), (2.18 * log_shot + 1.20 + jitter).exp()
        else:
            shot, read = profiles.sample(batch, generator, iso_range)
        red, blue = uniform(batch, 1.2, 2.4, generator), uniform(batch, 1.2, 2.0, generator)
        return cls(
            shot=shot,
            read=read,
            balance=torch.cat([red, torch.ones_like(red), blue], 1),
            saturation=uniform(batch, 1.0, 1.8, generator),
            curved=chosen(batch, 0.5, generator),
            mosaic=chosen(batch, 0.75, generator),
            phases=draw_phases(batch, generator),
        )

    def sense(self, srgb: Tensor) -> Tensor:
        """Convert developed pictures to linear sensor values in [0, 1]."""
        x = torch.lerp(srgb, inverse_tone_curve(srgb), self.curved)
        return (saturate(srgb_to_linear(x), 1 / self.saturation) / self.balance).clamp(0, 1)

    def expose(self, sensor: Tensor, generator: Generator) -> Tensor:
        """Add photon and read noise, clipped to [0, 1] as a sensor clips."""
        deviation = (self.shot * sensor + self.read).sqrt()
        return torch.addcmul(sensor, deviation, normal(sensor.shape, generator)).clamp(0, 1)

    def develop(self, sensor: Tensor) -> Tensor:
        """Develop sensor values to sRGB in [0, 1]: demosaicking, white balance, colour, tone."""
        return self.colours(
            torch.lerp(sensor, mosaic_and_demosaic(sensor, self.phases), self.mosaic)
        )

    def colours(self, sensor: Tensor) -> Tensor:
        """`develop` without the demosaicking."""
        x = linear_to_srgb(saturate((sensor * self.balance).clamp(0, 1), self.saturation))
        return torch.lerp(x, tone_curve(x), self.curved).clamp(0, 1)


def in_camera(noise: Tensor, generator: Generator) -> Tensor:
    """Process noise as cameras do: coarser, blotchy in colour, sharpened.

    Noise reduction, digital zoom and reduction for the web smooth noise, colour more than
    brightness; ISO gain restores a random part of the lost strength. Sharpening then lifts the
    middle frequencies. A fifth of the pictures keep the noise of the demosaicking alone.

    Args:
        noise: (B, 3, H, W) difference of a noisy and a clean developed picture.

    Returns:
        Processed noise, (B, 3, H, W).
    """
    batch = len(noise)
    luma = noise.mean(1, keepdim=True)
    chroma = noise - luma
    coarse = chosen(batch, 0.8, generator)
    sigma_luma = 2.2 * uniform(batch, 0, 1, generator) ** 1.2 * coarse
    sigma_chroma = sigma_luma + 3.5 * uniform(batch, 0, 1, generator) ** 1.2 * coarse

    def strength(x: Tensor) -> Tensor:
        return x.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)

    def coarser(x: Tensor, sigma: Tensor, max_sigma: float, kept: Tensor) -> Tensor:
        smoothed = smooth(x, sigma, max_sigma)
        return smoothed * (strength(x) / strength(smoothed)) ** kept

    smoothed = coarser(luma, sigma_luma, 2.2, uniform(batch, 0, 1, generator))
    kept = uniform(batch, 0.2, 0.9, generator)
    smoothed = smoothed + coarser(chroma, sigma_chroma, 5.7, kept)
    sharpening = uniform(batch, 0, 1.2, generator) * chosen(batch, 0.4, generator)
    blurred = smooth(smoothed, torch.full_like(sharpening, 1.5), 1.5)
    return smoothed + sharpening * (smoothed - blurred)
