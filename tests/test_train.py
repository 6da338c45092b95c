"""The training loop on a few tiny made-up photographs."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mirnet.checkpoints import load_weights
from mirnet.errors import InvalidRequest
from mirnet.train import photos as photos_module
from mirnet.train.config import load_config
from mirnet.train.publish import pairs, publish
from mirnet.train.run import learning_rate, make_batch, train

ROOT = Path(__file__).parent.parent
RECIPE = """
id = "tiny"
task = "denoise"
save_every = 2
evaluate_every = 4

[network]
settings = {{ features = 8, blocks = 1, conv_groups = [1], stem = 2, exposure = {exposure} }}

[data]
photos = "{folder}"
degradation = "{degradation}"
patch_px = 16
batch = 2

[optimizer]
steps = 8
learning_rate = 1e-3
warmup = 2
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder that looks as `prepare` leaves it, with noise for photographs."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for photo in photos_module.manifest()[1]:
        pixels = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8).repeat(40, 0).repeat(40, 1)
        np.save(folder / photo.key, pixels)
    return folder


def write_recipe(path, prepared, degradation="noise", **changes):
    text = RECIPE.format(
        folder=prepared, degradation=degradation, exposure=str(degradation == "dark").lower()
    )
    for old, new in changes.items():
        text = text.replace(old, new)
    path.write_text(text)
    return path


def run(recipe, folder, **options):
    return list(train(recipe, folder, **options))


@pytest.mark.parametrize("degradation", ["noise", "dark"])
def test_trains_logs_scores_and_exports(prepared, tmp_path, degradation):
    recipe = write_recipe(tmp_path / "r.toml", prepared, degradation)
    reports = run(recipe, tmp_path / "run")
    assert [r.step for r in reports] == [2, 4, 6, 8]
    assert reports[1].dev_psnr_db is not None
    assert (tmp_path / "run/log.csv").read_text().count("\n") == 5
    model = load_weights(tmp_path / "run/best.safetensors")
    assert model(torch.rand(1, 3, 9, 7)).shape == (1, 3, 9, 7)
    card = json.loads((tmp_path / "run/card.json").read_text())
    assert card["steps"] == 8
    assert card["dev_psnr_db"] == pytest.approx(
        max(r.dev_psnr_db for r in reports if r.dev_psnr_db is not None), abs=1e-3
    )
    assert len(card["photos_sha256"]) == 64


def test_a_resumed_run_equals_an_unbroken_one(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", prepared)
    run(recipe, tmp_path / "whole")
    run(recipe, tmp_path / "broken", steps=4)
    run(recipe, tmp_path / "broken")
    whole = load_weights(tmp_path / "whole/last.safetensors").state_dict()
    broken = load_weights(tmp_path / "broken/last.safetensors").state_dict()
    assert all(torch.equal(whole[name], broken[name]) for name in whole)


def test_an_abandoned_run_resumes_from_its_last_saved_state(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", prepared)
    loop = train(recipe, tmp_path / "run")
    assert next(loop).step == 2
    loop.close()
    assert [r.step for r in run(recipe, tmp_path / "run")] == [4, 6, 8]


def test_another_recipe_does_not_continue_a_run(prepared, tmp_path):
    run(write_recipe(tmp_path / "a.toml", prepared), tmp_path / "run", steps=2)
    other = write_recipe(tmp_path / "b.toml", prepared, **{"warmup = 2": "warmup = 3"})
    with pytest.raises(InvalidRequest, match="another configuration"):
        run(other, tmp_path / "run")


def test_batches_depend_on_the_seed_alone(prepared, tmp_path):
    config = load_config(write_recipe(tmp_path / "r.toml", prepared))
    patches = photos_module.Patches(prepared, "train")
    first = make_batch(patches, config, 2, 16, (1, 5))
    make_batch(patches, config, 2, 16, (1, 6))
    again = make_batch(patches, config, 2, 16, (1, 5))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_schedule_warms_up_and_ends_low(prepared, tmp_path):
    config = load_config(write_recipe(tmp_path / "r.toml", prepared))
    rates = [learning_rate(config, step) for step in range(9)]
    assert rates[0] == pytest.approx(5e-4)
    assert max(rates) == pytest.approx(1e-3)
    assert rates[8] == pytest.approx(1e-6)
    assert all(a >= b for a, b in zip(rates[2:], rates[3:], strict=False))


def test_dev_photographs_are_not_in_training():
    photos = photos_module.manifest()[1]
    train_hashes = {p.sha256 for p in photos if p.split == "train"}
    dev_hashes = {p.sha256 for p in photos if p.split == "dev"}
    assert dev_hashes
    assert not train_hashes & dev_hashes
    assert all(p.licence and p.author for p in photos)


def test_publishing_measures_and_writes_the_card(prepared, tmp_path):
    run(write_recipe(tmp_path / "r.toml", prepared), tmp_path / "run")
    rng = np.random.default_rng(0)
    target = rng.integers(60, 190, (24, 32, 3)).astype(np.uint8)
    for place, pixels in (("input", target + 10), ("target", target)):
        (tmp_path / "pairs" / place).mkdir(parents=True)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "pairs" / place / "a.png")
    card = publish(tmp_path / "run", {"Made up": tmp_path / "pairs"}, tmp_path / "shipped")
    score = card["scores"][0]
    assert score["input_psnr_db"] == pytest.approx(20 * np.log10(255 / 10), abs=1e-3)
    assert score["pairs"] == 1
    stored = json.loads((tmp_path / "shipped/tiny.json").read_text())
    assert stored == card
    weights = tmp_path / "shipped/tiny.safetensors"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == card["sha256"]
    text = (tmp_path / "shipped/tiny.md").read_text()
    assert f"{score['psnr_db']:.2f} / {score['ssim']:.4f}" in text
    # The same numbers by hand, from the network itself.
    with torch.inference_mode():
        x = torch.from_numpy((target + 10).astype(np.float32) / 255).permute(2, 0, 1)[None]
        y = load_weights(weights)(x)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    mse = ((np.rint(y * 255) - target) ** 2).mean()
    assert score["psnr_db"] == pytest.approx(10 * np.log10(255**2 / mse), abs=2e-3)


def test_publishing_names_what_is_missing(prepared, tmp_path):
    with pytest.raises(InvalidRequest, match="best.safetensors"):
        publish(tmp_path, {})
    with pytest.raises(InvalidRequest, match="holds no pairs"):
        list(pairs(tmp_path))
    (tmp_path / "input").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "input" / "a.png")
    with pytest.raises(InvalidRequest, match="a.png in .* has 0 targets"):
        list(pairs(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps = 8": "stepz = 8"}, "stepz"),
        ({"batch = 2": "batch = 0"}, "data.batch"),
        ({"features = 8": "width = 8"}, "network.settings"),
        ({"[data]": "[data"}, "TOML"),
    ],
)
def test_a_wrong_recipe_is_named_in_one_sentence(prepared, tmp_path, change, message):
    recipe = write_recipe(tmp_path / "r.toml", prepared, **change)
    with pytest.raises(InvalidRequest, match=message):
        run(recipe, tmp_path / "run")


def test_missing_photographs_say_how_to_get_them(tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", tmp_path / "nowhere")
    with pytest.raises(InvalidRequest, match="mirnet prepare"):
        run(recipe, tmp_path / "run")


def test_our_own_recipes_are_valid():
    for name in ("denoise-compact", "lowlight-compact"):
        assert load_config(f"configs/{name}.toml").id == name


def test_prepare_refuses_a_changed_file(tmp_path, monkeypatch):
    packages, photos = photos_module.manifest()
    package = photos_module.Package("none-such", "1", 1, "0" * 64)
    monkeypatch.setattr(photos_module, "manifest", lambda: ([package], photos[:1]))
    monkeypatch.setattr(photos_module.shutil, "which", lambda name: None)
    changed = [p.__class__(**{**p.__dict__, "package": "none-such"}) for p in photos[:1]]
    monkeypatch.setattr(photos_module, "manifest", lambda: ([package], changed))
    with pytest.raises(InvalidRequest, match=r"put its \.deb file"):
        list(photos_module.prepare(tmp_path))


@pytest.mark.slow
def test_two_processes_share_a_batch(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", prepared)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*launch, "-m", "mirnet", "train", str(recipe), "--folder", str(tmp_path / "run")]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    assert json.loads((tmp_path / "run/card.json").read_text())["processes"] == 2
    assert load_weights(tmp_path / "run/last.safetensors")
