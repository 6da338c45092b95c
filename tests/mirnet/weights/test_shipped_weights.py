"""What a stranger may expect of every set of weights of ours, on pictures they never saw."""

import functools
import json

import numpy as np
import pytest
from PIL import Image

import mirnet
from mirnet.app.examples import EXAMPLES_FOLDER
from mirnet.images.decode import read_image
from mirnet.images.picture import Picture
from mirnet.metrics.protocols import RGB_8BIT
from mirnet.tasks import get_task
from mirnet.weights.catalogue import load_catalogue

OURS = [entry for entry in load_catalogue().values() if entry.kind == "embedded"]
KEEPING = [entry for entry in OURS if entry.task == "denoise" or entry.task.startswith("sr-")]
EXPOSING = [entry for entry in OURS if entry.task in ("lowlight", "retouch")]
EXAMPLES = json.loads((EXAMPLES_FOLDER / "examples.json").read_text())
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def restored(picture, entry):
    """Restored at the picture's own size; pixels in [0, 1]."""
    work = mirnet.restore(picture, task=entry.task, weights=entry.id, same_size=True)
    return work.result().picture.pixels / 255.0


def by_id(entry):
    return entry.id


@pytest.mark.parametrize("level", [0, 40, 118, 200, 255])
@pytest.mark.parametrize("entry", KEEPING, ids=by_id)
def test_a_grey_card_stays_grey_and_flat(entry, level):
    card = np.full((96, 96, 3), level, np.uint8)
    result = restored(card, entry)
    assert np.abs(result - level / 255).max() <= 2.5 / 255


@pytest.mark.parametrize("level", [30, 118])
@pytest.mark.parametrize("entry", EXPOSING, ids=by_id)
def test_a_grey_card_gets_no_colour(entry, level):
    result = restored(np.full((96, 96, 3), level, np.uint8), entry)
    assert (result.max(2) - result.min(2)).max() <= 8 / 255
    assert result.std((0, 1)).max() <= 2 / 255


@pytest.mark.parametrize("entry", KEEPING, ids=by_id)
def test_a_sky_stays_smooth(entry):
    across = np.linspace(0.45, 0.7, 192)[None, :, None]
    sky = (across * np.array([0.75, 0.9, 1.0])).repeat(128, 0)
    result = restored((sky * 255).round().astype(np.uint8), entry)
    assert np.abs(result - sky).mean() <= 1 / 255
    assert np.abs(result - sky).max() <= 4 / 255


@pytest.mark.parametrize("entry", KEEPING, ids=by_id)
def test_an_edge_does_not_ring(entry):
    """A slanted edge as a lens draws it; for enlarging, reduced and enlarged again."""
    rows, columns = np.mgrid[0:96, 0:96]
    edge = 60 + 130 * np.clip(columns - 48 + rows / 8 - 6, 0, 1)
    picture = edge.round().astype(np.uint8)[..., None].repeat(3, 2)
    scale = get_task(entry.task).scale
    small = Image.fromarray(picture).resize((96 // scale, 96 // scale), Image.Resampling.BICUBIC)
    work = mirnet.restore(np.asarray(small), task=entry.task, weights=entry.id)
    result = work.result().picture.pixels
    assert result.max() <= 190 + 130 / 7
    assert result.min() >= 60 - 130 / 7


@functools.cache
def original(name):
    return read_image(EXAMPLES_FOLDER / name)


def test_denoising_leaves_a_clean_photograph_alone():
    entry = next(entry for entry in OURS if entry.id == "denoise-compact")
    scores = []
    for row in EXAMPLES:
        clean = original(row["original"])
        result = mirnet.restore(clean.pixels, task="denoise", weights=entry.id).result()
        scores.append(RGB_8BIT.score(result.picture.pixels, clean.pixels)["psnr_db"])
    # Strongly reduced JPEGs of quality 90, two of them of grainy photographs: a hard case.
    assert np.mean(scores) >= 38


@pytest.mark.parametrize("entry", EXPOSING, ids=by_id)
@pytest.mark.parametrize("name", ["retouch/ridge-original.jpg", "lowlight/nuthatch-original.jpg"])
def test_a_well_exposed_photograph_keeps_its_exposure(entry, name):
    before = original(name).pixels / 255.0
    after = restored(original(name).pixels, entry)
    light = [
        (np.where(p <= 0.04045, p / 12.92, ((p + 0.055) / 1.055) ** 2.4) @ LUMINANCE).mean()
        for p in (before, after)
    ]
    assert abs(np.log2(light[1] / light[0])) <= 0.5


@pytest.mark.parametrize("entry", OURS, ids=by_id)
def test_examples_get_better(entry):
    for row in EXAMPLES:
        if row["task"] != entry.task:
            continue
        truth = original(row["original"])
        work = mirnet.restore(EXAMPLES_FOLDER / row["file"], task=entry.task, weights=entry.id)
        result = work.result()
        assert isinstance(result.picture, Picture)
        after, before = (
            RGB_8BIT.score(picture.pixels, truth.pixels)["psnr_db"]
            for picture in (result.picture, result.before)
        )
        assert after - before > 0.3, row["file"]
