"""Debian packages made for a test."""

import hashlib
import subprocess
from pathlib import Path

from mirnet.train.manifest import Package


def build_package(folder: Path, files: dict[str, bytes]) -> tuple[Package, Path]:
    """Build a Debian package named 'theme' from files."""
    for name, content in files.items():
        path = folder / "deb" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "deb/DEBIAN").mkdir()
    (folder / "deb/DEBIAN/control").write_text(
        "Package: theme\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n"
    )
    (folder / "debs").mkdir()
    deb = folder / "debs/theme.deb"
    subprocess.run(["dpkg-deb", "--build", folder / "deb", deb], check=True, capture_output=True)
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    return Package("theme", "1", deb.stat().st_size, digest), deb
