"""Tiles that agree with the whole picture: pools merged, halos measured, borders unseen."""

import doctest
import itertools
import math
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mirnet.app.restore_tab import settings_view as ui
from mirnet.cli import restore as cli
from mirnet.errors import Cancelled, InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.picture import to_unit
from mirnet.models import global_pooling as pooling
from mirnet.models.base import pad_to_multiple
from mirnet.models.global_pooling import WHOLE, PoolRecorder, merge_all
from mirnet.restoration import padding
from mirnet.restoration.api import restore
from mirnet.restoration.choices import TILINGS
from mirnet.restoration.exact_tiles import AgreeingTiles
from mirnet.restoration.padding import PaddedPicture, spread_windows
from mirnet.restoration.plan import halo_spans
from mirnet.weights.catalogue import load_catalogue
from mirnet.weights.load import load
from tests.support.tiled_networks import NETWORKS, network, photo, psnr_db, result, whole

# ---------------------------------------------------------------- pooling


def parts(height: int, width: int) -> list[tuple[slice, slice]]:
    rows = [slice(0, 8), slice(8, 24), slice(24, height)]
    columns = [slice(0, 16), slice(16, width)]
    return list(itertools.product(rows, columns))


def test_statistics_of_parts_merge_to_those_of_the_whole():
    torch.manual_seed(0)
    one, two = torch.randn(2, 1, 5, 40, 32) + 1
    scores = 30 * torch.randn(1, 1, 40, 32)  # far beyond where a plain exponential overflows
    scores[..., 20:, :] += 100
    found = []
    for region in parts(40, 32):
        survey = PoolRecorder(None, region, height=40)
        survey.mean(one, two)
        survey.attend(one, scores)
        found.append(survey.statistics())
    plain, context = merge_all(found)
    torch.testing.assert_close(plain.value.float(), (one + two).mean((2, 3), keepdim=True))
    assert plain.log_weight == pytest.approx(math.log(40 * 32))
    weights = scores.double().flatten().softmax(0)
    expected = (one.double().flatten(2) * weights).sum(2)[..., None, None]
    torch.testing.assert_close(context.value, expected, rtol=1e-5, atol=1e-6)
    assert context.log_weight == pytest.approx(scores.double().flatten().logsumexp(0).item())
    torch.testing.assert_close(WHOLE.attend(one, scores), expected.float(), rtol=1e-5, atol=1e-6)


def test_a_batch_is_pooled_over_as_parts_of_one_picture():
    torch.manual_seed(0)
    values, scores = torch.randn(3, 4, 8, 8), 5 * torch.randn(3, 1, 8, 8)
    batch, line = PoolRecorder(), PoolRecorder()
    for survey, join in ((batch, False), (line, True)):
        v, s = (torch.cat(list(x[:, None]), 3) if join else x for x in (values, scores))
        survey.mean(v), survey.attend(v, s)
    for one, other in zip(batch.statistics(), line.statistics(), strict=True):
        assert one.log_weight == pytest.approx(other.log_weight)
        torch.testing.assert_close(one.value, other.value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_find_the_statistics_of_the_whole_picture(name):
    """Given the gates of the whole picture, tiles with a wide halo find them again."""
    model = network(name)
    step, margin = model.multiple, model.margin
    pixels = photo(170, 190)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    picture = PaddedPicture(pixels, step, margin)
    everything = slice(None), slice(None)
    with torch.inference_mode():
        condition = model.condition(image)
        survey = PoolRecorder()
        output = model.restore_padded(picture.tile(*everything), condition, survey)
        answers, found = survey.used, []
        for row in halo_spans(picture.height, 160, 56, step):
            for column in halo_spans(picture.width, 160, 56, step):
                region = row.inside, column.inside
                tile = PoolRecorder(lambda number, _: answers[number], region, row.seen_length)
                part = model.restore_padded(picture.tile(row.seen, column.seen), condition, tile)
                found.append(tile.statistics())
                here = output[..., row.start : row.stop, column.start : column.stop]
                torch.testing.assert_close(
                    part[..., row.inside, column.inside], here, rtol=0, atol=1e-4
                )
    assert len(found) > 3
    for merged, expected in zip(merge_all(found), survey.statistics(), strict=True):
        assert merged.log_weight == pytest.approx(expected.log_weight, abs=1e-3)
        scale = expected.value.abs().max().item() + 1e-3
        assert (merged.value - expected.value).abs().max() < 1e-3 * scale


# ---------------------------------------------------------------- plans


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 40), (33, 17), (64, 48)])
@pytest.mark.parametrize(("multiple", "margin"), [(4, 0), (8, 16), (12, 24)])
def test_a_padded_picture_is_what_the_network_makes_of_it(size, multiple, margin):
    pixels = photo(*size)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    expected = pad_to_multiple(image, multiple, margin)
    picture = PaddedPicture(pixels, multiple, margin)
    assert (picture.height, picture.width) == expected.shape[2:]
    assert torch.equal(picture.tile(slice(None), slice(None)), expected)
    for row in halo_spans(picture.height, 32, 8, multiple):
        for column in halo_spans(picture.width, 32, 8, multiple):
            tile = picture.tile(row.seen, column.seen)
            assert torch.equal(tile, expected[..., row.seen, column.seen])
            place, inside = picture.on_picture(row, column)
            part = tile[0, :, inside[0], inside[1]].permute(1, 2, 0).numpy()
            assert np.array_equal(part, pixels[place])


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from([4, 8, 12]), st.integers(0, 10**6))
def test_windows_lie_on_the_grid_of_the_picture(high, wide, multiple, most_pixels):
    height, width = high * multiple, wide * multiple
    windows = spread_windows(height, width, multiple, most_pixels)
    assert len(set(windows.starts)) == len(windows.starts) >= 1
    for y, x in windows.starts:
        assert y % multiple == x % multiple == 0
        assert 0 <= y <= height - windows.height and 0 <= x <= width - windows.width
    pixels = len(windows.starts) * windows.height * windows.width
    assert len(windows.starts) <= padding.MIN_WINDOWS or pixels <= most_pixels
    for side, region in zip((windows.height, windows.width), windows.region, strict=True):
        assert 0 <= region.start < region.stop <= side


# ---------------------------------------------------------------- results


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *((name, (131, 150)) for name in NETWORKS),
        ("v1-unshuffle2", (57, 300)),
        ("v2-unshuffle3", (10, 260)),
    ],
)
def test_exact_tiles_equal_the_whole_picture(name, size):
    pixels, model = photo(*size), network(name)
    expected = whole(pixels, model)
    naive, fast, exact = (result(pixels, model, tiling) for tiling in ("naive", "fast", "exact"))
    assert min(naive.tiles, fast.tiles, exact.tiles) > 1
    found = {made.tiling: psnr_db(made.picture.pixels, expected) for made in (naive, fast, exact)}
    assert found["exact"] >= 80
    assert found["exact"] > found["fast"] > found["naive"] - 1
    assert found["exact"] > found["naive"] + 15
    assert found["exact"] == pytest.approx(exact.agreement_db, abs=15)
    assert exact.passes >= fast.passes == naive.passes == 1


@pytest.mark.parametrize("name", ["v1-unshuffle2", "v2-unshuffle2"])
def test_no_seam_shows_on_a_smooth_gradient(name):
    model = network(name)
    ramp = np.linspace(0.2, 0.7, 200, dtype=np.float32)
    pixels = np.repeat((ramp[:, None] / 2 + ramp[None] / 2)[..., None], 3, 2)
    expected = whole(pixels, model)

    def steps(picture):  # second differences: a ramp has none
        return np.abs(np.diff(picture[32:-32, 32:-32], 2, axis=1)).max((0, 2))

    for tiling in ("exact", "fast"):
        made = result(pixels, model, tiling)
        assert made.tiles > 4
        assert np.all(steps(made.picture.pixels) <= steps(expected).max() + 1e-3)


@pytest.mark.parametrize("name", ["v1-unshuffle2", "v2-exposure"])
def test_flips_and_rotations_are_exact_too(name):
    pixels, model = photo(70, 110), network(name)
    exact = result(pixels, model, "exact", tile_px=64, ensemble=True)
    expected = whole(pixels, model, ensemble=True)
    assert exact.tiles > 1 and psnr_db(exact.picture.pixels, expected) >= 80


def test_depth_strength_and_grey_are_kept():
    model = network("v2-unshuffle2")
    pixels = photo(120, 140, np.uint16)
    made = result(pixels, model, "exact", strength=0.5)
    assert made.picture.pixels.dtype == np.uint16
    assert psnr_db(made.picture.pixels, whole(pixels, model, strength=0.5)) >= 80
    grey = pixels[..., 0]
    made = result(grey, model, "exact").picture.pixels
    assert np.ptp(made, axis=2).max() == 0 and psnr_db(made, whole(grey, model)) >= 80


def test_another_network_has_naive_tiles_only():
    made = result(photo(), nn.Identity(), "exact")
    assert made.tiling == "naive"
    np.testing.assert_allclose(made.picture.pixels, photo(), atol=1e-6)


# ---------------------------------------------------------------- choice, words, events


@pytest.mark.parametrize(
    ("tile_px", "settings", "chosen"),
    [
        (512, {}, "whole"),
        (192, {}, "exact"),
        (96, {}, "fast"),
        (40, {}, "naive"),
        (192, {"overlap_px": 16}, "naive"),
        (192, {"tiling": "fast"}, "fast"),
    ],
)
def test_automatic_choice_weighs_what_halos_cost(tile_px, settings, chosen):
    model = network("v2-unshuffle2")
    made = restore(photo(300, 400), weights=model, tile_px=tile_px, **settings).result()
    assert made.tiling == chosen


@pytest.mark.parametrize(("name", "chosen"), [("v2-unshuffle2", "fast"), ("v2", "exact")])
def test_a_network_made_for_speed_restores_a_large_photo_once(name, chosen, monkeypatch):
    monkeypatch.setattr("mirnet.restoration.plan.MAX_EXACT_PIXELS", 300 * 400 - 1)
    made = restore(photo(300, 400), weights=network(name), tile_px=224).result()
    assert made.tiling == chosen


def test_facts_say_how_tiles_agree():
    model = network("v2-unshuffle2")
    facts = [result(photo(), model, tiling).facts() for tiling in ("naive", "fast", "exact")]
    assert facts[0].endswith(" · 9 tiles up to 96 px · engine torch")
    assert facts[1].endswith(" px, matched to a sample of the photo · engine torch")
    assert re.search(r" px in 2 passes, as if in one piece \(\d\d+ dB\) · engine torch$", facts[2])


def test_the_command_line_and_the_page_offer_every_tiling():
    assert [item.value for item in cli.Tiling] == list(TILINGS)
    assert [value for _, value in ui.TILINGS] == list(TILINGS)


def test_unknown_tilings_are_refused():
    with pytest.raises(
        InvalidRequest, match="no tiling 'best': choose from auto, exact, fast, naive"
    ):
        restore(photo(), weights=nn.Identity(), tiling="best")


@pytest.mark.parametrize("ensemble", [False, True])
def test_events_count_every_pass(ensemble):
    work = restore(
        photo(60, 100),
        weights=network("v2-unshuffle2"),
        tiling="exact",
        tile_px=64,
        ensemble=ensemble,
    )
    assert work.tiles > 0
    events = list(work)
    made = work.result()
    assert [event.tile for event in events] == list(range(1, len(events) + 1))
    assert events[-1].tile == events[-1].tiles and events[-1].seconds_left == 0
    assert len(events) >= made.tiles * made.passes * (8 if ensemble else 1) - made.tiles
    assert all(event.tile <= event.tiles for event in events)


def test_stopping_ends_before_the_next_tile_in_every_pass():
    model = network("v2-unshuffle2")
    for after in (1, 5, 12):
        work = restore(photo(), weights=model, tiling="exact", tile_px=96)
        for _ in range(after):
            next(work)
        work.cancel()
        assert list(work) == []
        with pytest.raises(Cancelled):
            work.result()


def test_one_network_restores_two_pictures_at_once():
    """Gates of one picture never reach another: nothing is kept on the network."""
    model = network("v2-unshuffle2")
    pictures = [photo(100, 120), photo(100, 120)[::-1].copy()]
    alone = [result(picture, model, "exact").picture.pixels for picture in pictures]
    works = [restore(p, weights=model, tiling="exact", tile_px=96) for p in pictures]
    together: dict[int, np.ndarray] = {}

    def run(number):
        together[number] = works[number].result().picture.pixels

    threads = [threading.Thread(target=run, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number, expected in enumerate(alone):
        np.testing.assert_allclose(together[number], expected, atol=1e-5)


def test_the_examples_in_the_documentation_are_true():
    outcome = doctest.testmod(pooling)
    assert outcome.attempted and not outcome.failed


# ---------------------------------------------------------------- the table of docs/speed.md


def passes_db(pixels, model, tile_px, expected) -> tuple[int, list[float]]:
    """Halo of exact tiles, and PSNR against the whole picture after each pass."""
    step, margin = model.multiple, model.margin
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    with torch.inference_mode():
        condition = model.condition(image)
        work = AgreeingTiles(
            lambda tiles, pools: model.restore_padded(tiles, condition, pools),
            PaddedPicture(pixels, step, margin),
            step,
            tile_px,
            exact=True,
        )
        found, made = [], np.empty_like(pixels)
        for number, part in enumerate(work, 1):
            made[part.place] = part.output[0].permute(1, 2, 0).clamp(0, 1)
            if number % len(work.areas) == 0:
                found.append(psnr_db(made, expected))
    return work.halo_px, found


@pytest.mark.slow
def test_every_preset_at_several_sizes():
    """Prints docs/speed.md's table for $MIRNET_PHOTOS/WEIGHTS_ID/*.png, inputs of final size."""
    folder = Path(os.environ.get("MIRNET_PHOTOS", "nowhere"))
    entries = [entry for entry in load_catalogue().values() if entry.kind == "embedded"]
    files = [(e, file) for e in entries for file in sorted(folder.glob(f"{e.id}/*.png"))]
    if not files:
        pytest.skip("MIRNET_PHOTOS names no folder with pictures")
    print("\n| weights | picture | tile | naive | fast | halo | pass 1 | pass 2 | pass 3 |")
    print("|" + "---|" * 9)
    for entry, file in files:
        pixels = to_unit(read_image(file).pixels)
        model = load(entry.id).model
        tile_px = 384 if pixels.size < 3 * 1.5e6 else 512
        expected = whole(pixels, model)
        naive, fast = (
            psnr_db(result(pixels, model, tiling, tile_px).picture.pixels, expected)
            for tiling in ("naive", "fast")
        )
        halo, passes = passes_db(pixels, model, tile_px, expected)
        print(
            f"| {entry.id} | {file.stem} {pixels.shape[1]} x {pixels.shape[0]} | {tile_px} | "
            f"{naive:.0f} | {fast:.0f} | {halo} | {' | '.join(f'{db:.0f}' for db in passes)} |",
            flush=True,
        )
        assert passes[-1] >= 80 and fast >= 45
