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


def test_mps_is_taken_where_it_is_asked_for_and_gives_memory_back(monkeypatch):
    """No Mac was at hand: this is the choice alone, with its answers put in."""
    from mirnet.restoration.devices import release_cached_memory

    with pytest.raises(InvalidRequest, match="cannot compute on 'mps'"):
        choose_device("mps")
    emptied = []
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: emptied.append("mps"))
    release_cached_memory(choose_device("mps"))
    assert choose_device("mps").type == "mps" and emptied == ["mps"]
    assert choose_device().type == "cpu"  # only where it is asked for
