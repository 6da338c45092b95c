"""The training loop: one command on a CPU, a GPU or many, which resumes where it was killed.

Recipe of the MIRNet paper (section 4.2) as defaults: Charbonnier loss, Adam, cosine schedule, flips
and quarter turns, MixUp; averaged weights (EMA) are what is scored and kept. Batch number n is a
function of the seed and n alone, so a resumed run sees what an unbroken one would have seen.
"""

import csv
import hashlib
import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirnet.errors import InvalidRequest
from mirnet.files import replacing, write_file
from mirnet.models.base import current_settings
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.weights import load as weights
from mirnet.weights.checkpoints import count_parameters, read_checkpoint, save_weights
from mirnet.weights.store import file_sha256

from . import degrade
from .config import Config, Optimizer, load_config
from .manifest import fingerprint
from .photos import Patches, RealPairs

DEV_PAIRS = 24
"""Fixed dev patches that choose the best step."""


@dataclass(frozen=True)
class Progress:
    """What the loop yields after every step it reports."""

    step: int
    """Steps done."""
    steps: int
    """Steps in all."""
    loss: float
    """Mean training loss since the last report."""
    learning_rate: float
    """Current learning rate."""
    seconds_per_step: float
    """Mean since the last report."""
    dev_psnr_db: float | None
    """PSNR on the dev patches, where this step was scored."""


def distance(difference: Tensor, recipe: Optimizer) -> Tensor:
    """Mean of sqrt(d^2 + epsilon^2) (Charbonnier; MIRNet, section 4.2), or of |d| (MIRNet-v2)."""
    if recipe.loss == "l1":
        return difference.abs().mean()
    return torch.sqrt(difference**2 + recipe.charbonnier_epsilon**2).mean()


def learning_rate(config: Config, step: int) -> float:
    """Warm-up, peak, then a cosine down to the final rate (Loshchilov & Hutter 2017)."""
    o = config.optimizer
    if step < o.warmup:
        return o.learning_rate * (step + 1) / o.warmup
    before = o.warmup + o.hold
    part = max(step - before, 0) / max(o.steps - before, 1)
    wave = (1 + math.cos(math.pi * min(part, 1))) / 2
    return o.final_learning_rate + (o.learning_rate - o.final_learning_rate) * wave


class Source:
    """Where the batches of a run come from: photographs to degrade, real pairs, or both.

    Args:
        config: The run's configuration.
        split: 'train' or 'dev'.

    Raises:
        InvalidRequest: The photographs are not prepared, or a data set is not there.
    """

    def __init__(self, config: Config, split: str):
        self.config = config
        self.pairs = [
            (RealPairs(pairs, split), pairs.share)
            for pairs in config.data.pairs
            if split == "train" or pairs.dev_every
        ]
        synthetic = config.data.degradation != "none"
        self.patches = Patches(config.data.photos, split) if synthetic else None
        if not synthetic and not self.pairs:
            raise InvalidRequest(
                "The recipe has nothing to score: give one of data.pairs a dev_every."
            )

    def batch(
        self, size: int, patch_px: int, seed: tuple[int, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draw degraded patches, targets, and degraded thumbnails of the whole photographs.

        Args:
            size: Pairs to draw.
            patch_px: Side of a patch.
            seed: All randomness comes from these numbers.

        Returns:
            (size, 3, patch_px, patch_px) twice and (size, 3, t, t), all in [0, 1].
        """
        sequence = np.random.SeedSequence(seed)
        rng = np.random.default_rng(sequence)
        # A share of 0.3 of 8 pairs is 2.4: 2 or 3 pairs, 2.4 on average.
        counts = [int(share * size + rng.random()) for _, share in self.pairs]
        if self.patches is None:
            counts[-1] = size - sum(counts[:-1])
        parts = [
            real.batch(count, patch_px, rng)
            for (real, _), count in zip(self.pairs, counts, strict=True)
            if count > 0
        ]
        rest = size - sum(counts)
        if self.patches is not None and rest > 0:
            data = self.config.data
            clean, thumbnails = self.patches.batch(rest, patch_px, rng, data.detail, data.reduced)
            state = int(sequence.generate_state(1, np.uint64)[0] >> 1)
            generator = torch.Generator().manual_seed(state)
            degradation = degrade.DEGRADATIONS[self.config.data.degradation]
            scale = self.config.data.scale
            parts.append(degradation(clean, thumbnails, scale, generator))
        degraded, target, thumbnail = (torch.cat(part) for part in zip(*parts, strict=True))
        return degraded, target, thumbnail

    def fingerprint(self) -> str:
        """One hash over all files."""
        hashes = [photo.sha256 for photo in self.patches.photos] if self.patches else []
        return fingerprint(hashes + [h for real, _ in self.pairs for h in real.hashes()])

    def manifest(self) -> list[dict[str, str]]:
        """Package, file, author, licence and hash of every photograph, for the card."""
        photos = self.patches.photos if self.patches else []
        keys = ("package", "file", "author", "licence", "sha256")
        return [{key: getattr(photo, key) for key in keys} for photo in photos]

    def description(self) -> str:
        """What the card says the weights were trained on."""
        parts = [real.description(share) for real, share in self.pairs]
        if self.patches is not None:
            photos = self.patches.photos
            packages = ", ".join(sorted({photo.package for photo in photos}))
            licences = ", ".join(sorted({photo.licence for photo in photos}))
            parts.insert(
                0,
                f"{len(photos)} photographs of the Debian packages {packages} ({licences}) with "
                f"synthetic degradation '{self.config.data.degradation}'",
            )
        return "; ".join(parts)


def mix(
    degraded: Tensor, target: Tensor, alpha: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """MixUp (Zhang et al., ICLR 2018): blend every pair with another one of the batch."""
    weight = torch.from_numpy(rng.beta(alpha, alpha, (len(degraded), 1, 1, 1))).to(degraded)
    order = torch.from_numpy(rng.permutation(len(degraded))).to(degraded.device)
    return torch.lerp(degraded[order], degraded, weight), torch.lerp(target[order], target, weight)


def build(config: Config) -> MIRNet | MIRNetV2:
    """The network of a configuration with its seeded initial weights.

    Raises:
        InvalidRequest: The settings do not fit the architecture.
    """
    torch.manual_seed(config.seed)
    architecture: Any = {"MIRNet": MIRNet, "MIRNetV2": MIRNetV2}[config.network.architecture]
    try:
        model = architecture(**current_settings(config.network.settings))
    except TypeError as error:
        raise InvalidRequest(
            f"network.settings do not fit {architecture.__name__}: {error}."
        ) from error
    # Starting at "no change" leaves the first steps to what matters.
    nn.init.zeros_(model.conv_out.weight)
    if config.network.start:
        _start_from(model, config.network.start)
    return model


def _start_from(model: nn.Module, start: str) -> None:
    given = read_checkpoint(start_file(start))
    own = model.state_dict()
    fitting = {
        name: grow(own[name], value)
        for name, value in given.items()
        if name in own and _can_grow(name, own[name].shape, value.shape)
    }
    if not fitting:
        raise InvalidRequest(f"Nothing in {start} fits the network of network.settings.")
    model.load_state_dict(fitting, strict=False)
    _pass_through(model, given)


def _pass_through(model: nn.Module, given: dict[str, Tensor]) -> None:
    """Let groups that the start does not have leave their input as it is, to begin with."""
    for name, value in model.named_parameters():
        if re.fullmatch(r"groups\.\d+\.conv_out\.weight", name) and name not in given:
            nn.init.zeros_(value)


def _can_grow(name: str, wider: torch.Size, narrow: torch.Size) -> bool:
    """Whether a tensor differs in features at most: those of pictures must agree."""
    if name == "conv_in.weight" and wider[1] != narrow[1]:
        return False
    if name == "conv_out.weight" and wider[0] != narrow[0]:
        return False
    return len(wider) == len(narrow) and all(
        more >= less for more, less in zip(wider, narrow, strict=True)
    )


def grow(wider: Tensor, narrow: Tensor) -> Tensor:
    """Put a narrow layer into a wider one, so that the features it had come out as before.

    The old outputs do not look at new inputs, while the new outputs keep their initial weights:
    after Net2Net (Chen, Goodfellow, Shlens, ICLR 2016), without its copies of features.

    Args:
        wider: Initial weights, (out, in, h, w) or (out,).
        narrow: Trained weights with as many axes, none of them longer.

    Returns:
        A tensor shaped like `wider`.
    """
    grown = wider.clone()
    grown[: len(narrow)] = 0
    grown[tuple(slice(length) for length in narrow.shape)] = narrow
    return grown


def start_file(start: str) -> Path:
    """The file that `network.start` names: a path, or the id of weights in the catalogue.

    Raises:
        InvalidRequest: There is no such file, and no such weights on this machine.
    """
    path = Path(start) if Path(start).is_file() else weights.locate(start)
    if path is None:
        raise InvalidRequest(
            f"network.start names {start!r}, which is neither a file nor weights on this machine."
        )
    return path


class Conditioned(nn.Module):
    """The network with the choice of its condition inside, so that wrappers see one forward.

    It returns the restored pictures, and what the exposure curve alone makes of the inputs: the
    inputs themselves where the network has none.
    """

    def __init__(self, network: MIRNet | MIRNetV2):
        super().__init__()
        self.network = network

    def forward(self, degraded: Tensor, thumbnails: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, 3, H, W) and the thumbnails of their pictures to two of (B, 3, H, W)."""
        condition = self.network.condition(thumbnails)
        return self.network(degraded, condition), self.network.exposed(degraded, condition)


def dev_pairs(config: Config) -> tuple[Tensor, Tensor, Tensor]:
    """The fixed patches that choose a run's best step (see `Source.batch`)."""
    return Source(config, "dev").batch(DEV_PAIRS, config.data.dev_patch_px, (config.seed, 1 << 40))


def evaluate(model: nn.Module, pairs: tuple[Tensor, Tensor, Tensor]) -> float:
    """Mean PSNR in dB over dev patches: RGB, clamped to [0, 1], not rounded."""
    device = next(model.parameters()).device
    scores = []
    with torch.inference_mode():
        for degraded, target, thumbnail in zip(*(p.split(4) for p in pairs), strict=True):
            y = model(degraded.to(device), thumbnail.to(device))[0].clamp(0, 1).cpu()
            mse = F.mse_loss(y, target, reduction="none").mean((1, 2, 3))
            scores.append(-10 * torch.log10(mse.clamp_min(1e-10)))
    return float(torch.cat(scores).mean())


def train(
    recipe: Config | Path | str,
    folder: Path | str | None = None,
    steps: int | None = None,
    resume: bool = True,
) -> Iterator[Progress]:
    """Train as configured; safe to kill at any time and to start again.

    The folder gets `state.pt` (all that resuming needs), `log.csv`, `best.safetensors`,
    `last.safetensors` and `card.json`.

    Args:
        recipe: A configuration, or what `load_config` takes.
        folder: Where the run lives; `runs/train/ID` by default.
        steps: Stop after this many steps of the schedule in all, to look at a run or to test it.
        resume: Go on from `state.pt` where there is one.

    Yields:
        `Progress` after every saved or scored step.

    Raises:
        InvalidRequest: A configuration or its photographs are not there or do not fit.
    """
    from accelerate import Accelerator

    config = recipe if isinstance(recipe, Config) else load_config(recipe)
    o = config.optimizer
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    folder = Path(folder or Path("runs/train") / config.id)
    folder.mkdir(parents=True, exist_ok=True)
    source = Source(config, "train")
    if accelerator.is_main_process:
        _save_json(folder / "recipe.json", config.model_dump())
    dev = dev_pairs(config)
    for size in [config.data.batch, *(stage.batch for stage in config.data.stages)]:
        if size % accelerator.num_processes:
            raise InvalidRequest(
                f"A batch of {size} does not divide among {accelerator.num_processes} processes: "
                "change data.batch or data.stages."
            )

    network = build(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = Conditioned(network)
    averaged: Any = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(o.ema)
    )
    optimizer = torch.optim.Adam(
        model.parameters(), lr=o.learning_rate, weight_decay=o.weight_decay
    )
    # Defaults are left out: a field added to the recipe later does not strand a started run.
    asked = config.model_dump_json(exclude_defaults=True)
    identity = hashlib.sha256((asked + source.fingerprint()).encode()).hexdigest()
    state = _load_state(folder / "state.pt", identity) if resume else None
    start, best, seconds = 0, -math.inf, 0.0
    if state:
        model.load_state_dict(state["model"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        start, best, seconds = state["step"], state["best"], state["seconds"]
    averaged.to(accelerator.device)
    model, optimizer = accelerator.prepare(model, optimizer)

    losses: list[float] = []
    since, began = start, time.perf_counter()
    for step in range(start, min(steps or o.steps, o.steps)):
        rank = accelerator.process_index
        rate = learning_rate(config, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        seed = (config.seed, step, rank)
        patch_px, batch = config.data.stage(step)
        degraded, target, thumbnails = (
            t.to(accelerator.device)
            for t in source.batch(batch // accelerator.num_processes, patch_px, seed)
        )
        rng = np.random.default_rng((*seed, 1))
        if o.mixup and rng.random() < o.mixup_share:
            degraded, target = mix(degraded, target, o.mixup, rng)
        with torch.autocast(
            accelerator.device.type, torch.bfloat16, enabled=o.precision == "bfloat16"
        ):
            output, exposed = (result.float() for result in model(degraded, thumbnails))
        loss = distance((output.clamp(0, 1) if o.clamp_output else output) - target, o)
        if o.curve_weight:
            loss = loss + o.curve_weight * distance(exposed - target, o)
        optimizer.zero_grad()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), o.clip_norm)
        optimizer.step()
        averaged.update_parameters(accelerator.unwrap_model(model))
        losses.append(loss.item())

        done = step + 1
        last = done == min(steps or o.steps, o.steps)
        score = None
        if done % config.evaluate_every == 0 or done == o.steps:
            score = evaluate(averaged, dev)
        if score is None and done % config.save_every and not last:
            continue
        elapsed = time.perf_counter() - began
        report = Progress(
            done, o.steps, float(np.mean(losses)), rate, elapsed / (done - since), score
        )
        seconds += elapsed
        if accelerator.is_main_process:
            if score is not None and score > best:
                best = score
                save_weights(averaged.module.network, folder / "best.safetensors")
            _log(folder / "log.csv", report)
            card = _card(config, network, source, done, seconds, best, accelerator.num_processes)
            _save_json(folder / "card.json", card)
            if last:
                save_weights(averaged.module.network, folder / "last.safetensors")
            _save_state(
                folder / "state.pt",
                {
                    "identity": identity,
                    "step": done,
                    "best": best,
                    "seconds": seconds,
                    "model": accelerator.unwrap_model(model).state_dict(),
                    "averaged": averaged.state_dict(),
                    "optimizer": optimizer.state_dict(),
                },
            )
        yield report
        losses, since, began = [], done, time.perf_counter()


def _load_state(path: Path, identity: str) -> dict[str, Any] | None:
    if not path.exists():
        return None
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["identity"] != identity:
        raise InvalidRequest(
            f"{path.parent} holds a run of another configuration: name another --folder, or start "
            "over with --no-resume."
        )
    return state


def _save_state(path: Path, state: dict[str, Any]) -> None:
    with replacing(path) as part:
        torch.save(state, part)


def _save_json(path: Path, content: dict[str, Any]) -> None:
    write_file(path, json.dumps(content, indent=2) + "\n")


def _log(path: Path, report: Progress) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "loss", "learning_rate", "seconds_per_step", "dev_psnr_db"])
        score = "" if report.dev_psnr_db is None else f"{report.dev_psnr_db:.4f}"
        writer.writerow(
            [
                report.step,
                f"{report.loss:.6f}",
                f"{report.learning_rate:.3e}",
                f"{report.seconds_per_step:.3f}",
                score,
            ]
        )


def _card(
    config: Config,
    network: nn.Module,
    source: Source,
    step: int,
    seconds: float,
    best: float,
    processes: int,
) -> dict[str, Any]:
    start = config.network.start
    return {
        "id": config.id,
        "task": config.task,
        "architecture": config.network.architecture,
        "config": config.network.settings,
        "parameters": count_parameters(network),
        "trained_on": source.description(),
        "started_from": f"{start}, sha256 {file_sha256(start_file(start))}" if start else None,
        "photos_sha256": source.fingerprint(),
        "steps": step,
        "patches": source.config.data.schedule(),
        "photos": source.manifest(),
        "hours": round(seconds / 3600, 2),
        "processes": processes,
        "dev_psnr_db": None if math.isinf(best) else round(best, 3),
        "licence": "Apache-2.0",
    }
