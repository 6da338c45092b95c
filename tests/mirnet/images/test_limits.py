"""Hostile files: sizes are compared before decoding, and nothing but `ImageRejected` is raised."""

import warnings

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from mirnet.errors import ImageRejected
from mirnet.images.decode import read_image
from mirnet.images.limits import MAX_PIXELS
from tests.support.picture_files import (
    FUZZ,
    HEADS,
    HUGE,
    SMALL,
    WHOLE,
    huge_png,
    only_rejected,
    png16,
    rejected,
    saved,
    saved_heic,
    smooth,
    tiff,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow about damaged EXIF


@pytest.mark.parametrize("name", HUGE)
def test_size_is_checked_before_decoding(name, monkeypatch):
    def never(*_args, **_kwargs):
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    monkeypatch.setattr(imagecodecs, "png_decode", never)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", never)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        rejected(HUGE[name], "megapixels", "limit of 100:")


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "AVIF", "HEIC", "array",
                                  "Picture", "Pillow", "png16", "tiff16"])  # fmt: skip
def test_limit_of_the_caller(name):
    array = smooth()
    source = {
        "array": lambda: array,
        "Picture": lambda: read_image(array),
        "Pillow": lambda: Image.fromarray(array),
        "HEIC": lambda: saved_heic(array),
        "png16": lambda: png16(smooth(np.uint16)),
        "tiff16": lambda: tiff(smooth(np.uint16)),
    }.get(name, lambda: saved(Image.fromarray(array), name))()
    assert read_image(source, max_pixels=48 * 64).width == 64
    rejected(source, "(64 x 48)", max_pixels=48 * 64 - 1)


def test_a_limit_above_pillows_own():
    assert Image.MAX_IMAGE_PIXELS < MAX_PIXELS
    data = huge_png(20_000, 15_000)  # 300 megapixels; the pixels themselves are missing
    rejected(data, "damaged", max_pixels=400_000_000)


def test_promised_chunk_length_is_not_allocated(monkeypatch):
    data = bytearray(WHOLE["png16"])
    data[33:37] = b"\x7f\xff\xff\xff"  # the first IDAT claims 2 GB

    def never(*_args):
        raise AssertionError("libpng would allocate it")

    monkeypatch.setattr(imagecodecs, "png_decode", never)
    try:
        read_image(bytes(data))
    except ImageRejected as error:
        assert not isinstance(error.__cause__, AssertionError)
    else:
        raise AssertionError("accepted")


@FUZZ
@given(st.sampled_from(HEADS), st.binary(max_size=400))
def test_random_bytes(head, body):
    only_rejected(head + body)


@FUZZ
@given(
    st.sampled_from(SMALL),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    st.floats(0, 1),
    st.booleans(),
)
def test_mutated_files(data, changes, end, cut):
    mutated = bytearray(data)
    for place, value in changes:
        # Squared: headers, where the structure is, change more often than pixels.
        mutated[int(place * place * (len(data) - 1))] = value
    only_rejected(bytes(mutated[: int(end * len(data))] if cut else mutated))
