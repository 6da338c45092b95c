"""Engines: the same results as the network itself, within `restore` and without."""

import threading

import numpy as np
import pytest
import torch

from mirnet import memory as free_memory
from mirnet.app.restore_tab import settings_view as ui
from mirnet.cli import restore as cli
from mirnet.errors import Cancelled, InvalidRequest
from mirnet.models.global_pooling import PoolRecorder
from mirnet.restoration import choices, engines
from mirnet.restoration.api import restore
from mirnet.restoration.compute_lock import COMPUTE_LOCK, ComputeUsage
from mirnet.restoration.engines import (
    AUTO,
    ENGINES,
    FASTEST,
    prepare,
    reduced_precision,
    winograd,
)
from mirnet.restoration.network import NamedNetwork
from mirnet.weights.load import load
from tests.support.engine_networks import CPU, network
from tests.support.tiled_networks import photo, psnr_db, whole

HAS_BF16 = not reduced_precision.missing_bf16(CPU)


@pytest.mark.parametrize("kind", ["v1", "v2", "v2-exposure"])
@pytest.mark.parametrize("name", [name for name in ENGINES if ENGINES[name].exact])
def test_exact_engines_give_the_reference(kind, name, way):
    model = network(kind)
    ready = prepare(name, model, CPU)
    assert ready.engine == name and not ready.note
    image = torch.rand(1, 3, 52, 61)
    with torch.inference_mode():
        error = (ready.network(image) - model(image)).abs().max().item()
    assert error < 1e-4
    if name == "winograd":
        assert any(isinstance(m, winograd.WinogradConv2d) for m in ready.network.modules())


@pytest.mark.parametrize("kind", ["v1", "v2", "v2-exposure"])
def test_engines_find_what_the_reference_pools(kind):
    model, image = network(kind), torch.rand(1, 3, 48, 64)
    found = []
    for name in ("torch", "winograd"):
        survey = PoolRecorder()
        with torch.inference_mode():
            ready = prepare(name, model, CPU).network
            ready.restore_padded(image, model.condition(image), survey)
        found.append(survey.statistics())
    assert len(found[0]) == len(found[1]) > 4
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one.value, other.value, rtol=1e-4, atol=1e-4)
        assert one.log_weight == pytest.approx(other.log_weight, abs=1e-4)


@pytest.mark.parametrize("kind", ["v1", "v2", "v2-exposure"])
def test_exact_tiles_are_exact_with_every_exact_engine(kind):
    model, pixels = network(kind), photo(120, 170)
    expected = whole(pixels, model, engine="torch")
    made = restore(pixels, weights=model, tiling="exact", tile_px=128, engine="winograd").result()
    assert made.engine == "winograd" and made.tiles > 1 and made.tiling == "exact"
    assert psnr_db(made.picture.pixels, expected) > 80


def test_the_network_itself_is_left_as_it_was():
    model = network()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for name in ENGINES:
        if not ENGINES[name].missing(CPU):
            prepare(name, model, CPU)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any(isinstance(module, winograd.WinogradConv2d) for module in model.modules())


@pytest.mark.skipif(not HAS_BF16, reason="this CPU does not multiply bfloat16")
def test_reduced_precision_is_near_and_not_exact():
    pixels, weights = photo(96, 96), load("denoise-compact")
    reference, made = (
        restore(pixels, weights=weights, engine=e).result() for e in ("torch", "bf16")
    )
    assert made.engine == "bf16"
    assert 55 < psnr_db(made.picture.pixels, reference.picture.pixels) < 90


@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_the_memory_of_an_engine_is_known_before_it_takes_it(kind, way):
    model = network(kind)
    told = engines.extra_bytes("winograd", model, CPU)
    ready = prepare("winograd", model, CPU).network
    own = {value.data_ptr() for value in model.parameters()}
    taken = [
        *ready.parameters(),
        *(m.weight for m in ready.modules() if isinstance(m, winograd.WinogradConv2d)),
    ]
    assert told == sum(x.nbytes for x in taken if x.data_ptr() not in own) > 0
    assert engines.extra_bytes("winograd", model, CPU) == 0  # it has it now
    assert engines.extra_bytes("torch", model, CPU) == 0


def test_tiles_leave_room_for_the_weights_of_an_engine(monkeypatch):
    model = network()
    for name in ("torch", "winograd"):
        free = 10**9 + ENGINES[name].extra_bytes(model)
        monkeypatch.setattr(free_memory, "available_bytes", lambda device, free=free: free)
        assert NamedNetwork(model, "x", None).free_bytes(name, CPU) == 10**9
        monkeypatch.setattr(free_memory, "available_bytes", lambda device: 5)
        assert NamedNetwork(model, "x", None).free_bytes(name, CPU) == (5 if name == "torch" else 0)


def test_unknown_and_missing_engines_are_refused():
    with pytest.raises(
        InvalidRequest, match="no engine 'warp': choose from auto, fastest, torch, winograd"
    ):
        restore(photo(8, 8), engine="warp")
    with pytest.raises(InvalidRequest, match="'fp16' does not run here, because it is for GPUs"):
        restore(photo(8, 8), engine="fp16")


@pytest.mark.skipif(not HAS_BF16, reason="this CPU does not multiply bfloat16")
def test_exact_tiles_want_an_exact_engine():
    with pytest.raises(InvalidRequest, match="cannot agree exactly with the engine 'bf16'"):
        restore(photo(8, 8), engine="bf16", tiling="exact")
    model = load("denoise-compact").model
    work = restore(photo(300, 300), weights=model, tile_px=160, engine="bf16")
    assert work.result().tiling == "fast"


def test_the_command_line_and_the_page_offer_the_engines():
    offered = [AUTO, FASTEST, *(name for name in ENGINES if name != engines.PLAIN)]
    assert list(choices.ENGINES) == offered
    assert [engine.value for engine in cli.Engine] == offered
    assert {value for _, value in ui.ENGINES} == {*offered} - {"fp16", "tf32"}


def test_stopping_and_taking_turns_work_with_an_engine():
    model, pixels = network(), photo(100, 140)
    work = restore(pixels, weights=model, tiling="exact", tile_px=96, engine="winograd")
    next(work)
    work.cancel()
    with pytest.raises(Cancelled):
        work.result()
    with COMPUTE_LOCK.hold(ComputeUsage()):  # somebody else computes, so nothing may start
        waiting = restore(pixels, weights=model, tile_px=256, engine="winograd")
        thread = threading.Thread(target=waiting.result)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join()
    assert waiting.result().tiles == 1


def test_ensembles_and_strengths_are_those_of_the_reference():
    model, pixels = network("v2"), photo(50, 60)
    for settings in ({"ensemble": True}, {"strength": 0.4}):
        one, other = (
            restore(pixels, weights=model, engine=name, **settings).result().picture.pixels
            for name in ("torch", "winograd")
        )
        np.testing.assert_allclose(one, other, atol=1e-4)
