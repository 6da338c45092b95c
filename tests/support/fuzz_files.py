"""Small files that the fuzzer damages: every readable format and its variants, and unreadable ones.

`KINDS` are the modules that decode, so a new format is fuzzed, and is a step of `tests.release`,
as soon as it is in the table of formats.
"""

import io
import struct

import imagecodecs
import numpy as np
from PIL import Image

from mirnet.images.formats import FORMATS, identify
from tests.support.picture_files import (
    A8,
    A16,
    EXACT,
    HUGE,
    REFUSED,
    SMALL,
    SRGB,
    WHOLE,
    cmyk_profile,
    dng,
    exif_bytes,
    huge_png,
    noise,
    oriented_files,
    saved,
    saved_heic,
    smooth,
    tiff,
)

KINDS = tuple(sorted({known.codec for known in FORMATS.values()}))
"""Kinds of files that can be fuzzed alone: the modules of `mirnet.images.codecs` that read."""
CODECS_16 = ("zstd", "lzma", "jpeg2000", "lerc", "packbits")
"""Compressions of 16-bit TIFF that are fuzzed, beside those of the tests."""
CODECS_8 = ("webp", "jpegxl", "jpeg", "png")
"""Compressions of 8-bit TIFF that are fuzzed."""
MAKERS = {
    "Canon": b"",
    "NIKON CORPORATION": b"Nikon\0\2\x10\0\0",
    "SONY": b"SONY DSC \0\0\0",
    "FUJIFILM": b"FUJIFILM\x0c\0\0\0",
    "OLYMPUS CORPORATION": b"OLYMPUS\0II\3\0",
    "Panasonic": b"Panasonic\0\0\0",
    "PENTAX": b"PENTAX \0II",
    "LEICA": b"LEICA\0\0\0",
    "SAMSUNG": b"",
    "Minolta": b"",
}
"""Camera makers whose notes LibRaw reads, with the bytes that such notes begin with."""


def corpus(kind: str = "") -> list[bytes]:
    """Make the files.

    Args:
        kind: One of `KINDS`; empty for all files, unreadable ones too.
    """
    raw = raw_files()
    if kind == "raw":
        return raw
    files = [*_other_files(), *raw]
    if not kind:
        return files
    found = (FORMATS.get(identify(data)) for data in files)
    return [
        data
        for data, known in zip(files, found, strict=True)
        if known is not None and known.codec == kind and data not in raw
    ]


def _other_files() -> list[bytes]:
    photo, cmyk = Image.fromarray(A8[3]), Image.fromarray(A8[4], "CMYK")
    with_alpha = Image.fromarray(A8[4], "RGBA")
    more = [
        saved(photo, "JPEG", progressive=True, exif=exif_bytes(3), icc_profile=SRGB),
        saved(cmyk, "JPEG", icc_profile=cmyk_profile()),
        saved(cmyk, "TIFF", icc_profile=cmyk_profile()),
        saved(photo.convert("L"), "JPEG"),
        saved(photo, "MPO", save_all=True, append_images=[photo]),
        saved(photo.convert("1"), "TIFF", compression="group4"),
        saved(photo, "TIFF", compression="jpeg"),
        saved(photo.quantize(16), "TIFF", compression="packbits"),
        saved(photo.quantize(16), "BMP"),
        saved(photo.convert("1"), "BMP"),
        saved(photo.quantize(16), "PNG", transparency=b"\0\x80\xff"),
        saved(photo, "PNG", exif=exif_bytes(8), icc_profile=SRGB),
        saved(photo, "WEBP", quality=50, exif=exif_bytes(8), icc_profile=SRGB),
        saved(with_alpha, "AVIF", exif=exif_bytes(5)),
        saved(photo, "AVIF"),
        saved_heic(smooth(np.uint16)),
        saved_heic(A8[3], exif=exif_bytes(6)),
        huge_png(1000, 1000),
        *(tiff(A16[3], compression=name) for name in CODECS_16),
        *(tiff(A8[3], compression=name) for name in CODECS_8),
        tiff(A16[3], bigtiff=True, compression="deflate"),
        tiff(A16[4], planarconfig="separate", compression="zstd", predictor=True),
        *jxl_files(),
        *ppm_files(),
        *(imagecodecs.jpeg2k_encode(array) for array in (A8[3], A16[3], A8[3][..., 0])),
        imagecodecs.jpeg2k_encode(A8[3], level=30, codecformat="j2k"),
        *oriented_files(6).values(),
    ]
    still = [data for data, _ in REFUSED.values()]
    exact = [data for data, _ in EXACT.values()]
    return [*more, *SMALL, *WHOLE.values(), *HUGE.values(), *still, *exact]


def jxl_files() -> list[bytes]:
    """Make JPEG XL files: lossless and lossy, of 8 and 16 bits and floats, with alpha, in boxes."""
    level = {"level": 10, "usecontainer": True}  # a container may hold Exif and parts
    return [
        imagecodecs.jpegxl_encode(A8[3], lossless=True),
        imagecodecs.jpegxl_encode(A8[3], distance=1.0),
        imagecodecs.jpegxl_encode(A8[4], lossless=True),
        imagecodecs.jpegxl_encode(A16[3], lossless=True, **level),
        imagecodecs.jpegxl_encode(A16[4], distance=2.0, **level),
        imagecodecs.jpegxl_encode(A8[3][..., 0], lossless=True),
        imagecodecs.jpegxl_encode(A8[3].astype(np.float32) / 255, distance=1.0),
        imagecodecs.jpegxl_encode(np.stack([A8[3]] * 3), lossless=True),  # moving
    ]


def ppm_files() -> list[bytes]:
    """Make PPM, PGM and PBM files, packed and as text, of 1, 8 and 16 bits."""
    grey, colour = A8[3][..., 0], A8[3]
    height, width = grey.shape
    size, words = f"\n# drawn\n{width} {height}\n".encode(), (b"%d " * grey.size)
    return [
        b"P6" + size + b"255\n" + colour.tobytes(),
        b"P6" + size + b"65535\n" + A16[3].astype(">u2").tobytes(),
        b"P5" + size + b"255\n" + grey.tobytes(),
        b"P4" + size + np.packbits(grey > 127, axis=1).tobytes(),
        b"P3" + size + b"255\n" + (b"%d " * colour.size) % tuple(colour.ravel()),
        b"P2" + size + b"255\n" + words % tuple(grey.ravel()),
        b"P1" + size + words % tuple((grey > 127).ravel()),
    ]


def raw_files() -> list[bytes]:
    """Make raw files: DNG as it is, with notes of many makers, and heads of other containers."""
    sensor = noise(1, np.uint16, 1, 64, 96)
    plain = [dng(sensor), dng(noise(1, np.uint16, 6, 64, 96), 6)]
    noted = [with_maker(plain[0], maker, head) for maker, head in MAKERS.items()]
    body = sensor.tobytes()
    canon = b"II*\0\x10\0\0\0CR\2\0\0\0\0\0" + plain[0][16:]
    return [*plain, *noted, canon, *(head + body for head in _heads())]


def _heads() -> list[bytes]:
    """Heads of containers that are no TIFF: Fujifilm, Minolta, Canon's two, Panasonic, Olympus."""
    fuji = b"FUJIFILMCCD-RAW 0201FF129502" + b"X-T1".ljust(32, b"\0") + b"0100".ljust(24, b"\0")
    fuji += struct.pack(">6I", 148, 600, 800, 200, 1200, 8000)
    minolta = b"\0MRM" + struct.pack(">I", 200) + b"\0PRD" + struct.pack(">I", 24)
    minolta += b"27730001" + struct.pack(">4H", 64, 96, 64, 96) + bytes(8)
    canon = b"II\x1a\0\0\0HEAPCCDR" + bytes(12)
    crx = struct.pack(">I", 24) + b"ftypcrx " + bytes(4) + b"crx isom"
    crx += struct.pack(">I", 600) + b"moov" + struct.pack(">I", 500) + b"uuid"
    crx += bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    directory = struct.pack("<H", 6) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in ((2, 96), (3, 64), (256, 96), (257, 64), (273, 400), (279, 12288))
    )
    return [
        fuji, minolta, canon, crx,
        b"IIU\0\x08\0\0\0" + directory + bytes(4),
        b"IIRO\x08\0\0\0" + directory + bytes(4),
    ]  # fmt: skip


def with_maker(data: bytes, maker: str, head: bytes) -> bytes:
    """Give a DNG a maker's name, and an EXIF directory with the maker's notes, at its end.

    Args:
        data: The file, little-endian.
        maker: Name of the maker.
        head: Bytes that the notes begin with.
    """
    entries = [(tag, 3 + tag % 2, 2, 1 + tag) for tag in (*range(1, 40), *range(0x90, 0xA0))]
    entries += [(0x2010, 13, 1, 64), (0x3000, 7, 64, 16), (0x4001, 3, 100, 16)]
    inner = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    tiff_head = b"II*\0\x08\0\0\0" if maker.startswith("NIKON") else b""
    notes = (
        head + tiff_head + struct.pack("<H", len(entries)) + inner + bytes(4) + bytes(range(256))
    )
    name_at = len(data)
    notes_at = name_at + 32
    exif_at = notes_at + len(notes)
    exif = struct.pack("<H", 1) + struct.pack("<HHII", 37500, 7, len(notes), notes_at) + bytes(4)
    made = io.BytesIO(data)
    first = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, first)[0]
    old = [data[first + 2 + 12 * n : first + 14 + 12 * n] for n in range(count)]
    kept = [entry for entry in old if struct.unpack_from("<H", entry)[0] not in (271, 34665)]
    kept.append(struct.pack("<HHII", 271, 2, 32, name_at))
    kept.append(struct.pack("<HHII", 34665, 4, 1, exif_at))
    directory_at = exif_at + len(exif)
    made.seek(4)
    made.write(struct.pack("<I", directory_at))
    made.seek(0, io.SEEK_END)
    made.write(maker.encode().ljust(32, b"\0") + notes + exif)
    made.write(struct.pack("<H", len(kept)) + b"".join(sorted(kept, key=_tag)) + bytes(4))
    return made.getvalue()


def _tag(entry: bytes) -> int:
    return int(struct.unpack_from("<H", entry)[0])
