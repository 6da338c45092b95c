"""Fetching the training photographs, and what the manifest says of them."""

import hashlib
import io
import subprocess

import numpy as np
import pytest
from PIL import Image

from mirnet.errors import InvalidRequest
from mirnet.train import fetch
from mirnet.train.manifest import Package, Photo, read_manifest


def test_dev_photographs_are_not_in_training():
    photos = read_manifest()[1]
    train_hashes = {p.sha256 for p in photos if p.split == "train"}
    dev_hashes = {p.sha256 for p in photos if p.split == "dev"}
    assert dev_hashes
    assert not train_hashes & dev_hashes
    assert all(p.licence and p.author for p in photos)


def test_prepare_refuses_a_changed_file(tmp_path, monkeypatch):
    packages, photos = read_manifest()
    package = Package("none-such", "1", 1, "0" * 64)
    monkeypatch.setattr(fetch, "read_manifest", lambda: ([package], photos[:1]))
    monkeypatch.setattr(fetch.shutil, "which", lambda name: None)
    changed = [p.__class__(**{**p.__dict__, "package": "none-such"}) for p in photos[:1]]
    monkeypatch.setattr(fetch, "read_manifest", lambda: ([package], changed))
    with pytest.raises(InvalidRequest, match=r"put its \.deb file"):
        list(fetch.prepare(tmp_path))


def test_prepare_takes_a_photograph_out_of_a_larger_file(tmp_path, monkeypatch):
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), (200, 10, 10)).save(buffer, "PNG")
    inside = buffer.getvalue()
    package = tmp_path / "deb/usr/share"
    package.mkdir(parents=True)
    (package / "theme.edj").write_bytes(b"before" + inside + b"after")
    (tmp_path / "deb/DEBIAN").mkdir()
    (tmp_path / "deb/DEBIAN/control").write_text(
        "Package: theme\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n"
    )
    (tmp_path / "to/packages").mkdir(parents=True)
    deb = tmp_path / "to/packages/theme.deb"
    subprocess.run(["dpkg-deb", "--build", tmp_path / "deb", deb], check=True, capture_output=True)
    package = Package(
        "theme", "1", deb.stat().st_size, hashlib.sha256(deb.read_bytes()).hexdigest()
    )
    photo = Photo(
        *("theme", "usr/share/theme.edj", "A", "CC0", (30, 20)),
        *(hashlib.sha256(inside).hexdigest(), "train", 6, len(inside)),
    )
    monkeypatch.setattr(fetch, "read_manifest", lambda: ([package], [photo]))
    list(fetch.prepare(tmp_path / "to"))
    assert np.load(tmp_path / "to" / photo.key).shape == (20, 30, 3)
