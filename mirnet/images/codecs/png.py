"""PNG: 8 bits by Pillow; 16 bits, which Pillow would reduce, by imagecodecs (libpng).

Chunks are checked first (`png_chunks`). Metadata is written here for both depths (W3C PNG, third
edition, sections 5 and 11).
"""

import io
import struct
import zlib
from typing import BinaryIO

import numpy as np
from PIL import PngImagePlugin

from mirnet.errors import ImageRejected

from ..cicp import in_space
from ..colour import profile_of_gamma
from ..exif import PREFIX
from ..formats import EncoderSettings, animation
from ..metadata import Metadata, iptc_resource, metadata_of
from ..raster import Raster, check_size
from .pillow import save, still_raster
from .png_chunks import Repaired, chunk, only_pixels, remade, repair

_DEFLATE_LEVEL = 3
"""Deflate level. 16-bit photos are mostly noise in the low byte: a higher level saves 1 %."""
_HEADER_BYTES = 33
"""Length of signature and IHDR chunk, after which other chunks may follow."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a PNG file at its depth.

    Raises:
        ImageRejected: The picture is animated or has too many pixels.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    repaired = repair(stream.read(), label)
    check_size(label, repaired.width, repaired.height, max_pixels)
    try:
        if not repaired.crc_holds:
            raise ValueError("wrong checksum of a chunk of pixels")
        return _decode(repaired, label, max_pixels)
    except (ImageRejected, MemoryError):
        raise
    except Exception:  # Pillow and libpng raise nearly every type for damaged files
        note = f"{label} is damaged beside its pixels, which are all there and were read."
        repaired = repaired._replace(data=remade(repaired))
    raster = _decode(repaired, label, max_pixels)
    return raster._replace(notes=(*raster.notes, note))


def _decode(repaired: Repaired, label: str, max_pixels: int) -> Raster:
    """Decode a repaired file; arguments and exceptions as of `read`."""
    image = PngImagePlugin.PngImageFile(io.BytesIO(repaired.data))
    key = image.info.get("transparency")
    if repaired.colour_type == 0 and isinstance(key, int) and repaired.depth in (2, 4):
        # Pillow scales grey values to 8 bits, and not the one that is transparent.
        image.info["transparency"] = key * 255 // ((1 << repaired.depth) - 1)
    notes: tuple[str, ...] = ()
    if repaired.left_out:
        parts = ", ".join(dict.fromkeys(repaired.left_out))
        notes = (f"{label} has parts that are damaged or too large, which are left out: {parts}.",)
    if repaired.depth != 16:
        raster = still_raster(image, label, max_pixels, "PNG")._replace(notes=notes)
        return _in_named_space(raster, repaired.chunks, label)
    import imagecodecs

    if getattr(image, "n_frames", 1) > 1:
        raise ImageRejected(animation(label, image.n_frames))
    metadata = metadata_of(image)
    if b"eXIf" in repaired.chunks:  # Pillow has not read the chunks after the pixels
        metadata = metadata._replace(exif=repaired.chunks[b"eXIf"])
    samples = imagecodecs.png_decode(only_pixels(repaired.data))
    if samples.dtype != np.uint16:
        raise ValueError("not 16 bits")
    if samples.ndim == 2:
        samples = samples[..., None]
    if repaired.colour_type == 0 and isinstance(key, int) and samples.shape[2] == 1:
        opaque = np.where(samples == key, 0, 65535).astype(np.uint16)
        samples = np.concatenate([samples, opaque], axis=2)
    return _in_named_space(Raster(samples, metadata, "PNG", notes=notes), repaired.chunks, label)


def _in_named_space(raster: Raster, chunks: dict[bytes, bytes], label: str) -> Raster:
    """Honour the chunks that name a colour space: cICP before iCCP, sRGB, gAMA with cHRM."""
    if b"cICP" in chunks:
        primaries, transfer = chunks[b"cICP"][:2]
        return in_space(raster, primaries, transfer, label)
    if raster.metadata.icc_profile or b"sRGB" in chunks:
        return raster
    gamma = int.from_bytes(chunks.get(b"gAMA", b""), "big") / 100_000 or None
    corners = None
    if b"cHRM" in chunks:
        x = [number / 100_000 for number in struct.unpack(">8I", chunks[b"cHRM"])]
        corners = ((x[2], x[3]), (x[4], x[5]), (x[6], x[7]), (x[0], x[1]))
    profile = profile_of_gamma(gamma, corners, raster.samples.shape[2] < 3)
    return raster._replace(metadata=raster.metadata._replace(icc_profile=profile))


def write(samples: np.ndarray, metadata: Metadata, settings: EncoderSettings) -> bytes:
    """Encode (H, W, 1 | 2 | 3 | 4) uint8 or uint16 as PNG, exactly."""
    if samples.dtype == np.uint8 and not settings.fast:
        data: bytes | bytearray = save(samples, "PNG")
    else:
        import imagecodecs

        # The left neighbour's difference deflates photographs as well as the adaptive choice.
        filters = imagecodecs.PNG.FILTER.SUB
        level = 1 if settings.fast else _DEFLATE_LEVEL
        data = imagecodecs.png_encode(samples, level=level, filter=filters)
    return b"".join([data[:_HEADER_BYTES], *_metadata_chunks(metadata), data[_HEADER_BYTES:]])


def _metadata_chunks(metadata: Metadata) -> list[bytes]:
    chunks = []
    if metadata.icc_profile:
        body = b"ICC Profile\0\0" + zlib.compress(metadata.icc_profile)
        chunks.append(chunk(b"iCCP", body))
    if metadata.dpi:
        per_metre = (round(number / 0.0254) for number in metadata.dpi)
        chunks.append(chunk(b"pHYs", struct.pack(">2IB", *per_metre, 1)))
    if metadata.exif:
        chunks.append(chunk(b"eXIf", metadata.exif.removeprefix(PREFIX)))
    if metadata.xmp:
        chunks.append(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp))
    if metadata.iptc:
        resource = iptc_resource(metadata.iptc)
        profile = f"\niptc\n{len(resource):8}\n{resource.hex()}\n".encode()
        chunks.append(chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(profile)))
    for key, text in metadata.texts:
        chunks.append(chunk(b"iTXt", key.encode() + b"\0\0\0\0\0" + text.encode()))
    return chunks
