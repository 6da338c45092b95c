"""The contract of a network: names of older files, what it states of itself, foreign modules."""

import doctest
import json
import sys

import pytest
import torch
from torch import nn

from mirnet.models import base
from mirnet.models.base import ForeignNetwork, RestorationNetwork, current_settings
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2


def test_the_example_in_the_documentation_is_true():
    outcome = doctest.testmod(sys.modules[base.__name__])
    assert outcome.attempted and not outcome.failed


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        (MIRNet, {"features": 8, "groups": 1, "blocks": 1, "stem": 2}),
        (MIRNetV2, {"features": 8, "blocks": 1, "conv_groups": [1], "stem": 3}),
    ],
)
def test_files_that_say_stem_still_load(architecture, settings, tmp_path):
    model = architecture(**current_settings(settings))
    assert model.unshuffle == settings["stem"]
    model.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    known = json.loads(file.read_text())
    file.write_text(json.dumps({"stem" if k == "unshuffle" else k: v for k, v in known.items()}))
    again = architecture.from_pretrained(str(tmp_path))
    assert again.unshuffle == settings["stem"]
    image = torch.rand(1, 3, 12, 24)
    with torch.inference_mode():
        assert torch.equal(again.eval()(image), model.eval()(image))


def test_a_folder_that_lacks_a_tensor_is_refused(tmp_path):
    MIRNetV2(8, 1, conv_groups=(1,)).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"features": 8, "blocks": 1, "conv_groups": [1, 1]}')
    with pytest.raises(RuntimeError, match="Missing key"):
        MIRNetV2.from_pretrained(str(tmp_path))


@pytest.mark.parametrize(
    ("model", "multiple", "margin", "thumbnail_px", "channels_last"),
    [
        (lambda: MIRNet(8, 1, 1), 4, 0, 0, False),
        (lambda: MIRNet(8, 1, 1, unshuffle=2), 8, 0, 0, True),
        (lambda: MIRNetV2(8, 1, conv_groups=(1,)), 4, 0, 0, False),
        (lambda: MIRNetV2(8, 1, conv_groups=(1,), unshuffle=3), 12, 24, 0, True),
        (lambda: MIRNetV2(8, 1, conv_groups=(1,), unshuffle=2, exposure=True), 8, 16, 64, True),
        (lambda: ForeignNetwork(nn.Identity()), 1, 0, 0, False),
    ],
)
def test_what_a_network_states_of_itself(model, multiple, margin, thumbnail_px, channels_last):
    network = model().eval()
    assert isinstance(network, RestorationNetwork)
    assert (network.multiple, network.margin) == (multiple, margin)
    assert (network.thumbnail_px, network.channels_last) == (thumbnail_px, channels_last)
    assert (network.condition(torch.rand(1, 3, 8, 8)) is None) == (thumbnail_px == 0)
    assert network.pools_from_outside != isinstance(network, ForeignNetwork)


def test_a_network_that_trains_sees_no_margin():
    network = MIRNetV2(8, 1, conv_groups=(1,), unshuffle=2)
    assert network.train().margin == 0 < network.eval().margin


def test_a_foreign_module_is_run_as_it_is():
    network = ForeignNetwork(nn.Hardtanh(0.2, 0.8))
    image = torch.rand(2, 3, 5, 7)
    assert torch.equal(network(image), image.clamp(0.2, 0.8))
    assert network.architecture == "Hardtanh" and not list(network.parameters())
    assert network.bytes_per_pixel == MIRNet.peak_maps * 4 * 64  # taken for one of its size


def test_an_exposure_curve_wants_its_condition():
    network = MIRNetV2(8, 1, conv_groups=(1,), unshuffle=2, exposure=True)
    with pytest.raises(ValueError, match="needs its condition"):
        network.restore_padded(torch.rand(1, 3, 8, 8))
