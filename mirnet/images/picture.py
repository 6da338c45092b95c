"""`Picture`: one decoded photo with its alpha, colour profile and metadata, and its sample depths.

`mirnet.images.decode` reads pictures, `mirnet.images.encode` writes them. Samples
are uint8, uint16 or float32 in [0, 1]; `to_unit`, `quantize` and `to_eight_bits` are the only
conversions between them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mirnet.errors import ImageRejected

BAND_ROWS = 256
"""Rows processed at a time, to avoid temporaries of the whole picture."""
_EIGHT_OF_SIXTEEN = ((np.arange(65536, dtype=np.uint32) + 128) // 257).astype(np.uint8)


class _Keep:
    """Type of the default that stands for an argument not given."""


_KEEP = _Keep()


@dataclass(frozen=True)
class Picture:
    """One decoded, upright photo with alpha, colour profile and metadata."""

    pixels: np.ndarray
    """(H, W, 3) RGB; uint8, uint16, or (from arrays only) float32 in [0, 1]."""
    alpha: np.ndarray | None = None
    """(H, W) opacity of the pixels' type, not premultiplied; None if opaque."""
    grey: bool = False
    """Whether the source had one channel: those of ``pixels`` are equal, and one is written."""
    icc_profile: bytes | None = None
    """Colour profile that fits the channels; None means sRGB."""
    exif: bytes | None = None
    """EXIF block with its ``Exif\\0\\0`` prefix, orientation applied and reset."""
    xmp: bytes | None = None
    """XMP packet."""
    iptc: bytes | None = None
    """IPTC-IIM records."""
    dpi: tuple[float, float] | None = None
    """Print resolution in pixels per inch, across and down."""
    texts: tuple[tuple[str, str], ...] = ()
    """Pairs of keyword and text, such as ("Comment", "...")."""
    name: str = "image"
    """Stem of the file name, safe as a file name and in a page; "image" when unknown."""
    source_format: str | None = None
    """Name of the file format, a key of `mirnet.images.formats.FORMATS`; None for arrays."""
    notes: tuple[str, ...] = ()
    """Sentences about parts of the file that were left out or changed when it was read."""

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
        """Size in millions of pixels."""
        return self.height * self.width / 1e6

    @property
    def bits(self) -> int:
        """Bits per sample: 8, 16, or 32 for float."""
        return 8 * self.pixels.dtype.itemsize

    def with_pixels(
        self, pixels: np.ndarray, alpha: np.ndarray | None | _Keep = _KEEP
    ) -> "Picture":
        """Return the same photo with other pixels.

        Args:
            pixels: (H, W, 3) RGB of any of the three types; the size may differ.
            alpha: (H, W) of the same type, or None. Not given: the picture's own alpha, resampled
                (bicubic, or by area where it shrinks) and converted to fit the pixels.

        Raises:
            ImageRejected: Shape or type of pixels or alpha is invalid, or the two differ.
        """
        if isinstance(alpha, _Keep):
            alpha = self.alpha
            if alpha is not None and pixels.ndim == 3:
                alpha = _fitted(alpha, pixels)
        return replace(self, pixels=pixels, alpha=alpha)

    def unit(self) -> np.ndarray:
        """Return a copy of the pixels as (H, W, 3) float32 in [0, 1]."""
        return to_unit(self.pixels)


def to_unit(values: np.ndarray) -> np.ndarray:
    """Scale uint8, uint16 or float values to float32 in [0, 1]; always a copy."""
    unit = values.astype(np.float32)
    if values.dtype.kind == "u":
        unit /= np.float32(np.iinfo(values.dtype).max)
    return unit


def quantize(unit: np.ndarray, dtype: np.dtype | type) -> np.ndarray:
    """Clip to [0, 1] and round to ``dtype`` (uint8, uint16 or float32).

    Raises:
        ImageRejected: A value is not a number.

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


def map_bands(
    function: Callable[..., np.ndarray], *pixels: np.ndarray, dtype: np.dtype | type
) -> np.ndarray:
    """Apply a function of floats to pictures of one size, without a float copy of a whole picture.

    Args:
        function: Maps bands of rows, (h, W, 3) float32 in [0, 1] of each picture, to one such band;
            called once for every `BAND_ROWS` rows.
        pixels: (H, W, 3) of any depth, one array for each argument of the function.
        dtype: Type of the result: uint8, uint16 or float32.

    Returns:
        (H, W, 3) of that type, clipped and rounded.

    Raises:
        ImageRejected: A value is not a number.
    """
    result = np.empty(pixels[0].shape, dtype)
    for top in range(0, len(result), BAND_ROWS):
        rows = slice(top, top + BAND_ROWS)
        result[rows] = quantize(function(*(to_unit(part[rows]) for part in pixels)), dtype)
    return result


def to_eight_bits(samples: np.ndarray) -> np.ndarray:
    """Round samples of any depth to uint8, those of float after clipping to [0, 1].

    Args:
        samples: Array of any shape; uint8 (returned as it is), uint16 or floating point.

    Raises:
        ImageRejected: A value is not a number.

    >>> to_eight_bits(np.array([0, 128, 129, 257, 65535], np.uint16)).tolist()
    [0, 0, 1, 1, 255]
    """
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype == np.uint16:
        return _EIGHT_OF_SIXTEEN[samples]  # 65535 / 255 is 257
    return quantize(samples, np.uint8)


def _fitted(alpha: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Convert alpha to the size and type of ``pixels``."""
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
