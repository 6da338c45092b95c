"""What the networks compute in another order than the papers: the same values, fewer products."""

import copy
import doctest
import sys

import pytest
import torch
from torch import nn

from mirnet.models import complexity
from mirnet.models import reference as literal
from mirnet.models.complexity import multiply_adds
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2

NETWORKS = {
    "v1": lambda: MIRNet(features=16, groups=1, blocks=2),
    "v1-unshuffle2": lambda: MIRNet(features=16, groups=2, blocks=1, unshuffle=2),
    "v2": lambda: MIRNetV2(features=16, blocks=2, conv_groups=(1, 2)),
    "v2-unshuffle2": lambda: MIRNetV2(features=16, blocks=1, conv_groups=(1, 4), unshuffle=2),
    "v2-noise": lambda: MIRNetV2(features=16, blocks=1, conv_groups=(1,), noise_level=True),
}


def network(name: str) -> nn.Module:
    """Weights of unit gain, so that every part matters to the result."""
    torch.manual_seed(5)
    model = NETWORKS[name]()
    for value in model.parameters():
        if value.dim() > 1:
            nn.init.normal_(value, std=1 / value[0].numel() ** 0.5)
    return model.eval()


def worst(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference as a share of the largest value; 0 where both are 0."""
    return ((one - other).abs().max() / other.abs().max().clamp_min(1e-12)).item()


@pytest.mark.parametrize("pictures", [1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_the_papers_formulas(name, pictures):
    model, image = network(name), torch.rand(pictures, 3, 44, 50)
    with torch.inference_mode():
        assert worst(model(image), literal.restore(model, image)) < 1e-5
    again = model(image)  # with gradients, nothing is written over
    assert worst(again, literal.restore(model, image)) < 1e-5


@pytest.mark.parametrize("pictures", [1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_the_papers_formulas(name, pictures):
    ours = network(name).double()
    theirs = copy.deepcopy(ours)
    image = torch.rand(pictures, 3, 16, 24, dtype=torch.float64)
    ours(image).square().mean().backward()
    literal.restore(theirs, image).square().mean().backward()
    for (key, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert one.grad is not None and worst(one.grad, other.grad) < 1e-8, key


def test_inputs_are_left_as_they_were():
    image = torch.rand(1, 3, 16, 16)
    before = image.clone()
    for name in NETWORKS:
        model = network(name)
        weights = copy.deepcopy(model.state_dict())
        with torch.inference_mode():
            model(image)
        assert torch.equal(image, before)
        assert all(torch.equal(weights[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("architecture", "before", "after"), [(MIRNet, 479.9, 427.4), (MIRNetV2, 139.5, 138.2)]
)
def test_multiply_adds_of_the_papers_networks(architecture, before, after):
    """The numbers of docs/speed.md, 256 x 256, in 10**9."""
    with torch.device("meta"):
        model = architecture().eval()
    for run, billions in ((lambda x: literal.restore(model, x), before), (model, after)):
        assert multiply_adds(run, 256, 256) / 1e9 == pytest.approx(billions, abs=0.05)


def test_the_example_in_the_documentation_is_true():
    outcome = doctest.testmod(sys.modules[complexity.__name__])
    assert outcome.attempted and not outcome.failed
