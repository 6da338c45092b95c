"""Rows of stored runs with chosen scores."""

import numpy as np

from eval.runs.document import SampleResult, SampleScore
from tests.support.runs_factory import sha


def row(pair: str, name: str, psnr: float | None, **fields) -> SampleResult:
    scores = {} if psnr is None else {"rgb/1": SampleScore(psnr_db=psnr, ssim=0.5)}
    hashes = {"degraded_sha256": sha(f"d{pair}"), "target_sha256": sha(f"t{pair}")}
    return SampleResult(pair=pair, method=name, scores=scores, **hashes | fields)


def blocks_of(scenes: int, gain: float, names=("identity", "ours")) -> list[SampleResult]:
    """Rows of 16 blocks for each scene; the second method gains, by as much in a whole scene."""
    rng = np.random.default_rng(3)
    rows = []
    for scene in range(scenes):
        shift = rng.normal(gain, 1)
        for block in range(16):
            pair, base = f"{scene + 1:04d}-{block + 1:02d}", rng.normal(30, 1)
            rows.append(row(pair, names[0], base))
            rows.append(row(pair, names[1], base + shift + rng.normal(0, 0.1)))
    return rows
