"""TIFF: read and written by tifffile; bilevel and palette pages read by Pillow.

Arrangements of JPEG that only libtiff reads are decoded in a process of their own.
"""

import io
import logging
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import TiffImagePlugin

from mirnet.errors import ImageRejected

from .. import exif
from ..formats import EncoderSettings
from ..limits import MAX_DIRECTORIES, TooManyDirectories, check_directories
from ..metadata import Metadata, metadata_of_tiff
from ..raster import Raster, check_size
from . import raw
from .pillow import pillow_raster
from .tiff_colours import (
    BLACK_IS_ZERO,
    CMYK,
    COLOURS,
    PALETTE,
    RGB,
    WHITE_IS_ZERO,
    YCBCR,
    in_rgb,
    widened,
)
from .tiff_process import decode_apart
from .tiff_segments import check_segments

logger = logging.getLogger(__name__)

_DEFLATE_LEVEL = 3
"""Deflate level. 16-bit photos are mostly noise in the low byte: a higher level saves 1 %."""
_MAX_LARGER_TILE = 1 << 22
"""Allowance for the pixels of one tile, on top of 4 times those of the picture; tiles are
decoded whole."""
# TIFF 6.0 tag numbers.
_SUBFILE_TYPE, _WIDTH, _LENGTH, _BITS, _PHOTOMETRIC = 254, 256, 257, 258, 262
_SAMPLES, _PLANAR, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _DNG = 277, 284, 338, 339, 50706
_COMPRESSION, _PALETTE, _INK_SET, _REFERENCE = 259, 320, 332, 532
_OLD_JPEG, _JPEG = 6, 7
_CONVERTED = (_JPEG, 33007, 34892)
"""Compressions whose YCbCr tifffile returns as RGB: JPEG under its three numbers."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode the one large picture of a TIFF file; see `_main_page`.

    Integer samples of 1 to 16 bits only. Floating-point TIFF is refused: its white point is not
    recorded, and scaling by a guess would change the exposure without a word.

    Raises:
        ImageRejected: Several pages are pictures, the samples are not integers of 1 to 16 bits, or
            there are too many pixels or directories.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    try:
        check_directories(stream)
    except TooManyDirectories as error:
        raise ImageRejected(
            f"{label} has more than {MAX_DIRECTORIES} pages or directories: save the page you want "
            "as its own file and try that."
        ) from error
    pages = _pages(stream)
    if _is_raw(pages):
        return raw.read(stream, label, max_pixels)
    page, notes = _main_page(pages, label)
    directory = page.tags
    check_size(label, int(directory[_WIDTH]), int(directory[_LENGTH]), max_pixels)
    bits = set(directory.get(_BITS, (1,)))
    sample_format = set(directory.get(_SAMPLE_FORMAT, (1,)))
    if not all(isinstance(number, int) for number in bits):
        raise ValueError("a number of bits that is none")  # never quote text of the file
    if not sample_format <= {1, 4} or len(bits) > 1 or max(bits) > 16:
        kind = "floating-point" if 3 in sample_format else "signed" if 2 in sample_format else ""
        raise ImageRejected(
            f"{label} holds {max(bits)}-bit {kind or 'unsigned'} samples: export it as a TIFF or "
            "PNG of 8 or 16 bits and try that."
        )
    model = directory.get(_PHOTOMETRIC)
    if model is None:  # as libtiff guesses
        model = RGB if int(directory.get(_SAMPLES, 1)) >= 3 else BLACK_IS_ZERO
    if model == CMYK and directory.get(_INK_SET, 1) != 1:
        raise ImageRejected(
            f"{label} is in inks that are not cyan, magenta, yellow and black: export it as an RGB "
            "TIFF or PNG and try that."
        )
    (depth,) = bits
    few = depth == 1 or (model == PALETTE and depth <= 8)
    if _needs_libtiff(page, model):
        return _read_apart(stream, page, label)._replace(notes=notes)
    if model in COLOURS and not few:
        raster = _read_samples(stream, page, label, model, depth)
        return raster._replace(notes=(*notes, *raster.notes))
    stream.seek(0)
    image = TiffImagePlugin.TiffImageFile(stream)
    image.seek(page.number)
    check_size(label, *image.size, max_pixels)
    return pillow_raster(image, label, "TIFF")._replace(notes=notes)


class _Page(NamedTuple):
    """One directory (page) of a TIFF file."""

    number: int
    """Index of the directory in the file, from 0."""
    offset: int
    """Position of the directory in the file, in bytes."""
    tags: TiffImagePlugin.ImageFileDirectory_v2
    """Tags of the directory."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return int(self.tags.get(_WIDTH, 0)), int(self.tags.get(_LENGTH, 0))

    @property
    def is_whole(self) -> bool:
        """Whether the page is neither a reduced picture nor a mask, by its tags."""
        return not int(self.tags.get(_SUBFILE_TYPE, 0)) & 5


def _pages(stream: BinaryIO) -> list[_Page]:
    """Read the directories of a file, up to `MAX_DIRECTORIES`."""
    stream.seek(0)
    head = stream.read(8)
    order = head[:2]
    if b"+" in head[:4]:  # BigTIFF: 8-byte offsets; Pillow looks for the "+" there in either order
        head = b"II+\0" + head[4:] + stream.read(8)
    position = TiffImagePlugin.ImageFileDirectory_v2(head, order).next
    pages: list[_Page] = []
    seen: set[int] = set()
    while position and position not in seen and len(pages) < MAX_DIRECTORIES:
        seen.add(position)
        tags = TiffImagePlugin.ImageFileDirectory_v2(head, order)
        stream.seek(position)
        tags.load(stream)
        pages.append(_Page(len(pages), position, tags))
        position = tags.next
    return pages


def _is_raw(pages: list[_Page]) -> bool:
    """Whether a camera wrote the file: DNG, or raw samples behind pages that are all reduced."""
    return any(_DNG in page.tags for page in pages) or not any(page.is_whole for page in pages)


def _main_page(pages: list[_Page], label: str) -> tuple[_Page, tuple[str, ...]]:
    """Find the page with the picture, and a note if the file has other pages.

    Pages that are marked as reduced or as masks do not count, nor those that are at most half as
    wide and high as another.

    Raises:
        ImageRejected: Several pages qualify.
    """
    whole = [page for page in pages if page.is_whole]
    main = max(whole, key=lambda page: page.size[0] * page.size[1])
    for page in whole:
        if page is not main and any(
            2 * small > large for small, large in zip(page.size, main.size, strict=True)
        ):
            raise ImageRejected(
                f"{label} has {len(whole)} pages: save the page you want as its own file and try "
                "that."
            )
    if len(whole) == 1:
        return main, ()
    width, height = main.size
    return main, (f"{label} has {len(whole)} pages: the largest, {width} x {height}, is used.",)


def _needs_libtiff(page: _Page, model: int) -> bool:
    """Whether a page is JPEG that tifffile cannot decode, or not with these colours.

    That is old-style JPEG, and JPEG in planes, with further channels, or of other colour models
    than grey, RGB, CMYK and YCbCr.
    """
    compression = page.tags.get(_COMPRESSION, 1)
    if compression not in (_OLD_JPEG, _JPEG) or model in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        return False
    interleaved = int(page.tags.get(_PLANAR, 1)) == 1
    colours_only = int(page.tags.get(_SAMPLES, 1)) == COLOURS.get(model)
    usual = compression == _JPEG and model in (CMYK, YCBCR)
    return not (usual and interleaved and colours_only)


def _read_apart(stream: BinaryIO, page: _Page, label: str) -> Raster:
    """Decode a page by libtiff in a process of its own, upright.

    Raises:
        Unreadable: See `tiff_process.decode_apart`.
    """
    stream.seek(0)
    turned = page.tags.get(exif.ORIENTATION, 1) in (5, 6, 7, 8)
    size = page.size[::-1] if turned else page.size
    image = decode_apart(stream.read(), page.number, size)
    metadata = metadata_of_tiff(page.tags, stream, page.offset)
    image.info["icc_profile"] = metadata.icc_profile
    raster = pillow_raster(image, label, "TIFF")
    icc = raster.metadata.icc_profile
    return raster._replace(metadata=metadata._replace(icc_profile=icc), orientation=1)


def _read_samples(stream: BinaryIO, chosen: _Page, label: str, model: int, bits: int) -> Raster:
    """Decode 2 to 16 bits of any colour model, with or without alpha, planar or interleaved.

    Three or four samples that are marked as grey and named nothing else are RGB, as GDAL and
    others write it. Further channels are left out, and a note says so.

    Args:
        stream: The file.
        chosen: The page to decode.
        label: Name of the picture in messages.
        model: Value of PhotometricInterpretation, a key of `COLOURS`.
        bits: Number of bits a sample.

    Raises:
        ImageRejected: Five samples or more are marked as grey: bands of no known colour.
    """
    import tifffile

    directory = chosen.tags
    width, height = chosen.size
    count = int(directory.get(_SAMPLES, 1))
    extra = tuple(directory.get(_EXTRA_SAMPLES, ()))
    if model == BLACK_IS_ZERO and count in (3, 4) and not any(extra[:2]):
        model = RGB
    colours = COLOURS[model]
    extra = extra[max(len(extra) - (count - colours), 0) :]
    extra = extra or ((2,) if count == colours + 1 else (0,))
    if count > 4 and colours == 1:
        raise ImageRejected(
            f"{label} has {count} channels and does not say which are red, green and blue: export "
            "these three as a TIFF or PNG and try that."
        )
    if not colours <= count <= colours + 4:
        raise ValueError(f"{count} samples a pixel")
    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        page = file.pages[chosen.number]
        assert isinstance(page, tifffile.TiffPage)
        if not page.dataoffsets or not all(page.dataoffsets) or not all(page.databytecounts):
            raise ValueError("a strip is missing")
        if page.tilewidth * page.tilelength > 4 * width * height + _MAX_LARGER_TILE:
            raise ValueError("tiles beyond the picture")
        whole = (page.imagewidth, page.imagelength, page.imagedepth, page.tiledepth or 1)
        if whole != (width, height, 1, 1) or page.size != width * height * count:
            raise ValueError("more than one plane of the picture's size")
        check_segments(page)
        samples = page.asarray()
        if model == YCBCR and int(page.compression) in _CONVERTED:
            model = RGB
    if samples.ndim == 3 and int(directory.get(_PLANAR, 1)) == 2:
        samples = np.moveaxis(samples, 0, 2)
    samples = samples.reshape(height, width, count)
    if samples.dtype.kind != "u" or samples.dtype.itemsize > 2:
        raise ValueError("neither 8 nor 16 bits")
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    if model != PALETTE:
        samples = widened(samples, bits)
    metadata = metadata_of_tiff(directory, stream, chosen.offset)
    has_alpha = count > colours and extra[0] in (1, 2)
    if has_alpha and extra[0] == 1 and model != WHITE_IS_ZERO:
        samples = _unpremultiplied(samples[..., : colours + 1])
    in_colour, icc = in_rgb(
        samples[..., :colours],
        model,
        metadata.icc_profile,
        tuple(directory.get(_PALETTE, ())),
        tuple(directory.get(_REFERENCE, ())),
    )
    if has_alpha:
        alpha = samples[..., colours : colours + 1]
        in_colour = np.concatenate([in_colour, alpha], axis=2)
        if extra[0] == 1 and model == WHITE_IS_ZERO:
            in_colour = _unpremultiplied(in_colour)
    orientation = directory.get(exif.ORIENTATION, 1)
    further = count - colours - has_alpha
    channels = "a further channel" if further == 1 else f"{further} further channels"
    return Raster(
        in_colour,
        metadata._replace(icc_profile=icc),
        "TIFF",
        orientation if orientation in range(1, 9) else 1,
        (f"{label} has {channels} beside its colours, left out of the result.",) if further else (),
    )


def _unpremultiplied(samples: np.ndarray) -> np.ndarray:
    """Divide colours by alpha, rounded: (H, W, C) uint8 or uint16, associated alpha last."""
    most = np.iinfo(samples.dtype).max
    alpha = np.maximum(samples[..., -1:], 1).astype(np.uint64)
    colours = (samples[..., :-1] * np.uint64(most) + alpha // 2) // alpha
    colours = np.minimum(colours, most).astype(samples.dtype)
    return np.concatenate([colours, samples[..., -1:]], axis=2)


def write(samples: np.ndarray, metadata: Metadata, settings: EncoderSettings) -> bytes:  # noqa: ARG001
    """Encode (H, W, 1 | 2 | 3 | 4) uint8 or uint16 as deflated TIFF, exactly.

    `settings` are ignored.
    """
    import tifffile

    colours = 3 if samples.shape[2] >= 3 else 1
    tags = _exif_tags(metadata.exif)
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
        extratags=[
            *((tag, "s", 0, text, True) for tag, text in tags.texts.items()),
            *((700, "B", len(part), part, True) for part in [metadata.xmp] if part),
            *((33723, "B", len(part), part, True) for part in [metadata.iptc] if part),
        ],
        resolution=tags.resolution or metadata.dpi,
        resolutionunit=tags.unit if tags.resolution else "inch" if metadata.dpi else None,
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


def _exif_tags(block: bytes | None) -> exif.TiffTags:
    """Split EXIF for a TIFF file; what Pillow cannot parse is left out."""
    nothing = exif.TiffTags({}, None, 1, {})
    if block is None:
        return nothing
    try:
        return exif.tiff_tags(block)
    except Exception:  # Pillow raises nearly every type for damaged tags
        logger.warning("damaged EXIF left out of a TIFF file", exc_info=True)
        return nothing
