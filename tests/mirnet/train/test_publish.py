"""Publishing trained weights: their scores, their card, and verifying both."""

import hashlib
import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture
from mirnet.metrics.protocols import LUMA_CLASSIC
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.train.publish import measure, publish, recompute
from mirnet.weights.catalogue import EMBEDDED_FOLDER, OwnScore
from mirnet.weights.networks import load_weights, save_weights
from tests.support.training import run, write_recipe


def test_publishing_measures_and_writes_the_card(prepared, tmp_path):
    run(write_recipe(tmp_path / "r.toml", prepared), tmp_path / "run")
    rng = np.random.default_rng(0)
    target = rng.integers(60, 190, (24, 32, 3)).astype(np.uint8)
    for place, pixels in (("input", target + 10), ("target", target)):
        (tmp_path / "pairs" / place).mkdir(parents=True)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "pairs" / place / "a.png")
    sets = {"Made up": tmp_path / "pairs"}
    late = publish(tmp_path / "run", sets, tmp_path / "late", last=True)
    last = tmp_path / "run" / "last.safetensors"
    assert (tmp_path / "late" / f"{late['id']}.safetensors").read_bytes() == last.read_bytes()
    logged = [line.split(",")[-1] for line in (tmp_path / "run/log.csv").read_text().splitlines()]
    assert late["dev_psnr_db"] == pytest.approx(float(logged[-1]), abs=2e-3)
    card = publish(tmp_path / "run", sets, tmp_path / "shipped")
    score = card["scores"][0]
    assert score["input_psnr_db"] == pytest.approx(20 * np.log10(255 / 10), abs=1e-3)
    assert score["pairs"] == 1
    stored = json.loads((tmp_path / "shipped/tiny.json").read_text())
    assert stored == card
    weights = tmp_path / "shipped/tiny.safetensors"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == card["sha256"]
    text = (tmp_path / "shipped/tiny.md").read_text()
    index = yaml.safe_load(text.split("---")[1])["model-index"][0]
    assert index["results"][0]["metrics"][0] == {
        "type": "psnr",
        "value": score["psnr_db"],
        "name": "PSNR (dB)",
    }
    assert card["photos"]
    assert all(
        f"| {photo['licence']} | `{photo['sha256'][:12]}` |" in text for photo in card["photos"]
    )
    with Image.open(tmp_path / "shipped" / card["example"]) as example:
        assert example.size == (3 * 32, 4 * 32)  # dev_patch_px of the recipe
    assert f"{score['psnr_db']:.2f} / {score['ssim']:.4f}" in text
    # The same numbers by hand, from the network itself.
    with torch.inference_mode():
        x = torch.from_numpy((target + 10).astype(np.float32) / 255).permute(2, 0, 1)[None]
        y = load_weights(weights)(x)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    mse = ((np.rint(y * 255) - target) ** 2).mean()
    assert score["psnr_db"] == pytest.approx(10 * np.log10(255**2 / mse), abs=2e-3)


def test_small_inputs_are_enlarged_and_scored_on_luma(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    target = Image.fromarray(pixels)
    small = target.resize((32, 24), Image.Resampling.BICUBIC)
    for place, image in (("input", small), ("target", target)):
        (tmp_path / place).mkdir()
        image.save(tmp_path / place / "a.png")
    torch.manual_seed(0)
    model = MIRNetV2(features=8, blocks=1, conv_groups=(1,), unshuffle=2)
    torch.nn.init.zeros_(model.conv_out.weight)
    path = save_weights(model, tmp_path / "same.safetensors")
    score = measure(path, "sr-x2", "Made up", tmp_path)
    enlarged = Picture(np.asarray(small.resize((64, 48), Image.Resampling.BICUBIC)))
    expected = LUMA_CLASSIC.score(enlarged.pixels, pixels, 2)["psnr_db"]
    assert score["psnr_db"] == score["input_psnr_db"] == pytest.approx(expected, abs=0.05)
    assert "Luma Y" in score["protocol"]


def test_verifying_recomputes_the_scores_of_a_card(tmp_path, monkeypatch):
    """The shipped weights' own card, with scores on pairs made here."""
    rng = np.random.default_rng(0)
    for place in ("input", "target"):
        (tmp_path / place).mkdir()
        Image.fromarray(rng.integers(60, 190, (24, 32, 3), dtype=np.uint8)).save(
            tmp_path / place / "a.png"
        )
    path = EMBEDDED_FOLDER / "denoise-compact.safetensors"
    now = measure(path, "denoise", "Made up", tmp_path)

    def scored(**changes):
        told = [OwnScore(**{**now, **changes})]
        monkeypatch.setattr("mirnet.weights.catalogue.scores", lambda entry: told)
        return recompute("denoise-compact", "Made up", tmp_path)

    assert scored().ok
    assert "they differ" in scored(psnr_db=now["psnr_db"] + 0.1).message
    assert "other files" in scored(data_sha256="0" * 64).message
    with pytest.raises(InvalidRequest, match="no score on 'CC15'"):
        recompute("denoise-compact", "CC15", tmp_path)


def test_publishing_names_what_is_missing(prepared, tmp_path):
    with pytest.raises(InvalidRequest, match="best.safetensors"):
        publish(tmp_path, {})
    with pytest.raises(InvalidRequest, match="no last.safetensors yet: train to its end"):
        publish(tmp_path, {}, last=True)
