"""From a training run to shipped weights: measure, write the card, put both in place.

Every score is stored with its protocol, the number of pairs and a fingerprint of the files, and the
card with the hash of the weights it belongs to.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..cache import file_sha256
from ..checkpoints import load_weights
from ..compare import PROTOCOL, likeness
from ..errors import InvalidRequest
from ..image import read_image
from ..restore import restore

SHIPPED = Path(__file__).parent.parent / "weights"
"""Where embedded weights and their cards live."""


def pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Walk FOLDER/input and FOLDER/target by file stem, in order of names.

    Raises:
        InvalidRequest: A folder is missing or empty, or an input has no target.
    """
    inputs = sorted(path for path in (folder / "input").glob("*") if path.is_file())
    if not inputs:
        raise InvalidRequest(
            f"{folder} holds no pairs: put pictures of the same names into its folders input and "
            "target."
        )
    for degraded in inputs:
        targets = sorted((folder / "target").glob(f"{degraded.stem}.*"))
        if len(targets) != 1:
            raise InvalidRequest(
                f"{degraded.name} in {folder / 'input'} has {len(targets)} targets: it needs "
                "exactly one of the same name."
            )
        yield degraded, targets[0]


def measure(weights: Path, task: str, benchmark: str, folder: Path) -> dict[str, Any]:
    """Score weights on pairs of pictures that were not trained on, whole pictures at a time.

    Args:
        weights: Weights file.
        task: Its task.
        benchmark: What the pairs are called.
        folder: See `pairs`; inputs have the size of their targets.

    Returns:
        Benchmark, protocol, pairs, mean PSNR (dB) and SSIM of output and input, and a hash of data.

    Raises:
        InvalidRequest: See `pairs`; or a picture is too small to be scored.
    """
    model = load_weights(weights)
    digest = hashlib.sha256()
    rows = []
    for degraded_path, target_path in pairs(folder):
        for path in (degraded_path, target_path):
            digest.update(bytes.fromhex(file_sha256(path)))
        degraded, target = read_image(degraded_path), read_image(target_path)
        side = max(degraded.height, degraded.width)
        job = restore(degraded, task, weights=model, same_size=True, tile_px=side)
        before, after = likeness(degraded, target), likeness(job.result().picture, target)
        if after.ssim is None or before.ssim is None:
            raise InvalidRequest(
                f"{degraded_path.name} in {folder} is too small for SSIM: leave it out."
            )
        rows.append([after.psnr_db, after.ssim, before.psnr_db, before.ssim])
    means = np.mean(rows, axis=0)
    return {
        "benchmark": benchmark,
        "protocol": PROTOCOL,
        "pairs": len(rows),
        "psnr_db": round(float(means[0]), 3),
        "ssim": round(float(means[1]), 4),
        "input_psnr_db": round(float(means[2]), 3),
        "input_ssim": round(float(means[3]), 4),
        "data_sha256": digest.hexdigest(),
    }


def publish(run: Path, benchmarks: dict[str, Path], folder: Path = SHIPPED) -> dict[str, Any]:
    """Measure a run's best weights and ship them with their card.

    Args:
        run: Folder of a training run.
        benchmarks: Name and folder of each set of pairs.
        folder: Where weights and card go.

    Returns:
        The card.

    Raises:
        InvalidRequest: The run has no weights yet, or a set of pairs is not there.
    """
    best = run / "best.safetensors"
    if not best.exists():
        raise InvalidRequest(f"{run} has no best.safetensors yet: train until the first dev score.")
    card = json.loads((run / "card.json").read_text())
    card["sha256"] = file_sha256(best)
    card["bytes"] = best.stat().st_size
    card["scores"] = [measure(best, card["task"], name, path) for name, path in benchmarks.items()]
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{card['id']}.part"
    shutil.copyfile(best, part)
    os.replace(part, folder / f"{card['id']}.safetensors")
    (folder / f"{card['id']}.json").write_text(json.dumps(card, indent=2) + "\n")
    (folder / f"{card['id']}.md").write_text(card_text(card))
    return card


def card_text(card: dict[str, Any]) -> str:
    """The model card in Markdown, from the card's numbers alone."""
    scores = "\n".join(
        f"| {s['benchmark']} | {s['pairs']} | {s['input_psnr_db']:.2f} / {s['input_ssim']:.4f} "
        f"| **{s['psnr_db']:.2f} / {s['ssim']:.4f}** "
        f"| {s['protocol']} | `{s['data_sha256'][:12]}` |"
        for s in card["scores"]
    )
    return f"""---
license: apache-2.0
library_name: mirnet-studio
pipeline_tag: image-to-image
tags: [image-restoration, mirnet, {card["task"]}]
---
# {card["id"]}

Compact weights of MIRNet Studio for the task `{card["task"]}`, trained by this project's own
recipe (`python -m mirnet train configs/{card["id"]}.toml`). They are not the MIRNet authors'
weights and do not reproduce the paper's numbers.

- Network: {card["architecture"]}, {card["parameters"]:,} parameters, settings
  `{json.dumps(card["config"])}`
- Trained on: {card["trained_on"]}. No benchmark picture was used.
- Training: {card["steps"]:,} steps of {card["batch"]} patches of {card["patch_px"]} px,
  {card["hours"]} hours on {card["processes"]} process(es); dev PSNR {card["dev_psnr_db"]} dB on
  synthetic pairs from photographs held out of training
- File: {card["bytes"] / 1e6:.1f} MB, sha256 `{card["sha256"]}`
- Licence: Apache-2.0

## Measured

PSNR (dB) / SSIM, mean over the pairs.

| set | pairs | input | output | protocol | data sha256 |
|---|---|---|---|---|---|
{scores}

## Limits

Made for two CPU cores, not for the last decibel. The degradations are synthetic; pictures that went
through a phone's own heavy denoising, scans, and strong JPEG blocks are outside of what it saw.
"""
