"""What takes the place of an engine that fails, is off, or knows no such network."""

import itertools

import numpy as np
import pytest
from torch import nn

from mirnet.restoration.api import restore
from mirnet.restoration.engines import (
    AUTO,
    auto,
    prepare,
    winograd,
)
from tests.support.engine_networks import CPU, network, use
from tests.support.tiled_networks import photo


def broken(model: nn.Module) -> nn.Module:
    raise RuntimeError("no such instruction\nand more")


def wrong(model: nn.Module) -> nn.Module:
    prepared = winograd.with_winograd(model)
    prepared.conv_out.weight.data *= -3
    return prepared


@pytest.mark.parametrize(
    ("fault", "words"),
    [(broken, "the engine winograd failed: no such instruction"), (wrong, "was off by")],
)
def test_the_network_itself_takes_the_place_of_an_engine_that_fails(monkeypatch, fault, words):
    use(monkeypatch, prepare=fault)
    pixels, model = photo(40, 40), network()
    made = restore(pixels, weights=model, engine="winograd").result()
    assert made.engine == "torch" and words in made.engine_note and "\n" not in made.engine_note
    assert words in made.facts() and "engine torch" in made.facts()
    reference = restore(pixels, weights=model, engine="torch").result()
    assert np.array_equal(made.picture.pixels, reference.picture.pixels)
    assert not reference.engine_note


def broken_later(model: nn.Module) -> nn.Module:
    """Fails in the middle of its 12th pass, after the pools of its first group."""
    prepared, calls = winograd.with_winograd(model), itertools.count(1)

    def fail(*_):
        if next(calls) >= 12:
            raise RuntimeError("a page went missing")

    prepared.conv_out.register_forward_hook(fail)
    return prepared


@pytest.mark.parametrize("tiling", ["naive", "fast", "exact"])
def test_the_network_itself_goes_on_where_an_engine_fails_in_the_middle(monkeypatch, tiling):
    use(monkeypatch, prepare=broken_later)
    pixels, model = photo(300, 420), network()
    given = {"weights": model, "tile_px": 128, "tiling": tiling}
    work = restore(pixels, engine="winograd", **given)
    made = work.result()
    assert made.engine == "torch" and made.tiles > 4
    assert made.engine_note == "the engine winograd failed in the middle: a page went missing"
    reference = restore(pixels, engine="torch", **given).result()
    assert np.abs(made.picture.pixels.astype(int) - reference.picture.pixels).max() <= 1
    again = restore(pixels, engine="winograd", **given).result()
    assert again.engine == "torch" and np.array_equal(
        again.picture.pixels, reference.picture.pixels
    )


def test_a_failing_engine_is_not_chosen(weights_cache, monkeypatch):
    use(monkeypatch, prepare=broken)
    assert auto.quickest(network(), CPU) == "torch"
    assert prepare(AUTO, network(), CPU).engine == "torch"


def test_networks_of_others_run_as_they_are():
    made = restore(photo(20, 20), weights=nn.Identity(), engine="winograd").result()
    assert made.engine == "torch" and "knows no such network" in made.engine_note
    assert not restore(photo(20, 20), weights=nn.Identity()).result().engine_note


def test_a_prepared_network_goes_with_its_network():
    import gc
    import weakref

    model = network()
    ready = weakref.ref(prepare("winograd", model, CPU).network)
    assert prepare("winograd", model, CPU).network is ready()
    del model
    gc.collect()
    assert ready() is None


def test_the_network_itself_runs_where_even_the_fused_one_fails(monkeypatch):
    use(monkeypatch, "torch", prepare=broken)
    use(monkeypatch, prepare=broken)
    pixels, model = photo(40, 40), network()
    plain = restore(pixels, weights=model, engine="plain").result()
    assert plain.engine == "plain" and not plain.engine_note
    for name in ("torch", "winograd"):
        made = restore(pixels, weights=model, engine=name).result()
        assert made.engine == "plain" and f"engine {name} failed" in made.engine_note
        assert np.array_equal(made.picture.pixels, plain.picture.pixels)
    assert restore(pixels, weights=model).result().engine == "plain"  # "auto" among failures
