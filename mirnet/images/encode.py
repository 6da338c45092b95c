"""Writing photos: a `Picture` becomes the bytes of a file, or a file that is written whole.

Decisions:

* PNG and TIFF hold the pixels exactly, float ones with 16 bits; JPEG and WebP get 8 bits.
* JPEG has no transparency: the picture is laid over white, in the file's own (gamma-coded) values.
* A grey picture whose channels differ is written as their mean.
* Of EXIF that is too long for the format, the maker note is left out, or all of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mirnet.errors import ImageRejected
from mirnet.files import write_file

from .exif import fitted, resolution_of, with_size
from .file_names import clean_name, stem_and_label
from .formats import SAVE_FORMATS, SUBSAMPLINGS, EncoderSettings, PictureFormat, save_format
from .metadata import METADATA_CHOICES, Metadata, stripped
from .picture import BAND_ROWS, Picture, quantize, to_eight_bits
from .provenance import with_provenance


@dataclass(frozen=True)
class SaveOptions:
    """Choices of the file that a result is saved as, shared by page, presets and command line."""

    format: str | None = None
    """A key of `SAVE_FORMATS`; None takes it from the file's name."""
    quality: int = 95
    """1 to 100, for JPEG and WebP."""
    subsampling: str = "auto"
    """Resolution of a JPEG's colours: a key of `formats.SUBSAMPLINGS`."""
    metadata: str = "all"
    """Metadata to keep: a key of `metadata.METADATA_CHOICES`."""
    provenance: bool = False
    """Whether to add XMP that says how the picture was made."""


def encode_image(
    picture: Picture,
    format: str,  # noqa: A002
    quality: int = 95,
    metadata: str = "all",
    subsampling: str = "auto",
    provenance: Mapping[str, str] | None = None,
    fast: bool = False,
) -> bytes:
    """Encode a picture as the bytes of a file.

    Args:
        format: A key of `SAVE_FORMATS`, or a usual suffix such as "jpg".
        quality: 1 to 100, for JPEG and WebP (lossless at 100).
        metadata: Metadata to write: "all", "no-gps" (all but the position) or "none".
        subsampling: Resolution of a JPEG's colours: "444", "420", or "auto" for "444" from quality
            90 on.
        provenance: Details for XMP (see `provenance.with_provenance`), also where all metadata of
            the photo is left out; None adds nothing.
        fast: Deflate PNG little, for a screen.

    Raises:
        ImageRejected: Format, quality, subsampling or choice of metadata is unknown, or the format
            cannot hold a picture of this size.
    """
    wanted = save_format(str(format))
    if wanted is None:
        raise ImageRejected(
            f"Pictures cannot be saved as {clean_name(str(format))}: choose one of "
            f"{', '.join(SAVE_FORMATS)}."
        )
    if not 1 <= quality <= 100:
        raise ImageRejected(f"Quality {quality} is outside 1 to 100: choose 95, for example.")
    if metadata not in METADATA_CHOICES:
        raise ImageRejected(
            f"Metadata {clean_name(str(metadata))!r} is no choice: use one of "
            f"{', '.join(METADATA_CHOICES)}."
        )
    if subsampling not in SUBSAMPLINGS:
        raise ImageRejected(
            f"Subsampling {clean_name(str(subsampling))!r} is no choice: use one of "
            f"{', '.join(SUBSAMPLINGS)}."
        )
    if wanted.max_side_px and max(picture.width, picture.height) > wanted.max_side_px:
        raise ImageRejected(
            f"{picture.name} ({picture.width} x {picture.height}) is too large for {wanted.name}, "
            f"which holds {wanted.max_side_px} pixels a side: save it as PNG or TIFF."
        )
    samples = _samples(picture)
    if wanted.bits == 8:
        samples = to_eight_bits(samples)
    elif samples.dtype == np.float32:
        samples = quantize(samples, np.uint16)
    if not wanted.alpha and picture.alpha is not None:
        samples = _over_white(samples)
    codec = import_module(f".codecs.{wanted.codec}", __package__)
    kept = _kept_metadata(picture, metadata, wanted)
    if provenance is not None:
        kept = kept._replace(xmp=with_provenance(kept.xmp, provenance))
    samples = np.ascontiguousarray(samples)  # imagecodecs takes no turned or mirrored arrays
    return codec.write(samples, kept, EncoderSettings(quality, subsampling, fast))


def write_image(
    picture: Picture,
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    **options: Any,
) -> Path:
    """Write a picture to a file, whole or not at all.

    Args:
        path: The file to write or replace; its folder must exist.
        format: See `encode_image`; None takes the format from the suffix.
        options: Other arguments of `encode_image`.

    Returns:
        The path written.

    Raises:
        ImageRejected: See `encode_image`, or the file cannot be written.
    """
    path = Path(path)
    kind = format or path.suffix or "a file without suffix"
    data = encode_image(picture, kind, **options)
    try:
        write_file(path, data)
    except OSError as error:
        raise ImageRejected(
            f"{stem_and_label(path)[1]} cannot be written ({error.strerror}): check that its "
            "folder exists, is writable and has room."
        ) from error
    return path


def losses(picture: Picture, format: str, metadata: str = "all") -> tuple[str, ...]:  # noqa: A002
    """List what a file format cannot hold of a picture, as sentences; empty if all is kept.

    Args:
        picture: The picture to be encoded.
        format: See `encode_image`; an unknown one gives no sentences.
        metadata: See `encode_image`.
    """
    wanted = save_format(str(format))
    if wanted is None:
        return ()
    found = []
    if not wanted.alpha and picture.alpha is not None:
        opaque = 1 if picture.alpha.dtype == np.float32 else np.iinfo(picture.alpha.dtype).max
        if picture.alpha.min() < opaque:
            found.append(f"{wanted.name} has no transparency: the picture was laid over white.")
    if wanted.bits == 8 and picture.bits > 8:
        found.append(f"{wanted.name} has 8 bits a colour: the picture has {picture.bits}.")
    written = _exif_of(picture, wanted)
    if metadata != "none" and picture.exif and written != picture.exif:
        left_out = "all EXIF is" if written is None else "the maker note is"
        found.append(
            f"{wanted.name} holds {wanted.max_exif_bytes} bytes of EXIF, and the picture has "
            f"{len(picture.exif)}: {left_out} left out."
        )
    found += _lost_metadata(_kept_metadata(picture, metadata, wanted), wanted)
    return tuple(found)


def _kept_metadata(picture: Picture, choice: str, wanted: PictureFormat) -> Metadata:
    """Metadata of a picture that a choice keeps and whose EXIF fits; see `encode_image`."""
    found = Metadata(
        icc_profile=picture.icc_profile,
        exif=with_size(_exif_of(picture, wanted), picture.width, picture.height),
        xmp=picture.xmp,
        iptc=picture.iptc,
        dpi=picture.dpi,
        texts=picture.texts,
    )
    return stripped(found, choice)


def _lost_metadata(kept: Metadata, wanted: PictureFormat) -> list[str]:
    """Sentences about metadata that a file format has no place for."""
    lost = []
    if "iptc" in wanted.lacks and kept.iptc:
        lost.append(f"{wanted.name} has no IPTC: the captions and keywords in it are left out.")
    if "dpi" in wanted.lacks and kept.dpi and kept.exif and resolution_of(kept.exif) is None:
        lost.append(f"{wanted.name} has no print resolution: {kept.dpi[0]:.4g} dpi is left out.")
    if "texts" in wanted.lacks:
        names = [name for name, _ in kept.texts if (name, wanted.name) != ("Comment", "JPEG")]
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            lost.append(
                f"{wanted.name} has no texts such as those of a PNG: "
                f"{', '.join(map(clean_name, names[:3]))}{more} left out."
            )
    return lost


def _exif_of(picture: Picture, wanted: PictureFormat) -> bytes | None:
    """EXIF of a picture, shortened where the format holds less."""
    if picture.exif is None or wanted.max_exif_bytes is None:
        return picture.exif
    return fitted(picture.exif, wanted.max_exif_bytes)


def _samples(picture: Picture) -> np.ndarray:
    """Join colour and alpha to (H, W, 1 | 2 | 3 | 4)."""
    pixels = picture.pixels
    if picture.grey and pixels.dtype == np.float32:
        pixels = pixels.mean(axis=2, keepdims=True, dtype=np.float64).astype(np.float32)
    elif picture.grey:  # a mean of three is never half-way between two integers
        total = pixels.sum(axis=2, keepdims=True, dtype=np.uint32)
        pixels = ((total + 1) // 3).astype(pixels.dtype)
    if picture.alpha is None:
        return pixels
    return np.concatenate([pixels, picture.alpha[..., None]], axis=2)


def _over_white(samples: np.ndarray) -> np.ndarray:
    """Lay (H, W, 2 | 4) uint8 samples with alpha over white, rounded."""
    flat = np.empty((*samples.shape[:2], samples.shape[2] - 1), np.uint8)
    for top in range(0, len(samples), BAND_ROWS):
        band = samples[top : top + BAND_ROWS].astype(np.uint32)
        colours, alpha = band[..., :-1], band[..., -1:]
        flat[top : top + BAND_ROWS] = (colours * alpha + 255 * (255 - alpha) + 127) // 255
    return flat
