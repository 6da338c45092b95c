"""The manifest of the photographs that training may use.

`photos.toml` lists photographs in Debian packages, `repositories.toml` photographs in public GitHub
repositories; both give author, licence and hash of every file.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One photograph of the manifest: in a Debian package, or in a repository at a commit."""

    file: str
    """Path inside the package or repository."""
    author: str
    """Author as the package or repository states it; 'not named' if it states none."""
    licence: str
    """Short name of the licence that the package or repository states."""
    size: tuple[int, int]
    """Width and height of the file, pixels."""
    sha256: str
    """Hash of the photograph's own bytes."""
    split: str
    """'train' or 'dev'; dev photographs are never trained on."""
    package: str = ""
    """Debian package that holds it; empty for a photograph of a repository."""
    repository: str = ""
    """GitHub repository that holds it, as owner/name; empty for a photograph of a package."""
    commit: str = ""
    """Commit of the repository, 40 hexadecimal digits."""
    bytes: int = 0
    """Size of the file in a repository."""
    licence_source: str = ""
    """File or page in which the repository states the licence."""
    reduce: float = 1
    """Least factor by which the picture is reduced; removes JPEG artefacts of web copies."""
    offset: int = 0
    """Offset in bytes of the photograph in a file that holds more data."""
    length: int = 0
    """Length of the photograph in bytes in such a file; 0 if the file is the photograph."""

    @property
    def key(self) -> str:
        """Unique file name of the prepared array."""
        reduced = f"-{self.reduce:g}" if self.reduce != 1 else ""
        return f"{self.sha256[:16]}{reduced}.npy"

    @property
    def origin(self) -> str:
        """Name of the Debian package, or repository and commit as owner/name@1234567."""
        return self.package or f"{self.repository}@{self.commit[:7]}"


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


NOISE_PROFILES = Package(
    name="darktable",
    version="4.2.1-4",
    bytes=6337132,
    sha256="68f31b90862a6be7c53d3df52aa32747ca22aeb75396ea3e944bd9317327ca76",
)
"""Debian package (for amd64, any system can unpack it) that holds the noise profiles."""
NOISE_PROFILES_FILE = "usr/share/darktable/noiseprofiles.json"
"""Path of the noise profiles in their package."""
NOISE_PROFILES_NAME = "noiseprofiles.json"
"""Name of the noise profiles in the folder of prepared photographs."""
NOISE_PROFILES_SHA256 = "f4d40cb334bf850dcf45e5e9e574df774e83445e1138db70961d78e4d46b814f"
"""Hash of the noise profiles."""


def read_manifest() -> tuple[list[Package], list[Photo]]:
    """Read all packages and all photographs; photographs in packages come first."""
    packaged, stored = (_read(name) for name in ("photos.toml", "repositories.toml"))
    rows = [*packaged["photos"], *stored["photos"]]
    photos = [Photo(**{**row, "size": tuple(row["size"])}) for row in rows]
    return [Package(**row) for row in packaged["packages"]], photos


def _read(name: str) -> dict[str, Any]:
    with (Path(__file__).parent / name).open("rb") as file:
        return tomllib.load(file)


def fingerprint(hashes: list[str]) -> str:
    """Hash of a set of files from their hashes, independent of their order."""
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()
