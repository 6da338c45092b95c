"""Files to pictures and back: every mode and format, every refusal, and no other exception."""

import io
import os
import struct
import threading
import warnings

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, ImageOps

from mirnet.errors import ImageRejected
from mirnet.images import metadata as exif_block
from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image, write_image
from mirnet.images.formats import SAVE_FORMATS, identify
from mirnet.images.limits import MAX_PIXELS
from mirnet.images.names import clean_name
from mirnet.images.picture import Picture, quantize
from tests.support.picture_files import (
    A8,
    A16,
    EXACT,
    FUZZ,
    HEADS,
    HEIGHT,
    HUGE,
    PILLOW_MODES,
    REFUSED,
    SMALL,
    SRGB,
    UPRIGHT,
    WHOLE,
    WIDTH,
    check,
    chunk,
    cmyk_profile,
    exif_bytes,
    grey_profile,
    huge_png,
    noise,
    only_rejected,
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


# ---------------------------------------------------------------- reading, exactly


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


# ---------------------------------------------------------------- orientation, profile, EXIF


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


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("target", SAVE_FORMATS)
def test_metadata_survives_every_format(target, channels, bits):
    array = A8[channels] if bits == 8 else A16[channels]
    profile = SRGB if channels > 2 else grey_profile()
    start = read_image(array)
    start = Picture(start.pixels, start.alpha, start.grey, profile, exif_bytes())
    picture = read_image(encode_image(start, target))
    if target == "WebP" and channels < 3:  # WebP has no grey: converted, in sRGB
        assert (
            ImageCms.ImageCmsProfile(io.BytesIO(picture.icc_profile)).profile.xcolor_space == "RGB "
        )
    else:
        assert picture.icc_profile == profile
    tags = read_exif(picture.exif)
    assert (tags[271], tags[272]) == ("Maker", "Model 7")
    assert (tags[282], tags[283], tags[296]) == (300.0, 300.0, 2)
    details = tags.get_ifd(exif_block.EXIF_IFD)
    assert details[37500] == b"maker note\x00\x01\x02"
    assert details[33437] == pytest.approx(2.8)
    assert (details[exif_block.PIXEL_X], details[exif_block.PIXEL_Y]) == (WIDTH, HEIGHT)
    assert tags.get_ifd(exif_block.GPS_IFD)[2] == (46.0, 30.0, 12.0)


def test_exif_bytes_change_only_where_they_must():
    block = exif_bytes(6)
    kept, orientation = exif_block.normalise(block)
    assert orientation == 6
    changed = [i for i in range(len(block)) if kept[i] != block[i]]
    assert changed == [block.index(b"\x01\x12\0\x03") + 9]  # the value of tag 274, big-endian
    assert exif_block.normalise(b"Exif\0\0II*\0\xff\xff\xff\xff") == (None, 1)
    assert exif_block.normalise(b"nonsense") == (None, 1)


def test_thumbnail_of_the_old_picture_is_unlinked():
    block = bytearray(exif_bytes(1))
    (count,) = struct.unpack_from(">H", block, 14)
    link = slice(16 + 12 * count, 20 + 12 * count)
    block[link] = struct.pack(">I", 8)
    kept, _ = exif_block.normalise(bytes(block))
    assert kept[link] == b"\0" * 4 and kept[:16] == block[:16] and len(kept) == len(block)


def test_damaged_metadata_is_dropped():
    image = Image.fromarray(A8[3])
    data = saved(image, "PNG", icc_profile=b"not a profile", exif=b"Exif\0\0garbage")
    picture = read_image(data)
    check(picture, A8[3])
    assert picture.icc_profile is None and picture.exif is None
    assert read_image(saved(image, "PNG", icc_profile=grey_profile())).icc_profile is None
    unsigned = SRGB[:36] + b"nope" + SRGB[40:]
    assert read_image(saved(image, "PNG", icc_profile=unsigned)).icc_profile is None
    odd = SRGB[:16] + b"\xff\xff\xff\xff" + SRGB[20:]
    assert read_image(saved(image, "PNG", icc_profile=odd)).icc_profile is None
    half = exif_bytes(6)[:40]
    check(read_image(saved(image, "PNG", exif=half)), A8[3])


def test_damaged_exif_directory_does_not_stop_tiff():
    block = bytearray(exif_bytes())
    at = bytes(block).index(b"maker note")
    picture = Picture(A8[3], exif=bytes(block[:at]))
    check(read_image(encode_image(picture, "TIFF")), A8[3])


def test_too_long_exif_leaves_the_jpeg_readable():
    picture = Picture(A8[3], exif=exif_bytes() + b"\0" * 70_000)
    assert read_image(encode_image(picture, "JPEG")).exif is None
    assert read_image(encode_image(picture, "PNG")).exif is not None


def test_cmyk_goes_through_its_profile():
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[:, 8:, 0] = 255  # cyan, which this odd profile makes white
    ink[8:, :, 3] = 255  # black
    image = Image.fromarray(ink, "CMYK")
    picture = read_image(saved(image, "TIFF", icc_profile=cmyk_profile()))
    assert picture.pixels[:8].min() > 240 and picture.pixels[8:].max() < 20
    assert picture.icc_profile and not picture.grey
    assert ImageCms.ImageCmsProfile(io.BytesIO(picture.icc_profile)).profile.xcolor_space == "RGB "
    plain = read_image(saved(image, "JPEG", quality=100))
    assert plain.icc_profile is None
    assert plain.pixels[2, 13, 0] < 20 < 240 < plain.pixels[2, 13, 1]  # cyan stays cyan


# ---------------------------------------------------------------- arrays and Pillow images


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


PILLOW_MODES += ["LAB", "HSV", "I", "F", "I;16", "I;16B"]


@pytest.mark.parametrize("mode", PILLOW_MODES)
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


# ---------------------------------------------------------------- refusals


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


# ---------------------------------------------------------------- fuzz


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


# ---------------------------------------------------------------- writing


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_lossless_round_trip(tmp_path, channels, dtype, suffix):
    array = noise(channels, np.uint8 if dtype is np.uint8 else np.uint16, 9)
    picture = read_image(array if dtype is not np.float32 else array / np.float32(65535))
    assert picture.pixels.dtype == dtype
    path = write_image(picture, tmp_path / f"out{suffix}")
    check(read_image(path), array)
    if array.dtype == np.uint16 and channels in (3, 4):  # a second opinion, not our reader
        other = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(other[..., 2::-1], array[..., :3])
    if channels != 2 and suffix == ".tif":
        np.testing.assert_array_equal(tifffile.imread(path), array)


def test_png16_is_valid_for_pillow():
    picture = Picture(A16[3], icc_profile=SRGB, exif=exif_bytes())
    image = Image.open(io.BytesIO(encode_image(picture, "PNG")))
    image.verify()
    assert image.info["icc_profile"] == SRGB
    for height, width in ((1, 1), (1, 9), (9, 1), (300, 2), (256, 3)):
        array = noise(3, np.uint16, 2, height, width)
        check(read_image(encode_image(Picture(array), "PNG")), array)


@pytest.mark.parametrize("channels", [3, 4])
def test_webp_is_lossless_at_100(channels):
    check(read_image(encode_image(read_image(A8[channels]), "WebP", 100)), A8[channels])
    lossy = read_image(encode_image(read_image(A8[channels]), "WebP", 99))
    assert (lossy.pixels != A8[channels][..., :3]).any()


def test_grey_webp_with_a_profile_is_converted():
    start = read_image(A8[1])
    linear = Picture(start.pixels, None, True, grey_profile())
    picture = read_image(encode_image(linear, "WebP", 100))
    middle = np.abs(A8[1].astype(int) - 55) < 3  # linear 0.2157 is 0.502 in sRGB (IEC 61966-2-1)
    assert abs(picture.pixels[middle].mean() - 128) < 8
    assert not picture.grey and picture.icc_profile


def test_jpeg_colour_resolution_and_quality():
    picture = read_image(smooth())
    layers = {}
    for quality in (89, 90):
        image = Image.open(io.BytesIO(encode_image(picture, "JPEG", quality)))
        layers[quality] = [tuple(layer[1:3]) for layer in image.layer]
    assert layers[89] == [(2, 2), (1, 1), (1, 1)] and layers[90] == [(1, 1)] * 3
    assert len(encode_image(picture, "jpg", 30)) < len(encode_image(picture, "jpg", 95))
    assert Image.open(io.BytesIO(encode_image(read_image(A8[1]), "JPEG"))).mode == "L"


def test_jpeg_lays_alpha_over_white():
    pixels = np.full((16, 16, 3), 100, np.uint8)
    alpha = np.full((16, 16), 255, np.uint8)
    alpha[:8] = 0
    flat = read_image(encode_image(Picture(pixels, alpha), "JPEG", 100)).pixels
    assert flat[:7].min() >= 254 and np.abs(flat[9:].astype(int) - 100).max() <= 1
    alpha[:] = 128
    flat = read_image(encode_image(Picture(pixels, alpha), "JPEG", 100)).pixels
    assert np.abs(flat.astype(int) - round(100 * 128 / 255 + 127)).max() <= 1


def test_sixteen_bits_become_eight_rounded():
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    picture = read_image(encode_image(read_image(np.dstack([every] * 3)), "WebP", 100))
    expected = np.rint(every.astype(np.float64) * 255 / 65535)
    np.testing.assert_array_equal(picture.pixels[..., 0], expected)


def test_grey_with_differing_channels_is_averaged():
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[...] = (10, 11, 13)
    np.testing.assert_array_equal(
        read_image(encode_image(Picture(pixels, grey=True), "PNG")).pixels, 11
    )


def test_writing_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "out.png"
    write_image(read_image(A8[3]), path)
    before = path.read_bytes()
    assert os.listdir(tmp_path) == ["out.png"]

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ImageRejected, match=r"out\.png cannot be written \(No space left"):
        write_image(read_image(A8[1]), path)
    monkeypatch.undo()
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["out.png"]

    def stop(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_image(read_image(A8[1]), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["out.png"]


def test_what_cannot_be_written(tmp_path):
    picture = read_image(A8[3])
    for path, options, words in (
        (tmp_path / "out.gif", {}, "gif"),
        (tmp_path / "out", {}, "suffix"),
        (tmp_path / "absent" / "out.png", {}, "folder exists"),
        (tmp_path / "out.jpg", {"quality": 0}, "Quality 0"),
        (tmp_path / "out.jpg", {"quality": 101}, "Quality 101"),
    ):
        with pytest.raises(ImageRejected, match=words):
            write_image(picture, path, **options)
    long = read_image(np.zeros((1, 70_000), np.uint8))
    for target in ("JPEG", "WebP"):
        with pytest.raises(ImageRejected, match="too large for"):
            encode_image(long, target)
    assert os.listdir(tmp_path) == []
    assert write_image(picture, tmp_path / "out", format="TIFF") == tmp_path / "out"
    assert read_image(tmp_path / "out").source_format == "TIFF"


# ---------------------------------------------------------------- Picture and names


def test_unit_round_trip_is_exact():
    for dtype in (np.uint8, np.uint16):
        every = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 16, 1).repeat(3, 2)
        picture = Picture(every)
        unit = picture.unit()
        assert unit.dtype == np.float32 and unit.min() == 0 and unit.max() == 1
        np.testing.assert_array_equal(picture.from_unit(unit).pixels, every)
    floats = Picture(np.random.default_rng(0).random((3, 4, 3), np.float32))
    np.testing.assert_array_equal(floats.from_unit(floats.unit()).pixels, floats.pixels)
    assert not np.shares_memory(floats.unit(), floats.pixels)


def test_quantize_clips_rounds_and_refuses_nan():
    values = np.array([[-1, 0.4999 / 255, 0.5001 / 255, 2]], np.float32)
    assert quantize(values, np.uint8).tolist() == [[0, 0, 1, 255]]
    assert quantize(values, np.float32).min() == 0 and quantize(values, np.float32).max() == 1
    with pytest.raises(ImageRejected, match="NaN"):
        quantize(np.full((300, 2, 3), np.nan, np.float32), np.uint8)


def test_with_pixels_brings_alpha_along():
    picture = Picture(A8[3], np.full((HEIGHT, WIDTH), 200, np.uint8), exif=b"x", name="n")
    double = picture.with_pixels(np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint16))
    assert double.alpha.shape == (2 * HEIGHT, 2 * WIDTH) and double.alpha.dtype == np.uint16
    assert (double.alpha == 200 * 257).all() and (double.exif, double.name) == (b"x", "n")
    assert picture.with_pixels(A8[3][::-1]).alpha is picture.alpha
    assert picture.with_pixels(A8[3], alpha=None).alpha is None


def test_pictures_that_are_none():
    for pixels, alpha in (
        (A8[1], None),
        (A8[4], None),
        (A8[3].astype(np.int32), None),
        (A8[3][:0], None),
        (A8[3], A8[1][:3]),
        (A8[3], A16[1]),
    ):
        with pytest.raises(ImageRejected, match="shape"):
            Picture(pixels, alpha)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("IMG_1234.JPG", "IMG_1234"),
        ("Grüße aus 東京 (2).png", "Grüße aus 東京 (2)"),
        ("C:\\photos\\me.png", "me"),
        ("a/../../etc/passwd.png", "passwd"),
        ("<img src=x onerror=alert(1)>.png", "_img src=x onerror=alert(1)_"),
        ("line\nbreak\x1b[31m.png", "line_break_31m"),
        ("\u202egnp.exe.png", "_gnp.exe"),
        ("-rf.png", "rf"),
        ("....png", "png"),
        ("..", "image"),
        (".hidden", "hidden"),
        ("x" * 300 + ".png", "x" * 80),
        ("", "image"),
    ],
)
def test_names(path, name):
    stream = io.BytesIO(WHOLE["PNG"])
    stream.name = path
    picture = read_image(stream)
    assert picture.name == name
    assert clean_name(name) == name


def test_messages_are_as_clean_as_names():
    stream = io.BytesIO(b"words")
    stream.name = "/home/me/<b>\n\u202e.p<n>g"
    text = rejected(stream, "text file")
    assert not set("<>\n\u202e/") & set(text.split(" is ")[0])


def test_identify_needs_no_decoder():
    assert identify(WHOLE["AVIF"][:64]) == "AVIF"
    assert identify(WHOLE["HEIC"][:64]) == "HEIC"
    assert identify(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif") == "AVIF"
    assert identify(b"") == ""
