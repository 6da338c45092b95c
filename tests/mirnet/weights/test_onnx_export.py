"""ONNX exports compute what PyTorch does, at any size, and say what they are."""

import json
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from mirnet.cli.main import app
from mirnet.errors import InvalidRequest
from mirnet.weights import onnx_export
from mirnet.weights.load import LoadedWeights, load
from mirnet.weights.onnx_export import AnySize, export_onnx
from tests.support.small_networks import small_v1, small_v2

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SHAPE = {"blocks": 1, "conv_groups": (2,)}
NETWORKS = {
    "MIRNet": lambda: small_v1(groups=1),
    "MIRNet-v2": lambda: small_v2(**SHAPE),
    "exposure": lambda: small_v2(3, **SHAPE, exposure=True),
    "colour": lambda: small_v2(2, **SHAPE, exposure=True, colour=True, levels=True),
    "noise": lambda: small_v2(2, **SHAPE, noise_level=True),
}


def loaded(model):
    return LoadedWeights("mine", model, "ab" * 32, Path("mine.safetensors"), None)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_export_equals_the_network_at_sizes_it_has_not_seen(name, tmp_path):
    model = NETWORKS[name]()
    done = export_onnx(loaded(model), tmp_path / "net.onnx")
    assert done.max_error < 2e-5
    session = onnxruntime.InferenceSession((tmp_path / "net.onnx").read_bytes())
    for height, width in ((131, 67), (2, 3), (1, 40)):
        image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))
        found = session.run(None, {"image": image.numpy()})[0]
        with torch.no_grad():
            expected = model(image)
        torch.testing.assert_close(torch.from_numpy(found), expected, atol=2e-5, rtol=1e-4)


def test_a_flat_picture_whose_noise_cannot_be_judged(tmp_path):
    model = small_v2(2, noise_level=True)
    wrapped = AnySize(model).eval()
    for image in (torch.ones(1, 3, 9, 9), torch.zeros(1, 3, 1, 1), torch.full((1, 3, 5, 6), 0.5)):
        with torch.no_grad():
            assert torch.equal(wrapped(image), model(image))


def test_the_file_says_what_it_is(tmp_path):
    path = tmp_path / "denoise.onnx"
    source = load("denoise-compact")
    export_onnx(source, path)
    model = onnx.load(path)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["mirnet.id"] == "denoise-compact"
    assert facts["mirnet.task"] == "denoise"
    assert facts["mirnet.weights_sha256"] == source.sha256
    assert facts["mirnet.licence"] == source.entry.licence
    assert json.loads(facts["mirnet.opset"]) == onnx_export.OPSET == model.opset_import[0].version
    assert model.producer_name == "MIRNet Studio"


def test_a_wrong_export_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "_difference", lambda *_: 0.01)
    with pytest.raises(InvalidRequest, match=r"differs from PyTorch by 0\.01: it was not written"):
        export_onnx(loaded(small_v2(**SHAPE)), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InvalidRequest, match="pip install onnx onnxruntime"):
        export_onnx(loaded(small_v2(**SHAPE)), tmp_path / "net.onnx")


def test_the_command(tmp_path):
    path = tmp_path / "x.onnx"
    done = CliRunner().invoke(app, ["weights", "export", "retouch-compact", "--onnx", str(path)])
    assert done.exit_code == 0, done.output
    assert "opset 17" in done.output
    assert "Largest difference from PyTorch: " in done.output
    assert path.is_file()
    for arguments in (["nothing", "--onnx", str(path)], ["retouch-compact", "--onnx", "none/x"]):
        done = CliRunner().invoke(app, ["weights", "export", *arguments])
        assert done.exit_code == 2, done.output
