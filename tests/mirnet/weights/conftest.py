"""Weights on offer, a cache of their own, and downloads that do not wait."""

import pytest
import torch

from mirnet.weights import catalogue
from mirnet.weights import load as weights
from mirnet.weights.catalogue import WeightsEntry
from mirnet.weights.importing import import_file
from tests.support.weights_files import file_of, tiny_v2


@pytest.fixture
def v2_file(tmp_path) -> bytes:
    return file_of({"params": tiny_v2().state_dict()}, tmp_path / "theirs.pth")


@pytest.fixture
def offer(monkeypatch):
    """Add entries to the catalogue."""
    table = dict(catalogue.read_catalogue(catalogue.CATALOGUE_FILE))
    monkeypatch.setattr(catalogue, "read_catalogue", lambda _path: table)

    def add(**values) -> WeightsEntry:
        entry = WeightsEntry(
            **{
                "id": "test-v2",
                "title": "Test",
                "task": "denoise",
                "architecture": "MIRNetV2",
                "kind": "official",
                "licence": "MIT",
                "source": "nobody",
                "page_url": "https://example.org/page",
                **values,
            }
        )
        table[entry.id] = entry
        return entry

    return add


@pytest.fixture(autouse=True)
def fast_and_clean(monkeypatch, weights_cache):
    monkeypatch.setattr("mirnet.download.RETRY_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("mirnet.weights.fetch.HEARTBEAT_SECONDS", 0.02)
    weights._models.clear()


@pytest.fixture
def imported(tmp_path) -> str:
    torch.save(tiny_v2().state_dict(), tmp_path / "mine.pth")
    return import_file(tmp_path / "mine.pth", task="denoise").id
