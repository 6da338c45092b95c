"""JPEG XL: decoded by libjxl through imagecodecs, its header read here (ISO/IEC 18181-1, annex D).

imagecodecs tells neither the size before it decodes nor the colour space, so the header's fields
are read up to the colour encoding. A profile that the file embeds is compressed with a coding of
its own and is not read, which a note says.
"""

from dataclasses import dataclass
from typing import BinaryIO

from mirnet.errors import ImageRejected

from ..cicp import in_space
from ..exif import PREFIX
from ..formats import animation
from ..metadata import Metadata
from ..raster import Raster, array_samples, check_size
from .boxes import boxes_in

_CONTAINER = b"\x00\x00\x00\x0cJXL "
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_DISPLAY_P3 = 12
"""Code point of P3's primaries with white D65; JPEG XL calls the primaries 11, the white apart."""
_MAX_CHANNELS = 16
"""Most extra channels of a picture that is read."""


@dataclass(frozen=True)
class Header:
    """Fields of the header of a JPEG XL code stream."""

    width: int
    """Width in pixels as stored."""
    height: int
    """Height in pixels as stored."""
    animated: bool = False
    """Whether there may be several frames."""
    colours: tuple[int, int] | None = (1, 13)
    """Code points of primaries and transfer (ITU-T H.273); None for an embedded profile or others
    that have none."""


def read(stream: BinaryIO, label: str, max_pixels: int) -> Raster:
    """Decode a JPEG XL file or code stream, upright and at its depth.

    Raises:
        ImageRejected: The picture is animated or has too many pixels.
        Exception: The file is damaged; `codecs.decode` turns it into `ImageRejected`.
    """
    import imagecodecs

    data = stream.read()
    boxes = boxes_of(data)
    header = read_header(boxes.get(b"jxlc", b"") or boxes.get(b"jxlp", b"")[4:])
    check_size(label, header.width, header.height, max_pixels)
    samples = imagecodecs.jpegxl_decode(data)
    if header.animated or samples.ndim > 3:
        frames = len(samples) if samples.ndim > 3 else 1
        if frames > 1:
            raise ImageRejected(animation(label, frames))
        samples = samples.reshape(samples.shape[-3:])
    exif = boxes.get(b"Exif", b"")
    exif = exif[4 + int.from_bytes(exif[:4], "big") :]
    metadata = Metadata(exif=PREFIX + exif if exif else None, xmp=boxes.get(b"xml "))
    upright = 1  # libjxl has turned it
    raster = Raster(array_samples(samples, label), metadata, "JPEG XL", upright)
    if header.colours is None:
        note = f"{label} has a colour profile that cannot be read: its colours are taken as sRGB."
        return raster._replace(notes=(note,))
    return in_space(raster, *header.colours, label)


def boxes_of(data: bytes) -> dict[bytes, bytes]:
    """Contents of the first box of each type; a bare code stream is "jxlc"."""
    if not data.startswith(_CONTAINER):
        return {b"jxlc": data}
    boxes: dict[bytes, bytes] = {}
    for name, content in boxes_in(data):
        boxes.setdefault(name, content)
    return boxes


class _Bits:
    """Reads a code stream's fields, least significant bit first; raises ValueError at its end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:4096], "little")
        self._left = 8 * min(len(data), 4096)

    def take(self, count: int) -> int:
        """Take an unsigned number of `count` bits."""
        if count > self._left:
            raise ValueError("header cut off")
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value

    def choose(self, *choices: tuple[int, int]) -> int:
        """U32: two bits select the number of bits that follow and what is added to them."""
        count, added = choices[self.take(2)]
        return self.take(count) + added

    def enum(self) -> int:
        """Take a number that names one of a list."""
        return self.choose((0, 0), (0, 1), (4, 2), (6, 18))


def read_header(stream: bytes) -> Header:
    """Read size, animation and colours from the start of a code stream.

    Raises:
        ValueError: It is no code stream, is cut off, or has too many channels.
    """
    if stream[:2] != b"\xff\x0a":
        raise ValueError("no code stream of JPEG XL")
    bits = _Bits(stream[2:])
    width, height = _size(bits)
    if bits.take(1):  # all default
        return Header(width, height)
    animated = False
    if bits.take(1):  # extra fields
        bits.take(3)  # orientation, which libjxl applies
        if bits.take(1):
            _size(bits)
        if bits.take(1):  # a preview, whose size has another coding
            return Header(width, height, animated=True, colours=None)
        animated = bool(bits.take(1))
        if animated:
            bits.choose((0, 100), (0, 1000), (10, 1), (30, 1))
            bits.choose((0, 1), (0, 1001), (8, 1), (10, 1))
            bits.choose((0, 0), (3, 0), (16, 0), (32, 0))
            bits.take(1)
    _skip_depth(bits)
    bits.take(1)  # modular buffers of 16 bits
    channels = bits.choose((0, 0), (0, 1), (4, 2), (12, 1))
    if channels > _MAX_CHANNELS:
        raise ValueError("too many channels")
    for _ in range(channels):
        if not bits.take(1) and not _skip_channel(bits):
            return Header(width, height, animated, None)
    bits.take(1)  # whether colours are coded as XYB
    return Header(width, height, animated, _colours(bits))


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        return 8 * (bits.take(5) + 1) if small else bits.choose((9, 1), (13, 1), (18, 1), (30, 1))

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), height
    across, down = _RATIOS[ratio]
    return height * across // down, height


def _skip_depth(bits: _Bits) -> None:
    if bits.take(1):  # floating point
        bits.choose((0, 32), (0, 16), (0, 24), (6, 1))
        bits.take(4)
    else:
        bits.choose((0, 8), (0, 10), (0, 12), (6, 1))


def _skip_channel(bits: _Bits) -> bool:
    """Skip an extra channel's fields; False for kinds other than opacity and depth."""
    kind = bits.enum()
    _skip_depth(bits)
    bits.choose((0, 0), (0, 3), (0, 4), (3, 1))
    bits.take(8 * bits.choose((0, 0), (4, 0), (5, 16), (10, 48)))
    if kind == 0:
        bits.take(1)
    return kind in (0, 1)


def _colours(bits: _Bits) -> tuple[int, int] | None:
    if bits.take(1):  # all default
        return 1, 13
    if bits.take(1):  # an embedded profile
        return None
    space = bits.enum()
    white = bits.enum()
    if space not in (0, 1) or white != 1:  # neither RGB nor grey, or a white other than D65
        return None
    primaries = bits.enum() if space == 0 else 1
    if primaries not in (1, 9, 11) or bits.take(1):  # custom ones, or a plain gamma
        return None
    return (_DISPLAY_P3 if primaries == 11 else primaries), bits.enum()
