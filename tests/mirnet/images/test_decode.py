"""Files, arrays and Pillow images become pictures: every mode, every format, every refusal."""

import io
import os
import threading

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile, ImageOps

from mirnet.errors import ImageRejected
from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image
from mirnet.images.formats import SAVE_FORMATS
from tests.support.picture_files import (
    A8,
    A16,
    EXACT,
    HEIGHT,
    PILLOW_MODES,
    REFUSED,
    UPRIGHT,
    WHOLE,
    WIDTH,
    check,
    chunk,
    noise,
    oriented_files,
    png16,
    read_exif,
    rejected,
    saved,
    saved_heic,
    smooth,
    tiff,
    with_tiff_tag,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow about damaged EXIF


@pytest.mark.parametrize("case", EXACT)
def test_reads_exactly(case):
    data, array = EXACT[case]
    picture = read_image(data)
    check(picture, array)
    assert picture.source_format == case[:3].upper().replace("TIF", "TIFF").replace("WEB", "WebP")
    assert (picture.height, picture.width) == (HEIGHT, WIDTH)
    assert picture.bits == array.dtype.itemsize * 8
    assert picture.megapixels == HEIGHT * WIDTH / 1e6


def test_one_bit_and_palette():
    bits = noise(1, np.uint8) > 127
    check(read_image(saved(Image.fromarray(bits), "PNG")), bits.astype(np.uint8) * 255)
    palette = Image.fromarray(A8[3]).quantize(16)
    check(read_image(saved(palette, "PNG")), np.asarray(palette.convert("RGB")))
    clear = read_image(saved(palette, "PNG", transparency=bytes(range(0, 256, 16))))
    np.testing.assert_array_equal(clear.alpha, np.asarray(palette) * 16)
    assert not clear.grey


def test_transparent_colour_becomes_alpha():
    for array in (A16[1], A16[3]):
        key = array[0, 0]
        data = png16(array, chunk(b"tRNS", np.atleast_1d(key).astype(">u2").tobytes()))
        same = (array == key) if array.ndim == 2 else (array == key).all(axis=2)
        check(read_image(data), np.dstack([array, np.where(same, 0, 65535).astype(np.uint16)]))
    grey = read_image(saved(Image.fromarray(A8[1]), "PNG", transparency=int(A8[1][0, 0])))
    np.testing.assert_array_equal(grey.alpha, np.where(A8[1] == A8[1][0, 0], 0, 255))
    assert grey.grey


def test_premultiplied_tiff_is_divided():
    alpha = np.full((HEIGHT, WIDTH, 1), 16384, np.uint16)
    straight = A16[3]
    stored = np.rint(straight * (alpha / 65535.0)).astype(np.uint16)
    picture = read_image(tiff(np.dstack([stored, alpha]), extrasamples=["assocalpha"]))
    assert (
        np.abs(picture.pixels.astype(int) - straight).max() <= 2
    )  # a quarter of the steps is left


def test_lossy_formats():
    for name, data in {
        "JPEG": saved(Image.fromarray(smooth()), "JPEG", quality=95),
        "AVIF": saved(Image.fromarray(smooth()), "AVIF", quality=95),
        "HEIC": saved_heic(smooth()),
    }.items():
        picture = read_image(data)
        assert picture.source_format == name
        assert picture.pixels.shape == smooth().shape
        assert np.abs(picture.pixels.astype(int) - smooth()).mean() < 3, name


def test_ten_bit_heic_keeps_its_depth():
    picture = read_image(saved_heic(smooth(np.uint16)))
    assert picture.bits == 16 and picture.source_format == "HEIC"
    assert np.abs(picture.pixels.astype(int) - smooth(np.uint16)).mean() < 700
    assert len(np.unique(picture.pixels)) > 300  # more than 8 bits can name
    white = read_image(saved_heic(np.full((16, 16, 3), 65535, np.uint16)))
    assert white.pixels.max() == 65535


def test_mpo_gives_its_first_frame():
    first, second = smooth(), smooth()[::2, ::2]
    data = saved(Image.fromarray(first), "MPO", save_all=True,
                 append_images=[Image.fromarray(second)])  # fmt: skip
    assert Image.open(io.BytesIO(data)).n_frames == 2
    picture = read_image(data)
    assert (picture.source_format, picture.pixels.shape) == ("JPEG", first.shape)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation):
    for name, data in oriented_files(orientation).items():
        picture = read_image(data)
        eight = picture.pixels // 257 if picture.bits == 16 else picture.pixels
        assert eight.shape == UPRIGHT.shape, name
        assert np.abs(eight.astype(int) - UPRIGHT).mean() < 6, name
        if picture.exif:
            assert read_exif(picture.exif).get(274, 1) == 1, name
        for target in SAVE_FORMATS:  # a viewer must not turn it again
            again = ImageOps.exif_transpose(Image.open(io.BytesIO(encode_image(picture, target))))
            assert again.size == (64, 48), (name, target)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_pillow_images(orientation):
    image = Image.open(io.BytesIO(oriented_files(orientation)["PNG"]))
    np.testing.assert_array_equal(read_image(image).pixels, UPRIGHT)
    image = Image.open(io.BytesIO(oriented_files(orientation)["TIFF"]))
    np.testing.assert_array_equal(read_image(image).pixels, UPRIGHT)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "float32", "float64", "bool"])
def test_arrays(channels, dtype):
    array = noise(channels, np.uint8)
    if "f" in dtype:
        array = array / np.array(255, dtype)
    elif dtype == "bool":
        array = array > 100
    array = array.astype(dtype)
    expected = array.astype({"float64": "f4", ">u2": "u2", "bool": "u1"}.get(dtype, dtype))
    if dtype == "bool":
        expected *= 255
    check(read_image(array), expected)
    if channels == 1:
        check(read_image(array[..., None]), expected)
    picture = read_image(array)
    assert (picture.name, picture.source_format, picture.exif) == ("image", None, None)
    assert not np.shares_memory(picture.pixels, array)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((4, 4, 3), np.nan, np.float32), "NaN"),
        (np.full((4, 4, 3), 1.5), "1.5"),
        (np.full((4, 4, 3), -0.1), "-0.1"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.zeros((4, 4, 3), complex), "complex128"),
        (np.zeros((3, 4, 5), np.uint8), "(3, 4, 5)"),
        (np.zeros((7,), np.uint8), "(7,)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.array([["a"]]), "<U1"),
    ],
)
def test_arrays_that_are_no_picture(array, words):
    rejected(array, "The array", words)


@pytest.mark.parametrize("mode", [*PILLOW_MODES, "LAB", "HSV", "I", "F", "I;16", "I;16B"])
def test_every_pillow_mode(mode):
    image = Image.new(mode, (5, 3))
    picture = read_image(image)
    assert picture.pixels.shape == (3, 5, 3)
    assert picture.grey == (mode in ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B"))
    assert (picture.alpha is not None) == (mode.lower()[-1] == "a" and mode != "YCbCr")
    assert picture.bits == (16 if mode.startswith("I") else 32 if mode == "F" else 8)


def test_pillow_sixteen_bits_and_outliers():
    check(read_image(Image.fromarray(A16[1])), A16[1])
    rejected(Image.fromarray(np.full((2, 2), 70_000, np.int32)), "int32")
    rejected(Image.fromarray(np.full((2, 2), 7, np.float32)), "7")
    rejected(Image.open(io.BytesIO(saved(Image.fromarray(A8[3]), "PNG")[:300])), "damaged")
    rejected(Image.new("L", (0, 5)), "no pixels")


def test_other_sources(tmp_path):
    data = saved(Image.fromarray(A8[3]), "PNG")
    path = tmp_path / "my photo.png"
    path.write_bytes(data)
    stream = io.BytesIO(data)
    stream.seek(0, os.SEEK_END)
    for source in (path, str(path), data, bytearray(data), memoryview(data), stream):
        check(read_image(source), A8[3])
    with open(path, "rb") as file:
        assert read_image(file).name == "my photo"
    picture = read_image(path)
    assert picture.name == "my photo" and read_image(picture) is picture
    assert read_image(Image.open(path)).name == "my photo"


def test_sources_of_no_kind(tmp_path):
    rejected(None, "NoneType")
    rejected(12, "int")
    rejected(io.StringIO("text"), "StringIO")
    closed = io.BytesIO(b"x")
    closed.close()
    rejected(closed, "stream")
    rejected("bad\0name.png", "cannot be opened")
    rejected(tmp_path / ("x" * 300 + ".png"), "cannot be opened")
    rejected("", "The picture")


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_file_and_the_reason(name, tmp_path):
    data, word = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(data)
    text = rejected(path, name, word)
    assert str(tmp_path) not in text
    rejected(data, "The picture", word)


def test_paths_that_are_no_files(tmp_path):
    rejected(tmp_path, "folder")
    text = rejected(tmp_path / "absent.png", "absent.png", "does not exist")
    assert str(tmp_path) not in text
    os.mkfifo(tmp_path / "pipe.png")
    rejected(tmp_path / "pipe.png", "ordinary file")
    with open(tmp_path / "sparse.tif", "wb") as stream:
        stream.truncate(10**10)
    rejected(tmp_path / "sparse.tif", "10000 MB")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", WHOLE)
def test_cut_off_files(name, part):
    data = WHOLE[name]
    cut = data[: int(len(data) * part)]
    if name.startswith(("TIFF", "tiff")) and "lzw" in name:  # its directory stands at the end
        rejected(cut)
    else:
        rejected(cut, "The picture")


def test_one_byte_short():
    for name in ("PNG", "png16", "JPEG", "BMP", "tiff16 plain"):
        data = WHOLE[name]
        if name == "tiff16 plain":
            offsets = tifffile.TiffFile(io.BytesIO(data)).pages[0]
            assert offsets.dataoffsets[-1] + offsets.databytecounts[-1] == len(data)
        cut = 30 if "png" in name.lower() else 3
        rejected(data[:-cut], "damaged")


def test_a_strip_that_is_not_there():
    data = tiff(A16[3])
    check(read_image(with_tiff_tag(data, 305, 0)), A16[3])
    rejected(with_tiff_tag(data, 279, 0), "damaged")


@pytest.mark.parametrize("array", [A8[3], A16[3]], ids=["8", "16"])
def test_thumbnail_pages_do_not_count(array):
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as file:
        file.write(array, photometric="rgb", metadata=None)
        file.write(array[::4, ::4], photometric="rgb", metadata=None, subfiletype=1)
    check(read_image(target.getvalue()), array)


def test_threads_and_global_settings_of_pillow():
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, len(Image.OPEN))
    failures = []

    def work(seed: int) -> None:
        try:
            for name, data in WHOLE.items():
                if name not in ("GIF", "AVIF", "HEIC"):
                    assert read_image(data).width == WIDTH
                with pytest.raises(ImageRejected):
                    read_image(data[: len(data) // 2])
        except BaseException as error:  # handed to the main thread
            failures.append((seed, error))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, len(Image.OPEN))
