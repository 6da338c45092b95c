"""A cache of its own, and a small network, for tests of the command line."""

from pathlib import Path

import pytest
import torch

from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.weights.networks import save_weights


@pytest.fixture
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MIRNET_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    model = MIRNetV2(8, 1, conv_groups=(1,), unshuffle=2)
    path = tmp_path_factory.mktemp("weights") / "Tiny Net.safetensors"
    return save_weights(model, path, {"task": "denoise"})
