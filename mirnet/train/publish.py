"""Publishing of a training run: measure its weights, write the card, install both.

Every score is stored with its protocol, the number of pairs and a fingerprint of the files, and the
card with the hash of the weights it belongs to.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mirnet.errors import InvalidRequest
from mirnet.files import file_sha256, replacing, write_file
from mirnet.images.decode import read_image
from mirnet.images.folder_pairs import pair_folders
from mirnet.metrics.protocols import LUMA_CLASSIC, RGB_8BIT
from mirnet.restoration.api import restore
from mirnet.tasks import get_task
from mirnet.weights import catalogue
from mirnet.weights import load as weights
from mirnet.weights.networks import load_weights

from .card import card_text, example
from .config import Config
from .validation import Conditioned, dev_pairs, evaluate

TOLERANCE_DB = 0.01
TOLERANCE_SSIM = 1e-4
"""Accepted difference of a score between machines and versions of torch."""


@dataclass(frozen=True)
class Recomputed:
    """Result of measuring a score of a card again."""

    ok: bool
    """Whether pictures and scores agree with the card."""
    message: str
    """Result in one sentence, with both numbers."""


def measure(
    path: Path, task: str, benchmark: str, folder: Path, ensemble: bool = False
) -> dict[str, Any]:
    """Score weights on pairs of pictures that were not trained on, whole pictures at a time.

    Small inputs of super-resolution, as in bicubic benchmarks, are enlarged by the task's scale and
    scored on luma. Inputs of the target's size are scored on RGB.

    Args:
        benchmark: Name of the set of pairs.
        folder: Folder with the pairs, in its folders `input` and `target`; see `pair_folders`.
        ensemble: Average over the eight flips and rotations.

    Returns:
        Benchmark, protocol, number of pairs, mean PSNR (dB) and SSIM of output and input, and a
        hash of the data.

    Raises:
        InvalidRequest: The folder is not valid (see `pair_folders`), sizes do not match, or a
            picture is too small to be scored.
    """
    model = load_weights(path)
    scale = get_task(task).scale
    digest = hashlib.sha256()
    rows, protocols = [], set()
    # The hash of published data depends on their order, which is that of their names' characters.
    found = sorted(pair_folders(folder / "input", folder / "target", may_exceed=True))
    for degraded_path, target_path in found:
        for file in (degraded_path, target_path):
            digest.update(bytes.fromhex(file_sha256(file)))
        degraded, target = read_image(degraded_path), read_image(target_path)
        same_size = (degraded.height, degraded.width) == (target.height, target.width)
        protocol = RGB_8BIT if same_size else LUMA_CLASSIC
        side = max(target.height, target.width)
        job = restore(
            degraded, task, weights=model, same_size=same_size, tile_px=side, ensemble=ensemble
        )
        result = job.result()
        try:
            before, after = (
                protocol.score(picture.pixels, target.pixels, scale)
                for picture in (result.before, result.picture)
            )
        except InvalidRequest as error:
            raise InvalidRequest(f"{degraded_path.name} in {folder}: {error}") from error
        rows.append([after["psnr_db"], after["ssim"], before["psnr_db"], before["ssim"]])
        protocols.add(protocol.meaning)
    if len(protocols) > 1:
        raise InvalidRequest(f"{folder} mixes inputs of the target's size with smaller ones.")
    means = np.mean(rows, axis=0)
    return {
        "benchmark": benchmark,
        "protocol": protocols.pop(),
        "pairs": len(rows),
        "psnr_db": round(float(means[0]), 3),
        "ssim": round(float(means[1]), 4),
        "input_psnr_db": round(float(means[2]), 3),
        "input_ssim": round(float(means[3]), 4),
        "data_sha256": digest.hexdigest(),
    }


def publish(
    run: Path,
    benchmarks: dict[str, Path],
    folder: Path = catalogue.EMBEDDED_FOLDER,
    last: bool = False,
) -> dict[str, Any]:
    """Measure a run's weights and ship them with their card.

    Args:
        benchmarks: Name and folder of each set of pairs.
        folder: Folder for weights, card and example picture.
        last: Publish the weights of the last step instead of those with the best dev score.

    Returns:
        The card.

    Raises:
        InvalidRequest: The run has no weights yet, or a set of pairs is missing.
    """
    chosen = run / ("last.safetensors" if last else "best.safetensors")
    if not chosen.exists():
        until = "to its end" if last else "until the first dev score"
        raise InvalidRequest(f"{run} has no {chosen.name} yet: train {until}.")
    config = Config.model_validate_json((run / "recipe.json").read_text())
    card = json.loads((run / "card.json").read_text())
    card["sha256"] = file_sha256(chosen)
    if last:
        model: Any = load_weights(chosen)
        scored = Conditioned(model).train()  # as the run scores: without a margin
        card["dev_psnr_db"] = round(evaluate(scored, dev_pairs(config)), 3)
    card["bytes"] = chosen.stat().st_size
    card["scores"] = [
        measure(chosen, card["task"], name, path) for name, path in benchmarks.items()
    ]
    picture, gains = example(config, chosen)
    card["example"] = f"{card['id']}.jpg"
    card["example_gains_db"] = [round(gain, 2) for gain in gains]
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(folder / card["example"], quality=92, subsampling=0)
    with replacing(folder / f"{card['id']}.safetensors") as part:
        shutil.copyfile(chosen, part)
    write_file(folder / f"{card['id']}.json", json.dumps(card, indent=2) + "\n")
    write_file(folder / f"{card['id']}.md", card_text(card))
    return card


def recompute(weights_id: str, benchmark: str, folder: Path) -> Recomputed:
    """Measure a score on the card of our own weights again, on the same pictures.

    Args:
        weights_id: Id of embedded weights in the catalogue.
        folder: Folder with the pairs, in its folders `input` and `target`; see `pair_folders`.

    Returns:
        Whether the numbers agree, and a message.

    Raises:
        InvalidRequest: The weights have no card or no such score, or see `measure`.
        WeightsUnavailable: No weights have this id.
    """
    entry = catalogue.get_entry(weights_id)
    published = {score.benchmark: score for score in catalogue.scores(entry)}
    path = weights.locate(weights_id)
    if benchmark not in published or path is None:
        have = ", ".join(published) or "no scores of ours"
        raise InvalidRequest(f"{weights_id} has no score on {benchmark!r}: it has {have}.")
    old = published[benchmark]
    now = measure(path, entry.task, benchmark, folder)
    numbers = (
        f"{weights_id} on {benchmark}: card {old.psnr_db:.3f} dB / {old.ssim:.4f}, "
        f"now {now['psnr_db']:.3f} dB / {now['ssim']:.4f}"
    )
    if now["data_sha256"] != old.data_sha256:
        return Recomputed(False, f"{numbers}, but {folder} holds other files than were measured.")
    agree = (
        abs(now["psnr_db"] - old.psnr_db) <= TOLERANCE_DB
        and abs(now["ssim"] - (old.ssim or 0)) <= TOLERANCE_SSIM
    )
    return Recomputed(agree, f"{numbers}: {'the same.' if agree else 'they differ.'}")
