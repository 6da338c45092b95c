"""The model card of shipped weights: text and example picture, from the card's numbers alone."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mirnet.images.picture import to_eight_bits
from mirnet.tasks import TASKS
from mirnet.weights.networks import load_weights

from .config import Config
from .validation import DEV_PAIRS, Conditioned, dev_pairs

EXAMPLE_RANKS = (1 / 8, 3 / 8, 5 / 8, 7 / 8)
"""Ranks by gain, from the least, of the dev patches that a card shows."""
LIMITS = (
    "Made for two CPU cores, not for the last decibel. Most of the degradations are synthetic;\n"
    "pictures that went through a phone's own heavy denoising, scans, and strong JPEG blocks are\n"
    "outside of what it saw."
)
"""Limits of all weights of ours."""
KNOWN_FAILURES = {
    "denoise": "Fine grass, gravel and fabric lose texture where noise is strong. Colour blotches "
    "wider than about 20 pixels stay.",
    "lowlight": "Photographs that are meant to be dark (concerts, night skies) come out bright. "
    "What the sensor lost in the dark is smooth, not sharp. A picture shifted by one pixel comes "
    "out slightly different (see tests/mirnet/weights/test_mesh.py).",
    "retouch": "Contrast and saturation stay modest. Deliberate casts, such as sunsets and stage "
    "light, are weakened.",
    **{
        task.id: "JPEG blocks and noise are sharpened like detail. Fine repeated patterns, such as "
        "windows of distant houses, may turn."
        for task in TASKS.values()
        if task.scale > 1
    },
}
"""Known failures by task."""
OPENNESS = (
    "Open: weights (Apache-2.0), training code and recipe (this repository), training pictures "
    "(freely licensed, fetched by hash with `python -m mirnet prepare`)."
)
"""Openness class of all weights of ours."""
CPU_WATTS = 15
"""Assumed power of one busy server core in watts, for the estimate of energy."""
GPU_WATTS = 700
"""Assumed power of one busy data-centre GPU in watts."""


def energy_wh(card: dict[str, Any]) -> float:
    """Estimated energy of the training in watt-hours."""
    watts = CPU_WATTS if card.get("hardware", "CPU").startswith("CPU") else GPU_WATTS
    return card["hours"] * watts * card["processes"]


def example(config: Config, path: Path) -> tuple[Image.Image, list[float]]:
    """Input, result and target of four dev patches side by side, by rank of their gain.

    Returns:
        The picture, three patches wide and four high, and the gain of each row in PSNR (dB).
    """
    model = Conditioned(load_weights(path)).eval()
    degraded, target, thumbnails = dev_pairs(config)
    restored = []
    with torch.inference_mode():
        for one, whole in zip(degraded.split(1), thumbnails.split(1), strict=True):
            restored.append(model(one, whole)[0].clamp(0, 1))
    results = torch.cat(restored)

    def error(pictures: Tensor) -> Tensor:
        return (pictures - target).square().mean((1, 2, 3)).clamp_min(1e-9)

    gains = 10 * torch.log10(error(degraded) / error(results))
    order = gains.argsort().tolist()
    chosen = [order[int(rank * len(order))] for rank in EXAMPLE_RANKS]
    rows = [torch.cat([degraded[i], results[i], target[i]], 2) for i in chosen]
    pixels = to_eight_bits(torch.cat(rows, 1).permute(1, 2, 0).numpy())
    return Image.fromarray(pixels), [float(gains[i]) for i in chosen]


def readme_rows(card: dict[str, Any]) -> list[str]:
    """Rows of the README's table of our own scores."""
    return [
        f"| {card['id']} | {score['benchmark']} | {score['pairs']} "
        f"| {score['input_psnr_db']:.2f} / {score['input_ssim']:.4f} "
        f"| {score['psnr_db']:.2f} / {score['ssim']:.4f} "
        f"| `{card['sha256'][:8]}` | `{score['data_sha256'][:8]}` |"
        for score in card["scores"]
    ]


def card_text(card: dict[str, Any]) -> str:
    """The model card in Markdown with the Hub's `model-index`, from the card's numbers alone."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="image-to-image",
            task_name=card["task"],
            dataset_type=re.sub(r"[^a-z0-9]+", "-", score["benchmark"].lower()).strip("-"),
            dataset_name=score["benchmark"],
            metric_type=metric,
            metric_name=name,
            metric_value=score[key],
        )
        for score in card["scores"]
        for metric, name, key in (("psnr", "PSNR (dB)", "psnr_db"), ("ssim", "SSIM", "ssim"))
    ]
    metadata = ModelCardData(
        license="apache-2.0",
        library_name="mirnet-studio",
        pipeline_tag="image-to-image",
        tags=["image-restoration", "mirnet", card["task"]],
        model_name=card["id"],
        eval_results=results or None,
    )
    scores = "\n".join(
        f"| {s['benchmark']} | {s['pairs']} | {s['input_psnr_db']:.2f} / {s['input_ssim']:.4f} "
        f"| **{s['psnr_db']:.2f} / {s['ssim']:.4f}** "
        f"| {s['protocol']} | `{s['data_sha256'][:12]}` |"
        for s in card["scores"]
    )
    photos = "\n".join(
        f"| {p['origin']} | {p['file'].rpartition('/')[2]} | {p['author']} | {p['licence']} "
        f"| `{p['sha256'][:12]}` |"
        for p in card["photos"]
    )
    licences = Counter(photo["licence"] for photo in card["photos"])
    summary = ", ".join(f"{licence} {count}" for licence, count in licences.most_common())
    gains = ", ".join(f"{gain:+.2f} dB" for gain in card["example_gains_db"])
    start = f"\n- Started from: {card['started_from']}" if card["started_from"] else ""
    failures = KNOWN_FAILURES[card["task"]]
    return f"""---
{metadata.to_yaml()}
---
# {card["id"]}

Compact weights of MIRNet Studio for the task `{card["task"]}`, trained by this project's own
recipe (`python -m mirnet train configs/{card["id"]}.toml`). They are not the MIRNet authors'
weights and do not reproduce the paper's numbers.

![Input, result and target]({card["example"]})

Input, result and target of patches that were held out of training and degraded by the recipe: of
{DEV_PAIRS} such patches those at an eighth, three, five and seven eighths of the order by gain
({gains}).

- Openness: {OPENNESS}
- Network: {card["architecture"]}, {card["parameters"]:,} parameters, settings
  `{json.dumps(card["config"])}`
- Trained on: {card["trained_on"]}. No benchmark picture was used.
- Licences of the photographs: {summary or "see the data sets"}{start}
- Training: {card["steps"]:,} steps in {card["cycles"]} cycle(s), {card["patches"]}; dev PSNR
  {card["dev_psnr_db"]} dB on pairs held out of training
- Hardware: {card["hardware"]}, {card["processes"]} process(es), {card["hours"]} hours; about
  {energy_wh(card):.0f} Wh, assuming {CPU_WATTS} W for a core or {GPU_WATTS} W for a GPU; what it
  started from is not counted
- File: {card["bytes"] / 1e6:.1f} MB, sha256 `{card["sha256"]}`
- Licence: Apache-2.0

## Measured

PSNR (dB) / SSIM, mean over the pairs.

| set | pairs | input | output | protocol | data sha256 |
|---|---|---|---|---|---|
{scores}

`python -m mirnet weights verify {card["id"]} --pairs "SET=FOLDER"` measures them again.

## Limits

{LIMITS}

{failures}

## Training photographs

| package or repository | file | author | licence | sha256 |
|---|---|---|---|---|
{photos}
"""
