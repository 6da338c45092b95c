"""One file with all prepared photographs, small enough to travel to a machine without a network.

A pack is a zip file: `pack.json`, the manifest, and one AVIF picture for each photograph, of
quality 95 without chroma subsampling (about 2.6 bits a pixel, 45 dB to the original). Every
photograph gets the same share of the bytes: large ones are reduced once more, which removes what
noise is left, and of what still does not fit the most detailed window is kept, since sky and blur
teach little.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from mirnet.errors import InvalidRequest
from mirnet.files import replacing

from .manifest import Photo, read_manifest

MAX_BYTES = 30 * 10**6
"""Size of a pack."""
LARGE_LONG_SIDE_PX = 1400
"""Photographs with a longer side than this are reduced once more."""
LARGE_REDUCE = 1.5
"""Factor by which they are."""
MIN_WINDOW_PX = 256
"""Least side of the window that is kept: room for the largest patch of a recipe."""
QUALITY = 95
"""AVIF quality."""
MAX_PIXELS = 4 * 10**6
"""A picture of a pack with more is refused before it is decoded."""
_LIST = "pack.json"


def write_pack(folder: Path | str, path: Path | str, max_bytes: int = MAX_BYTES) -> Iterator[str]:
    """Pack the photographs that `prepare` left in a folder.

    Args:
        folder: What `prepare` filled.
        path: The pack to write; it appears whole or not at all.
        max_bytes: Greatest size.

    Yields:
        One line of progress for each photograph.

    Raises:
        InvalidRequest: A photograph is not prepared, or `max_bytes` is too little.
    """
    photos = read_manifest()[1]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A photograph that needs less than its share leaves the rest to those after it.
    rest = (
        max_bytes - len(json.dumps([_row(photo, 9999, 9999, "0" * 64) for photo in photos])) - 10**4
    )
    rows = []
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as pack:
        for number, photo in enumerate(photos):
            content, (width, height) = _fit(
                _read(Path(folder), photo), rest // (len(photos) - number)
            )
            rest -= len(content) + 200  # zip's own entries
            pack.writestr(_name(photo), content)
            rows.append(_row(photo, width, height, hashlib.sha256(content).hexdigest()))
            yield f"{number + 1}/{len(photos)} {photo.origin} {Path(photo.file).name}"
        pack.writestr(_LIST, json.dumps(rows))
    yield f"{path}: {path.stat().st_size / 1e6:.1f} MB"


def read_pack(path: Path | str, split: str) -> list[tuple[Photo, np.ndarray]]:
    """Read the photographs of a pack.

    Args:
        path: What `write_pack` wrote.
        split: 'train' or 'dev'.

    Returns:
        Photographs, in the manifest's order, with (H, W, 3) uint8 arrays.

    Raises:
        InvalidRequest: The file is no pack, is damaged, or needs a newer Pillow.
    """
    try:
        with zipfile.ZipFile(path) as pack:
            rows = [row for row in json.loads(pack.read(_LIST)) if row["photo"]["split"] == split]
            return [(photo, _decoded(pack, row)) for row in rows if (photo := _photo(row))]
    except FileNotFoundError as error:
        raise InvalidRequest(f"There is no pack {path}: make it with `prepare --pack`.") from error
    except (OSError, LookupError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidRequest(
            f"{path} is damaged or no pack of photographs ({error}): make it again."
        ) from error


def _name(photo: Photo) -> str:
    return f"{photo.sha256[:16]}.avif"


def _row(photo: Photo, width: int, height: int, sha256: str) -> dict:
    return {"photo": asdict(photo), "width": width, "height": height, "sha256": sha256}


def _photo(row: dict) -> Photo:
    return Photo(**{**row["photo"], "size": tuple(row["photo"]["size"])})


def _read(folder: Path, photo: Photo) -> np.ndarray:
    try:
        return np.load(folder / photo.key)
    except FileNotFoundError as error:
        raise InvalidRequest(
            f"{photo.origin} {Path(photo.file).name} is not in {folder}: run `python -m mirnet "
            f"prepare --folder {folder}` first."
        ) from error


def _fit(pixels: np.ndarray, max_bytes: int) -> tuple[bytes, tuple[int, int]]:
    """Encode a photograph, or its most detailed window, in at most so many bytes.

    Returns:
        The file, and the width and height of what it shows.

    Raises:
        InvalidRequest: A window of `MIN_WINDOW_PX` does not fit.
    """
    image = Image.fromarray(pixels)
    if max(image.size) > LARGE_LONG_SIDE_PX:
        size = (round(image.width / LARGE_REDUCE), round(image.height / LARGE_REDUCE))
        image = image.resize(size, Image.Resampling.LANCZOS)
    content = _encode(image)
    window = image
    while len(content) > max_bytes:
        share = min(0.95, 0.97 * (max_bytes / len(content)) ** 0.5)
        least = [min(MIN_WINDOW_PX, side) for side in image.size]
        width, height = (max(m, int(share * s)) for m, s in zip(least, window.size, strict=True))
        if (width, height) == window.size:
            raise InvalidRequest(f"The pack leaves a photograph {max_bytes} bytes: allow more.")
        window = _most_detailed(image, width, height)
        content = _encode(window)
    return content, window.size


def _encode(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "AVIF", quality=QUALITY, subsampling="4:4:4", speed=8)
    return buffer.getvalue()


def _most_detailed(image: Image.Image, width: int, height: int) -> Image.Image:
    """The window with the greatest sum of steps between neighbouring green values."""
    green = np.asarray(image)[..., 1].astype(np.float64)
    steps = np.abs(np.diff(green, axis=0))[:, :-1] + np.abs(np.diff(green, axis=1))[:-1]
    total = np.zeros((green.shape[0], green.shape[1]))
    total[1:, 1:] = steps.cumsum(0).cumsum(1)
    rows, columns = (
        np.arange(0, image.height - height + 1, 8),
        np.arange(0, image.width - width + 1, 8),
    )
    below, right = rows + height - 1, columns + width - 1
    sums = (
        total[np.ix_(below, right)]
        - total[np.ix_(rows, right)]
        - total[np.ix_(below, columns)]
        + total[np.ix_(rows, columns)]
    )
    row, column = np.unravel_index(sums.argmax(), sums.shape)
    left, top = int(columns[column]), int(rows[row])
    return image.crop((left, top, left + width, top + height))


def _decoded(pack: zipfile.ZipFile, row: dict) -> np.ndarray:
    """The pixels of one photograph.

    Raises:
        ValueError: It is not the picture that the list names.
    """
    name = _name(_photo(row))
    content = pack.read(name)
    if hashlib.sha256(content).hexdigest() != row["sha256"]:
        raise ValueError(f"{name} has another hash")
    with Image.open(io.BytesIO(content)) as image:
        if image.size != (row["width"], row["height"]) or image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{name} has another size")
        return np.asarray(image.convert("RGB"))
