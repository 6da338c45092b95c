"""The example photos: they fit their tasks, are free, small and held out of training."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mirnet
from mirnet import TASKS
from mirnet.app.examples import EXAMPLES_FOLDER, examples, examples_for
from mirnet.train.manifest import read_manifest
from mirnet.weights import load as weights

RESTORED = [example for example in examples() if example.restored]


def test_every_task_with_weights_has_a_restored_example_for_the_first_sight():
    shipped = [task.id for task in TASKS.values() if weights.locate(task.default_weights)]
    assert [example.task for example in RESTORED] == shipped


@pytest.mark.parametrize("example", RESTORED, ids=lambda example: example.task)
def test_restored_examples_are_what_our_weights_make_of_them(example):
    """When this fails after a change of weights, run examples/restore_examples.py."""
    result = mirnet.restore(example.path, example.task).result()
    stored = json.loads((EXAMPLES_FOLDER / "restored.json").read_text(encoding="utf-8"))
    row = stored[example.path.relative_to(EXAMPLES_FOLDER).as_posix()]
    assert row["weights"] == result.weights_id == example.weights
    assert row["weights_sha256"] == result.weights_sha256
    with Image.open(example.restored) as shown:
        difference = np.asarray(shown, int) - result.picture.pixels
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
    known |= {example.restored.relative_to(folder).as_posix() for example in RESTORED}
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
