"""Packs of training photographs: written, read, and refused when damaged."""

import hashlib
import json
import zipfile

import numpy as np
import pytest

from mirnet.errors import InvalidRequest
from mirnet.train import pack as pack_module
from mirnet.train.manifest import NOISE_PROFILES_NAME, Photo
from mirnet.train.noise_profiles import NoiseProfiles
from mirnet.train.pack import read_noise_profiles, read_pack, write_pack


def textured(seed: int, height: int, width: int) -> np.ndarray:
    """Smooth colours, with fine texture in the right half."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(60, 180, height * width * 3).reshape(height, width, 3)
    slope[:, width // 2 :] += rng.normal(0, 20, (height, width - width // 2, 1))
    return slope.clip(0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three prepared photographs: two to train on, one to choose by."""
    photos = []
    for number, (height, width) in enumerate([(300, 400), (320, 320), (700, 1500)]):
        photo = Photo(
            package="made-up",
            file=f"{number}.jpg",
            author="A",
            licence="CC0-1.0",
            size=(width, height),
            sha256=hashlib.sha256(bytes([number])).hexdigest(),
            split="dev" if number == 1 else "train",
        )
        photos.append(photo)
        np.save(tmp_path / photo.key, textured(number, height, width))
    monkeypatch.setattr(pack_module, "read_manifest", lambda: ([], photos))
    return tmp_path


def test_a_pack_gives_back_what_was_prepared(folder):
    path = folder / "photos.zip"
    lines = list(write_pack(folder, path))
    assert lines[0] == "1/3 made-up 0.jpg" and "MB" in lines[-1]
    train, dev = read_pack(path, "train"), read_pack(path, "dev")
    assert [photo.file for photo, _ in train] == ["0.jpg", "2.jpg"]
    assert [photo for photo, _ in train + dev] == [
        photo
        for split in ("train", "dev")
        for photo in pack_module.read_manifest()[1]
        if photo.split == split
    ]
    small, large = (pixels for _, pixels in train)
    error = (small.astype(float) - textured(0, 300, 400)) ** 2
    assert small.dtype == np.uint8 and 10 * np.log10(255**2 / error.mean()) > 38
    assert large.shape == (467, 1000, 3)  # reduced by 1.5
    assert dev[0][1].shape == (320, 320, 3)


def test_noise_profiles_travel_along(folder):
    path = folder / "photos.zip"
    list(write_pack(folder, path))
    assert read_noise_profiles(path) is None
    with pytest.raises(InvalidRequest, match="noise profiles are not in"):
        NoiseProfiles.load(path)
    model = {"model": "c0", "profiles": [{"iso": 100, "a": [0, 1e-5, 0], "b": [0, 0, 0]}]}
    text = json.dumps({"noiseprofiles": [{"maker": "Made", "models": [model]}]})
    (folder / NOISE_PROFILES_NAME).write_text(text)
    list(write_pack(folder, path))
    assert read_noise_profiles(path) == text
    assert NoiseProfiles.load(path).cameras == ["Made c0"]
    path.write_text("no pack")
    with pytest.raises(InvalidRequest, match="make it again"):
        NoiseProfiles.load(path)


def test_smooth_photographs_get_no_larger_windows_than_others(folder, monkeypatch):
    monkeypatch.setattr(pack_module, "MAX_WINDOW_PIXELS", 60_000)
    list(write_pack(folder, folder / "photos.zip"))
    areas = [
        pixels.shape[0] * pixels.shape[1] for _, pixels in read_pack(folder / "photos.zip", "train")
    ]
    assert all(58_000 < area <= 60_000 for area in areas)


@pytest.mark.parametrize(
    ("sizes", "total", "limit"),
    [([1, 5, 9], 12, 6), ([1, 5, 9], 15, 9), ([1, 5, 9], 20, 9), ([4, 4, 4], 6, 2)],
)
def test_bytes_are_shared_so_that_small_files_stay_whole(sizes, total, limit):
    assert pack_module._share(sizes, total) == limit
    assert sum(min(size, limit) for size in sizes) <= total


def test_a_small_pack_keeps_the_most_detailed_windows(folder):
    path = folder / "photos.zip"
    list(write_pack(folder, path, 190_000))
    assert path.stat().st_size <= 190_000
    (_, first), (_, large) = read_pack(path, "train")
    assert large.shape[0] < 467 and min(large.shape[:2]) >= pack_module.MIN_WINDOW_PX
    steps = np.abs(np.diff(large[..., 1].astype(float), axis=0)).mean(0)
    assert (steps > 5).sum() > 490  # all columns of the half with texture
    assert first.shape[1] <= 400


def test_too_small_a_pack_is_refused_and_leaves_nothing(folder):
    path = folder / "photos.zip"
    with pytest.raises(InvalidRequest, match="allow more"):
        list(write_pack(folder, path, 40_000))
    assert not list(folder.glob("*.zip")) and not list(folder.glob(".*"))


def test_what_is_not_prepared_is_named(folder):
    (folder / pack_module.read_manifest()[1][1].key).unlink()
    with pytest.raises(InvalidRequest, match=r"made-up 1.jpg .* mirnet prepare"):
        list(write_pack(folder, folder / "photos.zip"))


@pytest.mark.parametrize(
    "damage", ["absent", "text", "cut", "changed", "no list", "other size", "newer"]
)
def test_a_damaged_pack_is_named(folder, damage):
    path = folder / "photos.zip"
    list(write_pack(folder, path))
    if damage == "absent":
        path.unlink()
    elif damage == "text":
        path.write_text("no pack")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-3000])
    elif damage == "newer":  # says that it needs version 9.0 of the ZIP format
        data = bytearray(path.read_bytes())
        data[data.rindex(b"PK\x01\x02") + 6] = 90
        path.write_bytes(data)
    else:
        with zipfile.ZipFile(path) as whole:
            files = {name: whole.read(name) for name in whole.namelist()}
        if damage == "changed":
            first = next(iter(files))
            files[first] = files[first][:-9] + bytes(9)
        rows = json.loads(files.pop("pack.json"))
        rows[0]["width"] += damage == "other size"
        with zipfile.ZipFile(path, "w") as changed:
            for name, content in files.items():
                changed.writestr(name, content)
            if damage != "no list":
                changed.writestr("pack.json", json.dumps(rows))
    with pytest.raises(InvalidRequest, match="make it"):
        read_pack(path, "train")
