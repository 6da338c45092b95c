"""The session for a GPU that is there for minutes, on the CPU with tiny networks."""

import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from mirnet.errors import InvalidRequest
from mirnet.train import gpu_session
from mirnet.train.config import Config, load_config
from mirnet.train.manifest import read_manifest
from mirnet.train.run import train
from tests.support.training import run, write_recipe


@pytest.fixture
def pairs(tmp_path):
    pixels = np.random.default_rng(0).integers(60, 190, (24, 32, 3), dtype=np.uint8)
    for place, values in (("input", pixels + np.uint8(9)), ("target", pixels)):
        (tmp_path / "pairs" / place).mkdir(parents=True)
        Image.fromarray(values).save(tmp_path / "pairs" / place / "a.png")
    return tmp_path / "pairs"


@pytest.mark.slow
def test_a_session_leaves_weights_states_and_scores_in_time(prepared, tmp_path, monkeypatch, pairs):
    def unpack(pack, folder):
        folder.mkdir()
        for photo in read_manifest()[1]:
            np.save(
                folder / photo.key, np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
            )

    monkeypatch.setattr(gpu_session, "unpack", unpack)
    monkeypatch.setattr(gpu_session, "SECONDS_FOR_A_SCORE", -1e9)  # scored however late
    lines = list(
        gpu_session.session(
            tmp_path / "pack.zip",
            tmp_path / "out",
            minutes=2,
            recipes=("denoise-compact",),
            batch=2,
            dev={"denoise": {"Made up": pairs}},
            changes={"patch_px": 16, "dev_patch_px": 32},
        )
    )
    assert any("steps/s" in line and "on data" in line for line in lines)
    report = json.loads((tmp_path / "out/report.json").read_text())
    entry = report["runs"]["denoise-compact"]
    assert entry["stopped"] == ""
    assert entry["scores"][0]["benchmark"] == "Made up"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "denoise-compact.zip",
        "report.json",
    ]
    with zipfile.ZipFile(tmp_path / "out/denoise-compact.zip") as bundled:
        bundled.extractall(tmp_path / "again")
    state = torch.load(tmp_path / "again/state.pt", weights_only=True)
    assert state["counters"]["step"] > 0
    recipe = Config.model_validate_json((tmp_path / "again/recipe.json").read_text())
    data = recipe.data.model_copy(update={"photos": str(prepared)})
    again = recipe.model_copy(update={"data": data})
    reports = list(train(again, tmp_path / "again", steps=1, next_cycle=True))
    assert [(r.cycle, r.step) for r in reports] == [(2, 1)]


def test_a_run_whose_loss_grows_is_stopped(tmp_path, monkeypatch):
    class Process:
        terminated = False

        def poll(self):
            return None

        def terminate(self):
            self.terminated = True

    (tmp_path / "log.csv").write_text(
        "loss,seconds_per_step,samples_per_second,data_share\n0.1,0.02,1600,0.1\n0.2,0.02,1600,0.1\n"
    )
    config = gpu_session.recipe_for("sr-x4-compact", tmp_path, 32, False, {})
    running = gpu_session.Running(config, tmp_path, Process())
    assert gpu_session.check(running) == (
        "sr-x4-compact: 50.0 steps/s, 1600 patches/s, 10% on data, loss 0.10000 to 0.20000: stopped"
    )
    assert running.process.terminated


def test_a_bundle_drops_the_optimizer_where_it_would_be_too_large(prepared, tmp_path, monkeypatch):
    recipe = write_recipe(tmp_path / "r.toml", prepared)
    run(recipe, tmp_path / "run")
    running = gpu_session.Running(load_config(recipe), tmp_path / "run", None)
    whole = gpu_session.bundle(running, tmp_path).stat().st_size
    monkeypatch.setattr(gpu_session, "MAX_FILE_BYTES", whole - 1)
    assert gpu_session.bundle(running, tmp_path).stat().st_size < whole
    with zipfile.ZipFile(tmp_path / "tiny.zip") as bundled:
        bundled.extractall(tmp_path / "again")
    with pytest.raises(InvalidRequest, match="begin the next one with --continue"):
        run(recipe, tmp_path / "again")
    assert run(recipe, tmp_path / "again", steps=1, next_cycle=True)[0].cycle == 2
