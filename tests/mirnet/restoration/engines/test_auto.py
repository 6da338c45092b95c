"""Which engine is chosen, how it is remembered, and where nothing is timed."""

import json

import pytest
import torch

from mirnet.restoration.engines import (
    AUTO,
    FASTEST,
    auto,
    is_exact,
    prepare,
    reduced_precision,
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


@pytest.mark.skipif(
    bool(reduced_precision.missing_bf16(CPU)), reason="this CPU does not multiply bfloat16"
)
def test_the_fastest_engine_may_round_where_it_agrees(weights_cache, monkeypatch):
    model = load("denoise-compact").model
    taken = []

    def times(model, device, names):
        taken.append(names)
        return {name: 1.0 if name == "bf16" else 2.0 for name in names}

    monkeypatch.setattr(auto, "_times", times)
    assert auto.quickest(model, CPU, exact=False) == "bf16"
    assert prepare(FASTEST, model, CPU).engine == "bf16" and len(taken) == 1
    assert not is_exact(FASTEST) and is_exact(AUTO)
    monkeypatch.setattr(auto, "MIN_AGREEMENT_DB", 200.0)
    monkeypatch.setattr(auto, "_read", dict)
    assert auto.quickest(model, CPU, exact=False) == "torch" and "bf16" not in taken[-1]
