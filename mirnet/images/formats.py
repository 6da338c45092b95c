"""The table of picture formats, and recognition of a file by its first bytes.

`FORMATS` is the only list of picture formats and of their suffixes. This module imports no imaging
library, so the command line and the page start without one.
"""

import re
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple


class EncoderSettings(NamedTuple):
    """Settings of `write` of every codec, which ignores those that do not apply."""

    quality: int = 95
    """1 to 100, for JPEG and WebP."""
    subsampling: str = "auto"
    """Resolution of a JPEG's colours: a key of `SUBSAMPLINGS`."""
    fast: bool = False
    """Whether to deflate PNG little, for files that a screen needs once."""


SUBSAMPLINGS = {
    "auto": "Full from quality 90 on",
    "444": "Full (4:4:4)",
    "420": "Half (4:2:0), smaller",
}
"""Choices of the colour resolution of a JPEG file, with a label for each."""


@dataclass(frozen=True)
class PictureFormat:
    """A file format that photos are read from and, most of them, written to."""

    name: str
    """Display name, also the value of `Picture.source_format`."""
    codec: str
    """Module of `mirnet.images.codecs` with `read` and, for writable formats, `write`."""
    suffixes: tuple[str, ...]
    """Lower-case file name suffixes with their dot; the first is the default for results."""
    other_suffixes: tuple[str, ...] = ()
    """Suffixes accepted for reading and never given to results."""
    writable: bool = False
    """Whether pictures can be saved in this format."""
    bits: int = 8
    """Largest number of bits per sample when writing: 8 or 16."""
    alpha: bool = True
    """Whether transparency is written."""
    lacks: tuple[str, ...] = ()
    """Fields of `Metadata` that are not written; of texts, a JPEG holds the comment."""
    max_side_px: int | None = None
    """Longest side that can be written, in pixels; None if no real picture reaches the limit."""
    max_exif_bytes: int | None = None
    """Longest EXIF block that can be written, prefix included, in bytes; None for any length."""
    signatures: tuple[tuple[int, bytes], ...] = ()
    """Signatures as offset and bytes; a file has this format if one of them matches."""


FORMATS: dict[str, PictureFormat] = {
    known.name: known
    for known in (
        PictureFormat(
            "PNG", "png", (".png",), writable=True, bits=16,
            signatures=((0, b"\x89PNG\r\n\x1a\n"),),
        ),
        PictureFormat(
            "JPEG", "jpeg", (".jpg", ".jpeg", ".jpe"),
            (".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".mpo"),
            writable=True, alpha=False, lacks=("texts",), max_side_px=65_500,  # libjpeg's limit
            max_exif_bytes=65_533,  # one segment
            signatures=((0, b"\xff\xd8\xff"),),
        ),
        PictureFormat(
            "WebP", "webp", (".webp",), writable=True, lacks=("iptc", "dpi", "texts"),
            max_side_px=16_383,  # RFC 9649
            signatures=((8, b"WEBP"),),
        ),
        PictureFormat(
            "TIFF", "tiff", (".tif", ".tiff"), writable=True, bits=16, lacks=("texts",),
            signatures=((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
        ),
        PictureFormat("BMP", "bmp", (".bmp", ".dib"), signatures=((0, b"BM"),)),
        PictureFormat("HEIC", "heif", (".heic", ".heif"), (".hif",)),
        PictureFormat("AVIF", "avif", (".avif",)),
        PictureFormat(
            "RAW", "raw", (".dng", ".nef", ".nrw", ".cr2", ".cr3", ".arw", ".raf", ".orf", ".rw2"),
            (".pef", ".srw", ".crw", ".mrw", ".rwl", ".iiq", ".3fr", ".mef", ".erf", ".dcr",
             ".kdc"),
            signatures=((8, b"CR\x02"), (0, b"FUJIFILMCCD-RAW"), (0, b"IIU\0"), (0, b"IIR"),
                        (0, b"MMOR"), (6, b"HEAPCCDR"), (0, b"\0MRM"), (13, b"waR"),
                        (8, b"MMMMRaw")),
        ),
        PictureFormat(
            "JPEG 2000", "jpeg2000", (".jp2", ".j2k"), (".jpf", ".jpx", ".j2c"),
            signatures=((0, b"\x00\x00\x00\x0cjP  "), (0, b"\xff\x4f\xff\x51")),
        ),
        PictureFormat(
            "JPEG XL", "jpegxl", (".jxl",),
            signatures=((0, b"\xff\x0a"), (0, b"\x00\x00\x00\x0cJXL ")),
        ),
        PictureFormat("PPM", "ppm", (".ppm", ".pgm", ".pnm"), (".pbm",)),
    )
}  # fmt: skip
"""Every format that is read, by name."""

SAVE_FORMATS = {name: known for name, known in FORMATS.items() if known.writable}
"""The formats pictures can be saved in, by name."""

PICTURE_SUFFIXES = tuple(
    suffix for known in FORMATS.values() for suffix in (*known.suffixes, *known.other_suffixes)
)
"""Suffixes of pictures in a folder; a file passed by itself may have any name."""

_ARCHIVES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"PK\x05\x06", "a ZIP archive"),  # without files
    (0, b"PK\x07\x08", "a ZIP archive"),  # in several parts
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a", "a RAR archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (257, b"ustar", "a tar archive"),
)
"""Offset, bytes and name of archives."""
ARCHIVES = frozenset(kind for _, _, kind in _ARCHIVES)
"""Answers of `identify` that name an archive, of which files are to be unpacked first."""

_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    *_ARCHIVES,
    (0, b"GIF8", "GIF"),
    (0, b"%PDF", "a PDF document"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"v/1\x01", "an OpenEXR picture"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (0, b"\x00\x00\x01\x00", "an icon (ICO)"),
    (0, b"DDS ", "a DDS texture"),
    (0, b"qoif", "a QOI picture"),
    (0, b"\x01\xda", "an SGI picture"),
    (0, b"\x0a\x05\x01", "a PCX picture"),
    (0, b"P7\n", "a PAM picture"),
    (0, b"PF\n", "a floating-point map (PFM)"),
    (0, b"Pf\n", "a floating-point map (PFM)"),
    (0, b"#?RADIANCE", "a Radiance HDR picture"),
    (0, b"#?RGBE", "a Radiance HDR picture"),
    (0, b"II\xbc", "a JPEG XR picture"),
    (0, b"gimp xcf", "a GIMP document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript document"),
    (0, b"FOVb", "a raw photo by Sigma (X3F), whose colours LibRaw does not develop"),
    (0, b"\x00\x05\x16\x07", "a companion file that macOS adds (._)"),
    (0, b"version https://git-lfs", "a Git LFS pointer in place of the picture (git lfs pull)"),
    (0, b"\x89PNG\n", "a PNG file that a transfer in text mode broke (copy it as binary)"),
    (
        0,
        b"\x89PNG\r\r\n",
        "a PNG file that a transfer in text mode broke (copy it as binary)",
    ),
    (0, b"\x8aMNG\r\n", "an MNG animation"),
    (0, b"\x8bJNG\r\n", "a JNG picture"),
    (0, b"\x00\x00\x02\x00\x01\x00", "a cursor (CUR)"),
    (0, b"icns", "an icon (ICNS)"),
    (0, b"BPG\xfb", "a BPG picture"),
    (0, b"FLIF", "a FLIF picture"),
    (0, b"EP*\x00", "a Microsoft document (MDI)"),
    (0, b"SIMPLE  =", "an astronomer's picture (FITS)"),
    (128, b"DICM", "a medical picture (DICOM)"),
    (8, b"AVI ", "a video"),
    (8, b"WAVE", "a sound"),
    (4, b"moov", "a video"),
    (4, b"mdat", "a video"),
    (0, b"\x00\x00\x00\x08wide", "a video"),
    (0, b"\x00\x00\x01\xba", "a video"),
    (0, b"\x00\x00\x01\xb3", "a video"),
    (
        0,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "a file of Office, or thumbnails of Windows",
    ),
    (0, b"L\x00\x00\x00\x01\x14\x02\x00", "a shortcut of Windows (choose what it points to)"),
    (0, b"bplist00", "a property list of macOS"),
    (0, b"\x93NUMPY", "a NumPy array (give it to mirnet.restore in Python)"),
    (0, b"\x89HDF\r\n", "an HDF5 file"),
    (0, b"MATLAB 5.0 MAT", "a MATLAB file"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ\x90\x00", "a program"),
    (0, b"SQLite format 3", "a database"),
)
"""Offset, bytes and name of known kinds of file that are not read."""
HEAD_BYTES = 512
"""Number of bytes from a file's start by which `identify` knows every kind."""
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def format_of_suffix(suffix: str) -> PictureFormat | None:
    """Find the format of a file name suffix, in upper or lower case; None if unknown.

    >>> format_of_suffix(".JPEG").name
    'JPEG'
    """
    suffix = suffix.lower()
    return next(
        (f for f in FORMATS.values() if suffix in f.suffixes or suffix in f.other_suffixes), None
    )


def save_format(name: str) -> PictureFormat | None:
    """Find a format of `SAVE_FORMATS` by its name or a suffix, with or without the dot.

    >>> save_format("jpg").name, save_format("TIFF").suffixes[0], save_format(".gif")
    ('JPEG', '.tif', None)
    """
    name = name.lower().removeprefix(".")
    for known in SAVE_FORMATS.values():
        if name == known.name.lower() or f".{name}" in known.suffixes:
            return known
    return None


def identify(head: bytes) -> str:
    """Name the kind of a file from its first bytes (`HEAD_BYTES` are enough).

    Returns:
        A key of `FORMATS`, "GIF", a description of another known kind, or "" if unknown.
    """
    for offset, magic, kind in _OTHERS:
        if head[offset : offset + len(magic)] == magic:
            return kind
    for known in reversed(FORMATS.values()):  # a raw file may begin as a TIFF file does
        for offset, magic in known.signatures:
            if head[offset : offset + len(magic)] == magic:
                return known.name
    if head[4:8] == b"ftyp":  # ISO base media file: its brands tell AVIF, HEIC and video apart
        size = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12]} | {head[i : i + 4] for i in range(16, size - 3, 4)}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIC"
        return "RAW" if head[8:12] == b"crx " else "a video"
    if re.match(rb"P[1-6][ \t\r\n]+(#[^\n]*\n\s*)*\d", head):
        return "PPM"
    if head and not any(head):
        return "filled with zero bytes, as a copy that broke off leaves it (copy it again)"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml")):
        return "an SVG or XML file"
    if text.startswith((b"<!doctype", b"<html")):
        return "a web page"
    if text and all(byte >= 32 or byte in b"\t\r\n" for byte in head) and b"\x7f" not in head:
        return "a text file"
    return ""


def refusal(stream: BinaryIO, kind: str, label: str) -> str:
    """Explain in one sentence why a file of this kind is not read.

    Args:
        stream: The file, positioned at its start.
        kind: Result of `identify`.
    """
    if kind == "GIF":
        frames = _count_gif_frames(stream.read())
        if frames > 1:
            return animation(label, frames)
        return f"{label} is a GIF picture, which is not read: save it as PNG and try that."
    return unread(label, kind or "of no kind that is known here", kind in ARCHIVES)


def unread(label: str, kind: str, archive: bool = False) -> str:
    """Explain in one sentence that files of a kind are not read.

    Args:
        kind: The kind with its article, such as "a PDF document".
        archive: Whether pictures may lie in the file.
    """
    choice = "a JPEG, PNG, WebP, TIFF, HEIC, AVIF or raw photo"
    way = f"unpack it first, and choose {choice} in it" if archive else f"choose {choice}"
    return f"{label} is {kind}: {way}."


def without_gain_map(label: str) -> str:
    """Say in one sentence that a picture's HDR gain map is left out."""
    return f"{label} has an HDR gain map: it is left out, the standard picture is used."


def animation(label: str, frames: int) -> str:
    """Explain in one sentence why an animated picture is not read."""
    return (
        f"{label} is an animation with {frames} frames: save a single frame as PNG or JPEG and "
        "try that."
    )


def _count_gif_frames(data: bytes) -> int:
    """Count image blocks without decoding them (GIF89a specification, section 17 on)."""

    def table(flags: int) -> int:
        return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

    frames = 0
    position = 13 + (table(data[10]) if len(data) > 10 else 0)
    while position + 10 <= len(data):
        if data[position] == 0x2C:  # image: descriptor, colour table, code size, sub-blocks
            frames += 1
            position += 11 + table(data[position + 9])
        elif data[position] == 0x21:  # extension: label, sub-blocks
            position += 2
        else:
            break
        while position < len(data) and data[position]:
            position += data[position] + 1
        position += 1
    return frames
