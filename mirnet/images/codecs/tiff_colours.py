"""Colour models of TIFF files beside grey and RGB, brought into sRGB at their depth.

Encodings: TIFF 6.0, sections 16 (CMYK), 21 (YCbCr) and 23 (CIE L*a*b*); ICC L*a*b* as in TIFF
Technical Note 4. Palettes: section 5.
"""

import numpy as np
from PIL import Image

from ..colour import lab_to_srgb
from ..picture import BAND_ROWS
from .pillow import srgb_profile, to_srgb

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
"""Values of the tag PhotometricInterpretation."""
COLOURS = {
    WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3
}  # fmt: skip
"""Samples that hold the colour of a pixel, by PhotometricInterpretation."""


def widened(samples: np.ndarray, bits: int) -> np.ndarray:
    """Scale unsigned samples of 1 to 16 bits to the full range of 8 or 16."""
    if bits in (8, 16):
        return samples
    most, full = (1 << bits) - 1, 255 if bits < 8 else 65535
    scale = (np.arange(most + 1, dtype=np.uint32) * full + most // 2) // most
    return scale.astype(np.uint8 if bits < 8 else np.uint16)[np.minimum(samples, most)]


def in_rgb(
    samples: np.ndarray,
    model: int,
    icc: bytes | None,
    palette: tuple[int, ...],
    reference: tuple[float, ...] = (),
) -> tuple[np.ndarray, bytes | None]:
    """Convert colours to grey or RGB.

    Args:
        samples: (H, W, C) uint8 or uint16 of the full range, without further channels; for a
            palette the numbers of its colours.
        model: A key of `COLOURS`.
        icc: Colour profile of the file.
        palette: Red, green and blue of all colours, in this order and 0 to 65535 (tag ColorMap).
        reference: Black and white of each channel of YCbCr (tag ReferenceBlackWhite); empty for
            the full range.

    Returns:
        Samples, and the profile that they have then.

    Raises:
        ValueError: A number beyond the palette, or a reference that is none.
    """
    if model == PALETTE:
        colours = np.array(palette, np.uint16).reshape(3, -1).T
        if samples.max() >= len(colours):
            raise ValueError("a colour beyond the palette")
        return colours[samples[..., 0]], icc
    if model == WHITE_IS_ZERO:
        return np.iinfo(samples.dtype).max - samples, icc
    if model == CMYK:
        return _from_cmyk(samples, icc)
    if model == YCBCR:
        if samples.dtype != np.uint8:
            raise ValueError("YCbCr of another depth than 8 bits")
        if reference:
            samples = _full_range(samples, reference)
        height, width, _ = samples.shape
        image = Image.frombytes("YCbCr", (width, height), np.ascontiguousarray(samples).tobytes())
        return np.asarray(image.convert("RGB")), icc
    if model in (CIELAB, ICCLAB):
        return _from_lab(samples, model), srgb_profile()
    return samples, icc


def _full_range(samples: np.ndarray, reference: tuple[float, ...]) -> np.ndarray:
    """Stretch YCbCr of 8 bits from its black and white to the full range (TIFF 6.0, section 20).

    Raises:
        ValueError: The reference has not six numbers, or a white that is not over its black.
    """
    black, white = np.array(reference, np.float64).reshape(3, 2).T
    if not np.all(white > black) or not np.all(np.isfinite(white - black)):
        raise ValueError("a reference of black and white that is none")
    codes, middle = np.arange(256)[:, None], np.array([0, 128, 128])
    stretched = middle + (codes - black) * np.array([255, 127, 127]) / (white - black)
    table = np.rint(np.clip(stretched, 0, 255)).astype(np.uint8)  # (256, 3)
    return np.stack([table[:, i][samples[..., i]] for i in range(3)], axis=2)


def _from_cmyk(samples: np.ndarray, icc: bytes | None) -> tuple[np.ndarray, bytes | None]:
    """Convert through the profile where it is usable, as `to_srgb` does; else invert plainly."""
    if samples.dtype == np.uint8:
        height, width, _ = samples.shape
        image = Image.frombytes("CMYK", (width, height), np.ascontiguousarray(samples).tobytes())
        image, icc = to_srgb(image, icc)
        return np.asarray(image), icc
    import imagecodecs

    try:
        converted = imagecodecs.cms_transform(
            np.ascontiguousarray(samples),
            icc or b"",
            imagecodecs.cms_profile("srgb"),
            colorspace="cmyk",
            outcolorspace="rgb",
            outdtype="u2",
            intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
            flags=imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION,
        )
        return converted, srgb_profile()
    except Exception:  # LittleCMS's binding raises several types for an unusable profile
        light = 65535 - samples.astype(np.uint32)
        colours = (light[..., :3] * light[..., 3:] + 32767) // 65535
        return colours.astype(np.uint16), None


def _from_lab(samples: np.ndarray, model: int) -> np.ndarray:
    """Convert CIE L*a*b* of 8 or 16 bits, relative to D50, to sRGB of the same depth."""
    deep = samples.dtype == np.uint16
    step = 256 if deep else 1  # of a* and b*
    if model == CIELAB:  # a* and b* are signed
        stored, offset, white = np.dtype(np.int16 if deep else np.int8), 0, 65535 if deep else 255
    else:
        stored, offset, white = samples.dtype, 128, 0xFF00 if deep else 255
    most = np.iinfo(samples.dtype).max
    result = np.empty_like(samples)
    for top in range(0, len(samples), BAND_ROWS):
        band = samples[top : top + BAND_ROWS]
        lightness = band[..., :1].astype(np.float32) * (100 / white)
        ab = np.ascontiguousarray(band[..., 1:]).view(stored).astype(np.float32) / step - offset
        unit = lab_to_srgb(np.concatenate([np.minimum(lightness, 100), ab], axis=2))
        result[top : top + BAND_ROWS] = np.rint(unit * most)
    return result
