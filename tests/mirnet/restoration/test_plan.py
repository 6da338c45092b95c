"""Plans: sizes, tilings and halos from numbers alone."""

import doctest
import subprocess
import sys

import pytest

from mirnet import memory
from mirnet.errors import InvalidRequest
from mirnet.models.base import ForeignNetwork
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.restoration import plan
from mirnet.restoration.api import restore
from mirnet.restoration.plan import NetworkTraits, PlanSettings, automatic_tile_px, make_plan
from tests.support.small_restorations import Identity, photo

PAPER = NetworkTraits(multiple=4, unshuffle=1, bytes_per_pixel=4096, pools_from_outside=True)
FAST = NetworkTraits(multiple=8, unshuffle=2, bytes_per_pixel=1024, pools_from_outside=True)
FOREIGN = NetworkTraits(multiple=1, unshuffle=1, bytes_per_pixel=6144, pools_from_outside=False)


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
    assert automatic_tile_px(model().bytes_per_pixel) == expected


def test_a_photo_of_usual_size_is_one_piece_where_memory_allows(monkeypatch):
    model = MIRNetV2(8, 1, conv_groups=(1,), unshuffle=2)  # 128 bytes a pixel
    pixels = photo(1000, 800)
    assert restore(pixels, weights=model).result().tiling == "whole"
    assert restore(pixels, weights=model, tile_px=512).tiles > 1  # as a person wants it
    monkeypatch.setattr(memory, "available_bytes", lambda device: 2 * 128 * pixels[..., 0].size - 1)
    assert restore(pixels, weights=model).tiles > 1
    traits = FAST._replace(bytes_per_pixel=128)
    enough = PlanSettings(free_bytes=2 * 128 * 800_000)
    assert make_plan(1000, 800, traits, enough).tiling == "whole"
    assert make_plan(2896, 2896, traits, PlanSettings()).tiling == "whole"  # 1 GiB
    assert make_plan(2897, 2897, traits, PlanSettings()).tiling != "whole"


def test_one_piece_has_no_halo_and_one_step():
    made = make_plan(300, 400, PAPER, PlanSettings(tile_px=512))
    assert (made.tiling, made.areas, made.halo_px, made.passes) == ("whole", (120_000,), 0, 1)
    assert made.overlap_px == 32


@pytest.mark.parametrize(
    ("traits", "settings", "tiling", "halo_px"),
    [
        (PAPER, PlanSettings(tile_px=400), "exact", 32),
        (PAPER, PlanSettings(tile_px=400, exact_engine=False), "fast", 16),
        (FAST, PlanSettings(tile_px=400), "fast", 16),  # larger than MAX_EXACT_PIXELS
        (FAST, PlanSettings("exact", tile_px=400), "exact", 32),
        (FAST._replace(unshuffle=3), PlanSettings("exact", tile_px=400), "exact", 48),
        (PAPER, PlanSettings(tile_px=48), "naive", 0),  # halos would cost too much
        (FOREIGN, PlanSettings("exact", tile_px=400), "naive", 0),
    ],
)
def test_tiling_and_halo_follow_network_engine_and_tile_size(traits, settings, tiling, halo_px):
    made = make_plan(1500, 1400, traits, settings)
    assert (made.tiling, made.halo_px) == (tiling, halo_px)


def test_steps_count_passes_and_views():
    once = make_plan(600, 600, PAPER, PlanSettings("fast", tile_px=256))
    exact = make_plan(600, 600, PAPER, PlanSettings("exact", tile_px=256, views=plan.VIEWS))
    assert len(exact.areas) % (2 * 8) == 0 and len(once.areas) > 4
    assert sum(once.areas) > 600 * 600  # halos are seen, too
    naive = make_plan(600, 600, PAPER, PlanSettings("naive", tile_px=256, overlap_px=16))
    assert naive.areas == tuple(tile.area for tile in naive.tiles)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (PlanSettings(tile_px=31), "tile size 31 does not fit"),
        (PlanSettings(tile_px=64, overlap_px=33), "overlap 33 does not fit.*from 0 to 32"),
        (PlanSettings(tile_px="64"), "tile size '64' does not fit"),
    ],
)
def test_lengths_out_of_range_are_refused(settings, words):
    with pytest.raises(InvalidRequest, match=words):
        make_plan(100, 100, PAPER, settings)


def test_plans_need_no_torch():
    code = "import sys, mirnet.restoration.plan; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_examples_in_the_documentation_are_true():
    outcome = doctest.testmod(plan)
    assert outcome.attempted and not outcome.failed
