"""Photos in and out without loss: orientation, colour profile, EXIF, alpha, grey and 16 bits kept.

`read_image` turns a file, a Pillow image or an array into a `Picture`; `write_image` and
`encode_image` turn it back. How each file format is decoded and encoded stands in
`mirnet.images.decode` and `mirnet.images.encode`.

What is decided here:

* Float pictures are written with 16 bits to PNG and TIFF, with 8 to JPEG and WebP.
* JPEG has no transparency: the picture is laid over white, in the file's own (gamma-coded) values.
* CMYK becomes sRGB through its embedded profile. A profile that is damaged, or that belongs to
  another number of channels than the picture has, is dropped.
* Floating-point TIFF files are refused (see `mirnet.images.decode`).
"""

import io
import os
import re
import stat
import sys
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageCms

from mirnet.errors import ImageRejected
from mirnet.files import write_file

from . import decode as image_codecs
from . import encode as image_writers
from . import metadata as exif_block
from .decode import BAND_ROWS, Raster

MAX_PIXELS = 100_000_000
"""Most pixels `read_image` accepts unless told otherwise: 100 megapixels."""
MAX_NAME_CHARACTERS = 80
"""Longest `Picture.name`; at 3 bytes a character still within the 255 bytes of file systems."""

_JPEG_MAX_SIDE = 65_500
"""Longest side libjpeg accepts, in pixels."""
_WEBP_MAX_SIDE = 16_383
"""Longest side WebP's own bitstreams hold, in pixels (RFC 9649)."""


class SaveFormat(NamedTuple):
    """A file format pictures can be saved in."""

    suffix: str
    """Usual file name suffix, with its dot."""
    mime: str
    """Media type."""


SAVE_FORMATS: dict[str, SaveFormat] = {
    "PNG": SaveFormat(".png", "image/png"),
    "JPEG": SaveFormat(".jpg", "image/jpeg"),
    "WebP": SaveFormat(".webp", "image/webp"),
    "TIFF": SaveFormat(".tif", "image/tiff"),
}
_ALIASES = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WebP", "tif": "TIFF"} | {
    "tiff": "TIFF"
}
_PILLOW_NAMES = {"MPO": "JPEG", "WEBP": "WebP", "HEIF": "HEIC"}


class _Keep:
    """Marks an argument that was not given."""


_KEEP = _Keep()


@dataclass(frozen=True)
class Picture:
    """One decoded photo, upright, with what belongs to it."""

    pixels: np.ndarray
    """(H, W, 3) RGB; uint8, uint16, or (from arrays only) float32 in [0, 1]."""
    alpha: np.ndarray | None = None
    """(H, W) opacity of the same type as the pixels, not multiplied into them."""
    grey: bool = False
    """The source had one channel: the three of ``pixels`` are equal, and one is written back."""
    icc_profile: bytes | None = None
    """Colour profile that fits the channels; None means sRGB."""
    exif: bytes | None = None
    """EXIF block with its ``Exif\\0\\0`` prefix, orientation applied and reset."""
    name: str = "image"
    """Stem of the file name, safe as a file name and in a page; "image" when unknown."""
    source_format: str | None = None
    """"JPEG", "PNG", "WebP", "TIFF", "BMP", "HEIC" or "AVIF"; None for arrays."""

    def __post_init__(self):
        pixels, alpha = self.pixels, self.alpha
        if (
            pixels.ndim != 3
            or pixels.shape[2] != 3
            or pixels.size == 0
            or pixels.dtype.type not in (np.uint8, np.uint16, np.float32)
        ):
            raise ImageRejected(
                f"{self.name}: pixels of shape {pixels.shape} and type {pixels.dtype} are no "
                "picture: give (height, width, 3) of uint8, uint16 or float32."
            )
        if alpha is not None and (alpha.shape, alpha.dtype) != (pixels.shape[:2], pixels.dtype):
            raise ImageRejected(
                f"{self.name}: alpha of shape {alpha.shape} and type {alpha.dtype} does not fit "
                f"pixels of {pixels.shape[:2]} and {pixels.dtype}: give both alike."
            )

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.pixels.shape[1]

    @property
    def megapixels(self) -> float:
        """Million pixels."""
        return self.height * self.width / 1e6

    @property
    def bits(self) -> int:
        """Bits per sample: 8, 16, or 32 for float."""
        return 8 * self.pixels.dtype.itemsize

    def with_pixels(
        self, pixels: np.ndarray, alpha: np.ndarray | None | _Keep = _KEEP
    ) -> "Picture":
        """Give the same photo other pixels.

        Args:
            pixels: (H, W, 3) RGB of any of the three types; the size may differ.
            alpha: (H, W) of the same type, or None. Not given: the picture's own alpha, resampled
                (bicubic, or by area where it shrinks) and converted to fit the pixels.

        Raises:
            ImageRejected: If the pixels, or the two together, are no picture.
        """
        if isinstance(alpha, _Keep):
            alpha = self.alpha
            if alpha is not None and pixels.ndim == 3:
                alpha = _fitted(alpha, pixels)
        return replace(self, pixels=pixels, alpha=alpha)

    def unit(self) -> np.ndarray:
        """Return a copy of the pixels as (H, W, 3) float32 in [0, 1]."""
        return to_unit(self.pixels)

    def from_unit(self, unit: np.ndarray, alpha: np.ndarray | None | _Keep = _KEEP) -> "Picture":
        """Give the same photo new pixels, clipped and rounded to its own depth.

        Args:
            unit: (H, W, 3) floating point, nominally in [0, 1].
            alpha: As for `with_pixels`.

        Raises:
            ImageRejected: If a value is not a number.
        """
        return self.with_pixels(quantize(unit, self.pixels.dtype), alpha)


def to_unit(values: np.ndarray) -> np.ndarray:
    """Scale uint8, uint16 or float values to float32 in [0, 1]; always a copy."""
    unit = values.astype(np.float32)
    if values.dtype.kind == "u":
        unit /= np.float32(np.iinfo(values.dtype).max)
    return unit


def quantize(unit: np.ndarray, dtype: np.dtype | type) -> np.ndarray:
    """Clip to [0, 1] and round to ``dtype`` (uint8, uint16 or float32).

    Raises:
        ImageRejected: If a value is not a number.

    >>> quantize(np.array([[-0.1, 0.5, 1.2]]), np.uint8)
    array([[  0, 128, 255]], dtype=uint8)
    """
    dtype = np.dtype(dtype)
    most = np.iinfo(dtype).max if dtype.kind == "u" else 1
    values = np.empty(unit.shape, dtype)
    for top in range(0, len(unit), BAND_ROWS):
        band = np.clip(unit[top : top + BAND_ROWS], 0, 1)
        if np.isnan(band.min(initial=0)):
            raise ImageRejected(
                "The picture holds values that are not numbers (NaN): try other weights or photo."
            )
        values[top : top + BAND_ROWS] = np.rint(band * most) if dtype.kind == "u" else band
    return values


def _fitted(alpha: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Bring alpha to the size and type of ``pixels``."""
    height, width = pixels.shape[:2]
    if alpha.shape == (height, width) and alpha.dtype == pixels.dtype:
        return alpha
    unit = to_unit(alpha)
    if alpha.shape != (height, width):
        import cv2

        larger = height >= alpha.shape[0] and width >= alpha.shape[1]
        method = cv2.INTER_CUBIC if larger else cv2.INTER_AREA
        unit = cv2.resize(unit, (width, height), interpolation=method)
    return quantize(unit, pixels.dtype)


# ---------------------------------------------------------------- names


def clean_name(name: str) -> str:
    """Make a stem that is safe as a file name, in a page and on a command line.

    Letters, marks and digits of every script stay, as do space and ``-_.,+()@=~``; everything else
    (separators, control and direction characters, quotes, markup) becomes one underscore.

    >>> clean_name("<b>IMG_1234</b>")
    '_b_IMG_1234_b_'
    >>> clean_name("..")
    'image'
    """
    name = unicodedata.normalize("NFC", name)
    kept = "".join(
        character
        if character in " -_.,+()@=~" or unicodedata.category(character)[0] in "LMN"
        else "\x00"
        for character in name
    )
    kept = re.sub("\x00+", "_", re.sub(" +", " ", kept))
    return kept[:MAX_NAME_CHARACTERS].strip(" .-~") or "image"


def _names(path: str | os.PathLike | None) -> tuple[str, str]:
    """Give the clean stem and the label for messages (stem and suffix) of a path."""
    last = re.split(r"[/\\]", os.fspath(path))[-1] if path else ""
    stem, suffix = os.path.splitext(last)
    if not stem.strip(". "):
        return "image", "The picture"
    suffix = re.sub(r"[^.\w]", "", suffix)[:10]
    return clean_name(stem), clean_name(stem) + suffix


# ---------------------------------------------------------------- reading


def read_image(
    source: "str | Path | bytes | BinaryIO | Image.Image | np.ndarray | Picture",
    *,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Read one photo, upright, at its full depth.

    Args:
        source: A path, the bytes of a file, a binary stream (read from its start), a Pillow image
            (its current frame; its EXIF orientation is applied), an array of (H, W) or
            (H, W, 1 | 2 | 3 | 4) of bool, uint8, uint16 or floats in [0, 1] (RGB order, alpha
            last), or a `Picture`, which is returned as it is.
        max_pixels: Most pixels accepted; compared before anything is decoded.

    Raises:
        ImageRejected: If there is no readable still picture within the limit. Nothing else is
            raised for any bytes.
    """
    if isinstance(source, Picture):
        image_codecs.check_size(source.name, source.width, source.height, max_pixels)
        return source
    if isinstance(source, np.ndarray):
        if source.ndim >= 2:
            height, width = source.shape[:2]
            image_codecs.check_size("The array", width, height, max_pixels)
        samples = image_codecs.array_samples(source, "The array")
        return _picture(Raster(samples, None, None, 1, None), "image")
    if isinstance(source, Image.Image):
        return _read_pillow(source, max_pixels)
    # A file that is larger than its pixels could ever need, uncompressed, is not worth opening.
    max_bytes = 8 * max_pixels + (64 << 20)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _read_stream(io.BytesIO(source), None, len(source), max_bytes, max_pixels)
    if isinstance(source, (str, os.PathLike)):
        return _read_path(source, max_bytes, max_pixels)
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        try:
            if source.seekable():
                source.seek(0)
            data = source.read(max_bytes + 1)
        except (OSError, ValueError, AttributeError) as error:
            raise ImageRejected(
                "The picture cannot be read from its stream: open it again in binary mode."
            ) from error
        if isinstance(data, bytes):
            name = name if isinstance(name, str) else None
            return _read_stream(io.BytesIO(data), name, len(data), max_bytes, max_pixels)
    raise ImageRejected(
        f"A picture cannot be made from {type(source).__name__}: give a path, bytes, a binary "
        "file, a Pillow image or a NumPy array."
    )


def size_of(path: str | os.PathLike) -> tuple[int, int]:
    """Width and height of a picture file, from its header; no pixel is decoded.

    Raises:
        ImageRejected: There is no readable still picture.
    """
    try:
        _read_path(path, max_bytes=sys.maxsize, max_pixels=0)
    except image_codecs.TooLarge as found:
        return found.width, found.height
    raise AssertionError("a picture without pixels was read")


def _read_path(path: str | os.PathLike, max_bytes: int, max_pixels: int) -> Picture:
    _, label = _names(path)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageRejected(f"{label} is a folder: choose a picture file inside it.")
        if not stat.S_ISREG(status.st_mode):
            raise ImageRejected(f"{label} is not an ordinary file: choose a picture file.")
        with open(path, "rb") as stream:
            return _read_stream(stream, os.fspath(path), status.st_size, max_bytes, max_pixels)
    except FileNotFoundError as error:
        raise ImageRejected(f"{label} does not exist: check the name and the folder.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "bad file name"
        raise ImageRejected(
            f"{label} cannot be opened ({reason}): check its name and permissions."
        ) from error


def _read_stream(
    stream: BinaryIO, path: str | None, size: int, max_bytes: int, max_pixels: int
) -> Picture:
    name, label = _names(path)
    if size > max_bytes:
        raise ImageRejected(
            f"{label} has {size / 1e6:.0f} MB or more, beyond what a picture of "
            f"{max_pixels / 1e6:.4g} megapixels can need: save it as PNG or JPEG and try that."
        )
    return _picture(image_codecs.decode(stream, label, max_pixels), name)


def _read_pillow(image: Image.Image, max_pixels: int) -> Picture:
    name, label = _names(getattr(image, "filename", None) or None)
    image_codecs.check_size(label, *image.size, max_pixels)
    try:
        image.load()
    except Exception as error:  # decoders of foreign bytes raise nearly every type
        raise ImageRejected(
            f"{label} is damaged, cut off or closed: open it again or choose another file."
        ) from error
    source_format = _PILLOW_NAMES.get(image.format or "", image.format)
    return _picture(image_codecs.pillow_raster(image, label, source_format), name)


def _picture(raster: Raster, name: str) -> Picture:
    """Turn upright, split off alpha, make three channels, and check the metadata."""
    block, orientation = exif_block.normalise(raster.exif)
    if raster.orientation is not None:
        orientation = raster.orientation
    samples = _upright(raster.samples, orientation)
    channels = samples.shape[2]
    alpha = np.ascontiguousarray(samples[..., -1]) if channels in (2, 4) else None
    grey = channels < 3
    colours = np.repeat(samples[..., :1], 3, axis=2) if grey else samples[..., :3]
    return Picture(
        pixels=np.ascontiguousarray(colours),
        alpha=alpha,
        grey=grey,
        icc_profile=_usable_profile(raster.icc_profile, grey),
        exif=block,
        name=name,
        source_format=raster.source_format,
    )


def _upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation (EXIF 2.32, tag 274) to (H, W, C); a view where possible."""
    if orientation >= 5:  # rows and columns are swapped
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples


def _usable_profile(icc_profile: object, grey: bool) -> bytes | None:
    """Keep a colour profile only if it opens and is made for these channels."""
    if not isinstance(icc_profile, bytes) or not icc_profile:
        return None
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None
    # Colour space of the data, from the header: ICC.1:2022, section 7.2.6.
    return icc_profile if icc_profile[16:20] == (b"GRAY" if grey else b"RGB ") else None


# ---------------------------------------------------------------- writing


def encode_image(picture: Picture, format: str, quality: int = 95) -> bytes:  # noqa: A002
    """Encode a picture as the bytes of a file.

    PNG and TIFF hold the pixels exactly (float as 16 bits; a grey picture whose channels differ as
    their mean). JPEG and WebP reduce to 8 bits, rounded.

    Args:
        picture: What to encode.
        format: A key of ``SAVE_FORMATS``, or a usual suffix such as "jpg".
        quality: 1 to 100, for JPEG (no colour subsampling from 90 on) and WebP (lossless at 100).

    Raises:
        ImageRejected: For an unknown format or quality, or a size the format cannot hold.
    """
    format_id = _format_id(format)
    if not 1 <= quality <= 100:
        raise ImageRejected(f"Quality {quality} is outside 1 to 100: choose 95, for example.")
    longest = {"JPEG": _JPEG_MAX_SIDE, "WebP": _WEBP_MAX_SIDE}.get(format_id)
    if longest and max(picture.width, picture.height) > longest:
        raise ImageRejected(
            f"{picture.name} ({picture.width} x {picture.height}) is too large for {format_id}, "
            f"which holds {longest} pixels a side: save it as PNG or TIFF."
        )
    samples = _samples(picture)
    block = exif_block.with_size(picture.exif, picture.width, picture.height)
    metadata = image_writers.Metadata(picture.icc_profile, block)
    if format_id in ("PNG", "TIFF"):
        if samples.dtype == np.float32:
            samples = quantize(samples, np.uint16)
        return getattr(image_writers, format_id.lower())(samples, metadata)
    if samples.dtype == np.uint16:
        samples = image_writers.to_eight_bits(samples)
    elif samples.dtype == np.float32:
        samples = quantize(samples, np.uint8)
    if format_id == "WebP":
        return image_writers.webp(samples, metadata, quality)
    return image_writers.jpeg(_over_white(samples), metadata, quality)


def _format_id(name: str) -> str:
    """Find a save format by its id, suffix or usual name."""
    found = _ALIASES.get(str(name).lower().lstrip("."))
    if found is None:
        raise ImageRejected(
            f"Pictures cannot be saved as {clean_name(str(name))}: choose one of "
            f"{', '.join(SAVE_FORMATS)}."
        )
    return found


def _samples(picture: Picture) -> np.ndarray:
    """Join colour and alpha to (H, W, 1 | 2 | 3 | 4)."""
    pixels = picture.pixels
    if picture.grey and pixels.dtype == np.float32:
        pixels = pixels.mean(axis=2, keepdims=True, dtype=np.float64).astype(np.float32)
    elif picture.grey:  # a mean of three is never half-way between two integers
        total = pixels.sum(axis=2, keepdims=True, dtype=np.uint32)
        pixels = ((total + 1) // 3).astype(pixels.dtype)
    if picture.alpha is None:
        return pixels
    return np.concatenate([pixels, picture.alpha[..., None]], axis=2)


def _over_white(samples: np.ndarray) -> np.ndarray:
    """Lay uint8 samples with alpha over white, rounded."""
    if samples.shape[2] in (1, 3):
        return samples
    flat = np.empty((*samples.shape[:2], samples.shape[2] - 1), np.uint8)
    for top in range(0, len(samples), BAND_ROWS):
        band = samples[top : top + BAND_ROWS].astype(np.uint32)
        colours, alpha = band[..., :-1], band[..., -1:]
        flat[top : top + BAND_ROWS] = (colours * alpha + 255 * (255 - alpha) + 127) // 255
    return flat


def write_image(
    picture: Picture,
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    quality: int = 95,
) -> Path:
    """Write a picture to a file, whole or not at all.

    The bytes go to a temporary file in the same folder, which then takes the place of ``path``.

    Args:
        picture: What to write.
        path: The file to write or replace; its folder must exist.
        format: As for `encode_image`; None takes it from the suffix.
        quality: As for `encode_image`.

    Returns:
        The path written.

    Raises:
        ImageRejected: If the picture cannot be encoded so, or the file cannot be written.
    """
    path = Path(path)
    data = encode_image(picture, format or path.suffix or "a file without suffix", quality)
    try:
        write_file(path, data)
    except OSError as error:
        raise ImageRejected(
            f"{_names(path)[1]} cannot be written ({error.strerror}): check that its folder "
            "exists, is writable and has room."
        ) from error
    return path
