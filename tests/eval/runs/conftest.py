"""Six pairs of a person's own, and an empty store of runs."""

import numpy as np
import pytest

from eval.runs.store import RunStore
from mirnet.images.encode import write_image
from mirnet.images.picture import Picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six pairs of a person's own."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    for number in range(6):
        clean = np.kron(rng.integers(40, 216, (8, 10, 3)), np.ones((6, 6, 1))).astype(np.uint8)
        noisy = np.clip(clean + rng.normal(0, 12, clean.shape), 0, 255).astype(np.uint8)
        for half, pixels in (("input", noisy), ("target", clean)):
            (folder / half).mkdir(exist_ok=True)
            write_image(Picture(pixels), folder / half / f"{number}.png")
    return folder


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")
