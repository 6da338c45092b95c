"""A training session on a GPU that is there for minutes, without a network.

`python -m mirnet.train.gpu_session PACK OUT --minutes 9` unpacks a pack of photographs (see
`pack`), trains several networks side by side on one GPU, each from the shipped weights of its
recipe, scores them on pairs of pictures that were not trained on, and ends by itself in time. Each
run leaves one zip file with weights, state, log and card in OUT, small enough to be carried away;
`unzip` it into a folder, and `python -m mirnet train FOLDER/recipe.json --folder FOLDER --continue`
goes on from there. Within the first minute the session prints steps a second, and it stops what
does not learn.
"""

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mirnet.errors import InvalidRequest
from mirnet.files import write_file

from .config import Config, load_config
from .manifest import NOISE_PROFILES_NAME
from .pack import read_noise_profiles, read_pack
from .publish import measure

DEFAULT_RECIPES = ("sr-x4-compact", "sr-x3-compact", "denoise-compact", "lowlight-compact")
"""Default recipes: those that gain most from more steps."""
OPTIMIZER = {
    "algorithm": "muon",
    "precision": "bfloat16",
    "steps": 20_000,
    "learning_rate": 2e-3,
    "final_learning_rate": 1e-6,
    "warmup": 400,
    "hold": 4000,
    "ema": 0.999,
    "level_phases": True,
}
"""Changes of a session to the recipes, whose last cycles were short. Of the steps, only the shares
of warm-up and hold matter: the schedule is stretched to the minutes."""
MAX_FILE_BYTES = 16 * 2**20
"""Size limit of a bundle in bytes."""
SECONDS_FOR_SCORES = 45.0
"""Seconds reserved after training for scores and files."""
SECONDS_FOR_A_SCORE = 8.0
"""Least seconds left to begin the score of a set of pairs."""
CHECK_SECONDS = 60.0
"""Seconds after which the loss of a run is checked."""
LOSS_MARGIN = 1.5
"""Factor of loss growth since the first report above which a run is stopped."""


@dataclass
class Running:
    """A training process of the session."""

    config: Config
    """Recipe of the run."""
    folder: Path
    """Folder of the run."""
    process: subprocess.Popen
    """The process."""
    checked: bool = False
    """Whether the first losses have been checked."""
    stopped: str = ""
    """Reason why the session stopped the run; empty if it did not."""


def unpack(pack: Path, folder: Path) -> None:
    """Write the photographs and noise profiles of a pack as `prepare` leaves them.

    Raises:
        InvalidRequest: The file is not a pack.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "dev"):
        for photo, pixels in read_pack(pack, split):
            np.save(folder / photo.key, pixels)
    profiles = read_noise_profiles(pack)
    if profiles:
        (folder / NOISE_PROFILES_NAME).write_text(profiles, encoding="utf-8")


def recipe_for(
    name: str, photos: Path, batch: int | None, profiles: bool, changes: dict[str, Any]
) -> Config:
    """A recipe changed to start from its shipped weights, on the photographs of the pack.

    Args:
        name: Name of the recipe, as for `load_config`.
        photos: Folder of the unpacked photographs.
        batch: Patches per step; None keeps the recipe's.
        profiles: Whether the pack has measured noise profiles.
        changes: Fields of `data` to replace.
    """
    config = load_config(name if name.endswith(".toml") else f"configs/{name}.toml")
    data = {"photos": str(photos), "pairs": [], "stages": [], **changes}
    if batch is not None:
        data["batch"] = batch
    if not profiles:
        data["noise"] = "fitted"
    network = config.network.model_copy(update={"start": config.id})
    optimizer = config.optimizer.model_copy(update=OPTIMIZER)
    return config.model_copy(
        update={
            "data": config.data.model_copy(update=data),
            "network": network,
            "optimizer": optimizer,
        }
    )


def start(config: Config, folder: Path, minutes: float) -> Running:
    """Start a training process with a cycle of `minutes`."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "asked.json"
    recipe.write_text(config.model_dump_json())
    command = [sys.executable, "-m", "mirnet", "train", str(recipe), "--folder", str(folder)]
    log = (folder / "output.txt").open("w")
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    process = subprocess.Popen(
        [*command, "--minutes", f"{minutes:.3f}"],
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    return Running(config, folder, process)


def rows(folder: Path) -> list[dict[str, str]]:
    """Rows of a run's log so far."""
    path = folder / "log.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def check(running: Running) -> str:
    """Check the first losses of a run, and stop it if they grow.

    Returns:
        A line with the speed of the run.
    """
    running.checked = True
    name, logged = running.config.id, rows(running.folder)
    if running.process.poll() not in (None, 0):
        last = (running.folder / "output.txt").read_text().strip().splitlines()[-1:]
        running.stopped = f"ended with code {running.process.returncode}: {' '.join(last)}"
        return f"{name}: {running.stopped}"
    if not logged:
        return f"{name}: no report yet"
    losses = [float(row["loss"]) for row in logged]
    pace = 1 / float(logged[-1]["seconds_per_step"])
    line = (
        f"{name}: {pace:.1f} steps/s, {float(logged[-1]['samples_per_second']):.0f} patches/s, "
        f"{float(logged[-1]['data_share']):.0%} on data, loss {losses[0]:.5f} to {losses[-1]:.5f}"
    )
    if not losses[-1] < LOSS_MARGIN * losses[0] or not math.isfinite(losses[-1]):
        running.process.terminate()
        running.stopped = "the loss grew"
        line += ": stopped"
    return line


def bundle(running: Running, out: Path) -> Path:
    """Zip the files of a run, with less of its state if the bundle would be too large.

    The next cycle begins from the averaged weights in the state. They equal the weights of the last
    step, so those are left out, like the weights that are not averaged.
    """
    folder, target = running.folder, out / f"{running.config.id}.zip"
    state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    state["model"] = {}
    for attempt in ("with the optimizers", "without them"):
        if attempt == "without them":
            state["optimizers"] = []
        torch.save(state, folder / "state.pt")
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as bundled:
            for name in ("state.pt", "best.safetensors", "log.csv", "card.json", "recipe.json"):
                if (folder / name).exists():
                    bundled.write(folder / name, name)
        if target.stat().st_size <= MAX_FILE_BYTES:
            break
    return target


def session(
    pack: Path,
    out: Path,
    minutes: float = 9.0,
    recipes: tuple[str, ...] = DEFAULT_RECIPES,
    batch: int | None = 32,
    dev: dict[str, dict[str, Path]] | None = None,
    changes: dict[str, Any] | None = None,
) -> Iterator[str]:
    """Train, score and bundle.

    Args:
        out: Folder for the bundles and `report.json`.
        minutes: Length of the whole session.
        recipes: Names of the recipes to train, side by side.
        batch: Patches per step of each run; None keeps those of the recipes.
        dev: Names and folders of the pairs to score on, by task.
        changes: Fields of `data` to replace in all recipes, such as `patch_px`.

    Yields:
        Lines of progress.

    Raises:
        InvalidRequest: The pack or a recipe is missing.
    """
    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    kept = min(SECONDS_FOR_SCORES, 0.2 * 60 * minutes)
    with tempfile.TemporaryDirectory() as temporary:
        photos = Path(temporary) / "photos"
        unpack(pack, photos)
        profiles = (photos / NOISE_PROFILES_NAME).exists()
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
        yield f"{device}: photographs unpacked after {time.monotonic() - began:.0f} s"
        left = minutes - (time.monotonic() - began + kept) / 60
        configs = [recipe_for(name, photos, batch, profiles, changes or {}) for name in recipes]
        running = [start(config, Path(temporary) / config.id, left) for config in configs]
        try:
            yield from _watch(running, began + 60 * minutes - 0.5 * kept)
        finally:
            for one in running:
                if one.process.poll() is None:
                    one.process.terminate()
        report: dict[str, Any] = {"device": device, "runs": {}}
        for one in running:
            yield _keep(one, out, report["runs"])
            _write(report, out, began)
        for one in running:
            for line in _score(one, dev or {}, report["runs"][one.config.id], began + 60 * minutes):
                _write(report, out, began)
                yield line
        _write(report, out, began)
        yield f"done after {report['minutes']} minutes"


def _write(report: dict[str, Any], out: Path, began: float) -> None:
    report["minutes"] = round((time.monotonic() - began) / 60, 2)
    write_file(out / "report.json", json.dumps(report, indent=2) + "\n")


def _watch(running: list[Running], until: float) -> Iterator[str]:
    """Wait for all processes, and check each once after `CHECK_SECONDS` or when it ends."""
    began = time.monotonic()
    while any(one.process.poll() is None for one in running) and time.monotonic() < until:
        time.sleep(0.5)
        for one in running:
            if not one.checked and (
                one.process.poll() is not None or time.monotonic() - began > CHECK_SECONDS
            ):
                yield check(one)
    for one in running:
        if not one.checked:
            yield check(one)


def _keep(one: Running, out: Path, report: dict[str, Any]) -> str:
    """Bundle the files of a run, and add it to the report."""
    name, logged = one.config.id, rows(one.folder)
    entry: dict[str, Any] = {"stopped": one.stopped, "log": logged[-1] if logged else None}
    report[name] = {**entry, "scores": []}
    if not (one.folder / "state.pt").exists():
        report[name]["output"] = (one.folder / "output.txt").read_text()[-2000:]
        return f"{name}: nothing to keep"
    bundled = bundle(one, out)
    return f"{name}: {bundled.name}, {bundled.stat().st_size / 2**20:.1f} MiB"


def _score(
    one: Running, dev: dict[str, dict[str, Path]], entry: dict[str, Any], until: float
) -> Iterator[str]:
    """Score a run on each set of its task until the time is up."""
    weights = one.folder / "best.safetensors"
    for benchmark, folder in dev.get(one.config.task, {}).items():
        if weights.exists() and time.monotonic() < until - SECONDS_FOR_A_SCORE:
            score = measure(weights, one.config.task, benchmark, folder)
            entry["scores"].append(score)
            yield (f"{one.config.id}: {benchmark} {score['psnr_db']:.2f} dB / {score['ssim']:.4f}")


def main() -> None:
    """Parse the command line and run a session."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path, help="file of photographs")
    parser.add_argument("out", type=Path, help="folder for the results")
    parser.add_argument("--minutes", type=float, default=9.0, help="of the whole session")
    parser.add_argument("--recipes", nargs="+", default=list(DEFAULT_RECIPES))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument(
        "--dev",
        nargs="*",
        default=[],
        metavar="TASK:NAME=FOLDER",
        help="pairs to score on, such as 'denoise:CC15 dev=pairs/cc15'",
    )
    given = parser.parse_args()
    dev: dict[str, dict[str, Path]] = {}
    for item in given.dev:
        task, _, rest = item.partition(":")
        name, _, folder = rest.partition("=")
        dev.setdefault(task, {})[name] = Path(folder)
    lines = session(given.pack, given.out, given.minutes, tuple(given.recipes), given.batch, dev)
    try:
        for line in lines:
            print(line, flush=True)  # noqa: T201
    except InvalidRequest as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
