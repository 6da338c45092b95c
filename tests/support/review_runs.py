"""Stored runs with pictures and votes, for tests of blind review."""

import datetime

import numpy as np
from PIL import Image

from eval.review.votes import (
    Vote,
)
from eval.runs.store import StoredRun

NAMES = ("official", "clahe", "ours")


NOW = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)


def with_pictures(stored: StoredRun, height: int = 40, width: int = 60) -> StoredRun:
    """Add outputs to a synthetic run: noise seeded by their names."""
    (stored.folder / "outputs").mkdir()
    for row in stored.rows():
        for name in (row.output_sha256, row.degraded_sha256, row.target_sha256):
            if name and not stored.output(name).exists():
                rng = np.random.default_rng(int(name[:8], 16))
                pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
                Image.fromarray(pixels).save(stored.output(name))
    return stored


def vote(a: str, b: str, outcome: str, pair: str = "p0", reviewer: str = "anna") -> Vote:
    return Vote(pair=pair, a=a, b=b, outcome=outcome, reviewer=reviewer, time=NOW)


def vote_file(stored: StoredRun):
    (path,) = (stored.folder / "votes").glob("*.jsonl")
    return path
