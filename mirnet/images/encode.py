"""Samples to encoded bytes: PNG, JPEG, WebP and TIFF with their metadata.

Pillow writes 8 bits; 16-bit PNG is written here, because Pillow cannot and OpenCV drops the colour
profile and knows no grey with alpha; TIFF is written by tifffile. `mirnet.images.picture` decides what to
write; this module only how.
"""

import io
import logging
import struct
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from . import metadata as exif
from .decode import BAND_ROWS, to_srgb

logger = logging.getLogger(__name__)

_JPEG_MAX_EXIF = 65_533
"""Most bytes of EXIF that one APP1 segment of a JPEG file holds."""
_DEFLATE_LEVEL = 3
"""16-bit photos are mostly noise in the low byte: a higher level costs time and saves 1 %."""


class Metadata(NamedTuple):
    """What goes into a file besides pixels."""

    icc_profile: bytes | None
    """Colour profile; its colour space fits the samples."""
    exif: bytes | None
    """EXIF block with its ``Exif\\0\\0`` prefix."""


_TO_EIGHT_BITS = ((np.arange(65536, dtype=np.uint32) + 128) // 257).astype(np.uint8)


def to_eight_bits(samples: np.ndarray) -> np.ndarray:
    """Reduce uint16 to uint8, rounded to the nearest: 65535 / 255 is 257."""
    return _TO_EIGHT_BITS[samples]


def png(samples: np.ndarray, metadata: Metadata) -> bytes:
    """Encode (H, W, 1 | 2 | 3 | 4) uint8 or uint16 as PNG, exactly."""
    if samples.dtype == np.uint16:
        return _png16(samples, metadata)
    return _save(samples, "PNG", metadata)


def jpeg(samples: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """Encode (H, W, 1 | 3) uint8 as JPEG; full colour resolution from quality 90 on."""
    if metadata.exif and len(metadata.exif) > _JPEG_MAX_EXIF:
        logger.warning("%d bytes of EXIF do not fit into a JPEG: left out", len(metadata.exif))
        metadata = metadata._replace(exif=None)
    return _save(samples, "JPEG", metadata, quality=quality, subsampling=0 if quality >= 90 else 2)


def webp(samples: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """Encode (H, W, 1 | 2 | 3 | 4) uint8 as WebP; lossless at quality 100.

    WebP has no grey: a grey picture with a profile is converted to sRGB.
    """
    options = {"quality": quality, "lossless": quality == 100, "exact": True}
    if samples.shape[2] < 3:
        image = Image.fromarray(samples[..., 0])
        if metadata.icc_profile:
            image, profile = to_srgb(image, metadata.icc_profile)
            metadata = metadata._replace(icc_profile=profile)
        samples = np.concatenate([np.asarray(image.convert("RGB")), samples[..., 1:]], axis=2)
    return _save(samples, "WEBP", metadata, **options)


def _save(samples: np.ndarray, name: str, metadata: Metadata, **options) -> bytes:
    """Encode uint8 samples with Pillow."""
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


def _png16(samples: np.ndarray, metadata: Metadata) -> bytes:
    """Encode 16-bit samples as PNG (W3C PNG, third edition, sections 5, 9 and 11).

    Every row uses filter 1 (each byte minus that of the pixel to the left), which on photographs
    deflates as well as the adaptive choice.
    """
    height, width, channels = samples.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    parts = [b"\x89PNG\r\n\x1a\n"]

    def chunk(name: bytes, body: bytes) -> None:
        checksum = zlib.crc32(body, zlib.crc32(name))
        parts.extend((struct.pack(">I", len(body)), name, body, struct.pack(">I", checksum)))

    chunk(b"IHDR", struct.pack(">2I5B", width, height, 16, colour_type, 0, 0, 0))
    if metadata.icc_profile:
        chunk(b"iCCP", b"ICC Profile\x00\x00" + zlib.compress(metadata.icc_profile))
    if metadata.exif:
        chunk(b"eXIf", metadata.exif.removeprefix(exif.PREFIX))
    deflate = zlib.compressobj(_DEFLATE_LEVEL)
    step = 2 * channels
    for top in range(0, height, BAND_ROWS):
        band = samples[top : top + BAND_ROWS].astype(">u2").view(np.uint8)
        band = band.reshape(len(band), width * step)
        rows = np.empty((len(band), 1 + width * step), np.uint8)
        rows[:, 0] = 1
        rows[:, 1 : 1 + step] = band[:, :step]
        np.subtract(band[:, step:], band[:, :-step], out=rows[:, 1 + step :])
        if body := deflate.compress(rows.tobytes()):
            chunk(b"IDAT", body)
    chunk(b"IDAT", deflate.flush())
    chunk(b"IEND", b"")
    return b"".join(parts)


def tiff(samples: np.ndarray, metadata: Metadata) -> bytes:
    """Encode (H, W, 1 | 2 | 3 | 4) uint8 or uint16 as deflated TIFF, exactly."""
    import tifffile

    colours = 3 if samples.shape[2] >= 3 else 1
    tags = _tiff_exif(metadata.exif)
    bigtiff = samples.nbytes > 4_000_000_000  # classic TIFF counts bytes in 32 bits
    target = io.BytesIO()
    tifffile.imwrite(
        target,
        samples if samples.shape[2] > 1 else samples[..., 0],
        byteorder="<",
        bigtiff=bigtiff,
        photometric="rgb" if colours == 3 else "minisblack",
        planarconfig="contig" if samples.shape[2] > 1 else None,
        extrasamples=["unassalpha"] if samples.shape[2] > colours else None,
        compression="adobe_deflate",
        compressionargs={"level": _DEFLATE_LEVEL},
        predictor=True,
        iccprofile=metadata.icc_profile,
        extratags=[(tag, "s", 0, text, True) for tag, text in tags.texts.items()],
        resolution=tags.resolution,
        resolutionunit=tags.unit if tags.resolution else None,
        metadata=None,
        software=False,
    )
    if not tags.directories or bigtiff:
        return target.getvalue()
    try:
        return exif.append_directories(target.getvalue(), tags.directories)
    except Exception:  # Pillow raises nearly every type for damaged values
        logger.warning("EXIF that cannot be written again left out of a TIFF file", exc_info=True)
        return target.getvalue()


def _tiff_exif(block: bytes | None) -> exif.TiffTags:
    """Split EXIF for a TIFF file; what Pillow cannot take apart is left out."""
    nothing = exif.TiffTags({}, None, 1, {})
    if block is None:
        return nothing
    try:
        return exif.tiff_tags(block)
    except Exception:  # Pillow raises nearly every type for damaged tags
        logger.warning("damaged EXIF left out of a TIFF file", exc_info=True)
        return nothing
