"""Hashes and origins, compared."""

import json
from pathlib import Path

import pytest

from mirnet.errors import WeightsUnavailable
from mirnet.files import file_sha256
from mirnet.weights import catalogue
from mirnet.weights import load as weights
from mirnet.weights import store as cache
from mirnet.weights.fetch import fetch
from mirnet.weights.importing import forget
from mirnet.weights.networks import save_weights
from mirnet.weights.verify import verify
from tests.support.weights_files import (
    fetched,
    tiny_v2,
)


def test_a_file_changed_on_disk_is_not_used(imported):
    path = weights.locate(imported)
    save_weights(tiny_v2(5), path, cache.read_notes(path))
    with pytest.raises(WeightsUnavailable, match="changed on disk.*weights forget mine"):
        weights.load(imported)
    report = verify(imported)
    assert not report.ok
    assert report.sha256 != report.expected
    path.write_bytes(b"short")
    assert not verify(imported).ok


def test_verify_says_when_the_catalogue_learned_another_hash(hub, offer, v2_file):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    fetched(entry.id)
    offer(**{**vars(entry), "sha256": "b" * 64})
    report = verify(entry.id)
    assert not report.ok
    assert "the catalogue names bbbbbbbbbbbb" in report.message


def test_verify_of_what_is_not_here():
    with pytest.raises(WeightsUnavailable, match="not downloaded yet .about 23.4 MB."):
        verify("denoise-v2")
    with pytest.raises(WeightsUnavailable, match="There are no weights 'x'"):
        verify("x")


@pytest.fixture
def embedded(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "embedded"
    folder.mkdir()
    monkeypatch.setattr(catalogue, "EMBEDDED_FOLDER", folder)
    path = save_weights(tiny_v2(), folder / "denoise-compact.safetensors")
    card = {
        "id": "denoise-compact",
        "task": "denoise",
        "architecture": "MIRNetV2",
        "config": {},
        "trained_on": "photographs",
        "steps": 1,
        "hours": 0.1,
        "licence": "Apache-2.0",
        "sha256": file_sha256(path),
        "scores": [],
    }
    (folder / "denoise-compact.json").write_text(json.dumps(card))
    return path


def test_embedded_weights_are_checked_against_their_card(embedded):
    report = verify("denoise-compact")
    assert report.ok
    assert report.sha256 == report.expected == weights.load("denoise-compact").sha256
    assert [event.state for event in fetch("denoise-compact")] == ["ready"]
    with pytest.raises(WeightsUnavailable, match="part of the program"):
        forget("denoise-compact")
    save_weights(tiny_v2(1), embedded)
    assert not verify("denoise-compact").ok
    with pytest.raises(WeightsUnavailable, match="hash on its card"):
        weights.load("denoise-compact")
