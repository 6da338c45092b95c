"""Every colour space by name: a file of it, restored at strength 0, shows the same colours.

The chart's colours are the 24 patches of the ColorChecker Classic in sRGB (BabelColor, averages
of 2012) and greys. Code values of the files are computed here from the standards' formulas, not by
the code under test; what a result shows is read by LittleCMS through the file's own profile.
"""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from mirnet.images.colour import PRIMARIES, make_profile, rgb_to_xyz
from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image
from mirnet.images.network_input import prepare_photo
from mirnet.restoration.api import restore
from tests.support.foreign_files import with_chunk
from tests.support.picture_files import SRGB, cmyk_profile, png16, saved, tiff
from tests.support.small_restorations import Identity, Pointwise

CHECKER = np.array([
    (115, 82, 68), (195, 149, 128), (93, 123, 157), (91, 108, 65), (130, 129, 175), (99, 191, 171),
    (220, 123, 46), (72, 92, 168), (194, 84, 97), (91, 59, 104), (161, 189, 62), (229, 161, 40),
    (42, 63, 147), (72, 149, 72), (175, 50, 57), (238, 200, 22), (188, 84, 150), (0, 137, 166),
    (245, 245, 242), (201, 202, 201), (161, 162, 162), (120, 121, 121), (83, 85, 85), (50, 50, 51),
], np.uint8)  # fmt: skip
GREYS = np.repeat(np.array([1, 8, 32, 64, 118, 180, 230, 255], np.uint8)[:, None], 3, axis=1)
CHART = np.concatenate([CHECKER, GREYS]).reshape(4, 8, 3).repeat(8, axis=0).repeat(8, axis=1)
"""(32, 64, 3) uint8 in sRGB: patches of 8 x 8 pixels."""
CARD = np.full((16, 16, 3), 118, np.uint8)
"""A grey card of 18 % reflectance in sRGB."""
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), (0.3127, 0.3290))
PROPHOTO = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), (0.3457, 0.3585))
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def light(srgb: np.ndarray) -> np.ndarray:
    """Linear light of 8-bit sRGB (IEC 61966-2-1)."""
    code = srgb / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def in_primaries(srgb: np.ndarray, primaries) -> np.ndarray:
    """Linear light of another space, its white adapted (Bradford), clipped to [0, 1]."""
    there, here = rgb_to_xyz(primaries), rgb_to_xyz(PRIMARIES["sRGB"])
    whites = [BRADFORD @ matrix.sum(axis=1) for matrix in (here, there)]
    adapt = np.linalg.inv(BRADFORD) @ np.diag(whites[1] / whites[0]) @ BRADFORD
    return np.clip(light(srgb) @ (np.linalg.inv(there) @ adapt @ here).T, 0, 1)


def deep(unit: np.ndarray) -> np.ndarray:
    return np.rint(unit * 65535).astype(np.uint16)


def with_profile(primaries, curve, power):
    """Make 16-bit PNG files of a space with a profile."""
    profile = make_profile("test", primaries, curve)

    def file(srgb: np.ndarray) -> bytes:
        data = png16(deep(in_primaries(srgb, primaries) ** (1 / power)))
        return with_chunk(data, b"iCCP", b"x\0\0" + zlib.compress(profile))

    return file


def with_srgb_curve(primaries):
    curve = light(np.linspace(0, 255, 4096))
    profile = make_profile("test", primaries, curve)

    def file(srgb: np.ndarray) -> bytes:
        unit = in_primaries(srgb, primaries)
        code = np.where(unit <= 0.0031308, 12.92 * unit, 1.055 * unit ** (1 / 2.4) - 0.055)
        return with_chunk(png16(deep(code)), b"iCCP", b"x\0\0" + zlib.compress(profile))

    return file


def pq(srgb: np.ndarray) -> bytes:
    """White at 203 cd/m2 (ITU-R BT.2408) in PQ (SMPTE ST 2084) with the primaries of BT.2020."""
    power = (in_primaries(srgb, PRIMARIES["BT.2020"]) * 203 / 10_000) ** (2610 / 16384)
    code = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    return with_chunk(png16(deep(code)), b"cICP", bytes([9, 16, 0, 1]))


def hlg(srgb: np.ndarray) -> bytes:
    """White at 203 of 1,000 cd/m2 in HLG (ITU-R BT.2100, table 5)."""
    display = in_primaries(srgb, PRIMARIES["BT.2020"]) * 0.203
    luma = np.maximum(display @ np.array([0.2627, 0.6780, 0.0593]), 1e-9)[..., None]
    scene = display * luma ** ((1 - 1.2) / 1.2)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    upper = a * np.log(12 * np.maximum(scene, 1 / 12) - b) + c
    code = np.where(scene <= 1 / 12, np.sqrt(3 * scene), upper)
    return with_chunk(png16(deep(code)), b"cICP", bytes([9, 18, 0, 1]))


def cmyk(srgb: np.ndarray) -> bytes:
    """Inks without black, 16 bits, no profile."""
    ink = 65535 - srgb.astype(np.uint16) * 257
    return tiff(
        np.dstack([ink, np.zeros_like(ink[..., 0])]), photometric="separated", extrasamples=[]
    )


def embedded(srgb: np.ndarray) -> bytes:
    return with_chunk(saved(Image.fromarray(srgb), "PNG"), b"iCCP", b"x\0\0" + zlib.compress(SRGB))


def by_gamma(srgb: np.ndarray) -> bytes:
    return with_chunk(png16(deep(light(srgb))), b"gAMA", struct.pack(">I", 100_000))


SPACES = {
    "no profile": lambda srgb: saved(Image.fromarray(srgb), "PNG"),
    "sRGB": embedded,
    "Display P3": with_srgb_curve(PRIMARIES["Display P3"]),
    "Adobe RGB": with_profile(ADOBE, 2.19921875, 2.19921875),
    "ProPhoto RGB": with_profile(PROPHOTO, 1.8, 1.8),
    "Rec. 2020": with_srgb_curve(PRIMARIES["BT.2020"]),
    "linear": with_profile(PRIMARIES["sRGB"], 1.0, 1.0),
    "linear by gAMA": by_gamma,
    "PQ": pq,
    "HLG": hlg,
    "CMYK": cmyk,
}
"""What makes a file of each space from (H, W, 3) uint8 in sRGB."""
GREY_SPACES = {"grey gamma 2.2": 2.2, "grey gamma 1.8": 1.8, "grey linear": 1.0}
"""Exponents of spaces of one channel."""
MOST_DELTA_E = 0.5
"""Largest deltaE2000 of a patch; 1 is a difference that a trained eye just sees."""


def shown(data: bytes) -> np.ndarray:
    """What a viewer that honours profiles shows of a file: (H, W, 3) floats in sRGB."""
    picture = read_image(data)
    unit = picture.unit()
    if picture.icc_profile is None:
        return unit
    grey = picture.icc_profile[16:20] == b"GRAY"
    return imagecodecs.cms_transform(
        np.ascontiguousarray(unit[..., 0] if grey else unit),
        picture.icc_profile,
        imagecodecs.cms_profile("srgb"),
        colorspace="gray" if grey else "rgb",
        outcolorspace="rgb",
        outdtype="f4",
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
    )


def delta_e(data: bytes, srgb: np.ndarray) -> float:
    """Largest deltaE2000 between what a file shows and (H, W, 3) uint8 in sRGB."""
    labs = (rgb2lab(np.clip(shown(data), 0, 1)), rgb2lab(srgb))
    return float(deltaE_ciede2000(*labs).max())


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_chart_shows_the_same_colours_at_strength_zero(tmp_path, space, suffix):
    data = SPACES[space](CHART)
    saved_as = restore(data, weights=Identity(), strength=0).result().save(tmp_path / f"a.{suffix}")
    assert delta_e(saved_as.read_bytes(), CHART) < MOST_DELTA_E


@pytest.mark.parametrize("space", SPACES)
def test_a_network_that_changes_nothing_changes_no_level(space):
    """The way into the network's colours and back is within one level of 8 bits."""
    data = SPACES[space](CHART)
    before = read_image(data)
    after = restore(data, weights=Identity()).result().picture
    assert after.icc_profile == before.icc_profile
    assert np.abs(after.unit() - before.unit()).max() * 255 <= 1
    assert delta_e(encode_image(after, "PNG"), CHART) < (1 if before.bits == 8 else MOST_DELTA_E)


@pytest.mark.parametrize("space", SPACES)
def test_a_grey_card_is_grey_and_equal(space):
    data = SPACES[space](CARD)
    picture = read_image(data)
    ready = prepare_photo(picture)
    assert np.abs(ready.seen.unit() * 255 - 118).max() <= 1
    for strength in (0, 1):
        after = restore(data, weights=Identity(), strength=strength).result().picture
        levels = after.unit() * 255
        assert np.ptp(levels, axis=2).max() <= 1
        assert np.abs(levels - picture.unit() * 255).max() <= 1
        assert np.abs(shown(encode_image(after, "PNG")) * 255 - 118).max() <= 1


@pytest.mark.parametrize("space", GREY_SPACES)
def test_grey_spaces_are_converted_too(space):
    power = GREY_SPACES[space]
    profile = make_profile("grey", PRIMARIES["sRGB"], power, grey=True)
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    file = png16(deep(light(ramp) ** (1 / power)))
    data = with_chunk(file, b"iCCP", b"x\0\0" + zlib.compress(profile))
    picture = read_image(data)
    assert picture.grey and picture.icc_profile == profile
    seen = prepare_photo(picture).seen
    assert seen.grey and np.abs(seen.unit()[..., 0] * 255 - ramp).max() <= 1
    for strength in (0, 1):
        after = restore(data, weights=Identity(), strength=strength).result().picture
        assert after.grey and after.icc_profile == profile
        assert np.abs(after.unit() - picture.unit()).max() * 255 <= 1
    bright = restore(data, weights=Pointwise(lambda image: (image + 20 / 255).clamp(0, 1))).result()
    levels = shown(encode_image(bright.picture, "PNG"))[..., 0] * 255
    assert np.abs(levels - np.minimum(ramp + 20.0, 255)).max() <= 1


@pytest.mark.parametrize("depth", [8, 16])
def test_cmyk_through_a_profile_keeps_a_card_grey(depth):
    """The profile takes every ink as L* = 100 - 100 K; a card of L* = 50 is 118.9 in sRGB."""
    half = np.zeros((8, 8, 4), np.uint8 if depth == 8 else np.uint16)
    half[..., 3] = 127 if depth == 8 else 32767
    data = tiff(half, photometric="separated", extrasamples=[], iccprofile=cmyk_profile())
    after = restore(data, weights=Identity(), strength=0).result().picture
    assert after.bits == depth and np.ptp(after.unit() * 255, axis=2).max() <= 1
    assert np.abs(after.unit() * 255 - 119).max() <= 1.5
