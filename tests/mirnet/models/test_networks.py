"""Both networks against stored reference outputs, with the authors' tensor names."""

import numpy as np
import pytest
import torch

from mirnet.models.exposure import ExposureCurve
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.weights.checkpoints import read_checkpoint
from mirnet.weights.networks import build_model, count_parameters, load_weights
from tests.support.reference_networks import GOLDEN, PARITY, seeded_checkpoint


@pytest.fixture(scope="module", params=list(GOLDEN))
def loaded(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "theirs.pth"
    torch.save({"state_dict": seeded_checkpoint(request.param)}, path)
    return GOLDEN[request.param], load_weights(path)


def test_reproduces_reference_outputs(loaded):
    spec, model = loaded
    outputs = np.load(PARITY / "golden.npz")
    for case in spec["cases"]:
        generator = torch.Generator().manual_seed(case["seed"])
        x = torch.rand(1, 3, case["height"], case["width"], generator=generator)
        with torch.inference_mode():
            y = model(x).numpy()
        expected = outputs[case["key"]]
        error = np.abs(y - expected).max() / expected.std()
        assert error < 1e-4, f"{case['key']}: {error:.2e} of the output's standard deviation"


def test_counts_parameters(loaded):
    spec, model = loaded
    assert count_parameters(model) == spec["n_params"]


def test_defaults_are_the_papers_networks():
    with torch.device("meta"):
        assert count_parameters(MIRNet()) == 31_787_419
        assert count_parameters(MIRNetV2()) == 5_858_560


@pytest.mark.parametrize(
    "model",
    [
        MIRNet(features=8, groups=1, blocks=1),
        MIRNet(features=8, groups=1, blocks=1, unshuffle=2),
        MIRNetV2(features=8, blocks=1, conv_groups=(1, 2)),
        MIRNetV2(features=8, blocks=1, conv_groups=(1,), unshuffle=2, exposure=True),
        MIRNetV2(features=8, blocks=1, conv_groups=(1,), unshuffle=2, noise_level=True),
        MIRNetV2(features=8, blocks=1, conv_groups=(1,), unshuffle=4, noise_level=True),
    ],
    ids=["v1", "v1-unshuffle2", "v2", "v2-exposure", "v2-noise", "v2-noise-unshuffle4"],
)
class TestAnySize:
    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (5, 4), (13, 17), (16, 8)])
    def test_keeps_size(self, model, size):
        with torch.inference_mode():
            y = model(torch.rand(2, 3, *size))
        assert y.shape == (2, 3, *size)
        assert y.dtype == torch.float32
        assert torch.isfinite(y).all()

    def test_padding_does_not_change_a_fitting_picture(self, model):
        x = torch.rand(1, 3, 16, 16)
        with torch.inference_mode():
            assert torch.equal(model(x), model(x.clone()))

    def test_hub_mixin_round_trip(self, model, tmp_path):
        model.save_pretrained(tmp_path)
        again = type(model).from_pretrained(str(tmp_path))
        x = torch.rand(1, 3, 12, 10)
        with torch.inference_mode():
            assert torch.equal(model.eval()(x), again(x))
        assert (tmp_path / "model.safetensors").exists()
        assert (tmp_path / "config.json").exists()

    def test_architecture_is_read_off_the_tensors(self, model, tmp_path):
        path = tmp_path / "plain.pt"
        torch.save(model.state_dict(), path)
        again = build_model(read_checkpoint(path))
        x = torch.rand(1, 3, 12, 10)
        state = model.state_dict()
        assert all(torch.equal(state[name], value) for name, value in again.state_dict().items())
        with torch.inference_mode():  # another memory layout rounds differently
            assert torch.allclose(model.eval()(x), again(x), atol=1e-5)


def test_exposure_condition_of_the_whole_picture_reaches_a_tile():
    torch.manual_seed(0)
    model = MIRNetV2(features=8, blocks=1, conv_groups=(1,), unshuffle=2, exposure=True).eval()
    torch.nn.init.normal_(model.exposure.slopes.weight, std=0.3)
    dark, bright = torch.rand(1, 3, 16, 16) * 0.1, torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        assert not torch.allclose(model.condition(dark), model.condition(bright))
        whole = model(dark, condition=model.condition(bright))
        assert not torch.allclose(model(dark), whole)


@pytest.mark.parametrize("colour", [False, True])
def test_the_exposure_curve_gives_a_grey_picture_no_colour(colour):
    torch.manual_seed(0)
    curve = ExposureCurve(colour=colour)
    torch.nn.init.normal_(curve.slopes.weight, std=0.3)
    grey = torch.rand(2, 1, 16, 16).expand(2, 3, 16, 16) ** 3
    result = curve(grey, curve.predict(grey))
    assert (result.amax(1) - result.amin(1)).max() < 1e-5
    assert (result - grey).abs().mean() > 0.002
    tinted = grey * torch.tensor([1.0, 0.8, 0.6]).view(1, 3, 1, 1)
    slopes = curve.predict(tinted)[:, : curve.steps]
    assert (slopes.amax(2) - slopes.amin(2)).max() > 0.01


def test_levels_stretch_from_the_black_to_the_white_point():
    torch.manual_seed(0)
    curve = ExposureCurve(colour=True, levels=True)
    image = 0.3 + 0.3 * torch.rand(2, 3, 16, 16)
    prediction = curve.predict(image)
    assert prediction.shape == (2, 12, 3)
    assert torch.allclose(curve(image, prediction), image, atol=1e-6)  # starts as identity
    prediction[:, -1, 0], prediction[:, -1, 1] = 0.1, 0.8
    greys = torch.tensor([0.0, 0.1, 0.45, 0.8, 1.0]).expand(2, 3, 1, 5)
    expected = torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0]).expand(2, 3, 1, 5)
    assert torch.allclose(curve(greys, prediction), expected, atol=1e-6)
    torch.nn.init.normal_(curve.levels.weight, std=50.0)
    points = curve.predict(image)[:, -1]
    assert (points[:, 0].abs() <= 0.25).all() and ((points[:, 1] - 1).abs() <= 0.25).all()
    with pytest.raises(ValueError, match="colour"):
        ExposureCurve(levels=True)


def test_the_colour_matrix_leaves_greys_grey():
    torch.manual_seed(0)
    curve = ExposureCurve(colour=True)
    image = torch.rand(2, 3, 16, 16)
    assert torch.allclose(
        curve(image, curve.predict(image)), image, atol=1e-6
    )  # starts as identity
    torch.nn.init.normal_(curve.colours.weight, std=0.3)
    prediction = curve.predict(image)
    assert prediction.shape == (2, 11, 3)
    grey = torch.rand(2, 1, 8, 8).expand(2, 3, 8, 8)
    assert torch.allclose(curve(grey, prediction), grey, atol=1e-5)
    assert (curve(image, prediction) - image).abs().mean() > 0.02
