"""Devices."""

import numpy as np
import pytest
import torch

from mirnet.device import choose_device, processor_name, processor_version
from mirnet.errors import InvalidRequest
from mirnet.restoration.api import restore


def test_default_device_is_what_the_environment_says(monkeypatch):
    for name, chosen in (("cpu", "cpu"), (" cpu ", "cpu"), ("", "cpu")):
        monkeypatch.setenv("MIRNET_DEVICE", name)
        if name or not torch.cuda.is_available():
            assert choose_device().type == chosen
    monkeypatch.setenv("MIRNET_DEVICE", "abacus")
    with pytest.raises(InvalidRequest, match="no device 'abacus': choose"):
        restore(np.zeros((8, 8, 3), np.uint8))


def test_the_processor_has_a_name():
    assert processor_name() and processor_version().startswith(processor_name())
