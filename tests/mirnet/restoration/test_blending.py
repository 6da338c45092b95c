"""Blends: luminance, colour and detail as shares of a network's change, without the network."""

import cv2
import numpy as np
import pytest

from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture
from mirnet.images.preview import shrink
from mirnet.restoration.api import restore
from mirnet.restoration.blending import LUMA_WEIGHTS, Blend, Blender
from tests.support.small_restorations import Pointwise, photo

DTYPES = [np.uint8, np.uint16, np.float32]


def inverted(dtype=np.uint8):
    model = Pointwise(lambda image: 0.25 + image.flip(1) / 2)
    return model, restore(photo(dtype=dtype), weights=model).result()


def unit(picture: Picture) -> np.ndarray:
    return picture.unit().astype(np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_luminance_and_colour_are_blended_apart(dtype):
    model, made = inverted(dtype)
    runs = len(model.shapes)
    before, full = unit(made.before), unit(made.full)
    exact = 1.01 / np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1e-6
    inside = (before > 0.2) & (before < 0.8)  # where no channel is clipped
    inside = inside.all(axis=2)
    colour = unit(made.blend(luma=0, chroma=1).picture)
    brightness = unit(made.blend(luma=1, chroma=0).picture)
    assert np.abs((colour - before) @ LUMA_WEIGHTS)[inside].max() < 2 * exact
    assert np.abs((brightness - full) @ LUMA_WEIGHTS)[inside].max() < 2 * exact
    shift = (brightness - before)[inside]
    assert np.ptp(shift, axis=1).max() < 2 * exact  # the same for all channels
    assert np.abs(colour - before)[inside].max() > 0.1 and np.abs(shift).max() > 0.05
    assert made.blend(luma=1, chroma=1).picture is made.full
    half, direct = made.blend(luma=0.5, chroma=0.5), made.blend(strength=0.5)
    assert np.array_equal(half.picture.pixels, direct.picture.pixels)
    assert len(model.shapes) == runs


def test_a_share_not_given_stays():
    _, made = inverted()
    once = made.blend(strength=0.5, luma=0.3).blend(chroma=0.2)
    assert once.mix == Blend(0.5, 0.3, 0.2, 0.0) and once.strength == 0.5
    assert np.array_equal(once.picture.pixels, made.blend(0.5, 0.3, 0.2).picture.pixels)
    assert once.blend(1, 1, 1, 0).picture is made.full


def noisy_scene(brightness: float = 1.0):
    """Flat area and stripes at its side, with noise; and a result without stripes and noise."""
    y, x = np.mgrid[:256, :256].astype(np.float32)
    base = 0.3 + 0.3 * y / 256
    stripes = np.where(x < 192, 0, 0.12 * np.sin(x * 2.1)).astype(np.float32)
    rng = np.random.default_rng(0)
    noise = 0.03 * rng.standard_normal((256, 256)).astype(np.float32)
    before, full = np.float32(brightness) * (base + stripes + noise), base
    pictures = [Picture(np.repeat(p[..., None], 3, 2).clip(0, 1)) for p in (before, full)]
    return Blender(*pictures), stripes, noise


@pytest.mark.parametrize("brightness", [1.0, 0.25])
def test_detail_returns_texture_and_leaves_noise_out(brightness):
    blender, stripes, noise = noisy_scene(brightness)
    got = blender.picture(Blend(detail=1)).pixels[..., 0] - blender.full.pixels[..., 0]
    flat, striped = (slice(16, 240), slice(16, 176)), (slice(16, 240), slice(208, 240))
    assert got[flat].std() < 0.15 * noise[flat].std()
    share = (got * stripes)[striped].sum() / (stripes**2)[striped].sum()
    assert 0.6 < share < 1.1
    half = blender.picture(Blend(detail=0.5)).pixels[..., 0] - blender.full.pixels[..., 0]
    assert np.abs(half - got / 2).max() < 1e-3


def test_detail_is_no_part_of_an_enlargement():
    made = restore(photo(), "sr-x2", weights=Pointwise(lambda image: image / 2)).result()
    with pytest.raises(InvalidRequest, match="which sr-x2 does not remove"):
        made.blend(detail=0.5)
    assert made.blend(luma=0.5, detail=0).mix.luma == 0.5


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan"), "1", None, True])
def test_shares_outside_their_range_are_refused(wrong):
    _, made = inverted()
    if wrong is None or wrong is True:  # None keeps the share; True is 1
        assert made.blend(luma=wrong).mix.luma == 1
        return
    for name in ("strength", "luma", "chroma", "detail"):
        with pytest.raises(InvalidRequest, match=f"{name.capitalize()} .*is not a number from 0"):
            made.blend(**{name: wrong})


def test_a_reduced_blend_is_the_blend_reduced():
    smooth = cv2.GaussianBlur(photo(300, 400), (0, 0), 3)
    _, made = inverted()
    blender = Blender(Picture(smooth), Picture(255 - smooth // 2))
    mix = Blend(0.8, 0.6, 0.3, 0.5)
    whole, small = blender.picture(mix), blender.shrunk(100, detail=True).picture(mix)
    assert small.pixels.shape == (75, 100, 3)
    assert np.abs(shrink(whole, 100).pixels.astype(int) - small.pixels).max() <= 2
    part = blender.cut_out(0.5, 1, 64, 48, detail=True).picture(mix)
    assert np.array_equal(part.pixels, whole.pixels[252:300, 168:232])


def test_a_grey_photo_stays_grey():
    grey = np.repeat(photo()[..., :1], 3, axis=2)
    blender = Blender(Picture(grey, grey=True), Picture(255 - grey, grey=True))
    mixed = blender.picture(Blend(0.9, 0.4, 0.7, 1.0)).pixels
    assert (mixed == mixed[..., :1]).all()
