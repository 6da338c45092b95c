"""Sensor noise measured on 374 cameras: darktable's noise profiles, sampled during training.

A profile gives the noise of one camera at one ISO as a line, variance = a * x + b, where x is the
linear raw value in [0, 1] (black subtracted, divided by the white level, before white balance); a
is the shot noise of a Poisson process, b the read noise of a Gaussian one. `noiseprofiles.json`
comes with Debian's package darktable (GPL-3); `prepare` fetches it by hash, and it is not part of
this project.

Two things are corrected on reading:

* The numbers are too small. darktable's tool takes the median of the diagonal coefficients of a
  Haar transform that divides by 2 instead of sqrt(2) in each direction, which alone makes variances
  4 times too small (darktable issue 4411), and takes it after demosaicking, which smooths; users
  measured 10 to 15 times the variance of the profile (issue 2313). The same estimator finds a
  twelfth of known noise after Malvar's demosaicking. The factor used here is 10.
* Only green is used, for all three channels, as darktable itself does. The profiles of red and blue
  are a camera's white balance larger, while the photon noise of a raw value depends on that value
  alone.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from mirnet.errors import InvalidRequest

from .manifest import NOISE_PROFILES_NAME
from .pack import read_noise_profiles

VARIANCE_FACTOR = 10.0
"""Ratio of the noise's variance to the one that darktable's tool measures; see above."""
MIN_READ_VARIANCE = 3e-9
"""Least variance in the dark, 3 electrons of 60,000; a tenth of the fitted lines go below 0."""
HELD_OUT_ONE_IN = 10
"""One of this many cameras, chosen by the hash of its name, is held out of training."""


class NoiseProfiles:
    """Sampler of sensor noise over the profiles of many cameras.

    Args:
        document: Content of `noiseprofiles.json`.
        split: 'train', or 'held_out' for the cameras held out of training.

    Raises:
        InvalidRequest: No camera of this split has a profile.
    """

    def __init__(self, document: Mapping[str, Any], split: str = "train"):
        tables = {
            name: table
            for name, table in _tables(document)
            if table and held_out(name) == (split == "held_out")
        }
        if not tables:
            raise InvalidRequest(f"The noise profiles name no camera for the split {split!r}.")
        self.cameras = sorted(tables)
        """Maker and model of every camera."""
        length = max(len(table) for table in tables.values())
        # Rows end in copies of their last profile, which no draw goes beyond.
        padded = [(tables[name] + tables[name][-1:] * length)[:length] for name in self.cameras]
        table = torch.tensor(padded, dtype=torch.float64)  # (cameras, length, 3)
        self._iso, self._a, self._b = table.unbind(2)
        self._placed: dict[tuple, tuple[Tensor, ...]] = {}

    @classmethod
    def load(cls, folder: Path | str, split: str = "train") -> "NoiseProfiles":
        """Read the profiles that `prepare` left in a folder or packed.

        Args:
            folder: Folder of `noiseprofiles.json`, or a pack (see `mirnet.train.pack`).
            split: 'train', or 'held_out' for the cameras held out of training.

        Raises:
            InvalidRequest: The file is missing, or does not hold noise profiles.
        """
        path = Path(folder)
        if path.is_file():
            text = read_noise_profiles(path)
        else:
            path = path / NOISE_PROFILES_NAME
            text = path.read_text(encoding="utf-8") if path.exists() else None
        if text is None:
            raise InvalidRequest(
                f"The noise profiles are not in {folder}: run `python -m mirnet prepare` with "
                "its --folder or --pack first."
            )
        try:
            return cls(json.loads(text), split)
        except (ValueError, LookupError, TypeError) as error:
            raise InvalidRequest(
                f"{path} is no file of noise profiles: remove it and prepare again."
            ) from error

    def sample(
        self, batch: int, generator: Generator, iso_range: tuple[float, float] = (100, 25600)
    ) -> tuple[Tensor, Tensor]:
        """Draw the noise of cameras at ISOs.

        Cameras are drawn evenly among those whose profiles reach into `iso_range`, and for each an
        ISO, evenly on a logarithmic scale, between the limits of the range and of its profiles. a
        and b are interpolated linearly between the two nearest ISOs. Nothing waits for the device,
        so a CUDA graph can capture it after a first call.

        Args:
            generator: Source of randomness; the results are on its device.
            iso_range: Least and greatest ISO.

        Returns:
            Shot and read noise, (batch, 1, 1, 1) float32 each. At the linear raw value x in [0, 1]
            of any channel, before white balance, the variance of the noise is shot * x + read.

        Raises:
            InvalidRequest: No camera was profiled in this range.
        """
        device = generator.device
        iso, a, b, low, high = self._within(iso_range, device)
        chosen = torch.randint(len(iso), (batch,), generator=generator, device=device)
        share = torch.rand(batch, generator=generator, device=device)
        drawn = torch.lerp(low[chosen], high[chosen], share).exp()
        iso, a, b = iso[chosen], a[chosen], b[chosen]
        right = torch.searchsorted(iso, drawn[:, None], right=True).clamp_max(iso.shape[1] - 1)
        pair = torch.cat([(right - 1).clamp_min(0), right], 1)
        near, a, b = (values.gather(1, pair) for values in (iso, a, b))
        span = (near[:, 1] - near[:, 0]).clamp_min(1e-6)
        part = ((drawn - near[:, 0]) / span).clamp(0, 1)
        shot = VARIANCE_FACTOR * torch.lerp(a[:, 0], a[:, 1], part)
        read = VARIANCE_FACTOR * torch.lerp(b[:, 0], b[:, 1], part)
        return shot.view(-1, 1, 1, 1), read.clamp_min(MIN_READ_VARIANCE).view(-1, 1, 1, 1)

    def _within(self, iso_range: tuple[float, float], device: torch.device) -> tuple[Tensor, ...]:
        """Tables of the cameras whose profiles overlap a range, and their log ISO limits in it."""
        key = (tuple(iso_range), device)
        if key not in self._placed:
            low = self._iso[:, 0].clamp_min(iso_range[0])
            high = self._iso[:, -1].clamp_max(iso_range[1])
            reach = low <= high
            if not reach.any():
                raise InvalidRequest(
                    f"No camera has a noise profile of ISO {iso_range[0]:g} to "
                    f"{iso_range[1]:g}: choose a wider range."
                )
            tables = self._iso, self._a, self._b, low.log(), high.log()
            self._placed[key] = tuple(t[reach].float().contiguous().to(device) for t in tables)
        return self._placed[key]


def held_out(camera: str) -> bool:
    """Whether a camera, named by maker and model, is held out of training."""
    return int(hashlib.sha256(camera.encode()).hexdigest(), 16) % HELD_OUT_ONE_IN == 0


def _tables(document: Mapping[str, Any]) -> list[tuple[str, list[tuple[float, float, float]]]]:
    """Name and usable profiles (ISO, a, b of green), ISO rising, of every camera.

    For a camera with two entries, the profiles of the first are used.
    """
    cameras: dict[str, list[tuple[float, float, float]]] = {}
    for maker in document["noiseprofiles"]:
        for model in maker["models"]:
            profiles: dict[float, tuple[float, float, float]] = {}
            for profile in model["profiles"]:
                iso, a, b = float(profile["iso"]), profile["a"][1], profile["b"][1]
                if a > 0 and iso > 0 and not profile.get("skip"):
                    profiles.setdefault(iso, (iso, float(a), float(b)))
            table = [profiles[iso] for iso in sorted(profiles)]
            cameras.setdefault(f"{maker['maker']} {model['model']}", table)
    return list(cameras.items())
