"""Engines that take small networks, with and without compiled functions."""

import pytest

from mirnet.restoration.engines import winograd


@pytest.fixture(autouse=True)
def narrow_layers_too(monkeypatch):
    """Engines that leave narrow layers alone take them here, so that networks can be small."""
    for name in ("MIN_CHANNELS", "MIN_COMPILED", "MIN_GROUPED"):
        monkeypatch.setattr(winograd, name, 16)


@pytest.fixture(params=["compiled", "plain"])
def way(request, monkeypatch):
    """With Winograd's transforms compiled, where they can be here, and without."""
    if request.param == "plain":
        monkeypatch.setattr(winograd, "transforms", lambda: None)
    elif winograd.transforms() is None:
        pytest.skip("nothing can be compiled here")
    return request.param
