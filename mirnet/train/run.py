"""The training loop on a CPU, a GPU or several, which resumes after a kill.

Recipe of the MIRNet paper (section 4.2) as defaults: Charbonnier loss, Adam, cosine schedule, flips
and quarter turns, MixUp; averaged weights (EMA) are what is scored and kept. A run is one cycle of
the schedule, with the steps of its recipe or a given number of minutes, and can continue with
further cycles (warm restarts).
"""

import copy
import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mirnet.errors import InvalidRequest
from mirnet.files import file_sha256
from mirnet.weights.networks import STEP_NOTE, count_parameters, save_weights

from .batches import Source
from .config import Config, load_config
from .feed import Feed
from .network import build, start_file
from .run_folder import RunFolder, check_same
from .schedule import Clock, learning_rate
from .step import Stepper
from .validation import Conditioned, dev_pairs, evaluate

REPORT_SECONDS = 10.0
"""Seconds between reports of a run that is limited by minutes."""
SCORES = 6
"""Number of scores of a run limited by minutes, evenly spaced, the last at its end."""


@dataclass(frozen=True)
class Progress:
    """State of a run, reported when it is saved or scored."""

    step: int
    """Steps of this cycle that are done."""
    steps: int
    """Total steps of the cycle; with minutes, an estimate."""
    loss: float
    """Mean training loss since the last report."""
    learning_rate: float
    """Learning rate of the last step."""
    seconds_per_step: float
    """Mean duration of a step since the last report."""
    dev_psnr_db: float | None
    """PSNR on the dev patches in dB; None if this step was not scored."""
    samples_per_second: float = 0.0
    """Patches per second over all processes, mean since the last report."""
    data_share: float = 0.0
    """Share of the time spent on batches since the last report, 0 to 1."""
    cycle: int = 1
    """Number of the cycle."""


@dataclass
class Counters:
    """Progress counters of a run, saved with its state."""

    cycle: int = 1
    """Number of the cycle."""
    step: int = 0
    """Steps of the cycle that are done."""
    spent: float = 0.0
    """Training time of the cycle in seconds."""
    total: int = 0
    """Steps of all cycles."""
    seconds: float = 0.0
    """Training time of all cycles in seconds."""
    best: float = -math.inf
    """Best PSNR on the dev patches in dB."""


def train(
    recipe: Config | Path | str,
    folder: Path | str | None = None,
    steps: int | None = None,
    resume: bool = True,
    minutes: float | None = None,
    next_cycle: bool = False,
    keep_every: int | None = None,
) -> Iterator[Progress]:
    """Train as configured; safe to kill at any time and to start again.

    The folder gets `recipe.json`, `state.pt` (all that resuming needs), `log.csv`,
    `best.safetensors`, `last.safetensors` and `card.json`.

    Args:
        recipe: A configuration, or a path for `load_config`.
        folder: Folder of the run; `runs/train/ID` by default.
        steps: Stop after this many steps of the cycle, for tests and inspection.
        resume: Continue from `state.pt` if it exists; otherwise earlier files are set aside.
        minutes: Stretch the schedule to this time, files and scores included, instead of the
            recipe's steps.
        next_cycle: Begin the next cycle from the averaged weights of `state.pt`; all of the recipe
            except the network may have changed.
        keep_every: Steps between weights that are kept, in place of the recipe's.

    Yields:
        `Progress` after every saved or scored step.

    Raises:
        InvalidRequest: The configuration or its data are missing or do not match the run.
        FloatingPointError: The loss is not finite.
    """
    since = time.monotonic()
    config = recipe if isinstance(recipe, Config) else load_config(recipe)
    if keep_every is not None:
        config = config.model_copy(update={"keep_every": keep_every})
    files = RunFolder(Path(folder or Path("runs/train") / config.id))
    run = Run(config, files, resume, next_cycle)
    yield from run.cycle(steps, minutes, since)


class Run:
    """A network in training with its data, its averaged weights and its files.

    Args:
        config: The recipe.
        files: Files of the run; nothing is written before everything is checked.
        resume: See `train`.
        next_cycle: See `train`.

    Raises:
        InvalidRequest: See `train`.
    """

    def __init__(self, config: Config, files: RunFolder, resume: bool, next_cycle: bool):
        from accelerate import Accelerator

        accelerator = Accelerator(cpu=not torch.cuda.is_available())
        device, self.processes = accelerator.device, accelerator.num_processes
        self.config = config
        self.files = files
        self.main = accelerator.is_main_process
        check_batches(config, self.processes)
        network: Any = build(config)
        self.network = network.to(device=device, memory_format=torch.channels_last)
        self.source = Source(config, "train", device)
        self.dev = dev_pairs(config, device)
        self.identity = identify(config, self.source)
        state = files.load_state(device) if resume or next_cycle else None
        if next_cycle:
            state = begin_cycle(state, self.identity, self.network, files.path)
        elif state is not None:
            check_same(state, self.identity, files.path)

        self.averaged = Conditioned(copy.deepcopy(self.network)).requires_grad_(False)
        self.model = Conditioned(self.network)
        self.stepper = Stepper(
            accelerator.prepare(self.model) if self.processes > 1 else self.model,
            self.network,
            self.averaged,
            config.optimizer,
            captured=self.processes == 1,
        )
        self.feed = Feed(config, self.source, accelerator.process_index, self.processes)
        self.counters = Counters()
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.averaged.load_state_dict(state["averaged"])
            # Before there was Muon, a run saved the state of Adam alone, as "optimizer".
            early = [state["optimizer"]] if "optimizer" in state else []
            self.stepper.load_optimizers(state.get("optimizers", early))
            self.counters = Counters(**state["counters"])
        self.stepper.level()
        if self.main:
            files.path.mkdir(parents=True, exist_ok=True)
            if state is None:
                files.set_aside()
            files.save_json("recipe", config.model_dump())

    def cycle(self, steps: int | None, minutes: float | None, since: float) -> Iterator[Progress]:
        """Train the rest of a cycle.

        Args:
            since: `time.monotonic()` when the minutes began.
        """
        o, counters = self.config.optimizer, self.counters
        clock = Clock(o.steps, minutes, counters.spent, since)
        if minutes is not None:
            began = time.monotonic()
            evaluate(self.averaged, self.dev)
            clock.reserve(1.5 * (time.monotonic() - began))
        until = steps or (o.steps if minutes is None else math.inf)
        earlier, begun = counters.seconds, time.monotonic()
        done = clock.done(counters.step)
        since_report = _SinceReport(counters.step, int(SCORES * done))
        done = done if counters.step else 0.0  # at least one step is taken
        while counters.step < until and done < 1:
            rate = learning_rate(o, done)
            since_report.patches += self._take_step(rate)
            done = clock.done(counters.step)
            last = counters.step >= until or done >= 1
            if minutes is None:
                due, score_due = self._due_by_steps()
            else:
                due = since_report.elapsed() > REPORT_SECONDS
                score_due = last or int(SCORES * done) > since_report.scores
            keep = bool(self.config.keep_every) and counters.total % self.config.keep_every == 0
            if not (due or score_due or last or keep):
                continue
            total = o.steps if minutes is None else round(counters.step / max(done, 1e-6))
            report = self._report(since_report, total, rate, score_due)
            counters.spent = clock.seconds()
            counters.seconds = earlier + time.monotonic() - begun
            if self.main:
                self._save(report, last, keep)
            yield report
            since_report = _SinceReport(counters.step, int(SCORES * done))

    def _take_step(self, rate: float) -> int:
        """Take one step; returns the number of its patches over all processes."""
        batch = self.feed.take(self.counters.total, self.counters.step)
        self.stepper.step(batch, rate)
        self.counters.step += 1
        self.counters.total += 1
        return len(batch.target) * self.processes

    def _due_by_steps(self) -> tuple[bool, bool]:
        """Whether saving and scoring are due in a cycle of a number of steps."""
        step, config = self.counters.step, self.config
        scores = step % config.evaluate_every == 0 or step == config.optimizer.steps
        return step % config.save_every == 0, scores

    def _report(
        self, since_report: "_SinceReport", steps: int, rate: float, with_score: bool
    ) -> Progress:
        """Progress now; waits for the device."""
        loss = self.stepper.mean_loss()
        elapsed = since_report.elapsed()
        return Progress(
            step=self.counters.step,
            steps=steps,
            loss=loss,
            learning_rate=rate,
            seconds_per_step=elapsed / (self.counters.step - since_report.step),
            dev_psnr_db=evaluate(self.averaged, self.dev) if with_score else None,
            samples_per_second=since_report.patches / elapsed,
            data_share=self.feed.seconds() / elapsed,
            cycle=self.counters.cycle,
        )

    def _save(self, report: Progress, last: bool, keep: bool) -> None:
        """Write weights, log, card and state after a report."""
        folder, network = self.files.path, self.averaged.network
        if report.dev_psnr_db is not None and report.dev_psnr_db > self.counters.best:
            self.counters.best = report.dev_psnr_db
            save_weights(network, folder / "best.safetensors")
        if last:
            save_weights(network, folder / "last.safetensors")
        if keep:
            step = self.counters.total
            notes = {STEP_NOTE: str(step), "training": self.config.id}
            save_weights(network, self.files.step_file(step), notes)
        self.files.log(_row(report))
        self.files.save_json("card", self.card())
        self.files.save_state(
            {
                "identity": self.identity,
                "counters": asdict(self.counters),
                "model": self.model.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizers": self.stepper.optimizer_states(),
            }
        )

    def card(self) -> dict[str, Any]:
        """Facts of the run for the card of its weights."""
        config, counters = self.config, self.counters
        start = config.network.start
        return {
            "id": config.id,
            "task": config.task,
            "architecture": config.network.architecture,
            "config": config.network.settings,
            "parameters": count_parameters(self.network),
            "trained_on": self.source.description(),
            "started_from": f"{start}, sha256 {file_sha256(start_file(start))}" if start else None,
            "photos_sha256": self.source.fingerprint,
            "steps": counters.total,
            "cycles": counters.cycle,
            "patches": config.data.schedule(),
            "photos": self.source.manifest(),
            "hours": round(counters.seconds / 3600, 2),
            "hardware": hardware(),
            "processes": self.processes,
            "dev_psnr_db": None if math.isinf(counters.best) else round(counters.best, 3),
            "licence": "Apache-2.0",
        }


@dataclass
class _SinceReport:
    """Measures what was done since the last report, or since the cycle began or was resumed."""

    step: int
    """Steps of the cycle at that time."""
    scores: int
    """Scores that were due by that time in a cycle of minutes."""
    patches: int = 0
    """Patches over all processes since then."""
    began: float = field(default_factory=time.monotonic)
    """`time.monotonic()` at that time."""

    def elapsed(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self.began


def check_batches(config: Config, processes: int) -> None:
    """Refuse batches that do not divide among the processes.

    Raises:
        InvalidRequest: A batch of the recipe does not divide.
    """
    for size in [config.data.batch, *(stage.batch for stage in config.data.stages)]:
        if size % processes:
            raise InvalidRequest(
                f"A batch of {size} does not divide among {processes} processes: change data.batch "
                "or data.stages."
            )


def identify(config: Config, source: Source) -> str:
    """Hash of the recipe and the data, which a saved state must match to be resumed.

    Defaults are left out, so that new fields of the recipe do not invalidate started runs; which
    weights are kept changes nothing that is trained.
    """
    asked = config.model_dump_json(exclude_defaults=True, exclude={"keep_every"})
    return hashlib.sha256((asked + source.fingerprint).encode()).hexdigest()


def begin_cycle(
    state: dict[str, Any] | None, identity: str, network: nn.Module, folder: Path
) -> dict[str, Any]:
    """Turn the state at the end of a cycle into the initial state of the next.

    Raises:
        InvalidRequest: There is no state, or it belongs to another network.
    """
    if state is None:
        raise InvalidRequest(
            f"{folder} holds no state to continue from: train without --continue first."
        )
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    given = {
        name.removeprefix("network."): value.shape for name, value in state["averaged"].items()
    }
    if shapes != given:
        raise InvalidRequest(
            f"{folder} holds a run of another network: name its file last.safetensors as "
            "network.start of a new run instead."
        )
    counters = Counters(**state["counters"])
    best = counters.best if state["identity"] == identity else -math.inf
    following = replace(counters, cycle=counters.cycle + 1, step=0, spent=0.0, best=best)
    return {**state, "model": state["averaged"], "counters": asdict(following)}


def _row(report: Progress) -> dict[str, str]:
    score = report.dev_psnr_db
    return {
        "cycle": str(report.cycle),
        "step": str(report.step),
        "loss": f"{report.loss:.6f}",
        "learning_rate": f"{report.learning_rate:.3e}",
        "seconds_per_step": f"{report.seconds_per_step:.4f}",
        "samples_per_second": f"{report.samples_per_second:.1f}",
        "data_share": f"{report.data_share:.3f}",
        "dev_psnr_db": "" if score is None else f"{score:.4f}",
    }


def hardware() -> str:
    """Name of the device for the model card."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' * (threads > 1)}"
