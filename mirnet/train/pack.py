"""One file with all prepared photographs, small enough to travel to a machine without a network.

A pack is a zip file: `pack.json`, the manifest, and one AVIF picture for each photograph, of
quality 95 without chroma subsampling (2 to 4 bits a pixel, 45 dB to the original). Large ones are
reduced once more, which removes remaining noise; then only the most detailed window is kept, since
sky and blur teach little. It has at most `MAX_WINDOW_PIXELS`, so that patches, which are drawn by
area, come from all photographs alike, and is small enough that all of them fit. The noise profiles
are included; a pack is made where it is needed and not distributed.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from mirnet.errors import InvalidRequest
from mirnet.files import replacing

from .manifest import NOISE_PROFILES_NAME, Photo, read_manifest

MAX_BYTES = 30 * 10**6
"""Largest pack in bytes."""
LARGE_LONG_SIDE_PX = 1400
"""Photographs with a longer side than this are reduced once more."""
LARGE_REDUCE = 1.5
"""Factor by which large photographs are reduced."""
MIN_WINDOW_PX = 256
"""Least side of the window in pixels: room for the largest patch of a recipe."""
QUALITY = 95
"""AVIF quality."""
MAX_WINDOW_PIXELS = 480_000
"""Largest area of a window in pixels: 800 x 600."""
_LIST = "pack.json"
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, NotImplementedError)
"""Errors of `zipfile` for archives that are damaged, or of a kind it does not know."""


def write_pack(folder: Path | str, path: Path | str, max_bytes: int = MAX_BYTES) -> Iterator[str]:
    """Pack the photographs that `prepare` left in a folder.

    Args:
        folder: Folder that `prepare` filled.
        path: Path of the pack, which is written atomically.
        max_bytes: Largest size of the pack.

    Yields:
        One line of progress for each photograph.

    Raises:
        InvalidRequest: A photograph is not prepared, or `max_bytes` is too little.
    """
    photos = read_manifest()[1]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = []
    for number, photo in enumerate(photos):
        pictures.append(_window(_read(Path(folder), photo)))
        yield f"{number + 1}/{len(photos)} {photo.origin} {Path(photo.file).name}"
    contents = [_encode(picture) for picture in pictures]
    rest = max_bytes - sum(len(json.dumps(_row(photo, 9999, 9999, ""))) + 300 for photo in photos)
    profiles = Path(folder) / NOISE_PROFILES_NAME
    if profiles.exists():
        rest -= len(zlib.compress(profiles.read_bytes())) + 300
    limit = _share(sorted(map(len, contents)), rest)
    rows = []
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as pack:
        for photo, picture, content in zip(photos, pictures, contents, strict=True):
            content, (width, height) = _fit(picture, content, limit)
            pack.writestr(_name(photo), content)
            rows.append(_row(photo, width, height, hashlib.sha256(content).hexdigest()))
        pack.writestr(_LIST, json.dumps(rows))
        if profiles.exists():
            pack.write(profiles, NOISE_PROFILES_NAME, zipfile.ZIP_DEFLATED)
    yield f"{path}: {path.stat().st_size / 1e6:.1f} MB"


def read_pack(path: Path | str, split: str) -> list[tuple[Photo, np.ndarray]]:
    """Read the photographs of a pack.

    Args:
        path: Path of a pack from `write_pack`.
        split: 'train' or 'dev'.

    Returns:
        Photographs, in the manifest's order, with (H, W, 3) uint8 arrays.

    Raises:
        InvalidRequest: The file is not a pack, is damaged, or needs a newer Pillow.
    """
    try:
        with zipfile.ZipFile(path) as pack:
            rows = [row for row in json.loads(pack.read(_LIST)) if row["photo"]["split"] == split]
            return [(photo, _decoded(pack, row)) for row in rows if (photo := _photo(row))]
    except FileNotFoundError as error:
        raise InvalidRequest(f"There is no pack {path}: make it with `prepare --pack`.") from error
    except (OSError, LookupError, TypeError, ValueError, *_ZIP_ERRORS) as error:
        raise InvalidRequest(
            f"{path} is damaged or no pack of photographs ({error}): make it again."
        ) from error


def read_noise_profiles(path: Path | str) -> str | None:
    """The noise profiles in a pack as JSON text, or None.

    Raises:
        InvalidRequest: The file is not a pack, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as pack:
            if NOISE_PROFILES_NAME not in pack.namelist():
                return None
            return pack.read(NOISE_PROFILES_NAME).decode()
    except (OSError, ValueError, *_ZIP_ERRORS) as error:
        raise InvalidRequest(f"{path} is damaged or no pack ({error}): make it again.") from error


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


def _share(sizes: list[int], total: int) -> int:
    """Size limit under which files of these sizes, in rising order, add up to `total` bytes."""
    for index, size in enumerate(sizes):
        limit = total // (len(sizes) - index)
        if size > limit:
            return limit
        total -= size
    return sizes[-1]


def _window(pixels: np.ndarray) -> Image.Image:
    """The most detailed window of a photograph, reduced if large; at most `MAX_WINDOW_PIXELS`."""
    image = Image.fromarray(pixels)
    if max(image.size) > LARGE_LONG_SIDE_PX:
        size = (round(image.width / LARGE_REDUCE), round(image.height / LARGE_REDUCE))
        image = image.resize(size, Image.Resampling.LANCZOS)
    share = (MAX_WINDOW_PIXELS / (image.width * image.height)) ** 0.5
    return image if share >= 1 else _most_detailed(image, *(int(share * s) for s in image.size))


def _fit(image: Image.Image, content: bytes, max_bytes: int) -> tuple[bytes, tuple[int, int]]:
    """Encode the largest detailed window that fits into `max_bytes`.

    Args:
        image: The photograph.
        content: The encoded whole photograph.
        max_bytes: Largest size of the encoded window.

    Returns:
        The encoded window, and its width and height in pixels.

    Raises:
        InvalidRequest: A window of `MIN_WINDOW_PX` does not fit.
    """
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
    image.save(buffer, "AVIF", quality=QUALITY, subsampling="4:4:4", speed=10)
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
    """Decode one photograph, (H, W, 3) uint8.

    Raises:
        ValueError: The picture does not match its row of the manifest.
    """
    name = _name(_photo(row))
    content = pack.read(name)
    if hashlib.sha256(content).hexdigest() != row["sha256"]:
        raise ValueError(f"{name} has another hash")
    with Image.open(io.BytesIO(content)) as image:
        if (
            image.size != (row["width"], row["height"])
            or image.width * image.height > MAX_WINDOW_PIXELS
        ):
            raise ValueError(f"{name} has another size")
        return np.asarray(image.convert("RGB"))
