"""The manifest of the photographs that training may use: `photos.toml`, read into typed rows."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path


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


def read_manifest() -> tuple[list[Package], list[Photo]]:
    """Read `photos.toml`."""
    with (Path(__file__).parent / "photos.toml").open("rb") as file:
        content = tomllib.load(file)
    photos = [Photo(**{**row, "size": tuple(row["size"])}) for row in content["photos"]]
    return [Package(**row) for row in content["packages"]], photos


def fingerprint(hashes: list[str]) -> str:
    """One hash over the hashes of the files of a set, whatever their order."""
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()
