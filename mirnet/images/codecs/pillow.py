"""Pillow images to rasters, and 8-bit samples to bytes by Pillow's writers."""

import io
import logging
from collections.abc import Callable

import numpy as np
from PIL import Image

from mirnet.errors import ImageRejected

from .. import metadata as exif
from ..colour import to_srgb
from ..formats import animation
from ..limits import check_size, is_modest
from ..picture import BAND_ROWS
from .raster import Metadata, Raster, array_samples

logger = logging.getLogger(__name__)


def still_raster(image: Image.Image, label: str, max_pixels: int, name: str) -> Raster:
    """Decode an opened, not yet loaded, Pillow image of one frame.

    Raises:
        ImageRejected: If it has too many pixels, or moves.
    """
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
        block, orientation = safe_exif(lambda: exif.descriptive(image.getexif())), 1
    elif not isinstance(block, bytes):
        block = safe_exif(lambda: _exif_elsewhere(image))
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
        if not is_modest(raw.removeprefix(exif.PREFIX)):
            return None
    tags = image.getexif()
    return tags.tobytes() if tags else None


def safe_exif(read: Callable[[], bytes | None]) -> bytes | None:
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


def save(samples: np.ndarray, name: str, metadata: Metadata, **options) -> bytes:
    """Encode (H, W, 1 | 2 | 3 | 4) uint8 samples with Pillow's writer of this name."""
    colours = 3 if samples.shape[2] >= 3 else 1
    image = Image.fromarray(
        np.ascontiguousarray(samples[..., 0] if colours == 1 else samples[..., :3])
    )
    if samples.shape[2] > colours:
        image.putalpha(Image.fromarray(np.ascontiguousarray(samples[..., colours])))
    kept = {key: value for key, value in metadata._asdict().items() if value}
    target = io.BytesIO()
    image.save(target, name, **kept, **options)
    return target.getvalue()
