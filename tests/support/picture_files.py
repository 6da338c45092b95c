"""Picture files of every format and mode, good and damaged, for tests of decoding and encoding."""

import io
import struct
import zlib

import cv2
import numpy as np
import pillow_heif
import pytest
import tifffile
from hypothesis import HealthCheck, settings
from PIL import Image, ImageCms

from mirnet.errors import ImageRejected
from mirnet.images import exif as exif_block
from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image
from mirnet.images.formats import SAVE_FORMATS
from mirnet.images.picture import Picture

HEIGHT, WIDTH = 37, 53


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def icc_profile(space: bytes, kind: bytes, tags: dict[bytes, bytes], pcs: bytes = b"XYZ ") -> bytes:
    """Assemble a small ICC version 2 profile (ICC.1:2001-04, section 6)."""
    table, body = b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">2I", 132 + 12 * len(tags) + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    white = struct.pack(">3i", 63190, 65536, 54061)
    head = struct.pack(">I4sI4s4s4s", 132 + len(table) + len(body), b"lcms", 0x02100000, kind,
                       space, pcs)  # fmt: skip
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + white
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def grey_profile() -> bytes:
    """Make a grey profile of gamma 1.0, far enough from sRGB to show."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    return icc_profile(b"GRAY", b"mntr", {b"wtpt": white, b"kTRC": curve})


def cmyk_profile() -> bytes:
    """Make a CMYK profile whose table turns every ink into plain L* = 100 - 100 K, a* = b* = 0."""
    nodes = b""
    for index in range(16):  # the last channel, K, changes fastest
        nodes += bytes([0 if index & 1 else 255, 128, 128])
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + nodes + ramp * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    return icc_profile(b"CMYK", b"prtr", {b"wtpt": white, b"A2B0": lut}, pcs=b"Lab ")


def exif_bytes(orientation: int = 1) -> bytes:
    """Make an EXIF block with camera, exposure, position, maker note and thumbnail link."""
    tags = Image.Exif()
    tags[271], tags[272], tags[274] = "Maker", "Model 7", orientation
    tags[282], tags[283], tags[296] = 300.0, 300.0, 2
    tags[exif_block.EXIF_IFD] = {
        33437: 2.8,
        37500: b"maker note\x00\x01\x02",
        exif_block.PIXEL_X: 4000,
        exif_block.PIXEL_Y: 3000,
    }
    tags[exif_block.GPS_IFD] = {1: "N", 2: (46.0, 30.0, 12.0)}
    return tags.tobytes()


def read_exif(block: bytes) -> Image.Exif:
    tags = Image.Exif()
    tags.load(block)
    return tags


def noise(channels: int, dtype, seed: int = 0, height: int = HEIGHT, width: int = WIDTH):
    """Make random samples, (H, W) for one channel, else (H, W, C)."""
    top = np.iinfo(dtype).max
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, top, shape, dtype=dtype, endpoint=True)


def pillow(array: np.ndarray) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 2:
        image = Image.fromarray(array[..., 0])
        image.putalpha(Image.fromarray(array[..., 1]))
        return image
    return Image.fromarray(array)


def saved(image: Image.Image, name: str, **options) -> bytes:
    target = io.BytesIO()
    image.save(target, name, **options)
    return target.getvalue()


def tiff(array: np.ndarray, **options) -> bytes:
    """Write with tifffile; `lzw` through OpenCV, tifffile alone cannot."""
    colours = array.ndim == 3 and array.shape[2] >= 3
    options = {"photometric": "rgb" if colours else "minisblack", "metadata": None} | options
    if array.ndim == 3 and array.shape[2] in (2, 4):
        options.setdefault("extrasamples", ["unassalpha"])
    if array.ndim == 3:
        options.setdefault("planarconfig", "contig")
        if options["planarconfig"] == "separate":
            array = np.moveaxis(array, 2, 0)
    target = io.BytesIO()
    tifffile.imwrite(target, array, **options)
    return target.getvalue()


def lzw(array: np.ndarray) -> bytes:
    order = {1: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    channels = 1 if array.ndim == 2 else array.shape[2]
    if order[channels] is not None:
        array = cv2.cvtColor(array, order[channels])
    return cv2.imencode(".tif", array, [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes()


def with_tiff_tag(data: bytes, tag: int, value: int) -> bytes:
    """Copy the directory of a little-endian TIFF file to its end with one more SHORT tag."""
    (offset,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, offset)
    entries = [data[offset + 2 + 12 * i : offset + 14 + 12 * i] for i in range(count)]
    entries = [e for e in entries if struct.unpack("<H", e[:2])[0] != tag]
    entries.append(struct.pack("<HHIHH", tag, 3, 1, value, 0))
    entries.sort(key=lambda entry: struct.unpack("<H", entry[:2])[0])
    data += b"\0" * (len(data) % 2)
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + b"\0" * 4
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


def png16(array: np.ndarray, extra: bytes = b"", tail: bytes = b"") -> bytes:
    """Write a 16-bit PNG without filters, independent of the code under test."""
    channels = 1 if array.ndim == 2 else array.shape[2]
    head = struct.pack(">2I5B", array.shape[1], array.shape[0], 16, (0, 4, 2, 6)[channels - 1], 0,
                       0, 0)  # fmt: skip
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + tail
        + chunk(b"IEND", b"")
    )


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def check(picture: Picture, array: np.ndarray) -> None:
    """Compare a picture with the array it was made from: type, values, grey, alpha."""
    array = array if array.ndim == 3 else array[..., None]
    channels = array.shape[2]
    assert picture.pixels.dtype == array.dtype
    assert picture.pixels.flags.c_contiguous and picture.pixels.flags.writeable
    colours = array[..., : channels - 1] if channels in (2, 4) else array
    np.testing.assert_array_equal(picture.pixels, np.broadcast_to(colours, picture.pixels.shape))
    assert picture.grey == (channels < 3)
    if channels in (2, 4):
        np.testing.assert_array_equal(picture.alpha, array[..., -1])
    else:
        assert picture.alpha is None


def rejected(source, *words: str, **options) -> str:
    with pytest.raises(ImageRejected) as caught:
        read_image(source, **options)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".") and text.count(". ") == 0
    for word in words:
        assert word in text, text
    return text


A8 = {n: noise(n, np.uint8, n) for n in (1, 2, 3, 4)}


A16 = {n: noise(n, np.uint16, n) for n in (1, 2, 3, 4)}


EXACT: dict[str, tuple[bytes, np.ndarray]] = {
    **{f"png8-{n}": (saved(pillow(A8[n]), "PNG"), A8[n]) for n in A8},
    **{f"png16-{n}": (png16(A16[n]), A16[n]) for n in A16},
    **{f"webp-{n}": (saved(pillow(A8[n]), "WEBP", lossless=True, exact=True), A8[n])
       for n in (3, 4)},
    **{f"bmp-{n}": (saved(pillow(A8[n]), "BMP"), A8[n]) for n in (1, 3)},
    **{f"tiff{a[1].dtype.itemsize * 8}-{n}-{compression}-{order}": (
        tiff(a[n], compression=compression, predictor=compression is not None, byteorder=order),
        a[n])
       for a in (A8, A16) for n in (1, 2, 3, 4) for compression in (None, "deflate")
       for order in "<>"},
    **{f"tiff16-{n}-planar": (tiff(A16[n], planarconfig="separate"), A16[n]) for n in (2, 3, 4)},
    **{f"tiff16-{n}-tiled": (tiff(A16[n], tile=(16, 16), compression="deflate"), A16[n])
       for n in (1, 3)},
    **{f"tiff{a[1].dtype.itemsize * 8}-{n}-lzw": (lzw(a[n]), a[n])
       for a in (A8, A16) for n in (1, 3, 4)},
    "tiff16-bigtiff": (tiff(A16[3], bigtiff=True), A16[3]),
    "tiff16-white-is-zero": (tiff(65535 - A16[1], photometric="miniswhite"), A16[1]),
    "tiff16-unknown-extra": (tiff(A16[4], extrasamples=["unspecified"]), A16[4][..., :3]),
}  # fmt: skip


def smooth(dtype=np.uint8) -> np.ndarray:
    """Make a soft gradient that lossy formats keep closely."""
    y, x = np.mgrid[0:48, 0:64] / 64
    return (np.dstack([x, y, (x + y) / 2]) * np.iinfo(dtype).max).astype(dtype)


def saved_heic(array: np.ndarray, **options) -> bytes:
    target = io.BytesIO()
    mode = ("RGB" if array.shape[2] == 3 else "RGBA") + (";16" if array.dtype == np.uint16 else "")
    pillow_heif.encode(mode, (array.shape[1], array.shape[0]), array.tobytes(), target, quality=95,
                       **options)  # fmt: skip
    return target.getvalue()


def quadrants() -> np.ndarray:
    """Make a picture whose quarters are red, green, blue and black."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24, :32], pixels[:24, 32:], pixels[24:, :32] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    return pixels


UPRIGHT = quadrants()


def stored(array: np.ndarray, orientation: int) -> np.ndarray:
    """Arrange an upright picture so that ``orientation`` turns it upright again (EXIF 2.32)."""
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a.swapaxes(0, 1), 2),
        8: lambda a: np.rot90(a, -1),
    }
    return np.ascontiguousarray(undo[orientation](array))


def oriented_files(orientation: int) -> dict[str, bytes]:
    eight = stored(UPRIGHT, orientation)
    sixteen = eight.astype(np.uint16) * 257
    image, block = Image.fromarray(eight), exif_bytes(orientation)
    tag = [(274, "H", 1, orientation, True)]
    return {
        "JPEG": saved(image, "JPEG", exif=block, quality=95, subsampling=0),
        "PNG": saved(image, "PNG", exif=block),
        "PNG16": png16(sixteen, chunk(b"eXIf", block[6:])),
        "PNG16, after the pixels": png16(sixteen, tail=chunk(b"eXIf", block[6:])),
        "WebP": saved(image, "WEBP", exif=block, quality=95),
        "AVIF": saved(image, "AVIF", exif=block, quality=95),
        "HEIC": saved_heic(eight, exif=block),  # turned by libheif itself
        "TIFF": tiff(eight, extratags=tag),
        "TIFF16": tiff(sixteen, extratags=tag),
        "TIFF16 LZW": with_tiff_tag(lzw(sixteen), 274, orientation),
    }


PILLOW_MODES = ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"]


def gif(frames: int) -> bytes:
    pictures = [Image.fromarray(noise(1, np.uint8, seed, 9, 8)) for seed in range(frames)]
    return saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:])


def moving(name: str, frames: int = 3) -> bytes:
    pictures = [Image.fromarray(noise(3, np.uint8, seed, 16, 16)) for seed in range(frames)]
    return saved(pictures[0], name, save_all=True, append_images=pictures[1:])


def dng(cfa: np.ndarray, orientation: int = 1) -> bytes:
    """Write a raw file of one camera: (H, W) uint16 behind an RGGB filter, in linear sRGB."""
    to_camera = [3.2404542, -1.5371385, -0.4985314, -0.9692660, 1.8760108, 0.0415560,
                 0.0556434, -0.2040259, 1.0572252]  # fmt: skip
    fractions = tuple(number for x in to_camera for number in (round(x * 10_000), 10_000))
    tags = [
        (271, "s", 0, "Maker", True),
        (272, "s", 0, "Model 7", True),
        (274, "H", 1, orientation, True),
        (33421, "H", 2, (2, 2), True),  # filter pattern
        (33422, "B", 4, b"\0\1\1\2", True),
        (50706, "B", 4, b"\1\4\0\0", True),  # DNG version
        (50707, "B", 4, b"\1\1\0\0", True),
        (50708, "s", 0, "Maker Model 7", True),
        (50717, "H", 1, 65535, True),  # white level
        (50721, "2i", 9, fractions, True),  # XYZ to camera
        (50728, "2I", 3, (1, 1) * 3, True),  # neutral as shot
        (50778, "H", 1, 21, True),  # D65
    ]
    target = io.BytesIO()
    tifffile.imwrite(target, cfa, photometric=32803, metadata=None, software=False, extratags=tags)
    return target.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """Make a PNG header that declares a huge size."""
    data = saved(Image.new("L", (1, 1)), "PNG")
    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    return data[:8] + head + data[33:]


def huge_bmp(width: int, height: int) -> bytes:
    data = bytearray(saved(Image.new("RGB", (1, 1)), "BMP"))
    data[18:26] = struct.pack("<2i", width, height)
    return bytes(data)


def huge_webp(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + b"\0" * 4
    body += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def huge_jpeg(width: int, height: int) -> bytes:
    data = bytearray(saved(Image.new("RGB", (8, 8)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">2H", height, width)
    return bytes(data)


HUGE = {
    "PNG": huge_png(60_000, 50_000),
    "PNG with too many for Pillow": huge_png(2_000_000, 2_000_000),
    "BMP": huge_bmp(60_000, 50_000),
    "WebP": huge_webp(60_000, 50_000),
    "JPEG": huge_jpeg(60_000, 50_000),
    "TIFF": with_tiff_tag(with_tiff_tag(tiff(A8[3]), 256, 60_000), 257, 50_000),
    "TIFF16": with_tiff_tag(with_tiff_tag(tiff(A16[3]), 256, 60_000), 257, 50_000),
}


REFUSED = {
    "empty.png": (b"", "empty"),
    "holiday.gif": (gif(12), "animation with 12 frames"),
    "still.gif": (gif(1), "GIF"),
    "moving.webp": (moving("WEBP"), "animation with 3 frames"),
    "moving.png": (moving("PNG"), "animation with 3 frames"),
    "moving.avif": (moving("AVIF"), "animation with 3 frames"),
    "scan.tif": (moving("TIFF", 4), "4 pages"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "drawing2.svg": (b'<?xml version="1.0"?>\n<svg/>', "SVG"),
    "paper.pdf": (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
    "notes.txt": (b"just some words\n", "text"),
    "page.jpg": (b"<!DOCTYPE html><html>", "web page"),
    "a.zip": (b"PK\x03\x04\x14\x00", "a ZIP archive: unpack it first"),
    "a.tar": (b"photo.jpg".ljust(257, b"\0") + b"ustar\0", "a tar archive: unpack it first"),
    "a.tar.xz": (b"\xfd7zXZ\0\0\4", "an xz archive: unpack it first"),
    "near lossless.jpg": (b"\xff\xd8\xff\xf7\0\x0b\x08\0\x08\0\x08", "a JPEG-LS picture"),
    "near lossless.jls": (
        b"\xff\xd8\xff\xe8\0\4ab\xff\xf7\0\x0b\x08\0\x08\0\x08",
        "a JPEG-LS picture",
    ),
    "film.mp4": (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "video"),
    "photo.cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw"),
    "photo.cr2": (b"II*\0\x10\0\0\0CR\x02\0", "raw"),
    "photo.dng": (tiff(A8[3], extratags=[(50706, "B", 4, b"\1\4\0\0", True)]), "raw"),
    "photo.nef": (tiff(A8[3], subfiletype=1), "raw"),
    "layers.psd": (b"8BPS\0\1", "Photoshop"),
    "random.bin": (bytes(range(100)), "of no kind that is known"),
    "a.ico": (b"\0\0\1\0\1\0\x10\x10", "an icon (ICO)"),
    "a.qoi": (b"qoif\0\0\1\0", "a QOI picture"),
    "a.dds": (b"DDS \x7c\0\0\0", "a DDS texture"),
    "a.hdr": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "a Radiance HDR picture"),
    "a.pfm": (b"PF\n2 2\n-1.0\n", "a floating-point map (PFM)"),
    "a.pam": (b"P7\nWIDTH 2\nHEIGHT 2\n", "a PAM picture"),
    "a.jxr": (b"II\xbc\1\x20\0\0\0", "a JPEG XR picture"),
    "a.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a PostScript document"),
    "a.xcf": (b"gimp xcf v011\0", "a GIMP document"),
    "a.crw": (b"II\x1a\0\0\0HEAPCCDR\2\0", "is a camera raw file that LibRaw cannot read"),
    "a.x3f": (b"FOVb\0\0\2\0", "a raw photo by Sigma (X3F), whose colours LibRaw does not"),
    "a.7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7-Zip archive"),
    "companion.jpg": (b"\0\5\x16\7\0\2\0\0", "a companion file that macOS adds"),
    "pointer.jpg": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    "float.tif": (tiff(smooth() / np.float32(255)), "32-bit floating-point"),
    "grey float.tif": (tiff(smooth()[..., 0] / np.float32(255)), "floating-point"),
    "signed.tif": (tiff(smooth().astype(np.int16)), "signed"),
    "wide.tif": (tiff(smooth().astype(np.uint32)), "32-bit unsigned"),
}


WHOLE = {
    "JPEG": saved(Image.fromarray(A8[3]), "JPEG", quality=95),
    "PNG": saved(Image.fromarray(A8[3]), "PNG"),
    "png16": png16(A16[3]),
    "WebP": saved(Image.fromarray(A8[3]), "WEBP", lossless=True),
    "BMP": saved(Image.fromarray(A8[3]), "BMP"),
    "TIFF": tiff(A8[3], compression="deflate"),
    "tiff16": tiff(A16[3], compression="deflate"),
    "tiff16 plain": tiff(A16[3]),
    "tiff16 lzw": lzw(A16[3]),
    "TIFF lzw": lzw(A8[3]),
    "AVIF": saved(Image.fromarray(A8[3]), "AVIF"),
    "HEIC": saved_heic(A8[3]),
    "GIF": gif(3),
}


FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


HEADS = [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBPVP8 ", b"II*\0\x08\0\0\0",
         b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0", b"BM", b"GIF89a", b"\0\0\0\x18ftypheic",
         b"\0\0\0\x18ftypavif", b""]  # fmt: skip


def only_rejected(data: bytes) -> None:
    """Read a file; any exception but ImageRejected is a failure."""
    try:
        picture = read_image(data, max_pixels=1_000_000)
    except ImageRejected as error:
        assert "\n" not in str(error)
    else:
        if max(picture.width, picture.height) < 16_000:
            for target in SAVE_FORMATS:
                encode_image(picture, target)


SMALL = [
    *(saved(Image.fromarray(noise(3, np.uint8, 1, 6, 7)), name, exif=exif_bytes(6),
            icc_profile=SRGB) for name in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")),
    saved(Image.fromarray(noise(3, np.uint8, 1, 6, 7)), "BMP"),
    saved(Image.fromarray(noise(3, np.uint8, 1, 6, 7)).quantize(8), "PNG"),
    saved_heic(noise(3, np.uint8, 1, 16, 16), exif=exif_bytes(6)),
    png16(noise(4, np.uint16, 1, 6, 7)),
    tiff(noise(4, np.uint16, 1, 6, 7), compression="deflate", predictor=True),
    tiff(noise(2, np.uint16, 1, 6, 7), planarconfig="separate"),
    lzw(noise(3, np.uint16, 1, 6, 7)),
    gif(3),
    dng(noise(1, np.uint16, 1, 64, 96)),
    saved(Image.fromarray(noise(3, np.uint8, 1, 6, 7)), "JPEG2000"),
    saved(Image.fromarray(noise(3, np.uint8, 1, 6, 7)), "PPM"),
]  # fmt: skip
