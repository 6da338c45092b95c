"""Engines: the same results as the network itself, and the network itself where one fails."""

import itertools
import json
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import leaky_relu

from mirnet import memory as free_memory
from mirnet.app.restore_tab import settings_view as ui
from mirnet.cli import restore as cli
from mirnet.errors import Cancelled, InvalidRequest
from mirnet.models import blocks
from mirnet.models.global_pooling import PoolRecorder
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.restoration import choices, engines
from mirnet.restoration.api import restore
from mirnet.restoration.compute_lock import COMPUTE_LOCK, Share
from mirnet.restoration.engines import (
    AUTO,
    ENGINES,
    auto,
    fused,
    native,
    prepare,
    reduced,
    resizing,
    transforms,
    winograd,
)
from mirnet.restoration.network import NamedNetwork
from mirnet.weights.load import load
from tests.support.tiled_networks import photo, psnr_db, whole

CPU = torch.device("cpu")
HAS_BF16 = not reduced.missing_bf16(CPU)


@pytest.fixture(autouse=True)
def narrow_layers_too(monkeypatch):
    """Engines that leave narrow layers alone take them here, so that networks can be small."""
    for name in ("MIN_CHANNELS", "MIN_COMPILED", "MIN_GROUPED"):
        monkeypatch.setattr(winograd, name, 16)


@pytest.fixture(params=["compiled", "plain"])
def way(request, monkeypatch):
    """With Winograd's transforms compiled, where they can be here, and without."""
    if request.param == "plain":
        monkeypatch.setattr(winograd, "transforms", lambda: None)
    elif winograd.transforms() is None:
        pytest.skip("nothing can be compiled here")
    return request.param


def network(kind: str = "v1") -> nn.Module:
    """A small network."""
    torch.manual_seed(7)
    model = {
        "v1": lambda: MIRNet(features=16, groups=1, blocks=1),
        "v2": lambda: MIRNetV2(features=32, blocks=1, conv_groups=(1, 2)),
        "v2-exposure": lambda: MIRNetV2(16, 1, conv_groups=(1,), unshuffle=2, exposure=True),
    }[kind]()
    for value in model.parameters():
        if value.dim() > 1:
            nn.init.normal_(value, std=1 / value[0].numel() ** 0.5)
    model.conv_out.weight.data *= 0.1
    return model.eval().requires_grad_(False)


def use(monkeypatch, **changes):
    """Replace parts of the engine "winograd"."""
    fields = {**vars(ENGINES["winograd"]), **changes}
    monkeypatch.setitem(ENGINES, "winograd", engines.Engine(**fields))


# ---------------------------------------------------------------- Winograd


@pytest.mark.parametrize("height", [1, 3, 4, 17, 64])
@pytest.mark.parametrize("width", [1, 6, 40])
def test_winograd_is_the_convolution(height, width, way):
    torch.manual_seed(0)
    conv = nn.Conv2d(96, 112, 3, padding=1, bias=False)
    x = torch.randn(2, 96, height, width)
    layer = winograd.WinogradConv2d(conv)
    with torch.inference_mode():
        expected, made = conv(x), layer(x)
        torch.testing.assert_close(layer(x, 0.2), leaky_relu(made, 0.2), rtol=0, atol=1e-6)
    assert made.shape == expected.shape
    assert made.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(made, expected, rtol=0, atol=3e-5)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("channels", "groups"), [(16, 1), (23, 1), (80, 2), (180, 4)])
@pytest.mark.skipif(transforms.transforms() is None, reason="nothing can be compiled here")
def test_every_number_of_channels_groups_and_threads_is_computed(channels, groups, threads):
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False, groups=groups)
    # A part of a larger map, as a band or a tile of one is.
    x = torch.randn(1, channels, 21, 30).contiguous(memory_format=torch.channels_last)[:, :, 2:, 3:]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            made = winograd.WinogradConv2d(conv)(x)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(made, conv(x).detach(), rtol=0, atol=3e-5)


def test_values_that_are_not_numbers_stay_so(way):
    conv = nn.Conv2d(64, 64, 3, padding=1, bias=False)
    x = torch.zeros(1, 64, 9, 9)
    x[..., 4, 4] = torch.nan
    with torch.inference_mode():
        made = winograd.WinogradConv2d(conv)(x, 0.2)
    assert made[..., 4, 4].isnan().all() and made[..., 8, 8].isfinite().all()


@pytest.mark.skipif(transforms.transforms() is None, reason="nothing can be compiled here")
def test_memory_of_a_layer_is_lent_to_the_next_and_not_to_two_at_once():
    torch.manual_seed(0)
    wide, narrow = (nn.Conv2d(n, n, 3, padding=1, bias=False) for n in (128, 48))
    x = torch.randn(1, 48, 30, 30)
    with torch.inference_mode():
        winograd.WinogradConv2d(wide)(torch.full((1, 128, 40, 40), torch.nan))
        (lent,) = winograd._FREE
        made = winograd.WinogradConv2d(narrow)(x)
        assert winograd._FREE[0] is lent and made.isfinite().all()
        with winograd._scratch(9) as mine:  # somebody else is at it
            again = winograd.WinogradConv2d(narrow)(x)
            assert mine.data_ptr() == lent.data_ptr() != winograd._FREE[0].data_ptr()
    torch.testing.assert_close(made, narrow(x).detach(), rtol=0, atol=3e-5)
    torch.testing.assert_close(again, made, rtol=0, atol=1e-5)


def test_bands_join_without_a_trace(monkeypatch, way):
    torch.manual_seed(0)
    conv = nn.Conv2d(96, 96, 3, padding=1, bias=False)
    x = torch.randn(1, 96, 50, 22)
    with torch.inference_mode():
        one = winograd.WinogradConv2d(conv)(x)
        monkeypatch.setattr(winograd, "BAND_VALUES", 1)  # as little at a time as there can be
        torch.testing.assert_close(winograd.WinogradConv2d(conv)(x), one, rtol=0, atol=2e-5)


@pytest.mark.parametrize("lanes", [4, 8])
@pytest.mark.skipif(transforms.transforms() is None, reason="nothing can be compiled here")
def test_shorter_vectors_compute_the_same(lanes, monkeypatch):
    """Of processors older than this one, or of another kind."""
    kinds = transforms.ToDomain, transforms.FromDomain
    shorter = transforms.Transforms(native.Native(kinds, native.openmp(), lanes))
    assert shorter.lanes == lanes
    torch.manual_seed(0)
    conv, x = nn.Conv2d(30, 30, 3, padding=1, bias=False), torch.randn(1, 30, 18, 25)
    with torch.inference_mode():
        monkeypatch.setattr(winograd, "transforms", lambda: shorter)
        made = winograd.WinogradConv2d(conv)(x)
    torch.testing.assert_close(made, conv(x).detach(), rtol=0, atol=3e-5)


def test_what_cannot_be_compiled_is_done_without(monkeypatch):
    def refused(kinds, library):
        raise OSError("memory cannot be made executable\nand more")

    again = native.native.__wrapped__
    with monkeypatch.context() as patch:
        patch.setattr(native, "Native", refused)
        with pytest.warns(UserWarning, match="compiled here: memory cannot be made executable$"):
            assert again(resizing.Doubling) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # another system, or not installed: nothing to say
        with monkeypatch.context() as patch:
            patch.setattr(native, "openmp", lambda: None)
            assert again(resizing.Doubling) is None
        monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
        assert again(resizing.Doubling) is None


@pytest.mark.parametrize("channels", [3, 16, 23, 80])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (7, 2), (12, 9)])
@pytest.mark.skipif(resizing.resizing() is None, reason="nothing can be compiled here")
def test_streams_are_joined_as_by_the_reference(channels, height, width, monkeypatch):
    torch.manual_seed(0)
    last = torch.channels_last
    fine = torch.randn(2, channels, 2 * height, 2 * width).contiguous(memory_format=last)
    coarse = torch.randn(2, channels, height, width)
    factors = torch.rand(2, channels, 1, 1), torch.rand(1, channels, 1, 1)
    monkeypatch.setattr(fused, "add_doubled_", lambda *_: pytest.fail("not compiled"))
    for own, others in (factors, factors[::-1], (None, None)):
        with torch.inference_mode():
            expected = fine * (1 if own is None else own)
            expected += blocks.upsample(coarse * (1 if others is None else others))
            made = resizing.CompiledJoin()(fine.clone(memory_format=last), own, coarse, others)
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)


@pytest.mark.skipif(native.openmp() is None, reason="nothing can be compiled here")
def test_maps_that_compiled_functions_would_misread_are_refused():
    layer = winograd.WinogradConv2d(nn.Conv2d(64, 64, 3, padding=1, bias=False))
    fine, coarse = torch.rand(1, 8, 6, 4), torch.rand(1, 8, 3, 2)
    fine = fine.contiguous(memory_format=torch.channels_last)
    down = resizing.CompiledBlurPool(blocks.BlurPool())
    with torch.inference_mode():
        for call, args in (
            (layer, (torch.rand(1, 63, 9, 9),)),
            (layer, (torch.rand(1, 64, 9, 9, dtype=torch.float64),)),
            (down, (fine.double(),)),
            (resizing.CompiledJoin(), (fine, None, coarse[:, :, :2], None)),
            (resizing.CompiledJoin(), (fine, None, coarse[:, :7], None)),
            (resizing.CompiledJoin(), (fine, None, coarse.half(), None)),
        ):
            with pytest.raises(ValueError, match="channels instead of|a map is|doubled is not"):
                call(*args)
    with pytest.raises(ValueError, match="strides"):
        native.check(torch.rand(1, 4, 3, 3))  # rows last in memory


@pytest.mark.parametrize("channels", [3, 23, 64])
@pytest.mark.parametrize(("height", "width"), [(2, 2), (3, 8), (9, 14), (16, 5)])
def test_maps_are_halved_as_by_the_reference(channels, height, width, monkeypatch):
    torch.manual_seed(0)
    x, down = torch.randn(2, channels, height, width), blocks.BlurPool()
    with torch.inference_mode():
        expected, made = down(x), resizing.CompiledBlurPool(down)(x)
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)
        assert made.is_contiguous(memory_format=torch.channels_last)
        monkeypatch.setattr(resizing, "resizing", lambda: None)
        assert torch.equal(resizing.CompiledBlurPool(down)(x), expected)


def test_streams_are_joined_by_the_reference_where_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(resizing, "resizing", lambda: None)
    fine, coarse = torch.rand(1, 8, 6, 4), torch.rand(1, 8, 3, 2)
    own, others = torch.rand(1, 8, 1, 1), torch.rand(1, 8, 1, 1)
    for last in (False, True):
        if last:
            fine = fine.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            made = resizing.CompiledJoin()(fine.clone(), own, coarse, others)
            expected = fine * own + blocks.upsample(coarse * others)
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("conv", "compiled_fits", "plain_fits"),
    [
        (nn.Conv2d(96, 96, 3, padding=1, bias=False), True, True),
        (nn.Conv2d(64, 96, 3, padding=1, bias=False), True, False),
        (nn.Conv2d(32, 96, 3, padding=1, bias=False), False, False),
        (nn.Conv2d(96, 96, 3, padding=1, bias=False, groups=2), True, False),
        (nn.Conv2d(96, 96, 3, padding=1, bias=False, groups=4), False, False),
        (nn.Conv2d(96, 96, 3, padding=1), False, False),
        (nn.Conv2d(96, 96, 3, bias=False), False, False),
        (nn.Conv2d(96, 96, 3, stride=2, padding=1, bias=False), False, False),
        (nn.Conv2d(96, 96, 1, bias=False), False, False),
        (nn.ReLU(), False, False),
    ],
)
def test_only_what_it_can_compute_is_replaced(conv, compiled_fits, plain_fits, way, monkeypatch):
    monkeypatch.setattr(winograd, "MIN_CHANNELS", 96)
    monkeypatch.setattr(winograd, "MIN_COMPILED", 64)
    monkeypatch.setattr(winograd, "MIN_GROUPED", 48)
    assert winograd.fits(conv) is (compiled_fits if way == "compiled" else plain_fits)


# ---------------------------------------------------------------- whole networks


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


# ---------------------------------------------------------------- memory


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


# ---------------------------------------------------------------- choosing


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


def test_unknown_and_missing_engines_are_refused():
    with pytest.raises(InvalidRequest, match="no engine 'warp': choose from auto, torch, winograd"):
        restore(photo(8, 8), engine="warp")
    with pytest.raises(InvalidRequest, match="'fp16' does not run here, because it is for CUDA"):
        restore(photo(8, 8), engine="fp16")


@pytest.mark.skipif(not HAS_BF16, reason="this CPU does not multiply bfloat16")
def test_exact_tiles_want_an_exact_engine():
    with pytest.raises(InvalidRequest, match="cannot agree exactly with the engine 'bf16'"):
        restore(photo(8, 8), engine="bf16", tiling="exact")
    model = load("denoise-compact").model
    work = restore(photo(300, 300), weights=model, tile_px=160, engine="bf16")
    assert work.result().tiling == "fast"


def test_the_command_line_and_the_page_offer_the_engines():
    offered = [AUTO, *(name for name in ENGINES if name != engines.PLAIN)]
    assert list(choices.ENGINES) == offered
    assert [engine.value for engine in cli.Engine] == offered
    assert {value for _, value in ui.ENGINES} == {*offered} - {"fp16"}


# ---------------------------------------------------------------- what fails


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


# ---------------------------------------------------------------- the contract of `restore`


def test_stopping_and_taking_turns_work_with_an_engine():
    model, pixels = network(), photo(100, 140)
    work = restore(pixels, weights=model, tiling="exact", tile_px=96, engine="winograd")
    next(work)
    work.cancel()
    with pytest.raises(Cancelled):
        work.result()
    with COMPUTE_LOCK.of(Share()):  # somebody else computes, so nothing may start
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
