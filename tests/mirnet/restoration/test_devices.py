"""Networks and pictures on their way to a device, and plans for a GPU's memory."""

import gc
import weakref

import numpy as np
import pytest
import torch

from mirnet import memory
from mirnet.errors import InvalidRequest
from mirnet.restoration.api import restore
from mirnet.restoration.devices import float32_arithmetic, on_device, receive, send
from mirnet.restoration.engines import reduced_precision
from mirnet.restoration.plan import NetworkTraits, PlanSettings, make_plan, smaller_plan
from tests.support.small_restorations import Pointwise, photo, tiny

ELSEWHERE = torch.device("meta")
COMPACT = NetworkTraits(multiple=8, unshuffle=2, bytes_per_pixel=768, pools_from_outside=True)
PAPER = NetworkTraits(multiple=4, unshuffle=1, bytes_per_pixel=6144, pools_from_outside=True)
GPU = PlanSettings(free_bytes=80 * 10**9, gpu=True)


def test_networks_are_copied_to_another_device_once_and_not_moved():
    model = tiny()
    moved = on_device(model, ELSEWHERE)
    assert {p.device.type for p in moved.parameters()} == {"meta"}
    assert {p.device.type for p in model.parameters()} == {"cpu"}
    assert on_device(model, torch.device("cpu")) is model
    assert on_device(model, ELSEWHERE) is moved


def test_a_network_that_was_trained_on_is_copied_anew():
    model = tiny()
    moved = on_device(model, ELSEWHERE)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    assert on_device(model, ELSEWHERE) is not moved


def test_a_copy_ends_with_its_network():
    model = tiny()
    copied = weakref.ref(on_device(model, ELSEWHERE))
    del model
    gc.collect()
    assert copied() is None


def test_pictures_of_the_processor_are_not_copied():
    image = torch.rand(1, 3, 4, 4)
    assert send(image, torch.device("cpu")) is image
    assert receive(image) is image


def test_pictures_for_cuda_go_through_pinned_memory(monkeypatch):
    steps = []
    image = torch.rand(1, 3, 4, 4)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: steps.append("pin") or self)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *_, **how: steps.append(how) or self)
    send(image, torch.device("cuda"))
    assert steps == ["pin", {"non_blocking": True}]


def test_float32_is_float32_within_and_tf32_only_where_asked():
    before = torch.backends.cudnn.allow_tf32
    seen = []
    model = tiny()
    model.residual = lambda *_: seen.append(torch.backends.cudnn.allow_tf32)
    rounded = tiny()
    with float32_arithmetic():
        model.residual(None)
        assert not torch.backends.cudnn.allow_tf32
        made = reduced_precision.with_tf32(rounded)
        assert made(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8, 8)
        assert not torch.backends.cudnn.allow_tf32
    assert seen == [False] and torch.backends.cudnn.allow_tf32 == before


def test_tiles_and_whole_photos_follow_the_memory_of_a_gpu():
    assert make_plan(4000, 6000, COMPACT, GPU).tiling == "whole"  # 24 megapixels
    assert make_plan(4000, 6000, COMPACT, GPU._replace(gpu=False)).tiling != "whole"
    papers = make_plan(4000, 6000, PAPER, GPU)
    assert papers.tiling != "whole" and papers.tile_px == 2048
    assert make_plan(2000, 3000, PAPER, GPU).tiling == "whole"
    small = make_plan(4000, 6000, PAPER, GPU._replace(free_bytes=4 * 10**9))
    assert small.tile_px == 544
    unknown = make_plan(4000, 6000, PAPER, GPU._replace(free_bytes=None))
    assert unknown.tile_px == 288


def test_where_memory_proves_too_small_tiles_become_smaller():
    plan = make_plan(4000, 6000, COMPACT, GPU)
    smaller = smaller_plan(plan, 4000, 6000, COMPACT, GPU)
    assert smaller is not None and smaller.tiling != "whole" and smaller.tile_px == 2976
    chosen = GPU._replace(tile_px=512)
    assert smaller_plan(make_plan(900, 900, COMPACT, chosen), 900, 900, COMPACT, chosen) is None


def test_a_restoration_begins_again_with_smaller_tiles():
    def needy(image):
        if image.shape[2] * image.shape[3] > 20_000:
            raise RuntimeError("CUDA out of memory: can't allocate memory")
        return image

    pixels = photo(300, 400)
    work = restore(pixels, weights=Pointwise(needy))
    assert work.tiles == 1
    made = work.result()
    assert made.tiles > 1 and made.tiling == "naive"
    np.testing.assert_array_equal(made.picture.pixels, pixels)
    with pytest.raises(InvalidRequest, match="choose a smaller tile size"):
        restore(pixels, weights=Pointwise(needy), tile_px=400).result()


def test_the_memory_of_a_gpu_counts_what_pytorch_keeps(monkeypatch):
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 5 * 10**9)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 2 * 10**9)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**9, 80 * 10**9))
    assert memory.available_bytes(torch.device("cuda")) == 4 * 10**9
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 3 * 10**8)
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 10**8)
    assert memory.available_bytes(torch.device("mps")) == 2 * 10**8
