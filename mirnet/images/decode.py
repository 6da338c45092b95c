"""File formats: encoded bytes to samples and back, at full depth.

Pillow decodes 8-bit pictures, OpenCV and tifffile the 16-bit ones that Pillow would reduce, and
pillow-heif HEIC. A file is recognised by its first bytes, never by its name, and only the formats
of ``DECODERS`` reach a decoder; the size in the header is compared with the limit before any pixel
is decoded. No global setting of Pillow is changed. `mirnet.images.picture` is the public face.
"""

import io
import logging
import struct
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from mirnet.errors import ImageRejected

from . import limits as image_bombs
from . import metadata as exif
from .formats import RAW, animation, identify, refusal

logger = logging.getLogger(__name__)

BAND_ROWS = 256
"""Rows handled at once where a whole-picture temporary would cost memory."""
# TIFF 6.0 tag numbers.
_SUBFILE_TYPE, _WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_SAMPLES, _PLANAR, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _ICC, _DNG = 277, 284, 338, 339, 34675, 50706


class TooLarge(ImageRejected):
    """A picture has more pixels than accepted; found before any is decoded."""

    def __init__(self, words: str, width: int, height: int):
        super().__init__(words)
        self.width, self.height = width, height


class Raster(NamedTuple):
    """What a decoder returns: samples as stored in the file, before orientation."""

    samples: np.ndarray
    """(H, W, C) uint8, uint16 or float32; C is 1 grey, 2 grey+alpha, 3 RGB, 4 RGB+alpha."""
    icc_profile: bytes | None
    """Embedded profile, unchecked."""
    exif: bytes | None
    """EXIF block, unchecked, with or without its ``Exif\\0\\0`` prefix."""
    orientation: int | None
    """EXIF orientation still to be applied; None: the one that the EXIF block names."""
    source_format: str | None
    """Name of the file format, such as "JPEG"; None for arrays."""


def check_size(label: str, width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture without pixels or with more than ``max_pixels``.

    Raises:
        ImageRejected: With the size, the limit and the way out; `TooLarge` for too many pixels.
    """
    if width < 1 or height < 1:
        raise ImageRejected(
            f"{label} has no pixels ({width} x {height}): choose a picture of at least 1 x 1 pixel."
        )
    if width * height > max_pixels:
        raise TooLarge(
            f"{label} has {width * height / 1e6:.4g} megapixels ({width} x {height}), more than "
            f"the limit of {max_pixels / 1e6:.4g}: crop or downscale it, or raise max_pixels.",
            width,
            height,
        )


def array_samples(array: np.ndarray, label: str) -> np.ndarray:
    """Bring an array into (H, W, C) uint8, uint16 or float32, C = 1 to 4; always a copy.

    Args:
        array: (H, W) or (H, W, 1 | 2 | 3 | 4) of bool, uint8, uint16, or floating point in [0, 1].
        label: The name used in messages.

    Raises:
        ImageRejected: For other shapes, types or values.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise ImageRejected(
            f"{label} has shape {array.shape}: give (height, width) or (height, width, channels) "
            "with 1 to 4 channels."
        )
    check_size(label, array.shape[1], array.shape[0], array.shape[0] * array.shape[1])
    if array.ndim == 2:
        array = array[..., None]
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.type in (np.uint8, np.uint16):
        return array.astype(array.dtype.type, order="C")
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageRejected(
            f"{label} holds {array.dtype} values: convert it to uint8, uint16, or float in [0, 1]."
        )
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 1):  # false for NaN, too
        raise ImageRejected(
            f"{label} holds values from {low:.4g} to {high:.4g}: scale floating-point pictures to "
            "[0, 1] without NaN."
        )
    return array.astype(np.float32, order="C")


def decode(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode one still picture.

    Args:
        stream: A seekable binary stream at position 0.
        label: The name used in messages.
        max_pixels: Most pixels accepted, compared with the header before decoding.

    Raises:
        ImageRejected: Whatever the bytes are, if they are not one readable still picture.
    """
    head = stream.read(64)
    kind = identify(head)
    stream.seek(0)
    if not head:
        raise ImageRejected(f"{label} is empty (0 bytes): copy it again or choose another file.")
    if kind not in DECODERS:
        raise ImageRejected(refusal(stream, kind, label))
    try:
        return DECODERS[kind](stream, label, max_pixels)
    except ImageRejected:
        raise
    except MemoryError as error:
        raise ImageRejected(
            f"{label} needs more memory than this computer has free: close other programs or "
            "downscale it."
        ) from error
    except Image.DecompressionBombError as error:  # Pillow's own limit, for TIFF only
        raise ImageRejected(
            f"{label} has more pixels than Pillow decodes: crop it or downscale it."
        ) from error
    except Exception as error:  # decoders of foreign bytes raise nearly every type
        logger.debug("decoding %s failed", label, exc_info=True)
        raise ImageRejected(
            f"{label} is damaged, cut off, or a variant of {kind} that cannot be read: save it "
            "again as PNG or JPEG and try that."
        ) from error


def _decode_with_pillow(image: Image.Image, label: str, max_pixels: int, name: str) -> Raster:
    """Decode an opened, not yet loaded, Pillow image of a single-frame format."""
    check_size(label, *image.size, max_pixels)
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise ImageRejected(animation(label, frames))
    return pillow_raster(image, label, name)


def pillow_raster(image: Image.Image, label: str, source_format: str | None) -> Raster:
    """Take samples and metadata out of any Pillow image (its current frame).

    Raises:
        ImageRejected: If the mode has no meaning as a photo, or float values leave [0, 1].
    """
    image.load()
    icc = image.info.get("icc_profile")
    block, orientation = image.info.get("exif"), None
    if image.format == "TIFF":  # load() has applied the orientation
        block, orientation = _safe_exif(lambda: exif.descriptive(image.getexif())), 1
    elif not isinstance(block, bytes):
        block = _safe_exif(lambda: _exif_elsewhere(image))
    mode = image.mode
    if mode.startswith("I;16") or mode in ("I", "F"):
        samples = np.asarray(image)
        if mode == "I" and samples.min() >= 0 and samples.max() <= 65535:
            samples = samples.astype(np.uint16)
        return Raster(array_samples(samples, label), icc, block, orientation, source_format)
    if mode in ("CMYK", "LAB"):
        image, icc = to_srgb(image, icc)
    else:
        base = "L" if mode in ("1", "L", "LA", "La") else "RGB"
        target = base + "A" if image.has_transparency_data else base
        if mode != target:
            image = image.convert(target)
    return Raster(_pixels(image), icc, block, orientation, source_format)


def _exif_elsewhere(image: Image.Image) -> bytes | None:
    """EXIF that stands as text in a PNG file, or is made of its XMP."""
    text = image.info.get("Raw profile type exif")
    if isinstance(text, str):
        raw = bytes.fromhex("".join(text.split("\n")[3:]))
        if not image_bombs.is_modest(raw.removeprefix(exif.PREFIX)):
            return None
    tags = image.getexif()
    return tags.tobytes() if tags else None


def _safe_exif(read: Callable[[], bytes | None]) -> bytes | None:
    """Read EXIF that may be damaged; a photo is not refused for it."""
    try:
        return read()
    except Exception:  # Pillow raises nearly every type for damaged tags
        logger.debug("damaged EXIF dropped", exc_info=True)
        return None


def _pixels(image: Image.Image) -> np.ndarray:
    """Copy a loaded image into (H, W, C) uint8, in bands: Pillow's own export needs two copies."""
    width, height = image.size
    samples = np.empty((height, width, len(image.getbands())), np.uint8)
    for top in range(0, height, BAND_ROWS):
        bottom = min(top + BAND_ROWS, height)
        band = np.asarray(image.crop((0, top, width, bottom)))
        samples[top:bottom] = band.reshape(bottom - top, width, -1)
    return samples


def to_srgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """Turn a CMYK, Lab or grey image into sRGB, through its profile where that is usable.

    Relative colorimetric with black point compensation, as photo editors do. CMYK without a usable
    profile is inverted plainly and gets no profile.
    """
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        if image.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc or b""))
        converted = ImageCms.profileToProfile(
            image,
            source,
            srgb,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB"), None
    profile = bytearray(srgb.tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # creation date: same bytes each time
    return (converted or image), bytes(profile)


def _decode_jpeg(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a JPEG file; of a phone's MPO file this is the first, full-size frame."""
    modest = image_bombs.check_jpeg(stream)
    return _decode_with_pillow(JpegImagePlugin.JpegImageFile(modest), label, max_pixels, "JPEG")


def _decode_bmp(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    image_bombs.check_bmp(stream)
    return _decode_with_pillow(BmpImagePlugin.BmpImageFile(stream), label, max_pixels, "BMP")


def _decode_avif(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode an AVIF file to 8 bits; Pillow reduces 10 and 12 bits, and reads EXIF on opening."""
    image_bombs.check_hidden_exif(stream)
    return _decode_with_pillow(AvifImagePlugin.AvifImageFile(stream), label, max_pixels, "AVIF")


def _decode_webp(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Check the canvas first: opening a WebP file in Pillow already allocates it."""
    head = stream.read(32)
    if head[12:16] == b"VP8X":  # RFC 9649, section 2.7.1: 24-bit fields, minus one
        width = int.from_bytes(head[24:27], "little") + 1
        height = int.from_bytes(head[27:30], "little") + 1
        check_size(label, width, height, max_pixels)
    stream.seek(0)
    return _decode_with_pillow(WebPImagePlugin.WebPImageFile(stream), label, max_pixels, "WebP")


def _decode_heic(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode the primary picture; 10 and 12 bits become 16. libheif applies the rotation itself."""
    import pillow_heif

    container = pillow_heif.open_heif(stream, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    picture = container[container.primary_index]
    info: dict[str, Any] = dict(picture.info)
    check_size(label, *picture.size, max_pixels)
    samples = np.array(picture)
    if samples.dtype == np.uint16:
        most = (1 << info["bit_depth"]) - 1
        scale = (np.arange(most + 1, dtype=np.uint32) * 65535 + most // 2) // most
        samples = scale.astype(np.uint16)[np.minimum(samples, most)]
    if samples.ndim == 2:
        samples = samples[..., None]
    return Raster(samples, info.get("icc_profile"), info.get("exif"), 1, "HEIC")


def _decode_png(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a PNG file, 16 bits through OpenCV."""
    depth, colour_type = stream.read(26)[24:]
    image_bombs.check_png(stream)
    image = PngImagePlugin.PngImageFile(stream)
    if depth != 16:
        return _decode_with_pillow(image, label, max_pixels, "PNG")
    check_size(label, *image.size, max_pixels)
    if getattr(image, "n_frames", 1) > 1:
        raise ImageRejected(animation(label, image.n_frames))
    stream.seek(0)
    data = stream.read()
    block = _png_exif(data) or image.info.get("exif")
    samples = _opencv_samples(data)
    if colour_type == 4:  # grey+alpha: OpenCV repeats the grey
        samples = np.ascontiguousarray(samples[..., 2:])
    key = image.info.get("transparency")
    if colour_type == 0 and isinstance(key, int):
        opaque = np.where(samples == key, 0, 65535).astype(np.uint16)
        samples = np.concatenate([samples, opaque], axis=2)
    return Raster(samples, image.info.get("icc_profile"), block, None, "PNG")


def _png_exif(data: bytes) -> bytes | None:
    """Find the EXIF chunk of a PNG file, also behind the pixels, and check that the file is whole.

    Raises:
        ValueError: If the chunks do not lead to the end; OpenCV would first make room for a chunk
            of any promised length, up to 2 GB.
    """
    exif_chunk = None
    position, name = 8, b""
    while name != b"IEND":
        length = int.from_bytes(data[position : position + 4], "big")
        name = data[position + 4 : position + 8]
        if position + 12 + length > len(data):
            raise ValueError("chunk behind the end of the file")
        if name == b"eXIf":
            exif_chunk = data[position + 8 : position + 8 + length]
        position += 12 + length
    return exif_chunk


def _opencv_samples(data: bytes | bytearray) -> np.ndarray:
    """Decode to (H, W, C) uint16 in RGB order with OpenCV, orientation not applied.

    Raises:
        ValueError: If OpenCV cannot decode the bytes, or not to 16 bits.
    """
    import cv2

    samples = cv2.imdecode(
        np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if samples is None or samples.dtype != np.uint16:
        raise ValueError("OpenCV cannot decode this at 16 bits")
    if samples.ndim == 2:
        return samples[..., None]
    code = cv2.COLOR_BGR2RGB if samples.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return cv2.cvtColor(samples, code, dst=samples)


def _decode_tiff(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a TIFF file of one page; further pages that are thumbnails or masks do not count.

    Integer samples of 1 to 16 bits only. Floating-point TIFF is refused: its white point is not
    recorded, and scaling by a guess would change the exposure without a word.
    """
    image_bombs.check_directories(stream)
    directory, pages = _tiff_directory(stream)
    if _DNG in directory or int(directory.get(_SUBFILE_TYPE, 0)) & 1:
        raise ImageRejected(refusal(stream, RAW, label))
    if pages > 1:
        raise ImageRejected(
            f"{label} has {pages} pages: save the page you want as its own file and try that."
        )
    check_size(label, int(directory[_WIDTH]), int(directory[_LENGTH]), max_pixels)
    bits = set(directory.get(_BITS, (1,)))
    sample_format = set(directory.get(_SAMPLE_FORMAT, (1,)))
    if not all(isinstance(number, int) for number in bits):
        raise ValueError("a number of bits that is none")  # text of the file would be in our words
    if not sample_format <= {1, 4} or not bits <= {1, 2, 4, 8, 16}:
        kind = "floating-point" if 3 in sample_format else "signed" if 2 in sample_format else ""
        raise ImageRejected(
            f"{label} holds {max(bits)}-bit {kind or 'unsigned'} samples: export it as a TIFF or "
            "PNG of 8 or 16 bits and try that."
        )
    if bits == {16} and directory.get(_PHOTOMETRIC) in (0, 1, 2):
        return _decode_tiff16(stream, directory)
    stream.seek(0)
    image = TiffImagePlugin.TiffImageFile(stream)
    check_size(label, *image.size, max_pixels)
    return pillow_raster(image, label, "TIFF")


def _tiff_directory(stream: BinaryIO) -> tuple[TiffImagePlugin.ImageFileDirectory_v2, int]:
    """Read the first directory and count the full-size pages (up to 1000)."""
    head = stream.read(8)
    if b"+" in head[:4]:  # BigTIFF: 8-byte offsets
        head += stream.read(8)
    ifd = first = TiffImagePlugin.ImageFileDirectory_v2(head)
    seen: set[int] = set()
    position, pages = first.next, 0
    while position and position not in seen and len(seen) < 1000:
        seen.add(position)
        ifd = TiffImagePlugin.ImageFileDirectory_v2(head)
        stream.seek(position)
        ifd.load(stream)
        if len(seen) == 1:
            first = ifd
        pages += not int(ifd.get(_SUBFILE_TYPE, 0)) & 5
        position = ifd.next
    return first, pages


def _decode_tiff16(stream: BinaryIO, directory: TiffImagePlugin.ImageFileDirectory_v2) -> Raster:
    """Decode 16-bit grey or RGB, with or without alpha.

    tifffile decodes what it can without further packages; OpenCV the rest (LZW) and PackBits, which
    tifffile reads byte by byte. OpenCV gets only 1, 3 or 4 interleaved samples right.
    """
    import tifffile

    colours = 3 if directory[_PHOTOMETRIC] == 2 else 1
    count = int(directory.get(_SAMPLES, 1))
    extra = directory.get(_EXTRA_SAMPLES, (2,) if count == colours + 1 else (0,))
    if not colours <= count <= colours + 4:
        raise ValueError(f"{count} samples a pixel")
    stream.seek(0)
    if directory.get(_COMPRESSION, 1) in (1, 8, 32946):
        with tifffile.TiffFile(stream) as file:
            page = file.pages[0]
            if not all(page.dataoffsets) or not all(page.databytecounts):
                raise ValueError("a strip is missing")
            samples = page.asarray()
        if samples.ndim == 3 and int(directory.get(_PLANAR, 1)) == 2:
            samples = np.moveaxis(samples, 0, 2)
    elif int(directory.get(_PLANAR, 1)) == 1 and count in (1, 3, 4):
        block = bytearray(stream.read())
        exif.overwrite(block, {exif.ORIENTATION: 1})  # OpenCV would apply it
        samples = _opencv_samples(block)
    else:
        raise ValueError("unusual arrangement of samples")
    samples = samples.reshape(int(directory[_LENGTH]), int(directory[_WIDTH]), count)
    if samples.dtype.type is not np.uint16:
        raise ValueError("not 16 bits")
    samples = samples.astype(np.uint16, copy=False)  # native byte order
    if directory[_PHOTOMETRIC] == 0:  # white is zero
        samples = np.concatenate([65535 - samples[..., :1], samples[..., 1:]], axis=2)
    has_alpha = count > colours and extra[0] in (1, 2)
    if has_alpha and extra[0] == 1:
        samples = _unpremultiplied(samples[..., : colours + 1])
    icc = directory.get(_ICC)
    orientation = directory.get(exif.ORIENTATION, 1)
    return Raster(
        samples[..., : colours + has_alpha],
        icc if isinstance(icc, bytes) else None,
        _safe_exif(lambda: exif.descriptive(exif.read_tags(stream))),
        orientation if orientation in range(1, 9) else 1,
        "TIFF",
    )


def _unpremultiplied(samples: np.ndarray) -> np.ndarray:
    """Divide colours by alpha, rounded; (H, W, C) uint16 with associated alpha last."""
    alpha = np.maximum(samples[..., -1:], 1).astype(np.uint64)
    colours = (samples[..., :-1] * np.uint64(65535) + alpha // 2) // alpha
    return np.concatenate([np.minimum(colours, 65535).astype(np.uint16), samples[..., -1:]], axis=2)


DECODERS: dict[str, Callable[[BinaryIO, str, int], Raster]] = {
    "JPEG": _decode_jpeg,
    "PNG": _decode_png,
    "WebP": _decode_webp,
    "TIFF": _decode_tiff,
    "BMP": _decode_bmp,
    "HEIC": _decode_heic,
    "AVIF": _decode_avif,
}
"""The formats that are read; nothing else reaches a decoder."""
