"""`python -m eval score`: folders that other programs wrote, pictures that cannot be scored."""

import json
import os
import re

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from eval.cli.main import app
from tests.support.pair_files import png, put

ONE, TWO = png(16, 16, 1), png(16, 16, 2)


def score(*arguments):
    return CliRunner().invoke(app, ["score", *(str(argument) for argument in arguments)])


def names_of(folder, restored, target):
    put(folder, {f"r/{name}": ONE for name in restored} | {f"t/{name}": ONE for name in target})
    done = score(folder / "r", folder / "t", "--json")
    assert done.exit_code == 0, done.output
    return [row["name"] for row in json.loads(done.stdout)["scores"]]


def png_16(values):
    return cv2.imencode(".png", values.astype(np.uint16))[1].tobytes()


@pytest.mark.parametrize(
    "restored, target, found",
    [
        (["img10.png", "img2.png"], ["img2.png", "img10.png"], ["img2.png", "img10.png"]),
        (["cafe\u0301.png"], ["caf\u00e9.png"], ["cafe\u0301.png"]),
        (["b_x2.png", "a_x2.png"], ["a.png", "b.png"], ["a_x2.png", "b_x2.png"]),
        (["babyx2.png", "birdx2.png"], ["baby.jpg", "bird.png"], ["babyx2.png", "birdx2.png"]),
        (["restored_a.png"], ["a.png"], ["restored_a.png"]),
        (["out_1.png", "out_10.png"], ["1.png", "10.png"], ["out_1.png", "out_10.png"]),
        (["s1/a.png", "s2/a.png"], ["s1/a.jpg", "s2/a.jpg"], ["a.png", "a.png"]),
    ],
)
def test_names_of_results_pair_with_their_targets(restored, target, found, tmp_path):
    assert names_of(tmp_path, restored, target) == found


@pytest.mark.parametrize(
    "restored, target",
    [
        (["a_in.png", "a_out.png"], ["a.png", "b.png"]),
        (["img10.png", "img20.png"], ["img1.png", "img2.png"]),
        (["a_x2.png"], ["a.png", "b.png"]),
        (["a.png", "a.jpg"], ["a.png"]),
    ],
)
def test_names_that_leave_doubt_are_refused(restored, target, tmp_path):
    put(tmp_path, {f"r/{name}": ONE for name in restored} | {f"t/{name}": ONE for name in target})
    assert score(tmp_path / "r", tmp_path / "t").exit_code == 2


def test_what_cannot_be_scored_is_named_and_the_rest_is_scored(tmp_path):
    files = {"r/a.png": b"", "r/b.png": png(16, 12), "r/c.png": TWO, "r/d.png": ONE}
    put(tmp_path, files | {f"t/{name}.png": ONE for name in "abcd"})
    done = score(tmp_path / "r", tmp_path / "t", "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [row["name"] for row in found["scores"]] == ["c.png", "d.png"]
    assert found["images"] == 2
    assert found["psnr"] == found["scores"][0]["psnr"]
    assert [row["name"] for row in found["failed"]] == ["a.png", "b.png"]
    assert "empty" in found["failed"][0]["error"]
    shown = score(tmp_path / "r", tmp_path / "t")
    assert shown.exit_code == 1 and "2 pictures of 4 not scored" in shown.stdout
    whole = score(tmp_path / "t", tmp_path / "t", "--json")
    assert whole.exit_code == 0 and json.loads(whole.stdout)["failed"] == []
    nobody = score("~nobody-of-that-name/r", tmp_path / "t")
    assert nobody.exit_code == 2 and "There is no ~nobody" in nobody.output
    put(tmp_path, {"r/c.png": b"", "r/d.png": b""})
    refused = score(tmp_path / "r", tmp_path / "t")
    assert refused.exit_code == 2
    assert "a.png is empty" in " ".join(refused.output.split())


def test_identical_pictures_have_an_infinite_mean(tmp_path):
    put(tmp_path, {f"{half}/{name}.png": ONE for half in "rt" for name in "ab"})
    done = score(tmp_path / "r", tmp_path / "t")
    assert "nan" not in done.stdout
    assert "left out" not in done.stdout
    assert [line.split()[1] for line in done.stdout.splitlines()[1:4]] == ["inf"] * 3


@pytest.mark.parametrize(
    "restored, target, told",
    [
        (255, 255 * 257, "a.png is a file of 16 bits whose values end at 255 .* multiply .* 257"),
        (255 * 257, 255, "as if 8 bits"),
        (1023, 1023, "as if 10 bits"),
        (4095, 4095, "as if 12 bits .* by 16.0037"),
    ],
)
def test_few_bits_in_a_file_of_16_are_refused(restored, target, told, tmp_path):
    ramp = np.linspace(0, 1.1, 16 * 16 * 3).clip(0, 1).reshape(16, 16, 3)
    put(tmp_path, {"r/a.png": png_16(ramp * restored), "t/a.png": png_16(ramp * target)})
    done = score(tmp_path / "r", tmp_path / "t")
    assert done.exit_code == 2
    assert re.search(told, " ".join(done.output.split()))


def test_a_dark_result_of_16_bits_is_scored(tmp_path):
    ramp = np.linspace(0, 1, 16 * 16 * 3).reshape(16, 16, 3)
    put(tmp_path, {"r/a.png": png_16(ramp * 4000), "t/a.png": png_16(ramp * 65535)})
    assert score(tmp_path / "r", tmp_path / "t").exit_code == 0


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    put(tmp_path, {"r/a.png": ONE, "t/a.png": ONE})
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    assert score("~/r/", "~/t").exit_code == 0


def test_a_scale_below_one_is_refused(tmp_path):
    put(tmp_path, {"a.png": ONE})
    assert score(tmp_path / "a.png", tmp_path / "a.png", "--scale", 0).exit_code == 2
