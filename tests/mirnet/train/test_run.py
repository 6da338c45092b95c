"""Cycles, minutes, and files of a run that is refused, set aside or continued."""

import json
import math
import time

import numpy as np
import pytest
import torch
from PIL import Image

from mirnet.errors import InvalidRequest
from mirnet.train.run import Counters, Feed
from mirnet.train.schedule import Clock
from mirnet.weights.networks import STEP_NOTE, load_weights
from mirnet.weights.store import read_notes
from tests.support.paths import ROOT
from tests.support.training import run, write_recipe


def counters(folder):
    return Counters(**torch.load(folder / "state.pt", weights_only=True)["counters"])


class Ticking:
    """A clock that goes on by half a second whenever it is read."""

    now = 0.0

    def monotonic(self):
        self.now += 0.5
        return self.now


def test_minutes_stretch_the_whole_schedule(prepared, tmp_path, monkeypatch):
    """Warm-up to final rate, with scores, weights and card, inside the time."""
    clock = Ticking()
    monkeypatch.setattr("mirnet.train.schedule.time", clock)
    monkeypatch.setattr("mirnet.train.run.time", clock)
    recipe = write_recipe(tmp_path / "r.toml", prepared)
    reports = run(recipe, tmp_path / "run", minutes=1)
    assert clock.now < 64  # a step takes two of its seconds
    assert reports[0].learning_rate > 5e-4  # of 1e-3
    assert reports[-1].learning_rate < 1e-4
    assert reports[-1].step > 8  # those of the recipe
    assert [r.dev_psnr_db is not None for r in reports].count(True) == 6
    for name in ("last.safetensors", "best.safetensors"):
        assert load_weights(tmp_path / "run" / name)
    card = json.loads((tmp_path / "run/card.json").read_text())
    assert card["steps"] == reports[-1].step
    assert card["cycles"] == 1


def test_a_clock_counts_what_an_interrupted_cycle_spent():
    now = time.monotonic()
    clock = Clock(100, minutes=1, spent=27, since=now)
    assert clock.done(0) == pytest.approx(27 / (60 + 27 - 3), abs=0.01)
    clock.reserve(30)
    assert clock.done(0) == pytest.approx(27 / 54, abs=0.01)
    assert Clock(100, None, 0, now).done(25) == 0.25


def test_the_next_cycle_goes_on_from_the_averaged_weights(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", prepared)
    run(recipe, tmp_path / "run")
    first = load_weights(tmp_path / "run/last.safetensors").state_dict()
    other = write_recipe(
        tmp_path / "b.toml", prepared, **{"learning_rate = 1e-3": "learning_rate = 1e-12"}
    )
    reports = run(other, tmp_path / "run", next_cycle=True)
    assert [r.cycle for r in reports] == [2] * 4
    second = load_weights(tmp_path / "run/last.safetensors").state_dict()
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)
    now = counters(tmp_path / "run")
    assert (now.cycle, now.step, now.total) == (2, 8, 16)
    log = (tmp_path / "run/log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in log[1:]] == ["1"] * 4 + ["2"] * 4
    assert json.loads((tmp_path / "run/card.json").read_text())["steps"] == 16


@pytest.mark.parametrize("algorithms", [("adam", "muon"), ("muon", "adam")])
def test_the_next_cycle_may_have_another_algorithm(prepared, tmp_path, algorithms):
    first, second = (
        write_recipe(
            tmp_path / f"{name}.toml",
            prepared,
            **{"warmup = 2": f'warmup = 2\nalgorithm = "{name}"'},
        )
        for name in algorithms
    )
    run(first, tmp_path / "run", steps=2)
    assert run(second, tmp_path / "run", next_cycle=True)[-1].cycle == 2


def test_a_run_of_before_muon_resumes_with_its_moments(prepared, tmp_path):
    """Its state of Adam is under another name; weights after the resumed steps are the same."""
    recipe = write_recipe(tmp_path / "r.toml", prepared)
    for name in ("now", "before"):
        run(recipe, tmp_path / name, steps=4)
    file = tmp_path / "before/state.pt"
    state = torch.load(file, weights_only=True)
    [state["optimizer"]] = state.pop("optimizers")
    torch.save(state, file)
    for name in ("now", "before"):
        run(recipe, tmp_path / name)
    now, before = (load_weights(tmp_path / f"{n}/last.safetensors") for n in ("now", "before"))
    for one, other in zip(now.parameters(), before.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_next_cycle_needs_a_state_of_the_same_network(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", prepared)
    with pytest.raises(InvalidRequest, match="no state to continue from"):
        run(recipe, tmp_path / "run", next_cycle=True)
    assert not (tmp_path / "run").exists()
    run(recipe, tmp_path / "run", steps=2)
    wider = write_recipe(tmp_path / "b.toml", prepared, **{"features = 8": "features = 12"})
    with pytest.raises(InvalidRequest, match="another network"):
        run(wider, tmp_path / "run", next_cycle=True)


def test_a_refused_start_leaves_the_run_as_it_was(prepared, tmp_path):
    run(write_recipe(tmp_path / "a.toml", prepared), tmp_path / "run", steps=2)
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    other = write_recipe(tmp_path / "b.toml", prepared, **{"warmup = 2": "warmup = 3"})
    with pytest.raises(InvalidRequest, match="another configuration"):
        run(other, tmp_path / "run")
    assert {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before


def test_starting_over_sets_the_earlier_run_aside(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", prepared)
    run(recipe, tmp_path / "run")
    log = (tmp_path / "run/log.csv").read_text()
    run(recipe, tmp_path / "run", resume=False, steps=2)
    assert (tmp_path / "run/log.csv").read_text().count("\n") == 2
    assert not (tmp_path / "run/best.safetensors").exists()  # not scored yet
    assert (tmp_path / "run/previous-1/log.csv").read_text() == log
    assert (tmp_path / "run/previous-1/best.safetensors").exists()


def test_an_unknown_task_is_refused(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", prepared, **{'"denoise"': '"denoize"'})
    with pytest.raises(InvalidRequest, match=r"no task 'denoize'.*lowlight"):
        run(recipe, tmp_path / "run")


def test_patches_larger_than_every_photograph_are_refused(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", prepared, **{"patch_px = 16": "patch_px = 300"})
    with pytest.raises(InvalidRequest, match="Every picture is smaller than a patch of 302"):
        run(recipe, tmp_path / "run")


def test_a_run_can_be_repeated_from_its_own_recipe(prepared, tmp_path):
    run(write_recipe(tmp_path / "r.toml", prepared), tmp_path / "a", steps=4)
    run(tmp_path / "a/recipe.json", tmp_path / "b", steps=4)
    a, b = (load_weights(tmp_path / name / "last.safetensors").state_dict() for name in "ab")
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_diverged_run_stops_in_words(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "mirnet.train.step.distance", lambda difference, recipe: math.nan * difference.sum()
    )
    with pytest.raises(FloatingPointError, match="diverged"):
        run(write_recipe(tmp_path / "r.toml", prepared), tmp_path / "run")


def test_progress_tells_speed_and_the_share_of_data(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(Feed, "seconds", lambda self: 1e-9)
    reports = run(write_recipe(tmp_path / "r.toml", prepared), tmp_path / "run", steps=4)
    assert all(r.samples_per_second == pytest.approx(2 / r.seconds_per_step) for r in reports)
    assert all(0 < r.data_share < 1e-6 for r in reports)
    row = (tmp_path / "run/log.csv").read_text().splitlines()[1].split(",")
    assert np.isclose(float(row[5]), reports[0].samples_per_second, rtol=0.1)


def test_the_recipe_of_the_training_page_works(tmp_path, monkeypatch):
    page = (ROOT / "mirnet/docs/training.md").read_text()
    (tmp_path / "mine.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    for place in ("input", "target"):
        (tmp_path / "data/pairs" / place).mkdir(parents=True)
        for number in range(10):
            pixels = np.random.default_rng(number).integers(0, 256, (192, 200, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data/pairs" / place / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    reports = run("mine.toml", "runs/train/mine", steps=1)
    assert reports[-1].step == 1
    assert load_weights("runs/train/mine/last.safetensors")
    assert json.loads((tmp_path / "runs/train/mine/recipe.json").read_text())["data"]["pairs"]


def test_weights_of_every_nth_step_are_kept_with_their_step(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", prepared)
    folder = tmp_path / "run"
    run(recipe, folder, steps=4, keep_every=3)
    run(recipe, folder, keep_every=3)  # which weights are kept is no other run
    run(recipe, folder, next_cycle=True, steps=2, keep_every=3)
    kept = sorted((folder / "steps").iterdir())
    assert [read_notes(path)[STEP_NOTE] for path in kept] == ["3", "6", "9"]
    assert all(read_notes(path)["training"] == "tiny" for path in kept)
    one, other = (load_weights(path).state_dict() for path in kept[:2])
    assert any(not torch.equal(one[name], other[name]) for name in one)
    plain = tmp_path / "plain"
    run(recipe, plain)
    assert not (plain / "steps").exists()
    whole = load_weights(plain / "last.safetensors").state_dict()
    again = tmp_path / "again"
    run(recipe, again, keep_every=3)
    same = load_weights(again / "last.safetensors").state_dict()
    assert all(torch.equal(whole[name], same[name]) for name in whole)  # keeping changes nothing
    run(recipe, folder, resume=False)
    assert not (folder / "steps").exists()
    assert len(list((folder / "previous-1/steps").iterdir())) == 3
