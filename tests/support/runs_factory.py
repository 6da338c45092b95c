"""Synthetic stored runs: plausible scores, no restoration."""

import datetime
import hashlib
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from eval.methods.method_record import MethodRecord
from eval.runs.document import (
    Environment,
    MethodSummary,
    Run,
    RunBenchmark,
    SampleResult,
    SampleScore,
)
from eval.runs.store import StoredRun

GAINS_DB = {"identity": 0.0, "clahe": 1.5, "ours": 6.0, "official": 6.1}
"""PSNR gain of each method over the input, in dB."""


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def method(name: str, **changes: Any) -> MethodRecord:
    """Make the record of a method: weights where the name says so, else a baseline."""
    learned = name in ("ours", "official")
    fields: dict[str, Any] = {
        "id": name,
        "title": f"Method {name}",
        "kind": "weights" if learned else "baseline",
        "settings": {"tile": 0} if learned else {"clip_limit": 2.0},
        "weights_sha256": sha(f"weights of {name}") if learned else None,
        "parameters": 5_858_560 if learned else None,
        "packages": {} if learned else {"scikit-image": "0.25.2"},
    }
    return MethodRecord(**fields | changes)


def write_run(
    folder: Path,
    pairs: int = 8,
    methods: tuple[MethodRecord, ...] = (),
    seed: int = 0,
    thumbs: bool = False,
    rows: list[SampleResult] | None = None,
    **header: Any,
) -> StoredRun:
    """Write a finished run.

    Args:
        folder: Folder of runs.
        pairs: Number of pairs in the run.
        methods: Records of the methods; by default input, two weights and a baseline.
        seed: Seed of the scores.
        thumbs: Whether thumbnails are written.
        rows: Rows to write instead of synthetic ones.
        header: Fields of `Run` and of its benchmark (`benchmark__official=False`) to replace.
    """
    chosen = methods or tuple(method(name) for name in GAINS_DB)
    ids = [f"p{number:04d}" for number in range(pairs)]
    benchmark: dict[str, Any] = {
        "id": "lol",
        "title": "LoL eval15",
        "revision": "a" * 40,
        "scale": 1,
        "synthetic": False,
        "official": True,
        "of": pairs,
        "n": pairs,
        "seed": 0,
    }
    for name in [name for name in header if name.startswith("benchmark__")]:
        benchmark[name.removeprefix("benchmark__")] = header.pop(name)
    fields: dict[str, Any] = {
        "id": "20260101-120000-abcdef",
        "title": "",
        "status": "done",
        "created": datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC),
        "ended": datetime.datetime(2026, 1, 1, 12, 5, tzinfo=datetime.UTC),
        "task": "lowlight",
        "benchmark": RunBenchmark(**benchmark),
        "protocols": ["rgb/1", "gt-mean/1"],
        "methods": list(chosen),
        "environment": Environment(
            commit="c" * 40,
            dirty=False,
            python="3.12.1",
            packages={"torch": "2.8.0", "numpy": "2.3.1"},
            machine="test processor, 2 cores, 8 GB",
            threads=2,
            code_sha256=sha("code"),
            device="cpu",
        ),
        "data_sha256": sha("data"),
    }
    run = Run(**fields | header)
    made = rows if rows is not None else _rows(ids, run, seed)
    stored = StoredRun(folder / run.id)
    if thumbs:
        made = [_with_thumbs(stored, row) for row in made]
    stored.write_pairs(ids)
    stored.write_header(run.model_copy(update={"summary": _summary(run, made)}))
    (stored.folder / "scores.jsonl").write_text(
        "".join(row.model_dump_json(exclude_defaults=True) + "\n" for row in made)
    )
    return stored


def _rows(ids: list[str], run: Run, seed: int) -> list[SampleResult]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(18, 4, len(ids))
    rows = []
    for number, pair in enumerate(ids):
        for place, entry in enumerate(run.methods):
            psnr = inputs[number] + GAINS_DB.get(entry.id, 3.0)
            psnr += 0 if entry.id == "identity" else rng.normal(0, 1)
            scores = {  # each protocol has numbers of its own, so that mix-ups show
                name: SampleScore(
                    psnr_db=psnr + 0.5 * at, ssim=float(np.clip(psnr / 40 - 0.01 * at, 0, 1))
                )
                for at, name in enumerate(run.protocols)
            }
            rows.append(
                SampleResult(
                    pair=pair,
                    method=entry.id,
                    scores=scores,
                    seconds=0.1 * (place + 1),
                    megapixels=0.25,
                    width=500,
                    height=500,
                    output_sha256=sha(f"{pair} {entry.id}"),
                    degraded_sha256=sha(f"degraded {pair}"),
                    target_sha256=sha(f"target {pair}"),
                )
            )
    return rows


def _with_thumbs(stored: StoredRun, row: SampleResult) -> SampleResult:
    from PIL import Image

    for name, light in (
        (row.degraded_sha256, 40),
        (row.output_sha256, 150),
        (row.target_sha256, 200),
    ):
        if name is None:
            continue
        path = stored.thumb(name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            ramp = np.linspace(0, light, 320)[None, :, None] * np.ones((214, 1, 3))
            ramp[..., int(name[0], 16) % 3] *= 0.6
            buffer = io.BytesIO()
            Image.fromarray(ramp.astype(np.uint8)).save(buffer, "JPEG", quality=85)
            path.write_bytes(buffer.getvalue())
    return row


def _summary(run: Run, rows: list[SampleResult]) -> list[MethodSummary]:
    summary = []
    for entry in run.methods:
        ours = [row for row in rows if row.method == entry.id]
        scores = [row.scores[run.protocol] for row in ours if run.protocol in row.scores]
        ssim = [score["ssim"] for score in scores if "ssim" in score]
        finite = [score["psnr_db"] for score in scores if math.isfinite(score["psnr_db"])]
        summary.append(
            MethodSummary(
                method=entry.id,
                count=len(scores),
                failed=sum(row.error is not None for row in ours),
                identical=len(scores) - len(finite),
                scores={
                    "psnr_db": float(np.mean(finite)) if finite else math.nan,
                    "ssim": float(np.mean(ssim)) if ssim else math.nan,
                },
                seconds_per_megapixel=0.4,
            )
        )
    return summary


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]
