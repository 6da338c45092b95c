"""Conversion of Pillow images to rasters, and of 8-bit samples to files by Pillow's writers."""

import io
import struct

import numpy as np
from PIL import Image, ImageCms

from mirnet.errors import ImageRejected

from ..formats import animation
from ..metadata import metadata_of
from ..picture import BAND_ROWS
from ..raster import Raster, array_samples, check_size

_NAMES = {"MPO": "JPEG", "WEBP": "WebP", "HEIF": "HEIC"}
"""Pillow's format names that differ from those in `FORMATS`, and our names."""


def still_raster(image: Image.Image, label: str, max_pixels: int, name: str) -> Raster:
    """Decode a Pillow image of one frame that is opened but not yet loaded.

    Raises:
        ImageRejected: The image is animated or has too many pixels.
    """
    check_size(label, *image.size, max_pixels)
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise ImageRejected(animation(label, frames))
    return pillow_raster(image, label, name)


def given_raster(image: Image.Image, label: str) -> Raster:
    """Make a raster of a Pillow image passed by a caller, loaded or not.

    Raises:
        ImageRejected: The image cannot be loaded, or its mode holds no photo.
    """
    try:
        image.load()
    except Exception as error:  # decoders of foreign bytes raise nearly every type
        raise ImageRejected(
            f"{label} is damaged, cut off or closed: open it again or choose another file."
        ) from error
    source_format = _NAMES.get(image.format or "", image.format)
    return pillow_raster(image, label, source_format)


def pillow_raster(image: Image.Image, label: str, source_format: str | None) -> Raster:
    """Make a raster of the current frame of any Pillow image, with its metadata.

    Raises:
        ImageRejected: The mode has no meaning as a photo, or float values leave [0, 1].
    """
    image.load()
    orientation = 1 if image.format == "TIFF" else None  # load() has turned a TIFF upright
    samples, icc = _samples_of(image, label)
    metadata = metadata_of(image)._replace(icc_profile=icc)
    return Raster(samples, metadata, source_format, orientation)


def _samples_of(image: Image.Image, label: str) -> tuple[np.ndarray, bytes | None]:
    """Samples of a loaded image as grey, grey+alpha, RGB or RGB+alpha, and their colour profile."""
    mode, icc = image.mode, image.info.get("icc_profile")
    if mode.startswith("I;16") or mode in ("I", "F"):
        samples = np.asarray(image)
        if mode == "I" and samples.min() >= 0 and samples.max() <= 65535:
            samples = samples.astype(np.uint16)
        return array_samples(samples, label), icc
    if mode in ("CMYK", "LAB"):
        image, icc = to_srgb(image, icc)
    else:
        base = "L" if mode in ("1", "L", "LA", "La") else "RGB"
        target = base + "A" if image.has_transparency_data else base
        if mode != target:
            image = image.convert(target)
    width, height = image.size
    samples = np.empty((height, width, len(image.getbands())), np.uint8)
    for top in range(0, height, BAND_ROWS):  # Pillow's own export needs two copies
        bottom = min(top + BAND_ROWS, height)
        band = np.asarray(image.crop((0, top, width, bottom)))
        samples[top:bottom] = band.reshape(bottom - top, width, -1)
    return samples, icc


def to_srgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """Turn a CMYK, Lab or grey image into sRGB, through its profile where that is usable.

    Relative colorimetric with black point compensation, as photo editors do.

    Returns:
        The RGB image and its profile. CMYK without a usable profile is inverted plainly, and then
        the profile is None.
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
    return (converted or image), srgb_profile()


def srgb_profile() -> bytes:
    """LittleCMS's sRGB profile, the same bytes each time."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # creation date
    return bytes(profile)


def save(samples: np.ndarray, name: str, **options) -> bytes:
    """Encode (H, W, 1 | 2 | 3 | 4) uint8 samples with Pillow's writer of this name."""
    colours = 3 if samples.shape[2] >= 3 else 1
    image = Image.fromarray(
        np.ascontiguousarray(samples[..., 0] if colours == 1 else samples[..., :3])
    )
    if samples.shape[2] > colours:
        image.putalpha(Image.fromarray(np.ascontiguousarray(samples[..., colours])))
    target = io.BytesIO()
    image.save(target, name, **{key: value for key, value in options.items() if value is not None})
    return target.getvalue()
