"""What a file is, told by its first bytes, and why some are not read.

No decoder is involved: signatures only, so that nothing unknown reaches one.
"""

from typing import BinaryIO

RAW = "a camera raw file"
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WebP"),
    (8, b"CR\x02", RAW),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"II+\x00", "TIFF"),
    (0, b"MM\x00+", "TIFF"),
    (0, b"BM", "BMP"),
    (0, b"%PDF", "a PDF document"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"v/1\x01", "an OpenEXR picture"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"FUJIFILMCCD-RAW", RAW),
    (0, b"IIU\x00", RAW),
    (0, b"IIRO", RAW),
    (0, b"\x1aE\xdf\xa3", "a video"),
)


def identify(head: bytes) -> str:
    """Name what a file is from its first bytes (64 are enough).

    Returns:
        A key of `mirnet.images.decode.DECODERS`, "GIF", words for another known kind, or "".
    """
    for offset, magic, kind in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            return kind
    if head[4:8] == b"ftyp":  # ISO base media file: its brands tell AVIF, HEIC and video apart
        size = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12]} | {head[i : i + 4] for i in range(16, size - 3, 4)}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
            return "HEIC"
        return RAW if head[8:12] == b"crx " else "a video"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml")):
        return "an SVG or XML file"
    if text.startswith((b"<!doctype", b"<html")):
        return "a web page"
    if text and all(byte >= 32 or byte in b"\t\r\n" for byte in head) and b"\x7f" not in head:
        return "a text file"
    return ""


def refusal(stream: BinaryIO, kind: str, label: str) -> str:
    """Say in one sentence why a file of this kind is not read."""
    if kind == "GIF":
        frames = _count_gif_frames(stream.read())
        if frames > 1:
            return animation(label, frames)
        return f"{label} is a GIF picture, which is not read: save it as PNG and try that."
    if kind == RAW:
        return (
            f"{label} is a camera raw file: develop it in a raw converter and save it as a 16-bit "
            "TIFF, PNG or JPEG."
        )
    return (
        f"{label} is {kind or 'not a picture'}: choose a JPEG, PNG, WebP, TIFF, BMP, HEIC or AVIF "
        "photo."
    )


def animation(label: str, frames: int) -> str:
    """Say in one sentence why a moving picture is not read."""
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
