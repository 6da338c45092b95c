"""PNG: 8 bits by Pillow; 16 bits, which Pillow would reduce, by imagecodecs (libpng).

Chunks that a picture can do without are checked first: damaged and oversized ones are left out, as
browsers do. Metadata is written here for both depths (W3C PNG, third edition, sections 5 and 11).
"""

import io
import struct
import zlib
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import PngImagePlugin

from mirnet.errors import ImageRejected

from .. import limits
from ..cicp import in_space
from ..colour import profile_of_gamma
from ..exif import PREFIX
from ..formats import EncoderSettings, animation
from ..metadata import Metadata, iptc_resource, metadata_of
from ..raster import Raster, check_size
from .pillow import save, still_raster

_DEFLATE_LEVEL = 3
"""Deflate level. 16-bit photos are mostly noise in the low byte: a higher level saves 1 %."""
_HEADER_BYTES = 33
"""Length of signature and IHDR chunk, after which other chunks may follow."""
_MAX_TEXT_BYTES = 1 << 20
"""Largest text or profile in unpacked bytes; Pillow refuses a picture with a larger one."""
_MAX_TEXTS_BYTES = 1 << 24
"""Largest sum of all texts and profiles of a file in unpacked bytes."""
_LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"pHYs": 9, b"tIME": 7, b"acTL": 8}
"""Length in bytes of the chunks whose length is fixed."""


class _Repaired(NamedTuple):
    """A PNG file without its damaged parts."""

    data: bytes
    """Bytes of the repaired file."""
    left_out: tuple[str, ...]
    """Names of the chunks that were removed as damaged or too large."""
    chunks: dict[bytes, bytes]
    """Contents of EXIF and of the chunks in `_LENGTHS` (colour, resolution), by chunk name."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a PNG file at its depth.

    Raises:
        ImageRejected: The picture is animated or has too many pixels.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    repaired = _repair(stream.read())
    depth, colour_type = repaired.data[24:26]
    image = PngImagePlugin.PngImageFile(io.BytesIO(repaired.data))
    notes: tuple[str, ...] = ()
    if repaired.left_out:
        parts = ", ".join(dict.fromkeys(repaired.left_out))
        notes = (f"{label} has parts that are damaged or too large, which are left out: {parts}.",)
    if depth != 16:
        raster = still_raster(image, label, max_pixels, "PNG")._replace(notes=notes)
        return _in_named_space(raster, repaired.chunks, label)
    import imagecodecs

    check_size(label, *image.size, max_pixels)
    if getattr(image, "n_frames", 1) > 1:
        raise ImageRejected(animation(label, image.n_frames))
    metadata = metadata_of(image)
    if b"eXIf" in repaired.chunks:  # Pillow has not read the chunks after the pixels
        metadata = metadata._replace(exif=repaired.chunks[b"eXIf"])
    samples = imagecodecs.png_decode(repaired.data)
    if samples.dtype != np.uint16:
        raise ValueError("not 16 bits")
    if samples.ndim == 2:
        samples = samples[..., None]
    key = image.info.get("transparency")
    if colour_type == 0 and isinstance(key, int) and samples.shape[2] == 1:
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


def _repair(data: bytes) -> _Repaired:
    """Copy a file without damaged ancillary chunks, and append a missing end chunk.

    Raises:
        ValueError: A pixel chunk is cut off, or there are too many chunks.
    """
    parts = [data[:8]]
    left_out: list[str] = []
    chunks: dict[bytes, bytes] = {}
    position, room = 8, _MAX_TEXTS_BYTES
    for _ in range(limits.MAX_CHUNKS):
        length = int.from_bytes(data[position : position + 4], "big")
        name = data[position + 4 : position + 8]
        end = position + 12 + length
        if name == b"IEND" or (len(name) < 4 and len(parts) > 1):
            break
        if not name.isalpha():
            raise ValueError("no chunk")
        ancillary = name[:1].islower()
        body = memoryview(data)[position + 8 : end - 4]
        if end > len(data) and not ancillary:
            raise ValueError("chunk behind the end of the file")
        size = _unpacked(name, body, room) if ancillary else 0
        if ancillary and (
            end > len(data)
            or zlib.crc32(body, zlib.crc32(name)) != int.from_bytes(data[end - 4 : end], "big")
            or _LENGTHS.get(name, length) != length
            or size is None
        ):
            left_out.append(name.decode("ascii"))
        else:
            room -= size or 0
            parts.append(data[position:end])
            if name in (b"eXIf", *_LENGTHS):
                chunks[name] = bytes(body)
        position = end
    else:
        raise ValueError("too many chunks")
    whole = not left_out and name == b"IEND"
    return _Repaired(
        data if whole else b"".join([*parts, _chunk(b"IEND", b"")]), tuple(left_out), chunks
    )


def _unpacked(name: bytes, body: memoryview, room: int) -> int | None:
    """Unpacked bytes of a text or profile, 0 for other chunks; None if above `room` or damaged."""
    if name not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
        return 0
    most = min(_MAX_TEXT_BYTES, room)
    if len(body) > most:
        return None
    packed = bytes(body)
    if name == b"iTXt":
        keyword, _, rest = packed.partition(b"\0")
        if rest[:1] != b"\1":
            return len(packed)
        packed = rest[2:].split(b"\0", 2)[-1]
    elif name != b"tEXt":
        packed = packed.partition(b"\0")[2][1:]
    else:
        return len(packed)
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(packed, most + 1)
    except zlib.error:
        return None
    return len(text) if len(text) <= most and unpacker.eof else None


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
        chunks.append(_chunk(b"iCCP", body))
    if metadata.dpi:
        per_metre = (round(number / 0.0254) for number in metadata.dpi)
        chunks.append(_chunk(b"pHYs", struct.pack(">2IB", *per_metre, 1)))
    if metadata.exif:
        chunks.append(_chunk(b"eXIf", metadata.exif.removeprefix(PREFIX)))
    if metadata.xmp:
        chunks.append(_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp))
    if metadata.iptc:
        resource = iptc_resource(metadata.iptc)
        profile = f"\niptc\n{len(resource):8}\n{resource.hex()}\n".encode()
        chunks.append(_chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(profile)))
    for key, text in metadata.texts:
        chunks.append(_chunk(b"iTXt", key.encode() + b"\0\0\0\0\0" + text.encode()))
    return chunks


def _chunk(name: bytes, body: bytes) -> bytes:
    """Bytes of a chunk: length, name, body and CRC."""
    checksum = zlib.crc32(body, zlib.crc32(name))
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)
