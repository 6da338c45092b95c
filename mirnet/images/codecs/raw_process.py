"""Develops one camera raw file in a limited process of its own: LibRaw is C++ and not hardened.

`develop_apart` starts it; where it crashes, the photo is refused. It takes the file on standard
input and answers with a line of JSON and the bytes that the line announces.
"""

import contextlib
import json
import math
import struct
import sys
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .limited_process import Unreadable, limit_process, run_limited

MAX_EXIF_BYTES = 2**20
"""Largest EXIF block that is passed on, in bytes."""
_SRGB_CURVE = (2.4, 12.92)
"""Exponent and slope of the linear part: IEC 61966-2-1."""
_FINEST = 100_000
"""Largest denominator of a value of EXIF; LibRaw tells 1/8000 s as a float of 32 bits."""
_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}
"""EXIF orientation by LibRaw's number for the turn of a file."""


class Developed(NamedTuple):
    """A developed raw file."""

    width: int
    """Width in pixels before development, upright."""
    height: int
    """Height in pixels."""
    samples: np.ndarray | None
    """(H, W, 3) uint16, sRGB; None if there are more pixels than accepted."""
    exif: bytes | None
    """EXIF block of the file or of the preview inside it; None without one."""
    preview: bytes | None = None
    """JPEG preview of a file that LibRaw opens and cannot develop; None for a developed one."""
    flip: int = 1
    """EXIF orientation that turns the preview upright."""
    cut_off: bool = False
    """Whether the sensor's values end early, so that nothing was developed."""


def develop_apart(data: bytes, max_pixels: int) -> Developed:
    """Develop a raw file in a process of its own.

    Args:
        data: The file.
        max_pixels: Most pixels that are developed.

    Raises:
        Unreadable: LibRaw refused the file, crashed, or took more than it may.
    """
    return _parsed(run_limited(__name__, data, max_pixels), max_pixels)


def _parsed(answer: bytes, max_pixels: int) -> Developed:
    """Read an answer, which a taken-over process may have made up."""
    line, _, rest = answer.partition(b"\n")
    try:
        head: dict[str, Any] = json.loads(line)
        width, height, exif_bytes = (int(head[name]) for name in ("width", "height", "exif_bytes"))
        preview_bytes, flip = int(head.get("preview_bytes", 0)), int(head.get("flip", 1))
        shape = tuple(int(side) for side in head["shape"])
        cut_off = bool(head.get("cut_off"))
    except (ValueError, TypeError, KeyError) as error:
        raise Unreadable("the process answered nonsense") from error
    if not 0 <= exif_bytes <= MAX_EXIF_BYTES:
        raise Unreadable("the process answered with another size")
    if not shape and preview_bytes:
        if preview_bytes < 0 or len(rest) != exif_bytes + preview_bytes or flip not in range(1, 9):
            raise Unreadable("the process broke off")
        exif, preview = rest[:exif_bytes], rest[exif_bytes:]
        return Developed(width, height, None, exif or None, preview, flip, cut_off)
    if not shape:
        return Developed(width, height, None, None, cut_off=cut_off)
    fits = len(shape) == 3 and shape[2] == 3 and 0 < shape[0] * shape[1] <= max_pixels
    if not fits:
        raise Unreadable("the process answered with another size")
    if len(rest) != exif_bytes + 2 * shape[0] * shape[1] * 3:
        raise Unreadable("the process broke off")
    samples = np.frombuffer(rest, np.uint16, offset=exif_bytes).reshape(shape).copy()
    return Developed(width, height, samples, rest[:exif_bytes] or None)


def develop(stream: BinaryIO, max_pixels: int) -> Developed:
    """Develop a raw file in this process.

    Raises:
        Exception: LibRaw cannot read the file.
    """
    import rawpy

    with rawpy.imread(stream) as raw:
        width, height = int(raw.sizes.width), int(raw.sizes.height)
        if not 0 < width * height <= max_pixels:
            return Developed(width, height, None, None)
        preview = _preview(raw)
        exif = _exif(stream, preview)
        flip = _ORIENTATIONS.get(int(raw.sizes.flip), 1)
        undeveloped = Developed(width, height, None, exif, preview, flip)
        try:
            exif = exif or _shooting_data(raw)
            if _ends_early(raw.raw_image_visible, min(raw.black_level_per_channel)):
                return undeveloped._replace(cut_off=True)
            samples = raw.postprocess(
                use_camera_wb=True,
                output_color=rawpy.ColorSpace.sRGB,
                output_bps=16,
                gamma=_SRGB_CURVE,
                no_auto_bright=True,
            )
        except rawpy.LibRawIOError:  # LibRaw read beyond the end
            return undeveloped._replace(cut_off=True)
        except rawpy.LibRawError:
            if preview is None:
                raise
            return undeveloped
    return Developed(width, height, np.ascontiguousarray(samples, np.uint16), exif)


def _ends_early(values: np.ndarray, black: int) -> bool:
    """Whether the last values of a sensor are missing: LibRaw gives zeros for them, without error.

    No sensor with a black level above zero has zeros side by side. One without, and values that a
    camera has reworked, may have them in a dark corner, but not in many whole rows.

    Args:
        values: (H, W) of a mosaic or (H, W, C) of a linear raw file.
        black: Lowest black level.
    """
    corner = values.ndim == 2 and black > 0
    return not (values[-16:, -64:] if corner else values[-64:]).any()


def _preview(raw: Any) -> bytes | None:
    """The JPEG preview embedded in the file; None without one."""
    import rawpy

    try:
        preview = raw.extract_thumb()
        return bytes(preview.data) if preview.format == rawpy.ThumbFormat.JPEG else None
    except Exception:  # a damaged preview does not make the photo unreadable
        return None


def _exif(stream: BinaryIO, preview: bytes | None) -> bytes | None:
    """EXIF of the preview or, where that has none, of the file's own first directory."""
    import io

    from PIL import Image

    from ..exif import normalise
    from ..limits import check_directories
    from ..metadata import exif_at, exif_of_image

    if preview is not None:
        with contextlib.suppress(Exception):  # a damaged preview hides nothing of the file's own
            with Image.open(io.BytesIO(preview), formats=["JPEG"]) as image:
                found = exif_of_image(image)
            if normalise(found)[0] is not None:
                return found
    with contextlib.suppress(Exception):  # damaged EXIF counts as none
        stream.seek(0)
        head = stream.read(8)
        if head[:2] in (b"II", b"MM"):  # a TIFF file, whatever number its maker puts behind
            check_directories(stream)
            (first,) = struct.unpack("<I" if head[:2] == b"II" else ">I", head[4:8])
            return exif_at(stream, first)
    return None


def _shooting_data(raw: Any) -> bytes | None:
    """EXIF made of what LibRaw tells: sensitivity, exposure, aperture, focal length.

    The types are those of EXIF 2.32, section 4.6.5: SHORT for the sensitivity, else RATIONAL.
    Numbers that are not finite, or not between 0 and 65535, are left out.
    """
    from fractions import Fraction

    from PIL import Image
    from PIL.TiffImagePlugin import IFDRational

    from ..exif import EXIF_IFD, ISO

    shot = raw.other
    values = {
        ISO: shot.iso_speed,
        33434: shot.shutter_speed,
        33437: shot.aperture,
        37386: shot.focal_length,
    }
    entries: dict[int, Any] = {}
    for tag, value in values.items():
        if not math.isfinite(value) or not 0 < value < 65535:
            continue
        ratio = Fraction(value).limit_denominator(1 if tag == ISO else _FINEST)
        if ratio:
            whole = IFDRational(ratio.numerator, ratio.denominator)
            entries[tag] = ratio.numerator if tag == ISO else whole
    if not entries:
        return None
    tags = Image.Exif()
    tags[EXIF_IFD] = entries
    return tags.tobytes()


def main() -> int:
    """Develop standard input; 1 where LibRaw cannot."""
    import io

    from ..exif import fitted

    max_pixels = int(sys.argv[1])
    limit_process(max_pixels)
    try:
        made = develop(io.BytesIO(sys.stdin.buffer.read()), max_pixels)
    except Exception:
        return 1
    exif = (made.exif and fitted(made.exif, MAX_EXIF_BYTES)) or b""
    shape = [] if made.samples is None else list(made.samples.shape)
    preview = made.preview or b""
    head = {"width": made.width, "height": made.height, "shape": shape, "exif_bytes": len(exif),
            "preview_bytes": len(preview), "flip": made.flip, "cut_off": made.cut_off}  # fmt: skip
    answer = sys.stdout.buffer
    answer.write(json.dumps(head).encode() + b"\n")
    answer.write(exif)
    if made.samples is not None:
        answer.write(made.samples.data)
    answer.write(preview)
    answer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
