"""Small weights files, and fetching with everything checked that must hold each time."""

import time
from pathlib import Path

import pytest
import torch

from mirnet.errors import CheckpointRejected, WeightsUnavailable
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.weights import load as weights
from mirnet.weights.catalogue import WeightsEntry
from mirnet.weights.fetch import fetch


def tiny_v2(seed: int = 0) -> MIRNetV2:
    torch.manual_seed(seed)
    return MIRNetV2(features=8, blocks=1, conv_groups=(1, 1)).eval()


def file_of(state: object, path: Path) -> bytes:
    torch.save(state, path)
    return path.read_bytes()


def fetched(weights_id: str, **options) -> Path:
    events = list(fetch(weights_id, **options))
    assert events[-1].state == "ready"
    return events[-1].path


def left_in(folder: Path) -> list[str]:
    """List the files in the cache, without locks."""
    return sorted(p.name for p in (folder / "weights").iterdir() if p.suffix != ".lock")


def refused(entry: WeightsEntry, folder: Path, **options) -> str:
    """Fetch and expect an error of one sentence and no files left behind."""
    with pytest.raises((WeightsUnavailable, CheckpointRejected)) as caught:
        list(fetch(entry.id, **options))
    assert weights.locate(entry.id) is None
    assert [name for name in left_in(folder) if not name.endswith(".json")] == []
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


def wait_until(condition, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class Bomb:
    """Creates a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self):
        return (open, (self.target, "w"))
