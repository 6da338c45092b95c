"""The restorer: tiles, depth and metadata, settings, cancelling, memory."""

import doctest
import math
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from torch import nn

import mirnet
from mirnet import memory
from mirnet.errors import (
    CheckpointRejected,
    ImageRejected,
    InvalidRequest,
    MIRNetError,
    WeightsUnavailable,
)
from mirnet.images.decode import read_image
from mirnet.models.base import ForeignNetwork, RestorationNetwork
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.restoration import tiles as tiling
from mirnet.restoration.job import (
    COMPUTE_LOCK,
    Cancelled,
    automatic_tile_px,
    choose_device,
    enlarge,
    fits_whole,
    restore,
)
from mirnet.weights.checkpoints import save_weights
from mirnet.weights.load import load


class Identity(nn.Module):
    """Returns its input; counts its calls and checks what it is called with."""

    def __init__(self):
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []
        self.locked: list[bool] = []

    def forward(self, image):
        assert image.dtype == torch.float32 and torch.is_inference_mode_enabled()
        assert image.min() >= 0 and image.max() <= 1
        self.shapes.append(tuple(image.shape))
        self.locked.append(COMPUTE_LOCK.locked())
        return image


class Pointwise(Identity):
    """Any function of one value at a time."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, image):
        return self.function(super().forward(image))


def photo(height=70, width=90, dtype=np.uint8, channels=3, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (height, width, channels) if channels > 1 else (height, width)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape, dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def tiny(architecture=MIRNetV2, **config) -> nn.Module:
    torch.manual_seed(1)
    sizes = {MIRNetV2: {"conv_groups": (1,), "blocks": 1}, MIRNet: {"groups": 1, "blocks": 1}}
    model = architecture(8, **{**sizes[architecture], "unshuffle": 2, **config})
    return model.eval().requires_grad_(False)


def run_whole(model: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """The network on a whole uint8 picture, by hand: (H, W, 3) float32 in [0, 1]."""
    image = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return model(image)[0].clamp(0, 1).permute(1, 2, 0).numpy()


# ---------------------------------------------------------------- tiling

sides = st.integers(1, 150)


@settings(deadline=None, max_examples=60)
@given(sides, sides, st.integers(12, 130), st.integers(0, 80), st.sampled_from([1, 4, 8, 16]))
def test_windows_sum_to_one_at_every_pixel(height, width, tile_px, overlap_px, multiple):
    total = np.zeros((height, width))
    for tile in tiling.plan(height, width, tile_px, overlap_px, multiple):
        window = tiling.blend_window(tile)
        assert window.dtype == np.float32 and window.min() >= 0
        total[tile.rows.pixels, tile.columns.pixels] += window
    np.testing.assert_allclose(total, 1, atol=1e-6)


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(32, 1024), st.integers(0, 512), st.sampled_from([4, 8]))
def test_plans_are_aligned_overlap_and_have_no_tiny_tile(length, tile_px, overlap_px, multiple):
    overlap_px = min(overlap_px, tile_px // 2)
    spans = [tile.columns for tile in tiling.plan(1, length, tile_px, overlap_px, multiple)]
    assert spans[0].start == 0 and spans[-1].stop == length
    assert all(span.start % multiple == 0 and span.length <= tile_px for span in spans)
    overlap_possible = min(overlap_px, tile_px // multiple // 2 * multiple)
    for before, after in zip(spans, spans[1:], strict=False):
        assert before.stop - after.start >= overlap_possible
    shortest, longest = min(s.length for s in spans), max(s.length for s in spans)
    assert longest - shortest < multiple
    assert (len(spans) == 1) == (length <= tile_px)


def test_plan_in_reading_order_with_fewest_tiles():
    plan = tiling.plan(1000, 500, 512, 32, 8)
    assert [(t.row, t.column) for t in plan] == [(0, 0), (1, 0), (2, 0)]
    assert [(t.rows.start, t.rows.stop) for t in plan] == [(0, 360), (320, 680), (640, 1000)]
    assert all(t.columns == tiling.Span(0, 500, 0, 500) for t in plan)


def test_window_is_a_raised_cosine():
    first, second = tiling.plan(1, 96, 64, 32, 8)
    fade = 0.5 + 0.5 * np.cos(np.pi * (np.arange(32) + 0.5) / 32)
    np.testing.assert_allclose(tiling.blend_window(first)[0], [*[1] * 32, *fade], atol=1e-6)
    np.testing.assert_allclose(tiling.blend_window(second)[0][:32], fade[::-1], atol=1e-6)


def test_impossible_plans_are_refused():
    with pytest.raises(ValueError, match="impossible plan"):
        tiling.plan(0, 5, 64, 8, 8)


# ---------------------------------------------------------------- result


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2), (37, 41), (64, 64)])
@pytest.mark.parametrize("architecture", [MIRNet, MIRNetV2])
def test_a_picture_no_larger_than_a_tile_equals_the_whole_network(size, architecture):
    pixels, model = photo(*size), tiny(architecture)
    work = restore(pixels, weights=model, tile_px=64)
    assert [(event.tile, event.tiles) for event in work] == [(1, 1)]
    expected = run_whole(model, pixels) * 255
    assert np.abs(work.result().picture.pixels - expected).max() <= 0.501


def test_float_arrays_come_back_as_floats_equal_to_the_network():
    pixels, model = photo(45, 61, np.float32), tiny()
    result = restore(pixels, weights=model).result().picture
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = model(image)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    assert result.pixels.dtype == np.float32
    np.testing.assert_allclose(result.pixels, expected, atol=1e-6)


@pytest.mark.parametrize("size", [(200, 301), (65, 33), (1, 500), (129, 64)])
def test_tiles_reassemble_a_pointwise_network_exactly(size):
    pixels = photo(*size, np.uint16)
    model = Pointwise(lambda image: 1 - image)
    result = restore(pixels, weights=model, tile_px=64, overlap_px=16).result()
    assert result.tiles == len(model.shapes) > 1
    assert np.array_equal(result.picture.pixels, 65535 - pixels)


def test_tiled_convolution_is_close_to_the_whole_and_equal_away_from_seams():
    class Blur(nn.Module):
        def forward(self, image):
            return nn.functional.avg_pool2d(image, 5, 1, 2)  # zeros enter at every border

    pixels = photo(300, 220, np.float32)
    whole = restore(pixels, weights=Blur(), tile_px=512).result().picture.pixels
    tiled = restore(pixels, weights=Blur(), tile_px=128, overlap_px=48).result()
    assert tiled.tiles == 12
    assert np.abs(tiled.picture.pixels - whole).max() < 0.01
    np.testing.assert_allclose(tiled.picture.pixels[:60, :50], whole[:60, :50], atol=1e-6)


def test_output_is_clamped():
    result = restore(photo(), weights=Pointwise(lambda image: image * 9 - 4)).result()
    assert result.picture.pixels.min() == 0 and result.picture.pixels.max() == 255


def test_facts_and_save(tmp_path):
    model = tiny()
    result = restore(photo(200, 300), weights=model, tile_px=128, overlap_px=16).result()
    assert result.before.pixels.shape == result.picture.pixels.shape == (200, 300, 3)
    assert (result.task, result.architecture, result.device) == ("denoise", "MIRNetV2", "cpu")
    assert result.parameters == sum(p.numel() for p in model.parameters())
    assert result.megapixels == 0.06 and result.seconds > 0
    assert result.megapixels_per_second == pytest.approx(0.06 / result.seconds)
    assert result.facts().startswith("weights MIRNetV2 module · 0.06 MP in ")
    assert result.facts().endswith(" · 6 tiles up to 128 px · engine torch")
    saved = result.save(tmp_path / "result.png")
    assert np.array_equal(read_image(saved).pixels, result.picture.pixels)


# ---------------------------------------------------------------- what a photo carries


def test_sixteen_bits_are_exact_through_files(tmp_path):
    pixels = photo(90, 130, np.uint16)
    cv2.imwrite(str(tmp_path / "in.png"), pixels[..., ::-1])
    result = restore(tmp_path / "in.png", weights=Identity(), tile_px=64).result()
    assert result.tiles > 1
    for name in ("out.png", "out.tif"):
        again = cv2.imread(str(result.save(tmp_path / name)), cv2.IMREAD_UNCHANGED)
        assert again.dtype == np.uint16 and np.array_equal(again[..., ::-1], pixels)


def test_grey_stays_grey(tmp_path):
    Image.fromarray(photo(channels=1)).save(tmp_path / "grey.png")
    tint = Pointwise(lambda image: image * torch.tensor([0.3, 0.6, 0.9])[:, None, None])
    result = restore(tmp_path / "grey.png", weights=tint).result()
    pixels = result.picture.pixels
    assert np.array_equal(pixels[..., 0], pixels[..., 1])
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    np.testing.assert_allclose(pixels[..., 0], photo(channels=1) * 0.6, atol=0.51)
    with Image.open(result.save(tmp_path / "out.png")) as saved:
        assert saved.mode == "L"


def test_alpha_exif_and_profile_survive(tmp_path):
    pixels = photo(40, 60, channels=4)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    Image.fromarray(pixels).save(tmp_path / "in.png", icc_profile=profile, exif=exif)
    result = restore(tmp_path / "in.png", weights=Identity()).result()
    with Image.open(result.save(tmp_path / "out.png")) as saved:
        assert saved.size == (40, 60)  # turned upright
        assert np.array_equal(np.asarray(saved), np.rot90(pixels, -1))
        assert saved.info["icc_profile"] == profile
        assert saved.getexif()[0x010F] == "Maker" and saved.getexif().get(0x0112, 1) == 1


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_strength_zero_is_the_input_bit_for_bit_without_running_the_network(dtype):
    model = Identity()
    work = restore(photo(dtype=dtype), weights=model, strength=0, tile_px=32)
    assert list(work) == [] and model.shapes == []
    result = work.result()
    assert np.array_equal(result.picture.pixels, photo(dtype=dtype))
    assert result.tiles == 0 and result.facts().endswith("0.0063 MP unchanged at strength 0")


def test_strength_blends():
    darker = Pointwise(lambda image: image / 2)
    pixels = photo(dtype=np.float32)
    for strength in (0.25, 1):
        result = restore(pixels, weights=darker, strength=strength, tile_px=32).result()
        np.testing.assert_allclose(result.picture.pixels, pixels * (1 - strength / 2), atol=1e-6)


@pytest.mark.parametrize("exposure", [False, True])
def test_ensemble_is_the_mean_over_flips_and_rotations(exposure):
    model = tiny(exposure=exposure, unshuffle=1)
    if exposure:
        nn.init.normal_(model.exposure.slopes.weight, std=0.1)
    pixels = photo(21, 34, np.float32)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    outputs = []
    with torch.inference_mode():
        condition = model.condition(image)
        for flipped in (False, True):
            for quarters in range(4):
                turned = np.rot90(pixels[:, ::-1] if flipped else pixels, quarters)
                turned = torch.from_numpy(turned.copy()).permute(2, 0, 1)[None]
                out = np.rot90(model(turned, condition)[0].permute(1, 2, 0).numpy(), -quarters)
                outputs.append(out[:, ::-1] if flipped else out)
    expected = np.clip(np.mean(outputs, axis=0), 0, 1)
    result = restore(pixels, weights=model, ensemble=True).result()
    assert result.ensemble and np.std(outputs, axis=0).max() > 1e-3
    np.testing.assert_allclose(result.picture.pixels, expected, atol=1e-5)


def test_ensemble_works_on_tiles_that_are_not_square():
    model = Identity()
    result = restore(photo(50, 100), weights=model, ensemble=True, tile_px=64).result()
    assert np.array_equal(result.picture.pixels, photo(50, 100))
    assert len(model.shapes) == 8 * result.tiles
    assert {shape[2:] for shape in model.shapes} == {(50, 54), (54, 50)}


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(31, 45), (1, 1)])
def test_super_resolution_enlarges_then_restores(scale, size):
    pixels, model = photo(*size), tiny()
    result = restore(pixels, f"sr-x{scale}", weights=model, tile_px=64).result()
    height, width = size[0] * scale, size[1] * scale
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    expected = nn.functional.interpolate(  # with antialias, torch has Pillow's kernel
        image, (height, width), mode="bicubic", antialias=True
    )
    expected = expected[0].permute(1, 2, 0).clamp(0, 255).numpy()
    np.testing.assert_allclose(result.before.pixels, expected, atol=0.51)
    again = restore(result.before, f"sr-x{scale}", weights=model, tile_px=64, same_size=True)
    assert np.array_equal(again.result().picture.pixels, result.picture.pixels)
    assert result.picture.pixels.shape == (height, width, 3)


def test_same_size_leaves_the_size():
    result = restore(photo(), "sr-x4", weights=Identity(), same_size=True).result()
    assert np.array_equal(result.picture.pixels, photo())


def test_enlarging_keeps_depth_grey_and_resamples_alpha():
    source = read_image(photo(20, 30, np.uint16, channels=4))
    larger = enlarge(source, 3)
    assert larger.pixels.dtype == np.uint16 and larger.pixels.shape == (60, 90, 3)
    unit = Image.fromarray(source.alpha.astype(np.float32) / 65535)
    expected = np.asarray(unit.resize((90, 60), Image.Resampling.BICUBIC)).clip(0, 1) * 65535
    np.testing.assert_allclose(larger.alpha, expected, atol=0.51)
    grey = enlarge(read_image(photo(20, 30, channels=1)), 2)
    assert grey.grey and np.ptp(grey.pixels, axis=2).max() == 0


def test_the_limit_holds_for_the_result_too():
    restore(photo(10, 10), "sr-x2", weights=Identity(), max_pixels=400)
    with pytest.raises(ImageRejected, match=r"enlarged x2 would have 0\.0004 megapixels \(20 x 20"):
        restore(photo(10, 10), "sr-x2", weights=Identity(), max_pixels=399)
    restore(photo(10, 10), "sr-x2", weights=Identity(), max_pixels=100, same_size=True)
    with pytest.raises(ImageRejected, match="more than the limit"):
        restore(photo(10, 10), weights=Identity(), max_pixels=99)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"task": "polish"}, "There is no task 'polish'"),
        ({"strength": 1.01}, "Strength 1.01 is not a number from 0 to 1"),
        ({"strength": -0.1}, "Strength -0.1"),
        ({"strength": math.nan}, "Strength nan"),
        ({"strength": "1"}, "Strength '1'"),
        ({"tile_px": 31}, "tile size 31 does not fit: choose a whole number of pixels from 32"),
        ({"tile_px": 99.5}, "tile size 99.5"),
        ({"tile_px": 64, "overlap_px": 33}, "overlap 33 does not fit.*from 0 to 32"),
        ({"overlap_px": -1}, "overlap -1"),
        ({"device": "toaster"}, "no device 'toaster': choose cpu, cuda or mps"),
        ({"device": "meta"}, "cannot compute on 'meta': choose from cpu"),
        ({"device": "cuda:99"}, "cannot compute on 'cuda:99'"),
        ({"weights": 3}, "Weights cannot be a int"),
    ],
)
def test_settings_out_of_range_are_refused_at_once(wrong, words):
    with pytest.raises(InvalidRequest, match=words):
        restore(photo(), **{"weights": Identity(), **wrong})


def test_pictures_are_read_at_once():
    with pytest.raises(ImageRejected, match="does not exist"):
        restore("nowhere.png", weights=Identity())


# ---------------------------------------------------------------- weights and the network


def test_weights_by_default_id_path_and_loaded(tmp_path):
    path = save_weights(tiny(), tmp_path / "mine.safetensors", {})
    by_path = restore(photo(), weights=path).result()
    assert by_path.weights_id == "mine.safetensors" and len(by_path.weights_sha256) == 64
    assert f"sha256 {by_path.weights_sha256[:6]}… · " in by_path.facts()
    by_text = restore(photo(), weights=str(path)).result()
    by_module = restore(photo(), weights=tiny()).result()
    assert np.array_equal(by_path.picture.pixels, by_module.picture.pixels)
    assert np.array_equal(by_text.picture.pixels, by_module.picture.pixels)
    default = restore(photo()).result()
    loaded = load("denoise-compact")
    by_loaded = restore(photo(), weights=loaded).result()
    assert default.weights_id == by_loaded.weights_id == "denoise-compact"
    assert default.weights_sha256 == by_loaded.weights_sha256 == loaded.sha256


def test_weights_of_another_task_and_unknown_ones_are_refused():
    with pytest.raises(InvalidRequest, match="'lowlight-compact' are for the task lowlight, not"):
        restore(photo(), "denoise", weights="lowlight-compact")
    with pytest.raises(WeightsUnavailable, match="no weights 'nothing'"):
        restore(photo(), weights="nothing")


def test_a_network_learns_about_the_whole_picture_once():
    class Conditioned(RestorationNetwork):
        pools_from_outside = False
        thumbnail_px = 140

        def __init__(self):
            super().__init__(features=1)
            self.seen: list[torch.Tensor] = []
            self.tiles = 0

        def condition(self, image):
            assert COMPUTE_LOCK.locked()
            self.seen.append(image.clone())
            return torch.tensor(len(self.seen))

        def forward(self, image, condition):
            assert condition.item() == 1
            self.tiles += 1
            return image.clone()

    model = Conditioned()
    pixels = photo(300, 1100, np.float32)
    result = restore(pixels, weights=model, tile_px=256).result()
    assert result.tiles == model.tiles == 10
    [thumbnail] = model.seen
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    expected = nn.functional.interpolate(image, (140, 140), mode="area")
    assert thumbnail.shape == (1, 3, 140, 140)
    torch.testing.assert_close(thumbnail, expected)

    model = Conditioned()
    restore(pixels, weights=model, tile_px=1200).result()
    assert model.seen[0].shape == (1, 3, 300, 1100)


def test_not_a_number_is_an_error_each_time_it_is_asked_for():
    broken = Pointwise(lambda image: image / 0 * 0)
    work = restore(photo(), weights=broken, tile_px=64)
    with pytest.raises(CheckpointRejected, match="values that are not numbers"):
        next(work)
    with pytest.raises(CheckpointRejected, match="values that are not numbers"):
        work.result()
    assert not COMPUTE_LOCK.locked()


def test_a_network_that_changes_the_size_or_finds_no_memory_is_refused():
    with pytest.raises(InvalidRequest, match="keeps the size"):
        restore(photo(), weights=nn.Upsample(scale_factor=2)).result()

    def exhausted(image):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9999 bytes")

    with pytest.raises(InvalidRequest, match="tile of 90 x 70 pixels: choose a smaller tile"):
        restore(photo(), weights=Pointwise(exhausted)).result()

    def wrong(image):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):  # bugs stay loud
        restore(photo(), weights=Pointwise(wrong)).result()


def test_memory_that_runs_out_beside_the_network_is_a_sentence_too(monkeypatch):
    def exhausted(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9999 bytes")

    monkeypatch.setattr(mirnet.restoration.job.RestoreJob, "_condition", exhausted)
    work = restore(photo(), weights=tiny())
    for ask in (work.__next__, work.result):
        with pytest.raises(InvalidRequest, match="not enough memory to restore this photo"):
            ask()


def test_shared_networks_are_left_as_they_are():
    model = tiny()
    layout = [(p.device, p.stride()) for p in model.parameters()]
    restore(photo(), weights=model).result()
    assert layout == [(p.device, p.stride()) for p in model.parameters()]


def test_networks_are_copied_to_another_device_not_moved():
    from mirnet.restoration.job import _on_device

    model = tiny()
    moved = _on_device(model, torch.device("meta"))
    assert {p.device.type for p in moved.parameters()} == {"meta"}
    assert {p.device.type for p in model.parameters()} == {"cpu"}
    assert _on_device(model, torch.device("cpu")) is model


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: MIRNet(), 288),
        (lambda: MIRNetV2(), 320),
        (lambda: MIRNetV2(32, 1, conv_groups=(1, 1), unshuffle=2), 768),
        (lambda: MIRNet(16, 1, 1, unshuffle=2), 768),
        (lambda: MIRNet(96, 1, 1), 224),
        (lambda: ForeignNetwork(Identity()), 288),
    ],
)
def test_automatic_tile_size_follows_the_size_of_the_network(model, expected):
    assert automatic_tile_px(model()) == expected


def test_a_photo_of_usual_size_is_one_piece_where_memory_allows(monkeypatch):
    model = MIRNetV2(8, 1, conv_groups=(1,), unshuffle=2)  # 128 bytes a pixel
    pixels = photo(1000, 800)
    assert restore(pixels, weights=model).result().tiling == "whole"
    assert restore(pixels, weights=model, tile_px=512).tiles > 1  # as a person wants it
    monkeypatch.setattr(memory, "available_bytes", lambda device: 2 * 128 * pixels[..., 0].size - 1)
    assert restore(pixels, weights=model).tiles > 1
    assert fits_whole(model, 1000, 800, 2 * 128 * pixels[..., 0].size)
    assert fits_whole(model, 2896, 2896) and not fits_whole(model, 2897, 2897)  # 1 GiB


# ---------------------------------------------------------------- events, stopping, taking turns


def test_events_count_tiles_and_estimate_the_rest():
    work = restore(photo(100, 100), weights=Identity(), tile_px=64)
    events = list(work)
    assert work.tiles == len(events) == 4
    assert [event.tile for event in events] == [1, 2, 3, 4]
    assert [event.seconds for event in events] == sorted(event.seconds for event in events)
    for event in events:
        expected = event.seconds / event.tile * (4 - event.tile)
        assert event.seconds_left == pytest.approx(expected, rel=0.2)
    assert work.result() is not None and list(work) == []


def test_stopping_ends_before_the_next_tile():
    model = Identity()
    work = restore(photo(200, 200), weights=model, tile_px=64)
    next(work), next(work)
    work.cancel()
    assert list(work) == [] and len(model.shapes) == 2
    with pytest.raises(Cancelled, match="was stopped"):
        work.result()
    assert issubclass(Cancelled, MIRNetError)


def test_closing_stops_too_and_stopping_afterwards_keeps_the_result():
    work = restore(photo(200, 200), weights=Identity(), tile_px=64)
    next(work)
    work.close()
    with pytest.raises(Cancelled):
        work.result()
    work = restore(photo(), weights=Identity())
    list(work)
    work.cancel()
    work.close()
    assert np.array_equal(work.result().picture.pixels, photo())


def test_another_thread_can_stop_within_one_pass_of_an_ensemble():
    inside, go_on = threading.Event(), threading.Event()

    class Slow(Identity):
        def forward(self, image):
            inside.set()
            assert go_on.wait(10)
            return super().forward(image)

    model = Slow()
    work = restore(photo(), weights=model, ensemble=True)
    errors = []

    def run():
        try:
            work.result()
        except MIRNetError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert inside.wait(10)
    work.close()  # from outside, while the network runs
    go_on.set()
    thread.join(10)
    assert not thread.is_alive()
    assert len(model.shapes) == 1 and isinstance(errors[0], Cancelled)


def test_the_lock_is_held_for_each_pass_only():
    model = Identity()
    for _ in restore(photo(100, 100), weights=model, tile_px=64):
        assert not COMPUTE_LOCK.locked()
    assert model.locked == [True] * 4


def test_two_restorations_take_turns():
    order = []

    def noting(name):
        return Pointwise(lambda image: order.append(name) or image)

    pixels = photo(100, 100)
    a, b = (restore(pixels, weights=noting(name), tile_px=64) for name in "ab")
    for _ in zip(a, b, strict=True):
        pass
    assert order == list("abababab")
    assert np.array_equal(a.result().picture.pixels, pixels)
    assert np.array_equal(b.result().picture.pixels, pixels)


# ---------------------------------------------------------------- public names, documentation


def test_the_package_name_is_the_function_and_the_module():
    assert mirnet.restore(photo(), weights=Identity()).result().tiles == 1
    assert mirnet.restoration.job.RestoreResult.__name__ == "RestoreResult"
    assert {"MIRNet", "MIRNetV2", "TASKS", "load_weights", "restore"} <= set(dir(mirnet))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = mirnet.nonsense


def test_the_examples_in_the_documentation_are_true():
    module = sys.modules["mirnet.restoration.job"]
    outcome = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert outcome.attempted >= 4 and outcome.failed == 0


# ---------------------------------------------------------------- memory

MEASURE = """
import resource, sys
import numpy as np
from mirnet.restoration.job import restore, automatic_tile_px
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
kind, source = sys.argv[1:]
model = {"MIRNet": MIRNet, "MIRNetV2": MIRNetV2}.get(kind, lambda: None)()
if source == "one tile":
    side = automatic_tile_px(model)
    source = np.zeros((side, side, 3), np.uint8)
task = kind if model is None else "denoise"
restored = restore(source, task, weights=model, device="cpu").result()
if isinstance(source, str):
    restored.save(source + ".out.png")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, restored.facts())
"""


def peak_megabytes(*arguments: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(mirnet.__file__).parents[1],
    )
    print(arguments[0], done.stdout)
    return int(done.stdout.split()[0])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["denoise", "lowlight"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_24_megapixels_stay_under_3_gigabytes(task, dtype, tmp_path):
    cv2.imwrite(str(tmp_path / "large.png"), photo(4000, 6000, dtype))
    assert peak_megabytes(task, str(tmp_path / "large.png")) < 3000


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["MIRNet", "MIRNetV2"])
def test_one_tile_of_the_full_networks_leaves_room_for_24_megapixels(architecture):
    """A 16-bit photo of 24 megapixels costs up to 1 GB beside the network, as the test above."""
    assert peak_megabytes(architecture, "one tile") < 1500


def test_default_device_is_what_the_environment_says(monkeypatch):
    for name, chosen in (("cpu", "cpu"), (" cpu ", "cpu"), ("", "cpu")):
        monkeypatch.setenv("MIRNET_DEVICE", name)
        if name or not torch.cuda.is_available():
            assert choose_device().type == chosen
    monkeypatch.setenv("MIRNET_DEVICE", "abacus")
    with pytest.raises(InvalidRequest, match="no device 'abacus': choose"):
        restore(np.zeros((8, 8, 3), np.uint8))
