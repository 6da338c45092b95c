"""Loading by id or path, from memory where it can be."""

import hashlib
import threading

import pytest
from cachetools import LRUCache

from mirnet.errors import CheckpointRejected, WeightsUnavailable
from mirnet.weights import load as weights
from mirnet.weights import networks
from mirnet.weights.networks import save_weights
from tests.support.weights_files import (
    tiny_v2,
)


def test_paths_are_only_opened_for_those_who_may(tmp_path, v2_file):
    path = tmp_path / "theirs.pth"
    for value in (str(path), path, "../etc/passwd"):
        with pytest.raises(WeightsUnavailable, match="There are no weights"):
            weights.load(value)
    for value in (str(path), path):
        loaded = weights.load(value, allow_paths=True)
        assert (loaded.id, loaded.entry) == ("theirs.pth", None)
        assert loaded.sha256 == hashlib.sha256(v2_file).hexdigest()


def test_a_folder_written_by_save_pretrained(tmp_path):
    folder = tmp_path / "saved"
    folder.mkdir()
    with pytest.raises(CheckpointRejected, match="no model.safetensors"):
        weights.load(folder, allow_paths=True)
    save_weights(tiny_v2(), folder / "model.safetensors")
    (folder / "config.json").write_text('{"features": 8}')
    assert weights.load(folder, allow_paths=True).path == folder / "model.safetensors"


def test_as_many_networks_stay_as_memory_allows(tmp_path, monkeypatch):
    paths = [save_weights(tiny_v2(n), tmp_path / f"{n}.safetensors") for n in range(4)]
    loaded = [weights.load(path, allow_paths=True) for path in paths[:3]]
    again = [weights.load(path, allow_paths=True) for path in paths[:3]]
    assert [one.model is other.model for one, other in zip(loaded, again, strict=True)] == [
        True
    ] * 3
    largest = max(one.nbytes for one in loaded)
    monkeypatch.setattr(weights, "_models", cache := LRUCache(3 * largest, weights._kept_bytes))
    for number in (0, 1, 2, 0, 3):
        weights.load(paths[number], allow_paths=True)
    assert {name for name, *_ in cache} == {str(paths[number]) for number in (0, 2, 3)}


def test_a_network_beyond_the_memory_limit_is_kept_alone(tmp_path, monkeypatch):
    paths = [save_weights(tiny_v2(n), tmp_path / f"{n}.safetensors") for n in range(2)]
    monkeypatch.setattr(weights, "MAX_BYTES", 1)
    monkeypatch.setattr(weights, "_models", cache := LRUCache(1, weights._kept_bytes))
    for path in paths:
        loaded = weights.load(path, allow_paths=True)
        assert weights.load(path, allow_paths=True).model is loaded.model
    assert len(cache) == 1


def test_threads_share_one_model(imported, monkeypatch):
    reads = []
    read = networks.load_weights
    monkeypatch.setattr(networks, "load_weights", lambda path: reads.append(path) or read(path))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(weights.load(imported))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1
    assert len({id(item.model) for item in found}) == 1


def test_load_and_locate_open_no_connection(hub, imported):
    weights.load(imported)
    weights.locate("hub:org/name@main")
    with pytest.raises(WeightsUnavailable):
        weights.load("denoise-v2")
    assert hub.requests == []
