"""The mini benchmark: its files, sizes and credits, and that they can be made again."""

import json
from pathlib import Path

import numpy as np
import pytest

from examples import make_mini
from mirnet.images.decode import read_image
from mirnet.tasks import TASKS
from mirnet.train.manifest import read_manifest

FOLDER = make_mini.FOLDER
FREE = {"CC0-1.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "BSD-2-Clause", "public-domain"}


def rows(task):
    return [json.loads(line) for line in (FOLDER / task / "metadata.jsonl").open(encoding="utf-8")]


@pytest.mark.parametrize("task", TASKS)
def test_eight_pairs_of_the_right_sizes_and_no_other_files(task):
    found = rows(task)
    assert len({row["id"] for row in found}) == len(found) == 8
    named = {name for row in found for key, name in row.items() if key.endswith("_file_name")}
    there = {path for path in (FOLDER / task).rglob("*") if path.is_file()}
    assert {FOLDER / task / name for name in named} == there - {FOLDER / task / "metadata.jsonl"}
    for row in found:
        degraded = read_image(FOLDER / task / row["degraded_file_name"])
        target = read_image(FOLDER / task / row["target_file_name"])
        assert (target.width, target.height) == make_mini.SIZE
        scale = TASKS[task].scale
        assert (degraded.width * scale, degraded.height * scale) == make_mini.SIZE
        assert degraded.bits == target.bits == 8


def test_the_truths_are_eight_different_pictures_shared_by_all_tasks():
    names = [row["target_file_name"] for row in rows("denoise")]
    truths = {(FOLDER / "denoise" / name).read_bytes() for name in names}
    assert len(truths) == 8
    for task in TASKS:
        assert {(FOLDER / task / name).read_bytes() for name in names} == truths


@pytest.mark.parametrize("task", TASKS)
def test_the_damage_is_what_the_task_undoes(task):
    for row in rows(task):
        degraded = read_image(FOLDER / task / row["degraded_file_name"]).pixels / 255
        target = read_image(FOLDER / task / row["target_file_name"]).pixels / 255
        if task == "lowlight":
            assert degraded.mean() < 0.5 * target.mean()
        elif task in ("denoise", "retouch"):
            error = np.sqrt(((degraded - target) ** 2).mean())
            assert 0.03 < error < 0.25
        else:
            assert degraded.mean((0, 1)) == pytest.approx(target.mean((0, 1)), abs=0.01)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_reduction_is_that_of_matlab_which_training_uses(scale):
    import torch

    from mirnet.train.degradations.filters import resize

    target = read_image(FOLDER / f"sr-x{scale}/target/cat.png").pixels
    unit = torch.from_numpy(target / np.float32(255)).permute(2, 0, 1)[None]
    small = resize(unit, target.shape[0] // scale, target.shape[1] // scale)[0].permute(1, 2, 0)
    ours = read_image(FOLDER / f"sr-x{scale}/degraded/cat.png").pixels
    assert np.abs(ours - small.numpy() * 255).max() < 0.51


def test_every_picture_is_free_and_credited_and_none_was_trained_on():
    page = (FOLDER / "CREDITS.md").read_text(encoding="utf-8")
    splits = {
        f"{photo.package}: {Path(photo.file).name}": (photo.split, photo.licence)
        for photo in read_manifest()[1]
    }
    for task in TASKS:
        for row in rows(task):
            assert row["licence"] in FREE
            assert (
                f"| {row['id']} | {row['source']} | {row['author']} | [{row['licence']}](" in page
            )
            if not row["source"].startswith("scikit-image: "):
                assert splits[row["source"]] == ("dev", row["licence"])
    assert "synthetic" in page


def test_it_is_small_enough_to_be_kept_with_the_code():
    files = [path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) < 8e6


@pytest.mark.skipif(not make_mini.PHOTOS.is_dir(), reason="the photographs are not prepared")
def test_making_it_again_gives_the_same_bytes(tmp_path):
    make_mini.make(tmp_path)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(made) == 6 * (8 + 8 + 1) + 1
    for path in made:
        assert (tmp_path / path).read_bytes() == (FOLDER / path).read_bytes(), path


def test_photographs_that_are_not_prepared_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(make_mini, "PHOTOS", tmp_path)
    with pytest.raises(make_mini.InvalidRequest, match="mirnet prepare"):
        make_mini.scene("dogs")
