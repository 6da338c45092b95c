"""Weights files that a person has: taken over, refused, forgotten."""

import pickle
import shutil

import pytest
import torch

from mirnet.errors import CheckpointRejected, InvalidRequest, WeightsUnavailable
from mirnet.weights import catalogue
from mirnet.weights import load as weights
from mirnet.weights.fetch import fetch
from mirnet.weights.importing import forget, import_file
from mirnet.weights.networks import save_weights
from mirnet.weights.verify import verify
from tests.support.reference_networks import seeded_checkpoint
from tests.support.weights_files import Bomb, file_of, left_in, tiny_v2


@pytest.mark.parametrize("wrapper", ["plain", "state_dict", "params", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_import_in_every_wrapper(tmp_path, wrapper, prefix):
    state = {prefix + name: value for name, value in tiny_v2().state_dict().items()}
    path = tmp_path / "Mine v1.pth"
    original = file_of(state if wrapper == "plain" else {wrapper: state, "epoch": 3}, path)
    entry = import_file(path, task="denoise")
    assert (entry.id, entry.kind, entry.architecture) == ("mine-v1", "imported", "MIRNetV2")
    assert path.read_bytes() == original
    assert weights.load("mine-v1").entry == entry
    assert verify("mine-v1").ok


@pytest.mark.parametrize(
    ("variant", "weights_id"), [("v1_small", "sr-x3-v1"), ("v2_small", "denoise-v2")]
)
def test_import_as_official_weights(tmp_path, variant, weights_id):
    path = tmp_path / "authors.pth"
    state = {f"module.{name}": value for name, value in seeded_checkpoint(variant).items()}
    torch.save({"epoch": 1, "state_dict": state, "optimizer": {"lr": 0.1}}, path)
    entry = import_file(path, id=weights_id)
    assert (entry.id, entry.kind) == (weights_id, "official")
    assert weights.load(weights_id).path == weights.locate(weights_id)
    assert [event.state for event in fetch(weights_id)] == ["ready"]
    other = tmp_path / "other.pth"
    torch.save({"state_dict": state}, other)
    with pytest.raises(WeightsUnavailable, match="the first one seen had"):
        import_file(other, id=weights_id)


def test_imported_weights_may_be_replaced_and_reload(tmp_path):
    path = tmp_path / "mine.pth"
    for seed in (0, 1):
        torch.save(tiny_v2(seed).state_dict(), path)
        import_file(path, id="mine", task="denoise", title="Mine")
        model = weights.load("mine").model
        assert torch.equal(model.conv_in.weight, tiny_v2(seed).conv_in.weight)
    assert catalogue.get_entry("mine").title == "Mine"
    assert forget("mine")
    with pytest.raises(WeightsUnavailable, match="There are no weights 'mine'"):
        weights.load("mine")


def test_an_exported_file_says_its_own_task(tmp_path):
    save_weights(tiny_v2(), tmp_path / "m.safetensors", {"task": "lowlight"})
    assert import_file(tmp_path / "m.safetensors").task == "lowlight"


@pytest.mark.parametrize("how", ["torch", "pickle", "inside"])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path, weights_cache, how):
    target, path = tmp_path / "executed", tmp_path / "evil.pth"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Bomb(target), protocol=2))
    else:
        torch.save({"params": {"a": Bomb(target)}} if how == "inside" else Bomb(target), path)
    with pytest.raises(CheckpointRejected, match="evil.pth"):
        import_file(path, task="denoise")
    assert not target.exists()
    assert left_in(weights_cache) == []


def test_wrong_names_shapes_and_files(tmp_path, weights_cache):
    good = tiny_v2().state_dict()
    path = tmp_path / "bad.pth"
    missing = {name: value for name, value in good.items() if name != "conv_out.weight"}
    cases = {
        "1 tensors missing.*'conv_out.weight'": missing,
        "1 tensors too many.*'surplus'": good | {"surplus": torch.zeros(1)},
        "1 tensors of another shape": good | {"conv_out.weight": torch.zeros(3, 9, 3, 3)},
        "fit neither MIRNet nor MIRNet-v2": {"encoder.weight": torch.zeros(3, 3)},
    }
    for message, state in cases.items():
        torch.save({"params": state}, path)
        with pytest.raises(CheckpointRejected, match=message):
            import_file(path, task="denoise")
    path.write_bytes(b"not weights at all")
    with pytest.raises(CheckpointRejected, match="bad.pth"):
        import_file(path, task="denoise")
    assert left_in(weights_cache) == []


def test_impossible_imports(tmp_path, v2_file):
    path = tmp_path / "theirs.pth"
    for message, options in {
        "add --task with one of denoise": {},
        "no task 'fly'": {"task": "fly"},
        "name of our own weights": {"id": "denoise-compact"},
        "cannot be an id": {"id": "../up", "task": "denoise"},
        "are weights for denoise, not retouch": {"id": "denoise-v2", "task": "retouch"},
    }.items():
        with pytest.raises(InvalidRequest, match=message):
            import_file(path, **options)
    with pytest.raises(CheckpointRejected, match="no weights file 'absent.pth'"):
        import_file(tmp_path / "absent.pth", task="denoise")
    shutil.copy(path, tmp_path / "denoise-v2.pth")
    assert import_file(tmp_path / "denoise-v2.pth", task="denoise").id == ("denoise-v2-imported")


@pytest.mark.parametrize(
    "path",
    [
        "{}",
        "model.{}",
        "module.net_g._orig_mod.{}",
        "generator/{}",
        "state_dict/model.{}",
        "checkpoint/model/module.{}",
    ],
)
def test_networks_are_found_where_trainings_put_them(tmp_path, path):
    state: dict = {"epoch": 3} if "/" in path else {}
    for name, value in tiny_v2().state_dict().items():
        *folders, last = path.format(name).split("/")
        part = state
        for folder in folders:
            part = part.setdefault(folder, {})
        part[last] = value
        if "." in last.removesuffix(name):  # a loss network beside it
            part["loss.vgg.0.weight"] = torch.zeros(2, 2)
    if "/" in path:
        state |= {"optimizer": {"lr": 1e-4, "state": {}}, "discriminator": {"a": torch.zeros(1)}}
    torch.save(state, tmp_path / "theirs.pth")
    entry = import_file(tmp_path / "theirs.pth", task="denoise")
    loaded = weights.load(entry.id).model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in tiny_v2().state_dict().items())


def test_counters_beside_the_weights_are_ignored(tmp_path):
    state = dict(tiny_v2().state_dict())
    state |= {name: torch.zeros(1, dtype=torch.float64) for name in
              ("total_ops", "groups.0.total_params")}  # fmt: skip
    state |= {name: torch.tensor(7) for name in ("n_averaged", "step", "initted")}
    state |= {f"{helper}.0.weight": torch.zeros(2, 2) for helper in
              ("loss.vgg", "perceptual_loss", "net_d", "criterion", "psnr_metric.a")}  # fmt: skip
    torch.save(state, tmp_path / "thop.pth")
    assert import_file(tmp_path / "thop.pth", task="denoise").architecture == "MIRNetV2"


@pytest.mark.parametrize(
    "places",
    [
        "model.{} ema_model.{}",
        "online_model.{} ema_model.{}",
        "model.{} swa_model.module.{}",
        "model.{} average_model.module.{}",
        "module.{} ema.shadow.{}",
        "net_d.{} net_g.{}",
        "discriminator.module.{} generator.module.{}",
        "teacher.{} student.{}",
    ],
)
def test_averaged_weights_and_the_network_itself_come_first(tmp_path, places):
    plain, averaged = tiny_v2(1).state_dict(), tiny_v2(2).state_dict()
    other, wanted = places.split()
    state = {other.format(k): v for k, v in plain.items()}
    state |= {wanted.format(k): v for k, v in averaged.items()}
    state |= {"initted": torch.tensor(True), "step": torch.tensor(9)}
    torch.save({"state_dict": state}, tmp_path / "a.ckpt")
    entry = import_file(tmp_path / "a.ckpt", task="denoise")
    first = weights.load(entry.id).model.conv_in.weight
    assert torch.equal(first, averaged["conv_in.weight"])


def test_another_file_of_the_same_name_replaces_nothing_by_itself(tmp_path):
    for folder, seed in (("run1", 1), ("run2", 2)):
        (tmp_path / folder).mkdir()
        torch.save(tiny_v2(seed).state_dict(), tmp_path / folder / "net_g_latest.pth")
    first = import_file(tmp_path / "run1" / "net_g_latest.pth", task="denoise")
    import_file(tmp_path / "run1" / "net_g_latest.pth", task="denoise")
    with pytest.raises(InvalidRequest, match=r"would replace .*'net_g_latest'.* --as"):
        import_file(tmp_path / "run2" / "net_g_latest.pth", task="denoise")
    assert torch.equal(weights.load(first.id).model.conv_in.weight,
                       tiny_v2(1).conv_in.weight)  # fmt: skip
    import_file(tmp_path / "run2" / "net_g_latest.pth", id=first.id, task="denoise")
    assert torch.equal(weights.load(first.id).model.conv_in.weight, tiny_v2(2).conv_in.weight)
