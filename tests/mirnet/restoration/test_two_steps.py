"""Two tasks after each other: values, colours, facts, progress and stops."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from mirnet.errors import Cancelled, InvalidRequest
from mirnet.images import network_input
from mirnet.images.colour import PRIMARIES, make_profile, srgb_decode
from mirnet.images.decode import read_image
from mirnet.images.encode import SaveOptions
from mirnet.images.network_input import enlarge, prepare_photo
from mirnet.images.picture import Picture, quantize
from mirnet.restoration.api import restore
from mirnet.weights.load import load
from tests.support.picture_files import A8, saved, smooth
from tests.support.small_networks import small_v1, small_v2

TWO = {"task": "denoise", "then": "sr-x2"}
DISPLAY_P3 = make_profile("P3", PRIMARIES["Display P3"], srgb_decode(np.linspace(0, 1, 1024)))


@pytest.fixture(scope="module")
def networks():
    """Two different small networks."""
    return small_v2(2, blocks=1, conv_groups=(1,)), small_v1(2)


def two(photo, networks, task="denoise", then="sr-x2", **settings):
    first, second = networks
    return restore(photo, task, weights=first, then=then, then_weights=second, **settings)


def test_the_second_network_sees_the_floats_of_the_first(networks):
    """No rounding to 8 bits lies between: the result is that of two restorations of floats."""
    photo = smooth()
    result = two(photo, networks).result()
    deep = restore(photo / np.float32(255), weights=networks[0]).result()
    again = restore(deep.picture, "sr-x2", weights=networks[1]).result()
    expected = quantize(again.picture.pixels, np.uint8).astype(int)
    assert result.picture.pixels.shape == (2 * photo.shape[0], 2 * photo.shape[1], 3)
    assert np.abs(result.picture.pixels - expected).max() <= 1
    assert (result.picture.pixels == expected).mean() > 0.98
    np.testing.assert_array_equal(result.before.pixels, enlarge(Picture(photo), 2).pixels)


@pytest.mark.parametrize(("task", "then"), [("denoise", "lowlight"), ("sr-x2", "denoise")])
def test_either_step_may_enlarge_and_strength_is_of_both(networks, task, then):
    photo = A8[3]
    scale = 2 if task == "sr-x2" else 1
    full = two(photo, networks, task, then).result()
    nothing = two(photo, networks, task, then, strength=0).result()
    assert nothing.tiles == 0 and nothing.tasks == (then,)
    np.testing.assert_array_equal(nothing.picture.pixels, enlarge(Picture(photo), scale).pixels)
    half = two(photo, networks, task, then, strength=0.5).result().picture.pixels.astype(int)
    mean = (full.before.pixels.astype(float) + full.picture.pixels) / 2
    assert np.abs(half - mean).max() <= 1
    np.testing.assert_array_equal(full.blend(0.5).picture.pixels, half)


def test_colours_depth_alpha_and_metadata_are_handled_once(networks):
    wide = Picture(
        smooth(), alpha=np.full(smooth().shape[:2], 90, np.uint8), icc_profile=DISPLAY_P3,
        exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0", dpi=(300, 300),
    )  # fmt: skip
    result = two(wide, networks).result().picture
    assert (result.icc_profile, result.dpi, result.bits) == (wide.icc_profile, (300, 300), 8)
    assert result.alpha.shape == result.pixels.shape[:2] and (result.alpha == 90).all()
    # The change that both networks make is added to the photo's own colours.
    seen = prepare_photo(wide).seen
    alone = two(Picture(seen.pixels), networks).result()
    change = alone.picture.pixels.astype(float) - alone.before.pixels
    moved = result.pixels.astype(float) - enlarge(wide, 2).pixels
    assert np.corrcoef(change.ravel(), moved.ravel())[0, 1] > 0.9


def test_the_second_step_holds_no_converted_copy_while_the_first_runs(networks, monkeypatch):
    converted = []
    convert = network_input._convert

    def watched(unit, **profiles):
        converted.append(unit.shape[1])
        return convert(unit, **profiles)

    monkeypatch.setattr(network_input, "_convert", watched)
    photo = smooth()
    job = two(Picture(photo, icc_profile=DISPLAY_P3), networks)
    assert photo.shape[1] in converted and 2 * photo.shape[1] not in converted
    assert job.result().picture.icc_profile == DISPLAY_P3
    assert 2 * photo.shape[1] in converted


def test_a_result_above_the_default_limit_is_made_where_the_caller_allows_it(networks, monkeypatch):
    photo = A8[3]
    defaults = {**enlarge.__kwdefaults__, "max_pixels": photo.shape[0] * photo.shape[1]}
    monkeypatch.setattr(enlarge, "__kwdefaults__", defaults)  # no photo of 100 megapixels
    result = two(photo, networks, max_pixels=10**6).result()
    assert result.picture.width == 2 * photo.shape[1]


def test_a_grey_photo_stays_grey(networks):
    grey = read_image(saved(Image.fromarray(smooth()[..., 1]), "PNG"))
    result = two(grey, networks).result().picture
    assert result.grey and (np.ptp(result.pixels, axis=2) == 0).all()


def test_facts_and_provenance_name_both_steps():
    first, second = load("denoise-compact"), load("sr-x2-compact")
    job = restore(A8[3], **TWO)
    result = job.result()
    assert result.tasks == ("denoise", "sr-x2") and job.tiles == 2
    facts = result.facts()
    assert facts.startswith("first denoise · weights denoise-compact · ")
    assert " · then sr-x2 · weights sr-x2-compact · " in facts
    assert 0 < result.first.seconds < result.seconds
    timed = replace(result, seconds=result.first.seconds + 2)
    assert " · then sr-x2 · " in timed.facts() and " MP in 2.0 s (" in timed.facts()
    assert timed.megapixels_per_second == pytest.approx(result.megapixels / 2)
    said = result.provenance()
    assert (said["FirstTask"], said["Task"]) == ("denoise", "sr-x2")
    assert (said["FirstWeights"], said["Weights"]) == ("denoise-compact", "sr-x2-compact")
    assert said["FirstWeightsSHA256"] == first.sha256 and said["WeightsSHA256"] == second.sha256
    file = read_image(result.encode(SaveOptions(format="PNG", provenance=True)))
    assert b"denoise-compact" in file.xmp and b"sr-x2-compact" in file.xmp


def test_texture_is_returned_only_where_no_step_enlarges(networks):
    photo = A8[3]
    assert two(photo, networks, "denoise", "lowlight").result().blend(detail=0.5).mix.detail == 0.5
    for tasks in (("denoise", "sr-x2"), ("sr-x2", "denoise")):
        with pytest.raises(InvalidRequest, match="which sr-x2 does not remove: leave it at 0"):
            two(photo, networks, *tasks).result().blend(detail=0.5)


def test_progress_counts_the_tiles_of_both_steps(networks):
    job = two(np.zeros((96, 96, 3), np.uint8), networks, tile_px=64, tiling="naive")
    expected = job.tiles
    events = list(job)
    assert [event.tile for event in events] == list(range(1, expected + 1))
    assert {event.tiles for event in events} == {expected}
    assert events[-1].seconds_left == 0 and events[0].seconds_left > 0
    lefts = [event.seconds_left / event.seconds for event in events]
    assert lefts == sorted(lefts, reverse=True)
    assert asdict(job.result().mix)["strength"] == 1


@pytest.mark.parametrize("tiles", [0, 1, 6])
def test_a_stop_ends_whichever_step_is_under_way(networks, tiles):
    job = two(np.zeros((96, 96, 3), np.uint8), networks, tile_px=64, tiling="naive")
    for _ in range(tiles):
        next(job)
    job.cancel()
    assert list(job) == []
    with pytest.raises(Cancelled):
        job.result()


def test_what_does_not_fit_is_told_before_anything_runs(networks):
    with pytest.raises(InvalidRequest, match="no task 'polish'"):
        restore(A8[3], then="polish")
    with pytest.raises(InvalidRequest, match="for the task denoise, not sr-x2"):
        restore(A8[3], then="sr-x2", then_weights="denoise-compact")
    with pytest.raises(InvalidRequest, match="name it in `then`"):
        restore(A8[3], then_weights="sr-x2-compact")
    with pytest.raises(InvalidRequest, match="take no noise level"):
        restore(A8[3], weights="denoise-compact", then="lowlight", noise_level=5)
