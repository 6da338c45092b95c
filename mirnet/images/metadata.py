"""Metadata of a file: colour profile, EXIF, XMP, IPTC, print resolution, texts.

Everything that is true of the result is kept. What no longer holds is corrected (orientation,
pixel size) or left out (thumbnail, gain map, motion photo, a C2PA manifest, which the first changed
byte breaks). Damaged metadata is dropped; a photo is not refused for it.
"""

import io
import logging
import re
from typing import IO, NamedTuple

from PIL import Image, ImageCms, TiffImagePlugin

from . import exif, limits

logger = logging.getLogger(__name__)

MAX_XMP_BYTES = 1 << 20
"""Longest XMP packet that is kept, in bytes."""
MAX_TEXT_CHARACTERS = 1 << 16
"""Longest text that is kept, and largest sum of all texts of a file, in characters."""
_XMP_TAG, _IPTC_TAG = 700, 33723
"""TIFF tags of XMP and IPTC."""
_IPTC_RESOURCE = b"8BIM\x04\x04\0\0"
"""Head of the image resource with IPTC-IIM: its number and an empty name."""
_PHOTOSHOP = b"Photoshop 3.0\0"
"""Start of a JPEG segment with Photoshop image resources, which hold IPTC-IIM."""
_ORIENTATION = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|>\s*))[2-8](?=\s*["'<])""")
_STALE = re.compile(
    rb"""\s(?:GCamera:(?:MotionPhoto|MicroVideo)\w*|hdrgm:\w+|dcterms:provenance|"""
    rb"""tiff:Image(?:Width|Length)|exif:Pixel[XY]Dimension)\s*=\s*(?:"[^"]*"|'[^']*')"""
)
"""Pattern of XMP attributes that do not hold for a result."""
_STALE_TAG = re.compile(rb"<(/?)(dcterms:provenance)((?:[\s/][^<>]*)?)>")
"""Pattern of the tags of an XMP element that points at a C2PA manifest."""
_POSITION = (
    rb"""(?!xmlns[:=\s])(?=[^\s<>/="']*?(?:gps|latitude|longt?itude|altitude)"""
    rb"""|(?:[^\s<>/="':]++:)?(?:lat|lon|lng|long)[\s<>/=])[^\s<>/="']++"""
)
"""Pattern of XML names that tell a position, whatever their prefix; DJI writes `GpsLongtitude`.

Quantifiers that give nothing back keep the time linear in the length of a packet."""
_POSITION_ATTRIBUTE = re.compile(
    rb"\s" + _POSITION + rb"""\s*+=\s*+(?:"[^"<]*"|'[^'<]*')""", re.IGNORECASE
)
_POSITION_TAG = re.compile(rb"<(/?)(" + _POSITION + rb")((?:[\s/][^<>]*)?)>", re.IGNORECASE)
_POSITION_TEXT = re.compile(
    r"gps|latitude|longt?itude|altitude|^(?:.*:)?(?:lat|lon|lng|long)$|^raw profile type|^xml:",
    re.IGNORECASE,
)
"""Pattern of keywords of PNG texts that tell a position, or hold EXIF or XMP that may."""

METADATA_CHOICES = {
    "all": "Keep all metadata",
    "no-gps": "Leave the position out",
    "none": "Leave all metadata out",
}
"""Choices of the metadata that a result keeps, with a label for each."""


class Metadata(NamedTuple):
    """Metadata of one picture; a missing part is None or empty."""

    icc_profile: bytes | None = None
    """Colour profile."""
    exif: bytes | None = None
    """EXIF block, with or without its ``Exif\\0\\0`` prefix; `checked` adds a missing one."""
    xmp: bytes | None = None
    """XMP packet."""
    iptc: bytes | None = None
    """IPTC-IIM records."""
    dpi: tuple[float, float] | None = None
    """Print resolution in pixels per inch, across and down."""
    texts: tuple[tuple[str, str], ...] = ()
    """Pairs of PNG keyword and text; "Comment" is also the comment of a JPEG file."""


def metadata_of(image: Image.Image) -> Metadata:
    """Collect the metadata of a Pillow image, unchecked."""
    info = image.info
    texts: list[tuple[str, str]] = []
    comment = info.get("comment")
    if isinstance(comment, bytes) and image.format in ("JPEG", "MPO"):
        texts.append(("Comment", comment.decode("utf-8", "replace").rstrip("\0")))
    if image.format == "PNG":
        texts += [
            (str(key), str(value))
            for key, value in info.items()
            if isinstance(value, str)
            and not str(key).startswith(("Raw profile type", "XML:com.adobe.xmp"))
        ]
    xmp, iptc = info.get("xmp"), None
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        xmp, iptc = (_tag_bytes(image.tag_v2, tag) for tag in (_XMP_TAG, _IPTC_TAG))
    elif (segments := getattr(image, "applist", None)) is not None:
        # Resources may go on in the next segment.
        parts = (part for name, part in segments if name == "APP13")
        iptc = iptc_of_resources(
            b"".join(p.removeprefix(_PHOTOSHOP) for p in parts if p.startswith(_PHOTOSHOP))
        )
    elif isinstance(raw := info.get("Raw profile type iptc"), str):
        iptc = iptc_of_text(raw)
    has_dpi = image.format in ("PNG", "TIFF", "BMP") or info.get("jfif_unit") in (1, 2)
    return Metadata(
        icc_profile=info.get("icc_profile"),
        exif=exif_of_image(image),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        iptc=iptc if isinstance(iptc, bytes) else None,
        dpi=info.get("dpi") if has_dpi else None,
        texts=tuple(texts),
    )


def metadata_of_tiff(
    directory: TiffImagePlugin.ImageFileDirectory_v2, stream: IO[bytes], offset: int
) -> Metadata:
    """Collect the metadata of a page of a TIFF file, unchecked.

    Args:
        directory: The tags of the page.
        offset: Position of the directory in the file, in bytes.
    """
    icc = directory.get(34675)
    scale = {2: 1.0, 3: 2.54}.get(directory.get(296, 2))
    across, down = directory.get(282), directory.get(283)
    try:
        dpi = (float(across) * scale, float(down) * scale) if scale and across and down else None
    except (TypeError, ValueError, ZeroDivisionError):
        dpi = None
    return Metadata(
        icc_profile=icc if isinstance(icc, bytes) else None,
        exif=exif_at(stream, offset),
        xmp=_tag_bytes(directory, _XMP_TAG),
        iptc=_tag_bytes(directory, _IPTC_TAG),
        dpi=dpi,
    )


def exif_of_image(image: Image.Image) -> bytes | None:
    """EXIF of a loaded Pillow image, from its block, TIFF tags, PNG text or XMP.

    Damaged EXIF counts as none; a photo is not refused for it.
    """
    block = image.info.get("exif")
    if image.format != "TIFF" and isinstance(block, bytes):
        return block
    try:
        text = image.info.get("Raw profile type exif")
        if isinstance(text, str):
            raw = bytes.fromhex("".join(text.split("\n")[3:]))
            if not limits.is_modest(raw.removeprefix(exif.PREFIX)):
                return None
        tags = image.getexif()
        return _descriptive(tags) if image.format == "TIFF" else tags.tobytes() if tags else None
    except Exception:  # Pillow raises nearly every type for damaged tags
        logger.debug("damaged EXIF dropped", exc_info=True)
        return None


def checked(metadata: Metadata, grey: bool) -> tuple[Metadata, int]:
    """Keep the metadata that is undamaged, safe, and true of the upright picture.

    Args:
        metadata: Unchecked metadata from a codec.
        grey: Whether the samples are grey, which the colour profile must fit.

    Returns:
        The metadata, and the EXIF orientation 1 to 8 that is still to be applied.
    """
    xmp = _clean_xmp(metadata.xmp)
    room = MAX_TEXT_CHARACTERS
    texts = []
    for key, text in metadata.texts:
        # A text with markup is no remark, and a viewer of the result might execute it.
        known = re.fullmatch(r"[ -;=?-~]{1,79}", key) and not re.search(r"[<>\0]", text)
        if known and key.strip() == key and text and len(text) <= room:
            texts.append((key, text))
            room -= len(text)
    dpi = metadata.dpi
    try:
        known_dpi = dpi is not None and all(1 <= float(number) < 1e5 for number in dpi)
    except (TypeError, ValueError):
        known_dpi = False
    iptc, icc_profile = metadata.iptc, _usable_profile(metadata.icc_profile, grey)
    block, orientation = exif.normalise(metadata.exif)
    return Metadata(
        icc_profile=icc_profile,
        exif=block,
        xmp=xmp,
        iptc=iptc if iptc and iptc[:1] == b"\x1c" and len(iptc) < 65_000 else None,
        dpi=(float(dpi[0]), float(dpi[1])) if dpi is not None and known_dpi else None,
        texts=tuple(texts),
    ), orientation


def stripped(metadata: Metadata, keep: str) -> Metadata:
    """Leave out the metadata that the person chose to remove; the colour profile is kept.

    Args:
        keep: A key of `METADATA_CHOICES`.
    """
    if keep == "none":
        return Metadata(icc_profile=metadata.icc_profile)
    if keep == "no-gps":
        xmp = metadata.xmp and _without_elements(
            _POSITION_ATTRIBUTE.sub(b"", metadata.xmp), _POSITION_TAG
        )
        exif_block = metadata.exif and exif.without_gps(metadata.exif)
        texts = tuple(pair for pair in metadata.texts if not _POSITION_TEXT.search(pair[0]))
        return metadata._replace(exif=exif_block, xmp=xmp, texts=texts)
    return metadata


def _usable_profile(icc_profile: object, grey: bool) -> bytes | None:
    """Return a colour profile if it opens and is for grey (else RGB) samples; None otherwise."""
    if not isinstance(icc_profile, bytes) or not icc_profile:
        return None
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None
    # Colour space of the data, from the header: ICC.1:2022, section 7.2.6.
    return icc_profile if icc_profile[16:20] == (b"GRAY" if grey else b"RGB ") else None


def exif_at(stream: IO[bytes], offset: int) -> bytes | None:
    """Read the EXIF of the directory at `offset` of a TIFF file; damaged EXIF counts as none."""
    try:
        stream.seek(0)
        head = stream.read(4)
        tags = Image.Exif()
        tags.endian, tags.bigtiff = "<" if head[:1] == b"I" else ">", b"+" in head
        tags.load_from_fp(stream, offset)
        return _descriptive(tags)
    except Exception:  # Pillow raises nearly every type for damaged tags
        logger.debug("damaged EXIF dropped", exc_info=True)
        return None


def _descriptive(tags: Image.Exif) -> bytes | None:
    """Build an EXIF block from the directory of a TIFF picture, without tags about its layout.

    Returns:
        A block with `exif.PREFIX`, or None if no tag is left.
    """
    kept = Image.Exif()
    for tag in (*exif.TEXT_TAGS, *exif.RESOLUTION_TAGS):
        if tag in tags:
            kept[tag] = tags[tag]
    for directory in (exif.EXIF_IFD, exif.GPS_IFD):
        entries = {
            tag: value
            for tag, value in tags.get_ifd(directory).items()
            if tag != exif.INTEROP_IFD or isinstance(value, dict)
        }
        if entries:
            kept[directory] = entries
    return kept.tobytes() if set(kept) - set(exif.RESOLUTION_TAGS) else None


def _clean_xmp(xmp: object) -> bytes | None:
    """Correct an XMP packet for an upright still picture; None without one or for other markup."""
    if not isinstance(xmp, bytes) or len(xmp) > MAX_XMP_BYTES:
        return None
    xmp = _in_utf8(xmp)
    if b"<rdf:RDF" not in xmp:
        return None
    if re.search(rb"<!|<\s*(?:\w+:)?script", xmp, re.IGNORECASE):
        return None
    upright = _ORIENTATION.sub(rb"\g<1>1", xmp)
    return _without_elements(_STALE.sub(b"", upright), _STALE_TAG).rstrip(b"\0")


def _in_utf8(xmp: bytes) -> bytes:
    """Convert an XMP packet of any of the five encodings of XMP (part 1, section 7.1) to UTF-8."""
    for encoding, width in (("utf-16-be", 2), ("utf-16-le", 2), ("utf-32-be", 4), ("utf-32-le", 4)):
        if xmp.find("<rdf:RDF".encode(encoding)) % width == 0:  # -1 without one
            return xmp.decode(encoding, "replace").lstrip("\ufeff").encode()
    return xmp


def _without_elements(xmp: bytes, tags: re.Pattern[bytes]) -> bytes:
    """Remove XML elements in one pass over their tags; an element that never ends is kept.

    Args:
        xmp: The packet.
        tags: Pattern of opening and closing tags. Groups: the slash of a closing tag, the name,
            and the attributes, which end in a slash where the element is empty.
    """
    opened: dict[bytes, int] = {}
    removed: list[tuple[int, int]] = []
    for tag in tags.finditer(xmp):
        closing, name, attributes = tag.groups()
        if closing:
            start = opened.pop(name, None)
            if start is not None:
                removed.append((start, tag.end()))
        elif attributes.endswith(b"/"):
            removed.append(tag.span())
        else:
            opened.setdefault(name, tag.start())
    kept, position = [], 0
    for start, end in sorted(removed):  # one may hold another
        kept.append(xmp[position:start])
        position = max(position, end)
    return b"".join([*kept, xmp[position:]])


def _tag_bytes(directory: TiffImagePlugin.ImageFileDirectory_v2, tag: int) -> bytes | None:
    """Value of a TIFF tag as its bytes in the file; programs write IPTC as numbers of 32 bits.

    The value that Pillow gives is cut to one number for tags that it knows as single ones.
    """
    value = directory._tagdata.get(tag)  # noqa: SLF001
    return value if isinstance(value, bytes) else None


def iptc_of_text(text: str) -> bytes | None:
    """Parse IPTC from the hexadecimal text that ImageMagick and ExifTool write into PNG files."""
    try:
        raw = bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return None
    return iptc_of_resources(raw)


def iptc_of_resources(raw: bytes) -> bytes | None:
    """IPTC in bytes that hold it alone, or in one of several Photoshop image resources."""
    if raw[:1] == b"\x1c":
        return raw
    start = raw.find(_IPTC_RESOURCE)
    while start >= 0:
        length = int.from_bytes(raw[start + 8 : start + 12], "big")
        if length:
            return raw[start + 12 : start + 12 + length]
        start = raw.find(_IPTC_RESOURCE, start + 12)
    return None


def iptc_resource(iptc: bytes) -> bytes:
    """Wrap IPTC in the Photoshop image resource that JPEG and PNG files store."""
    return _IPTC_RESOURCE + len(iptc).to_bytes(4, "big") + iptc + b"\0" * (len(iptc) % 2)
