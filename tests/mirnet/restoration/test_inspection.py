"""What a photo may need: measured, suggested, never applied."""

import doctest
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

import mirnet
from mirnet.app.examples import EXAMPLES_FOLDER
from mirnet.images.colour import PRIMARIES, make_profile, srgb_decode
from mirnet.images.decode import read_image
from mirnet.images.exif import EXIF_IFD
from mirnet.images.picture import Picture
from mirnet.images.provenance import with_provenance
from mirnet.restoration import inspection
from mirnet.restoration.choices import SECOND_STEPS
from mirnet.restoration.inspection import (
    LITTLE_SIGMA,
    NOISY_ISO,
    NOISY_SIGMA,
    inspect_picture,
    noise_of,
)


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    """A sharp photograph of 0.5 megapixels: a reduced one, put together four times."""
    small = read_image(EXAMPLES_FOLDER / "lowlight" / "nuthatch-original.jpg").pixels
    small = cv2.resize(small, (420, 320), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.tile(small, (2, 2, 1)))


def test_doctests():
    assert doctest.testmod(inspection).failed == 0


def test_a_clean_photo_needs_nothing(clean):
    found = mirnet.inspect(clean)
    assert (found.suggestion, found.width, found.height) == (None, 840, 640)
    assert found.words() == found.reason and found.reason.startswith("Nothing stands out")


@pytest.mark.parametrize(
    ("damage", "suggestion", "same_size", "words"),
    [
        (lambda x: x + np.random.default_rng(0).normal(0, 12, x.shape), "denoise", False, "noisy"),
        (lambda x: 0.15 * x, "lowlight", False, "dark"),
        (lambda x: cv2.GaussianBlur(x, (0, 0), 2.5), "sr-x2", True, "soft"),
        (lambda x: x[:200, :300], "sr-x2", False, "small: 300 x 200"),
    ],
)
def test_each_damage_is_named_with_its_measurement(clean, damage, suggestion, same_size, words):
    damaged = np.clip(damage(clean.astype(np.float32)), 0, 255).round().astype(np.uint8)
    found = inspect_picture(Picture(damaged))
    assert (found.suggestion, found.same_size) == (suggestion, same_size)
    assert words in found.reason and "Suggested: " in found.words()


def test_the_noise_is_measured_in_levels_and_not_where_it_is_lost():
    rng = np.random.default_rng(0)
    grey = np.full((256, 256), 0.5, np.float32)
    noisy = grey + rng.normal(0, 5 / 255, grey.shape).astype(np.float32)
    assert noise_of(noisy) == pytest.approx(5, rel=0.2)
    assert noise_of(grey) == 0
    noisy[:, :200] = 1  # clipped: no noise there
    assert noise_of(noisy) == pytest.approx(5, rel=0.2)
    assert noise_of(noisy[:10, :10]) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (7, 7), (20, 3000)])
def test_any_size_is_measured(size):
    found = inspect_picture(Picture(np.full((*size, 3), 128, np.uint8)))
    assert found.suggestion == "sr-x2" and found.noise_sigma == 0


@pytest.mark.parametrize(
    ("tags", "iso"),
    [
        ({34855: 400}, 400),
        ({34855: (800, 0)}, 800),
        ({34855: 65535, 34866: 204_800}, 204_800),
        ({34867: 102_400}, 102_400),
        ({34855: 0}, None),
        ({33437: 2.8}, None),
    ],
)
def test_the_iso_of_the_camera_is_told(clean, tags, iso):
    block = Image.Exif()
    block[EXIF_IFD] = tags
    one = inspect_picture(replace(Picture(clean), exif=block.tobytes()))
    assert one.iso == iso and (f" · ISO {iso} · " in one.facts()) == bool(iso)


@pytest.mark.parametrize("exif", [None, b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"junk"])
def test_damaged_exif_tells_no_iso(clean, exif):
    assert inspect_picture(replace(Picture(clean), exif=exif)).iso is None


@pytest.mark.parametrize("name", ["window.jpg", "nuthatch.jpg", "feast.jpg"])
def test_dark_examples_are_called_dark_and_noisy(name):
    """Noise that brightening would bring out is removed after it."""
    one = inspect_picture(read_image(EXAMPLES_FOLDER / "lowlight" / name))
    assert (one.suggestion, one.then) == ("lowlight", "denoise")
    assert one.then in SECOND_STEPS[one.suggestion]
    assert ", and noisy: " in one.reason and one.words().endswith(", then remove noise.")


def test_a_scene_with_lamps_at_night_is_no_dark_photo(clean):
    night = clean // 3
    assert inspect_picture(Picture(night)).suggestion == "lowlight"
    lamps = night.copy()
    lamps[::8, ::2] = 250
    assert inspect_picture(Picture(lamps)).suggestion != "lowlight"


def test_light_is_measured_in_the_colours_that_a_network_sees(clean):
    linear = make_profile("linear", PRIMARIES["sRGB"], 1.0)
    code = np.rint(65535 * srgb_decode(clean / 255)).astype(np.uint16)
    one = inspect_picture(Picture(code, icc_profile=linear))
    plain = inspect_picture(Picture(clean))
    assert one.mean_luminance == pytest.approx(plain.mean_luminance, abs=0.01)
    assert one.suggestion is plain.suggestion is None


def at_iso(pixels: np.ndarray, iso: int, sigma: float = 0.0) -> Picture:
    """A picture with noise of `sigma` levels, whose EXIF states an ISO number."""
    block = Image.Exif()
    block[EXIF_IFD] = {34855: iso}
    noisy = pixels + np.random.default_rng(0).normal(0, 1, pixels.shape) * sigma
    return Picture(np.clip(noisy, 0, 255).round().astype(np.uint8), exif=block.tobytes())


def test_a_high_iso_is_a_reason_to_remove_noise(clean):
    """Cameras smooth their own noise; what is left is worth removing."""
    for iso, suggestion in ((NOISY_ISO - 1, None), (NOISY_ISO, "denoise")):
        one = inspect_picture(at_iso(clean, iso, 1.0))
        assert one.suggestion == suggestion and LITTLE_SIGMA < one.noise_sigma < NOISY_SIGMA
    assert one.reason.startswith(f"The photo was taken at ISO {NOISY_ISO}, ")


def test_a_dark_photo_of_a_high_iso_is_denoised_too(clean):
    """As a light one of the same noise is."""
    for iso, then in ((NOISY_ISO - 1, None), (NOISY_ISO, "denoise")):
        one = inspect_picture(at_iso(clean * 0.25, iso, 1.0))
        assert LITTLE_SIGMA < one.noise_sigma < NOISY_SIGMA
        assert (one.suggestion, one.then) == ("lowlight", then)
    assert f"ISO {NOISY_ISO}" in one.reason


def test_what_was_restored_is_not_denoised_for_the_iso_of_its_camera(clean):
    """A result keeps the EXIF of its photo."""
    made = with_provenance(None, {"Task": "denoise"})
    assert inspect_picture(replace(at_iso(clean, 6400, 1.0), xmp=made)).suggestion is None
    found = inspect_picture(at_iso(cv2.GaussianBlur(clean, (0, 0), 1.5), 6400))
    assert found.noise_sigma < LITTLE_SIGMA and found.suggestion != "denoise"


@pytest.mark.parametrize("level", [33, 91])
def test_a_limit_is_never_said_to_be_under_itself(level):
    one = inspect_picture(Picture(np.full((600, 600, 3), level, np.uint8)))
    shown, limit = re.findall(r"0\.\d+", one.reason)
    assert one.suggestion == "lowlight" and float(shown) < float(limit)
