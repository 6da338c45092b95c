"""The training loop on a few tiny made-up photographs."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from mirnet.errors import InvalidRequest
from mirnet.train.batches import Photographs, RealPairs, Source, generator_for
from mirnet.train.config import CONFIGS, Data, Network, Pairs, load_config
from mirnet.train.network import build
from mirnet.train.run import train
from mirnet.train.schedule import learning_rate
from mirnet.weights.networks import load_weights, save_weights
from tests.support.paths import ROOT
from tests.support.training import run, write_recipe


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


def test_bfloat16_trains_nearly_the_same_float32_weights(prepared, tmp_path):
    run(write_recipe(tmp_path / "a.toml", prepared), tmp_path / "a")
    half = {"warmup = 2": 'warmup = 2\nprecision = "bfloat16"'}
    run(write_recipe(tmp_path / "b.toml", prepared, **half), tmp_path / "b")
    exact, rounded = (
        load_weights(tmp_path / name / "last.safetensors").state_dict() for name in "ab"
    )
    differences = [(exact[name] - rounded[name]).abs().max().item() for name in exact]
    assert all(value.dtype == torch.float32 for value in rounded.values())
    assert 0 < max(differences) < 0.02


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
    recipe = write_recipe(tmp_path / "r.toml", prepared, **{"batch = 2": "batch = 2\ndetail = 0.5"})
    source = Source(load_config(recipe), "train")
    first = source.batch(2, 16, (1, 5))
    source.batch(2, 16, (1, 6))
    again = source.batch(2, 16, (1, 5))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_detailed_patches_are_more_detailed(prepared):
    def detail(share):
        data = Data(photos=str(prepared), degradation="noise", detail=share)
        patches = Photographs(data, "train", "cpu")
        drawn, _ = patches.batch(64, 16, generator_for("cpu", 1))
        return drawn.diff(dim=2).abs().mean()

    assert detail(1.0) > 1.2 * detail(0.0)


@pytest.fixture
def real_pairs(tmp_path):
    """Twelve pairs whose target is the input plus ten, named as SIDD names them."""
    rng = np.random.default_rng(3)
    folder = tmp_path / "sidd"
    for number in range(12):
        scene = folder / f"Data/{number:04d}"
        scene.mkdir(parents=True)
        pixels = rng.integers(0, 240, (64, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(scene / f"{number:04d}_NOISY_SRGB_010.PNG")
        Image.fromarray(pixels + 10).save(scene / f"{number:04d}_GT_SRGB_010.PNG")
    return folder


def mixed_recipe(path, prepared, folder):
    small = {"dev_patch_px = 32": "dev_patch_px = 16"}
    recipe = write_recipe(path, prepared, **small)
    pairs = f"""
[[data.pairs]]
folder = "{folder}"
input = "Data/*/*_NOISY_SRGB_*.PNG"
find = "NOISY"
replace = "GT"
share = 0.5
dev_every = 4
name = "made-up pairs (CC0)"
"""
    recipe.write_text(recipe.read_text() + pairs)
    return recipe


def test_real_pairs_are_mixed_in_by_their_share(prepared, tmp_path, real_pairs):
    recipe = mixed_recipe(tmp_path / "r.toml", prepared, real_pairs)
    source = Source(load_config(recipe), "train")
    degraded, target, thumbnails = source.batch(40, 16, (0, 0))
    real = ((target - degraded) * 255 - 10).abs().amax((1, 2, 3)) < 1e-3
    assert 15 <= real.sum() <= 25
    assert thumbnails.shape == (40, 3, 64, 64)
    held_out = {path.name for path, _ in Source(load_config(recipe), "dev").pairs[0][0].paths}
    trained = {path.name for path, _ in source.pairs[0][0].paths}
    assert (len(held_out), len(trained)) == (3, 9)
    assert not held_out & trained
    run(recipe, tmp_path / "run", steps=4)
    card = json.loads((tmp_path / "run/card.json").read_text())
    assert "9 real pairs of made-up pairs (CC0) (50% of the batches)" in card["trained_on"]


def test_real_pairs_change_colours_together(real_pairs):
    recipe = Pairs(
        folder=str(real_pairs), input="Data/*/*_NOISY_SRGB_*.PNG", find="NOISY", replace="GT"
    )
    recoloured = recipe.model_copy(update={"colours": 1.0})
    for asked, levels in ((recipe, [10.0]), (recoloured, None)):
        seeded = generator_for("cpu", 0)
        degraded, target, _ = RealPairs(asked, "train", "cpu").batch(20, 16, seeded)
        difference = (target - degraded) * 255
        spread = difference.amax((2, 3)) - difference.amin((2, 3))  # one gain a channel
        assert spread.max() < 1e-3
        found = difference.mean((2, 3))
        if levels:
            assert torch.allclose(found, torch.full_like(found, 10), atol=1e-3)
        else:
            assert 7.4 < found.min() < 8 and 9.5 < found.max() < 10.01


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: (f / "Data/0003/0003_GT_SRGB_010.PNG").unlink(), "0003_NOISY.* has no target"),
        (
            lambda f: Image.new("RGB", (9, 9)).save(f / "Data/0003/0003_GT_SRGB_010.PNG"),
            "same size",
        ),
        (lambda f: shutil.rmtree(f / "Data"), "holds no Data"),
    ],
)
def test_broken_real_pairs_are_named(prepared, tmp_path, real_pairs, break_it, message):
    recipe = mixed_recipe(tmp_path / "r.toml", prepared, real_pairs)
    break_it(real_pairs)
    with pytest.raises(InvalidRequest, match=message):
        run(recipe, tmp_path / "run")


def test_patches_grow_stage_by_stage(prepared, tmp_path):
    stages = "stages = [{ steps = 3, patch_px = 24, batch = 4 }]\nbatch = 2"
    recipe = write_recipe(tmp_path / "r.toml", prepared, **{"batch = 2": stages})
    data = load_config(recipe).data
    assert [data.stage(step) for step in (0, 2, 3, 7)] == [(24, 4), (24, 4), (16, 2), (16, 2)]
    assert run(recipe, tmp_path / "run")[-1].step == 8


def test_fine_tuning_starts_from_the_given_weights(prepared, tmp_path):
    run(write_recipe(tmp_path / "a.toml", prepared), tmp_path / "first")
    first = tmp_path / "first/best.safetensors"
    start = {
        "[network]": f'[network]\nstart = "{first}"',
        "learning_rate = 1e-3": "learning_rate = 1e-12",
    }
    recipe = write_recipe(tmp_path / "b.toml", prepared, **start)
    run(recipe, tmp_path / "second", steps=4)
    given = load_weights(first).state_dict()
    tuned = load_weights(tmp_path / "second/last.safetensors").state_dict()
    assert all(torch.allclose(given[name], tuned[name], atol=1e-6) for name in given)
    card = json.loads((tmp_path / "second/card.json").read_text())
    assert hashlib.sha256(first.read_bytes()).hexdigest() in card["started_from"]


def test_a_narrow_start_grows_into_a_wider_network_that_does_the_same(prepared, tmp_path):
    config = load_config(write_recipe(tmp_path / "a.toml", prepared))
    narrow = build(config)
    torch.nn.init.normal_(narrow.conv_out.weight, std=0.1)
    save_weights(narrow, tmp_path / "narrow.safetensors")
    settings = {**config.network.settings, "features": config.network.settings["features"] + 4}
    network = Network(settings=settings, start=str(tmp_path / "narrow.safetensors"))
    wide = build(config.model_copy(update={"network": network}))
    picture = torch.rand(1, 3, 24, 20)
    assert torch.allclose(wide(picture), narrow(picture), atol=1e-5)
    assert wide.conv_in.weight.shape[0] == narrow.conv_in.weight.shape[0] + 4


def test_a_shallow_start_deepens_into_a_network_that_does_the_same(prepared, tmp_path):
    config = load_config(write_recipe(tmp_path / "a.toml", prepared))
    shallow = build(config)
    torch.nn.init.normal_(shallow.conv_out.weight, std=0.1)
    save_weights(shallow, tmp_path / "shallow.safetensors")
    settings = {**config.network.settings, "conv_groups": [1, 1]}
    network = Network(settings=settings, start=str(tmp_path / "shallow.safetensors"))
    deep = build(config.model_copy(update={"network": network}))
    picture = torch.rand(1, 3, 24, 20)
    assert len(deep.groups) == len(shallow.groups) + 1
    assert torch.equal(deep(picture), shallow(picture))


def test_a_network_that_knows_the_noise_starts_as_one_that_does_not(prepared, tmp_path):
    config = load_config(write_recipe(tmp_path / "a.toml", prepared))
    blind = build(config)
    torch.nn.init.normal_(blind.conv_out.weight, std=0.1)
    save_weights(blind, tmp_path / "blind.safetensors")
    settings = {k: v for k, v in config.network.settings.items() if k != "exposure"}
    network = Network(
        settings={**settings, "noise_level": True}, start=str(tmp_path / "blind.safetensors")
    )
    knowing = build(config.model_copy(update={"network": network}))
    picture = torch.rand(1, 3, 24, 20)
    assert torch.allclose(knowing(picture), blind(picture), atol=1e-5)


def test_a_start_that_does_not_exist_or_fit_is_named(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "a.toml", prepared, **{"[network]": '[network]\nstart = "no"'})
    with pytest.raises(InvalidRequest, match="neither a file nor weights"):
        run(recipe, tmp_path / "run")


@pytest.mark.parametrize("name", sorted(p.stem for p in CONFIGS.glob("mirnet-*.toml")))
def test_full_size_recipes_take_a_step_on_stand_ins(name, tmp_path, monkeypatch):
    """The recipe as it is, but for steps, patches and size; the folders are as its data set's."""
    config = load_config(f"configs/{name}.toml")
    with torch.device("meta"):
        build(config)  # at full size, without values
    pairs = config.data.pairs[0]
    for number in range(pairs.dev_every + 1):
        below = pairs.input.replace("*", f"{number:03d}")
        for place in (below, below.replace(pairs.find, pairs.replace)):
            path = tmp_path / pairs.folder / place
            path = path if path.suffix else path.with_suffix(".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (number, 90, 90)).save(path)
    small = {"patch_px": 16, "dev_patch_px": 16, "batch": 2}
    stages = [stage.model_copy(update={**small, "steps": 1}) for stage in config.data.stages]
    data = config.data.model_copy(update={**small, "stages": stages})
    depth = {"groups": 1} if config.network.architecture == "MIRNet" else {"conv_groups": [1]}
    settings = {**config.network.settings, "features": 16, "blocks": 1, **depth}
    network = config.network.model_copy(update={"settings": settings})
    monkeypatch.chdir(tmp_path)
    changed = config.model_copy(update={"data": data, "network": network, "evaluate_every": 2})
    assert [r.step for r in run(changed, tmp_path / "run", steps=2)] == [2]
    card = json.loads((tmp_path / "run/card.json").read_text())
    assert card["trained_on"].startswith(f"{pairs.dev_every} real pairs of {pairs.name}")
    assert load_weights(tmp_path / "run/best.safetensors")(torch.rand(1, 3, 8, 8)).shape[1] == 3


def test_schedule_holds_the_peak(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", prepared, **{"warmup = 2": "warmup = 2\nhold = 4"})
    config = load_config(recipe)
    assert [learning_rate(config.optimizer, step / 8) for step in range(2, 7)] == [1e-3] * 5
    assert learning_rate(config.optimizer, 1.0) == pytest.approx(1e-6)


def test_schedule_warms_up_and_ends_low(prepared, tmp_path):
    config = load_config(write_recipe(tmp_path / "r.toml", prepared))
    rates = [learning_rate(config.optimizer, step / 8) for step in range(9)]
    assert rates[0] == pytest.approx(5e-4)
    assert max(rates) == pytest.approx(1e-3)
    assert rates[8] == pytest.approx(1e-6)
    assert all(a >= b for a, b in zip(rates[2:], rates[3:], strict=False))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps = 8": "stepz = 8"}, "stepz"),
        ({"batch = 2": "batch = 0"}, "data.batch"),
        ({"features = 8": "width = 8"}, "network.settings"),
        ({"[data]": "[data"}, "TOML"),
        ({'degradation = "noise"': 'degradation = "none"'}, "shares of the real pairs"),
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


def test_every_recipe_is_valid():
    for path in CONFIGS.glob("*.toml"):
        assert load_config(f"configs/{path.name}").id == path.stem


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_same_weights(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", prepared, **{"steps = 8": "steps = 120"})
    command = [sys.executable, "-m", "mirnet", "train", str(recipe), "--folder"]
    broken = tmp_path / "broken"
    process = subprocess.Popen([*command, str(broken)], cwd=ROOT)
    while not (broken / "state.pt").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    state = torch.load(broken / "state.pt", weights_only=True)
    assert state["counters"]["step"] < 120
    for folder in (broken, tmp_path / "whole"):
        subprocess.run([*command, str(folder)], cwd=ROOT, check=True, timeout=300)
    whole = load_weights(tmp_path / "whole/last.safetensors").state_dict()
    resumed = load_weights(broken / "last.safetensors").state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert (broken / "best.safetensors").read_bytes() == (
        tmp_path / "whole/best.safetensors"
    ).read_bytes()


@pytest.mark.slow
def test_two_processes_share_a_batch(prepared, tmp_path):
    recipe = write_recipe(tmp_path / "r.toml", prepared)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*launch, "-m", "mirnet", "train", str(recipe), "--folder", str(tmp_path / "run")]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    assert json.loads((tmp_path / "run/card.json").read_text())["processes"] == 2
    assert load_weights(tmp_path / "run/last.safetensors")
