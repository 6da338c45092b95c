"""`fuse`: the values of the network itself, from steps that only inference may take."""

import copy

import pytest
import torch
from torch import nn

from mirnet.models import blocks
from mirnet.models.global_pooling import PoolRecorder
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.restoration.engines import fuse, fused
from mirnet.weights.catalogue import load_catalogue
from mirnet.weights.load import load

NETWORKS = {
    "v1": lambda: MIRNet(features=16, groups=1, blocks=2),
    "v1-unshuffle2": lambda: MIRNet(features=16, groups=2, blocks=1, unshuffle=2),
    "v2": lambda: MIRNetV2(features=16, blocks=2, conv_groups=(1, 2)),
    "v2-groups4": lambda: MIRNetV2(features=16, blocks=1, conv_groups=(4,), channel_factor=2),
    "v2-unshuffle2": lambda: MIRNetV2(features=16, blocks=1, conv_groups=(1, 4), unshuffle=2),
    "v2-unshuffle3": lambda: MIRNetV2(features=12, blocks=1, conv_groups=(1,), unshuffle=3),
    "v2-noise": lambda: MIRNetV2(16, 1, conv_groups=(1,), unshuffle=2, noise_level=True),
    "v2-exposure": lambda: MIRNetV2(
        features=16, blocks=1, conv_groups=(1,), unshuffle=2, exposure=True, colour=True
    ),
}
SHIPPED = sorted(name for name in load_catalogue() if name.endswith("compact"))


def network(name: str) -> nn.Module:
    """Weights of unit gain, so that every part matters to the result."""
    torch.manual_seed(5)
    model = NETWORKS[name]()
    for value in model.parameters():
        if value.dim() > 1:
            nn.init.normal_(value, std=1 / value[0].numel() ** 0.5)
    return model.eval().requires_grad_(False)


def worst(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference as a share of the largest value, at least full scale."""
    return ((one - other).abs().max() / other.abs().max().clamp_min(1)).item()


def both_layouts(image: torch.Tensor) -> list[torch.Tensor]:
    return [image.contiguous(), image.contiguous(memory_format=torch.channels_last)]


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 4), (13, 17), (44, 50), (31, 96)])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_architecture_computes_the_same_at_every_size(name, size):
    model = network(name)
    fast = fuse(model)
    for image in both_layouts(torch.rand(2, 3, *size)):
        with torch.inference_mode():
            assert worst(fast(image), model(image)) < 1e-5
            assert worst(fast(image[:1]), model(image[:1])) < 1e-5


@pytest.mark.parametrize("weights", SHIPPED)
def test_the_shipped_weights_compute_the_same(weights):
    model = load(weights).model
    image = torch.rand(1, 3, 61, 70).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        assert worst(fuse(model)(image), model(image)) < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_pool_the_same_and_use_what_they_are_given(name):
    model = network(name)
    fast = fuse(model)
    step = model.multiple
    region = slice(step, 5 * step), slice(0, 6 * step)
    for image in both_layouts(torch.rand(1, 3, 6 * step, 8 * step)):
        outputs, recorders = [], []
        for one in (model, fast):
            recorder = PoolRecorder(lambda _, own: 1.1 * own, region, image.shape[2])
            with torch.inference_mode():
                outputs.append(one.restore_padded(image, model.condition(image), recorder))
            recorders.append(recorder)
        assert worst(*outputs) < 1e-5
        found, expected = (recorder.statistics() for recorder in reversed(recorders))
        assert len(found) == len(expected) > 2
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours.value, theirs.value, rtol=1e-5, atol=1e-5)
            assert ours.log_weight == pytest.approx(theirs.log_weight, abs=1e-5)


def test_bands_of_rows_join_without_a_trace(monkeypatch):
    model, image = network("v2"), torch.rand(1, 3, 40, 24)
    with torch.inference_mode():
        one = fuse(model)(image)
        monkeypatch.setattr(fused, "BAND_VALUES", 1)  # as few rows at a time as there can be
        assert worst(fuse(model)(image), one) < 1e-6


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_and_its_input_are_left_as_they_were(name):
    model, image = network(name), torch.rand(1, 3, 24, 24)
    weights, kinds = copy.deepcopy(model.state_dict()), [type(m) for m in model.modules()]
    before = image.clone()
    fast = fuse(model)
    with torch.inference_mode():
        fast(image)
    assert torch.equal(image, before)
    assert [type(m) for m in model.modules()] == kinds
    assert all(torch.equal(weights[key], value) for key, value in model.state_dict().items())
    mine = {value.data_ptr() for value in model.parameters()}
    assert {value.data_ptr() for value in fast.parameters()} == mine  # shared, not copied


@pytest.mark.parametrize("name", NETWORKS)
def test_every_block_that_has_a_fast_twin_is_replaced(name):
    left = {type(module) for module in fuse(network(name)).modules()} & set(fused.FUSED)
    assert not left


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_itself_overwrites_nothing_that_a_hook_was_shown(name):
    model, seen = network(name), []

    def keep(_module, inputs, output):
        maps = [x for x in (*inputs, output) if isinstance(x, torch.Tensor)]
        seen.extend((x, x.clone()) for x in maps)

    for module in model.modules():
        module.register_forward_hook(keep)
    with torch.inference_mode():
        model(torch.rand(1, 3, 24, 24))
    assert len(seen) > 20
    assert all(torch.equal(now, then) for now, then in seen)


def test_blocks_alone_compute_the_same():
    """Block by block, so that a fault is found where it is."""
    torch.manual_seed(0)
    x, coarse, slope = torch.randn(2, 16, 12, 20), torch.randn(2, 16, 6, 10), torch.tensor([0.25])
    cases = {
        blocks.DualAttention(16): (x, slope),
        blocks.SelectiveKernelFusion(16, 3): (x, x + 1, x - 1),
        blocks.CoarserFusion(16): (x, coarse),
        blocks.ResidualDown(16): (x,),
        blocks.ResidualUp(16): (x,),
        blocks.ResidualContextualBlock(16, 2): (x,),
    }
    assert {type(block) for block in cases} == set(fused.FUSED)
    for block, inputs in cases.items():
        with torch.inference_mode():
            expected = block(*inputs)
            made = fused.FUSED[type(block)](block)(*(one.clone() for one in inputs))
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-5)
