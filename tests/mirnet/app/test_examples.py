"""The example photos: they fit their tasks, are free, small and held out of training."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mirnet
from mirnet import TASKS
from mirnet.app.examples import EXAMPLES_FOLDER, demonstrations, examples_for
from mirnet.app.restore_tab.modes import MODES
from mirnet.train.manifest import read_manifest
from mirnet.weights import load as weights


def test_every_mode_with_weights_has_a_demonstration():
    shipped = [
        mode.id
        for mode in MODES.values()
        if weights.locate(mode.weights or TASKS[mode.task].default_weights)
    ]
    assert list(demonstrations()) == shipped


@pytest.mark.parametrize("mode", demonstrations())
def test_demonstrations_are_what_our_weights_make_of_the_examples(mode):
    """When this fails after a change of weights, run examples/restore_examples.py."""
    shown, wanted = demonstrations()[mode], MODES[mode]
    result = mirnet.restore(
        shown.example.path, wanted.task, weights=shown.weights, same_size=wanted.same_size
    ).result()
    assert (result.weights_id, result.weights_sha256) == (shown.weights, shown.weights_sha256)
    assert shown.weights == (wanted.weights or TASKS[wanted.task].default_weights)
    with Image.open(shown.restored) as stored:
        difference = np.asarray(stored, int) - result.picture.pixels
    assert np.abs(difference).mean() < 3  # JPEG


@pytest.mark.parametrize("task", list(TASKS))
def test_examples_fit_their_task(task):
    found = examples_for(task)
    assert len(found) >= 2
    for example in found:
        with Image.open(example.path) as damaged, Image.open(example.original) as original:
            scale = TASKS[task].scale
            assert original.size == (damaged.width * scale, damaged.height * scale)
            assert max(original.size) <= 640
        assert example.path.stat().st_size < 250_000
        assert "synthetic" in example.alt


def test_examples_are_credited_and_small():
    folder = EXAMPLES_FOLDER
    files = [path for path in folder.glob("*/*") if path.suffix in (".jpg", ".png")]
    assert sum(path.stat().st_size for path in files) < 4_000_000
    credits_page = (folder / "CREDITS.md").read_text(encoding="utf-8")
    rows = json.loads((folder / "examples.json").read_text(encoding="utf-8"))
    known = {row["file"] for row in rows} | {row["original"] for row in rows}
    known |= {d.restored.relative_to(folder).as_posix() for d in demonstrations().values()}
    assert {path.relative_to(folder).as_posix() for path in files} == known
    for row in rows:
        assert f"| {row['file']} | {row['source']} | {row['author']} |" in credits_page
        assert row["licence"] in FREE_LICENCES


FREE_LICENCES = ("BSD-2-Clause", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "public-domain")


def test_examples_are_of_photographs_held_out_of_training():
    held_out = {
        f"{photo.package}: {Path(photo.file).name}"
        for photo in read_manifest()[1]
        if photo.split == "dev"
    }
    rows = json.loads((EXAMPLES_FOLDER / "examples.json").read_text(encoding="utf-8"))
    assert {row["source"] for row in rows} <= held_out
