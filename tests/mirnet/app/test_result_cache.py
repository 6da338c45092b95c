"""What stays in memory for the next click."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mirnet.app import result_cache
from mirnet.app.jobs import RestoreRequest, Run
from mirnet.app.photo_reader import PhotoReader
from mirnet.app.restore_tab.restorer import Restorer
from mirnet.app.result_cache import (
    KeptResult,
    LRUCache,
    PictureCache,
    ResultCache,
    drop_expired,
)
from mirnet.app.zero_gpu import restore_on_gpu
from mirnet.errors import InvalidRequest
from mirnet.images import decode
from mirnet.images.decode import read_image
from mirnet.images.encode import write_image
from mirnet.images.picture import Picture
from mirnet.images.preview import PREVIEW_PX, shrink
from mirnet.restoration.api import restore
from mirnet.restoration.blending import Blend
from mirnet.weights import load as weights
from tests.support.small_restorations import Pointwise, photo


def of_size(nbytes: int):
    return SimpleNamespace(result=SimpleNamespace(nbytes=nbytes))


def test_the_newest_results_stay_within_their_memory():
    cache = ResultCache(max_bytes=270_000)
    kept = [of_size(60_000) for _ in range(5)]
    keys = [cache.put(result) for result in kept]
    assert [cache.get(key) for key in keys[1:]] == kept[1:]
    for gone in (keys[0], None, "guess"):
        with pytest.raises(InvalidRequest, match="press Restore again"):
            cache.get(gone)


def test_one_that_was_looked_at_stays_longer():
    cache = LRUCache(max_bytes=4, size=lambda value: 1, gone="Gone.")
    first, second, *_ = (cache.put(value) for value in ("first", "second", "third", "fourth"))
    cache.get(first)
    cache.put("fifth")
    assert cache.get(first) == "first"
    with pytest.raises(InvalidRequest, match="Gone"):
        cache.get(second)


def test_the_newest_stays_however_large_it_is():
    cache = ResultCache(max_bytes=1)
    huge = of_size(100)
    assert cache.get(cache.put(huge)) is huge


def test_a_large_result_evicts_only_another_large_one():
    cache = ResultCache(max_bytes=100)
    small = [cache.put(of_size(20)) for _ in range(5)]
    first, second = (cache.put(of_size(nbytes)) for nbytes in (80, 1000))
    assert all(cache.get(key) for key in (*small, second))
    with pytest.raises(InvalidRequest):
        cache.get(first)


def test_old_results_leave_every_cache(monkeypatch):
    now = 0.0
    monkeypatch.setattr(result_cache, "time", SimpleNamespace(monotonic=lambda: now))
    caches = [ResultCache(max_bytes=100), LRUCache(4, lambda value: 1, "Gone.")]
    old = [cache.put(of_size(nbytes)) for cache, nbytes in zip(caches, (99, 1), strict=True)]
    now = 50.0
    new = [cache.put(of_size(1)) for cache in caches]
    now = 100.0
    assert drop_expired(60) == 2
    for cache, gone, stays in zip(caches, old, new, strict=True):
        assert cache.get(stays)
        with pytest.raises(InvalidRequest):
            cache.get(gone)
    assert drop_expired(60) == 0


def test_previews_are_the_blend_reduced_and_the_network_runs_once():
    model = Pointwise(lambda image: image / 2 + 0.2)
    smooth = cv2.GaussianBlur(photo(300, 1800), (0, 0), 3)  # blends clip nowhere
    kept = KeptResult(restore(smooth, weights=model).result())
    runs = len(model.shapes)
    assert kept.preview_size == (PREVIEW_PX, 267)
    for mix in (Blend(), Blend(0.5), Blend(0.5, 0.2, 0.9), Blend(1, 1, 0.5, 0.5)):
        before, after = (read_image(data).pixels for data in kept.preview(mix))
        assert np.array_equal(before, shrink(kept.result.before).pixels)
        assert after.shape[:2] == (267, PREVIEW_PX)
        exact = shrink(kept.result.blend(*vars(mix).values()).picture).pixels
        assert np.abs(after.astype(int) - exact).max() <= 2
    assert len(model.shapes) == runs


def test_a_photo_is_decoded_once_for_everything_the_page_does(tmp_path, monkeypatch):
    """Preview, choice of a place, part, restoration and scores; counted in the decoder."""
    decoded = []
    real = decode.decode

    def counted(stream, label, max_pixels):
        if max_pixels:  # 0 asks for the size in the header alone
            decoded.append(label)
        return real(stream, label, max_pixels)

    monkeypatch.setattr(decode, "decode", counted)
    for name, seed in (("photo.png", 0), ("truth.png", 1)):
        write_image(Picture(photo(40, 60, seed=seed)), tmp_path / name)
    path = str(tmp_path / "photo.png")
    reader = PhotoReader(10**6)
    restorer = Restorer(reader)
    monkeypatch.setattr(weights, "load", lambda _: Pointwise(lambda x: x))
    for _ in range(3):
        reader.read(path)
        reader.read(str(tmp_path / "truth.png"))
    wanted = RestoreRequest("denoise", "denoise-compact", max_pixels=10**6)
    *_, tried = restorer.restore(
        restorer.part(reader.read(path), 1, (0.5, 0.5)), wanted, Run(), "me"
    )
    assert tried.picture.name == "photo-part"
    *_, result = restorer.restore(path, wanted, Run(), "me")
    assert result.before is reader.read(path)
    elsewhere = Restorer(reader, restore_on_gpu)
    *_, result = elsewhere.restore(path, wanted, Run(), "me")
    assert result.before is reader.read(path)
    assert sorted(decoded) == ["photo.png", "truth.png"]
    write_image(Picture(photo(41, 60, seed=2)), tmp_path / "photo.png")
    assert reader.read(path).height == 41  # another file under the same name
    assert drop_expired(0) >= 3
    reader.read(path)
    assert len(decoded) == 4


def test_who_asks_for_a_photo_that_is_being_decoded_waits_for_it(tmp_path, monkeypatch):
    """Restore may be pressed while the preview of an upload is decoded."""
    path = str(write_image(Picture(photo(40, 60)), tmp_path / "photo.png"))
    cache = PictureCache(10**6)
    begun, go_on = threading.Event(), threading.Event()
    decoded = []

    def slow(source, max_pixels):
        decoded.append(source)
        begun.set()
        assert go_on.wait(60)
        return read_image(source, max_pixels=max_pixels)

    monkeypatch.setattr(result_cache, "read_image", slow)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(cache.read, path)
        assert begun.wait(60)
        others = [pool.submit(cache.read, path) for _ in range(2)]
        go_on.set()
        assert all(other.result() is first.result() for other in others)
    assert decoded == [path]
