"""Small networks for tests of engines, and a way to replace parts of an engine."""

import torch
from torch import nn

from mirnet.models.base import RestorationNetwork
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.restoration import engines
from mirnet.restoration.engines import ENGINES

CPU = torch.device("cpu")


def network(kind: str = "v1") -> RestorationNetwork:
    """Build a small network."""
    torch.manual_seed(7)
    model = {
        "v1": lambda: MIRNet(features=16, groups=1, blocks=1),
        "v2": lambda: MIRNetV2(features=32, blocks=1, conv_groups=(1, 2)),
        "v2-exposure": lambda: MIRNetV2(16, 1, conv_groups=(1,), unshuffle=2, exposure=True),
    }[kind]()
    for value in model.parameters():
        if value.dim() > 1:
            nn.init.normal_(value, std=1 / value[0].numel() ** 0.5)
    model.conv_out.weight.data *= 0.1
    return model.eval().requires_grad_(False)


def use(monkeypatch, name="winograd", **changes):
    """Replace parts of an engine."""
    fields = {**vars(ENGINES[name]), **changes}
    monkeypatch.setitem(ENGINES, name, engines.Engine(**fields))
