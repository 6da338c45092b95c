"""SSIMULACRA 2.1 agrees with libjxl's program on stored pairs, and knows its limits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirnet.metrics.ssimulacra import MIN_SIDE_PX, _taps, ssimulacra2

REFERENCE = Path(__file__).parent / "reference"
VALUES = {  # ssimulacra2 of Debian's libjxl-devtools 0.11.2-0.1~deb13u3
    "noise": (42.54528604, 0.02),
    "blur": (51.80621764, 0.02),
    "jpeg": (42.85576706, 0.02),
    "dark": (-199.44543513, 0.02),
    "near": (97.63900670, 1.2),
}
"""Value of each pair and how far ours may be from it.

libjxl's blur is recursive in single precision, and its rounding counts as an error of the picture:
little below 90, about 1 where pictures differ in one value of a hundred by one level."""


def pair(name):
    return tuple(
        np.asarray(Image.open(REFERENCE / f"{name}_{role}.png").convert("RGB"))
        for role in ("restored", "target")
    )


@pytest.mark.parametrize("name", VALUES)
def test_it_agrees_with_libjxl(name):
    value, tolerance = VALUES[name]
    assert ssimulacra2(*pair(name)) == pytest.approx(value, abs=tolerance)


def test_equal_pictures_have_100():
    _, target = pair("noise")
    assert ssimulacra2(target, target) == 100


def test_small_pictures_have_none():
    restored, target = (pixels[:MIN_SIDE_PX] for pixels in pair("noise"))
    assert ssimulacra2(restored, target) is not None
    assert ssimulacra2(restored[:-1], target[:-1]) is None


def test_the_blur_keeps_flat_pictures_and_has_its_width():
    taps = _taps()
    assert taps.sum() == pytest.approx(1)
    distance = np.arange(len(taps)) - len(taps) // 2
    assert (taps * distance**2).sum() == pytest.approx(1.5**2)
