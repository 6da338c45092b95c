"""Commands that measure blends, two steps and eight views: what they print, not how long."""

import re

import numpy as np
from PIL import Image

from tests.bench import blends, two_steps, views
from tests.bench.blends import BLENDS, PREVIEW_TARGET_MS, blend_costs

SETS = ("lowlight/LoL/eval15_first7", "denoise/CC15/dev", "denoise/PolyU/train")


def test_every_blend_is_timed_on_the_preview_and_on_the_photo():
    costs = list(blend_costs(0.02))
    assert all(cost.milliseconds > 0 for cost in costs)
    named = {cost.what: cost.target for cost in costs}
    for name in BLENDS:
        assert named[f"preview, {name}"] == PREVIEW_TARGET_MS
        assert named[f"0.02 megapixels, {name}"] is None
    assert blends._made_up(0.02).picture.pixels.shape == (122, 163, 3)


def test_two_steps_are_compared_with_each_single_task(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    for name in SETS:
        for half in ("input", "target"):
            (tmp_path / name / half).mkdir(parents=True)
            picture = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8))
            picture.save(tmp_path / name / half / "a.png")
    (tmp_path / "clean/Kodak24/dev/target").mkdir(parents=True)
    picture.save(tmp_path / "clean/Kodak24/dev/target/k.png")
    monkeypatch.setattr("sys.argv", ["two_steps", str(tmp_path), "--most", "1", "--scale", "2"])
    two_steps.main()
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    assert len({row[0] for row in rows[2:]}) == 6  # a dark group, four small ones, all of these
    for _, n, way, psnr, ssim, better in rows[2:]:
        assert n in ("1", "4") and 0 < float(psnr) < 60 and -1 <= float(ssim) <= 1
        assert bool(re.fullmatch("[0-4], [0-4]", better)) == ("then" in way)
    hashes = [line for line in lines if "sha256" in line]
    assert [line.split(":")[0] for line in hashes] == [
        "denoise-compact", "lowlight-compact", "sr-x2-compact", "sr-x2-photo",
    ]  # fmt: skip


def test_eight_views_are_compared_with_one(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    for half in ("input", "target"):
        (tmp_path / "some" / half).mkdir(parents=True)
        picture = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8))
        picture.save(tmp_path / "some" / half / "a.png")
    monkeypatch.setattr(views, "SETS", (("denoise-compact", "denoise", "Some", "some"),))
    monkeypatch.setattr("sys.argv", ["views", str(tmp_path)])
    views.main()
    row = capsys.readouterr().out.splitlines()[-1]
    _, weights, name, one, eight, _ = (cell.strip() for cell in row.split("|"))
    assert (weights, name) == ("denoise-compact", "Some")
    assert one != eight
    assert all(5 < float(score.split(" / ")[0]) < 20 for score in (one, eight))
