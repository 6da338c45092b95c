"""Which engine is chosen, how it is remembered, and where nothing is timed."""

import json

import pytest
import torch

from mirnet.restoration.engines import (
    AUTO,
    auto,
    prepare,
    winograd,
)
from mirnet.weights.load import load
from tests.support.engine_networks import CPU, network


def test_the_quickest_engine_is_timed_once_and_remembered(weights_cache, monkeypatch):
    model = network()
    monkeypatch.setattr(auto, "_times", lambda *_: {"torch": 2.0, "winograd": 1.0})
    assert auto.quickest(model, CPU) == "winograd"
    monkeypatch.setattr(auto, "_times", lambda *_: pytest.fail("timed again"))
    assert auto.quickest(model, CPU) == "winograd"
    assert prepare(AUTO, model, CPU).engine == "winograd"
    assert [file.name for file in weights_cache.iterdir()] == ["engines.json"]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)  # what a time depends on
    with pytest.raises(pytest.fail.Exception, match="timed again"):
        auto.quickest(model, CPU)


def test_the_reference_wins_where_the_others_hardly_gain(weights_cache, monkeypatch):
    monkeypatch.setattr(auto, "_times", lambda *_: {"torch": 1.0, "winograd": 0.99})
    assert auto.quickest(network(), CPU) == "torch"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"%s": 3}', '{"%s": {"engine": "gone"}}'])
def test_a_damaged_memory_is_replaced(weights_cache, monkeypatch, damage):
    model = network()
    monkeypatch.setattr(auto, "_times", lambda *_: {"torch": 2.0, "winograd": 1.0})
    auto.quickest(model, CPU)
    file = weights_cache / "engines.json"
    (key,) = json.loads(file.read_text())
    file.write_text(damage.replace("%s", key))
    assert auto.quickest(model, CPU) == "winograd"
    assert json.loads(file.read_text())[key]["engine"] == "winograd"


def test_without_a_cache_times_are_taken_each_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("MIRNET_CACHE", str(tmp_path / "file" / "cache"))
    seconds = auto._times(network(), CPU, ["torch", "winograd"])
    assert set(seconds) == {"torch", "winograd"} and all(s > 0 for s in seconds.values())
    assert auto.quickest(network(), CPU) in seconds


def test_nothing_is_timed_where_no_engine_can_gain(weights_cache, monkeypatch):
    monkeypatch.setattr(auto, "_times", lambda *_: pytest.fail("timed"))
    monkeypatch.setattr(winograd, "MIN_COMPILED", 96)
    monkeypatch.setattr(winograd, "MIN_GROUPED", 96)
    assert auto.quickest(network(), CPU) == "torch"
    monkeypatch.setattr(winograd, "transforms", lambda: None)
    # All its feature maps lie behind a pixel-unshuffle.
    assert auto.quickest(load("denoise-compact").model, CPU) == "torch"
