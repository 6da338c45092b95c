"""The command line: `python -m mirnet restore|weights|info|check|bench|space|train|prepare`.

Commands print results on stdout, progress and complaints on stderr. A wrong input ends with exit
code 2 and one sentence, Ctrl-C with 130. Nothing heavy is imported before a command needs it.
"""

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import (
    DownloadColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.tasks import TASKS, get_task

from .terminal import Commands, complain, console, progress, say

PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp"),
    *(".heic", ".heif", ".hif", ".avif"),
)
"""What counts as a picture in a folder or glob; a file named on its own may be called anything."""
SAVE_SUFFIXES = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
}
"""Suffixes that name a format results can be written in."""


class Tiling(StrEnum):
    """How tiles of a large photo agree: as `mirnet.restoration.job.TILINGS`, which is not imported here."""

    auto = "auto"
    exact = "exact"
    fast = "fast"
    naive = "naive"


class Engine(StrEnum):
    """What computes: as `mirnet.restoration.engines.ENGINES`, which is not imported here."""

    auto = "auto"
    torch = "torch"
    winograd = "winograd"
    bf16 = "bf16"
    fp16 = "fp16"


class Format(StrEnum):
    """File formats of results."""

    png = "png"
    jpeg = "jpeg"
    webp = "webp"
    tiff = "tiff"

    @property
    def suffix(self) -> str:
        """Usual suffix, with its dot."""
        return {"jpeg": ".jpg", "tiff": ".tif"}.get(self.value, f".{self.value}")


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Restore photos with MIRNet and MIRNet-v2: denoise, enlarge, brighten, retouch.",
)
weights_app = typer.Typer(no_args_is_help=True, help="List, fetch, import and check weights.")
app.add_typer(weights_app, name="weights")
space_app = typer.Typer(no_args_is_help=True, help="Put the app on a Hugging Face Space.")
app.add_typer(space_app, name="space")


# ---------------------------------------------------------------- restore


@dataclass(frozen=True)
class Job:
    """One picture to restore."""

    source: Path
    """The file to read."""
    target: Path
    """The file to write."""


@app.command()
def restore(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN", help="Pictures, folders of pictures, or patterns."),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="A file for one picture; otherwise a folder."),
    ],
    task: Annotated[str, typer.Option(help=f"One of {', '.join(TASKS)}.")],
    weights: Annotated[
        str | None, typer.Option(help="Id from `weights list`, or a file. Default: the task's own.")
    ] = None,
    strength: Annotated[float, typer.Option(help="0 keeps the input, 1 is the full effect.")] = 1.0,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Average 8 flips and rotations: 8 times slower.")
    ] = False,
    tile: Annotated[
        int | None, typer.Option(help="Longest side of a tile in pixels. Default: automatic.")
    ] = None,
    tiling: Annotated[
        Tiling,
        typer.Option(
            help="How tiles agree: exact, as if restored whole; fast, very nearly; naive, each on "
            "its own and blended."
        ),
    ] = Tiling.auto,
    same_size: Annotated[
        bool,
        typer.Option("--same-size", help="Do not enlarge: the picture has its target size."),
    ] = False,
    format: Annotated[  # noqa: A002
        Format | None, typer.Option(help="Format of the results. Default: that of each input.")
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="For JPEG and WebP.")] = 95,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that exist (never an input).")
    ] = False,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Most pixels accepted. Default: 100 million.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or mps. Default: cuda where there is one.")
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option(
            help="What computes: auto, the quickest with float32; torch, the reference; bf16 and "
            "fp16 are quicker and not exact. `info` lists those that run here."
        ),
    ] = Engine.auto,
) -> None:
    """Restore pictures: python -m mirnet restore holiday/*.jpg -o restored --task denoise."""
    default_weights = get_task(task).default_weights
    sources, missing = _find_pictures(inputs)
    for complaint in missing:
        complain(complaint)
    if not sources:
        raise typer.Exit(2)
    jobs = _plan_jobs(sources, out, format, may_be_file=[Path(text) for text in inputs] == sources)
    waiting = [job for job in jobs if overwrite or not os.path.exists(job.target)]
    for job in jobs:
        if job not in waiting:
            say(f"{job.target} is there already and was skipped: --overwrite replaces it.")
    failed = 0
    if waiting:
        from mirnet.weights.load import load

        settings: dict[str, Any] = {
            "weights": load(weights or default_weights, allow_paths=True),
            "strength": strength,
            "ensemble": ensemble,
            "tile_px": tile,
            "tiling": tiling.value,
            "same_size": same_size,
            "device": device,
            "engine": engine.value,
        }
        if max_pixels is not None:
            settings["max_pixels"] = max_pixels
        failed = _restore_all(waiting, task, settings, quality)
    if len(jobs) > 1:
        done, skipped = len(waiting) - failed, len(jobs) - len(waiting)
        say(f"{done} restored, {skipped} skipped, {failed + len(missing)} failed.")
    if failed or missing:
        raise typer.Exit(2)


def _find_pictures(inputs: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Expand folders and patterns.

    Args:
        inputs: What the person typed: files, folders, and patterns the shell left alone.

    Returns:
        The files in the order given, each once; and a sentence for every input without any.
    """
    found: dict[Path, Path] = {}
    complaints = []
    for text in inputs:
        if os.path.isdir(text):
            files = _pictures_among(glob.glob(os.path.join(glob.escape(text), "*")))
            complaint = f"The folder {text} holds no pictures that can be read: check its name."
        elif os.path.exists(text) or not glob.has_magic(text):
            files = [Path(text)] if os.path.exists(text) else []
            complaint = f"{text} does not exist: check the name and the folder."
        else:
            files = _pictures_among(glob.glob(text, recursive=True))
            complaint = f"No picture fits the pattern {text}: check it."
        if not files:
            complaints.append(complaint)
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values()), complaints


def _pictures_among(names: Iterable[str]) -> list[Path]:
    files = filter(os.path.isfile, names)
    return sorted(Path(name) for name in files if name.lower().endswith(PICTURE_SUFFIXES))


def _plan_jobs(
    sources: Sequence[Path], out: Path, chosen: Format | None, *, may_be_file: bool
) -> list[Job]:
    """Decide where every result goes.

    Args:
        sources: Pictures to restore.
        out: What the person gave as output.
        chosen: Format for all results; None keeps that of each source, or PNG where it cannot be
            written.
        may_be_file: Every input was a file; then, if there is but one, `out` may be one too.

    Raises:
        InvalidRequest: The output does not fit, two results would have one name, or a result would
            replace one of the sources.
    """
    if len(sources) == 1 and may_be_file and out.suffix and not os.path.isdir(out):
        kind = SAVE_SUFFIXES.get(out.suffix.lower())
        if kind is None or chosen not in (None, kind):
            wanted = chosen.suffix if chosen else ".png, .jpg, .webp or .tif"
            raise InvalidRequest(
                f"{out.name} does not end like a picture that can be written: use {wanted}."
            )
        jobs = [Job(sources[0], out)]
    else:
        is_file = os.path.exists(out) or out.suffix.lower() in SAVE_SUFFIXES
        if is_file and not os.path.isdir(out):
            raise InvalidRequest(
                f"{out} is the name of a file, but several pictures, a folder or a pattern need a "
                "folder: give another --out."
            )
        jobs = [Job(source, out / _result_name(source, chosen)) for source in sources]
    first: dict[str, Path] = {}
    identities = {_identity(source) for source in sources}
    for job in jobs:
        name = os.path.normcase(job.target)
        if name in first:
            raise InvalidRequest(
                f"{first[name]} and {job.source} would both become {job.target}: restore them into "
                "different folders."
            )
        first[name] = job.source
        if os.path.exists(job.target) and _identity(job.target) in identities:
            raise InvalidRequest(
                f"The result {job.target} would replace an input, which is never done: give "
                "another --out."
            )
    return jobs


def _result_name(source: Path, chosen: Format | None) -> str:
    kind = SAVE_SUFFIXES.get(source.suffix.lower())
    if kind and chosen in (None, kind):
        return source.name
    return source.stem + (chosen or Format.png).suffix


def _identity(path: Path) -> tuple[int, int]:
    """What two names of one file share."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _restore_all(jobs: Sequence[Job], task: str, settings: dict[str, Any], quality: int) -> int:
    """Restore and write pictures one by one; report failures and return how many there were."""
    import numpy as np

    from mirnet.restoration.job import restore as start

    # A wrong setting should be told once, not once a picture: try them on a single pixel.
    start(np.zeros((1, 1, 3), np.uint8), task, **settings)
    failed = 0
    for number, job in enumerate(jobs, 1):
        try:
            job.target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidRequest(
                f"The folder {job.target.parent} cannot be made ({error.strerror}): give another "
                "--out."
            ) from error
        try:
            work = start(job.source, task, **settings)
            name = f"{number}/{len(jobs)} {job.source.name}"
            with progress(MofNCompleteColumn(), TextColumn("tiles"), TimeRemainingColumn()) as bar:
                shown = bar.add_task(name, total=work.tiles)
                for event in work:
                    bar.update(shown, completed=event.tile, total=event.tiles)
                restored = work.result()
            restored.save(job.target, quality=quality)
        except MIRNetError as error:
            failed += 1
            text = str(error)
            complain(text if text.startswith(job.source.name) else f"{job.source}: {text}")
        else:
            say(f"{job.target} · {restored.facts()}")
    return failed


# ---------------------------------------------------------------- weights


@weights_app.command("list")
def list_weights(
    task: Annotated[str | None, typer.Option(help="Only those of one task.")] = None,
) -> None:
    """Show all weights, those on this machine marked."""
    from mirnet.weights.catalogue import entries_for
    from mirnet.weights.download import megabytes
    from mirnet.weights.load import locate

    table = Table(box=None, pad_edge=False)
    for column in ("id", "task", "network", "kind", "size", "here", "licence"):
        table.add_column(column, no_wrap=column == "id", justify="left")
    for task_id in [get_task(task).id] if task else [*TASKS, ""]:
        for entry in entries_for(task_id):
            path = locate(entry.id)
            size = path.stat().st_size if path else entry.size_bytes
            table.add_row(
                *(escape(text) for text in (entry.id, entry.task, entry.architecture, entry.kind)),
                megabytes(size) if size else "",
                "yes" if path else "",
                escape(entry.licence),
            )
    console().print(table)


@weights_app.command("fetch")
def fetch_weights(
    weights_id: Annotated[
        str, typer.Argument(metavar="ID", help="From the list, or hub:org/name@revision.")
    ],
    task: Annotated[str, typer.Option(help="For hub weights: the task they are for.")] = "",
) -> None:
    """Download weights into the cache."""
    from mirnet.weights.load import fetch

    with progress(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bar:
        shown = bar.add_task(weights_id, total=None)
        for event in fetch(weights_id, task=task):
            bar.update(
                shown,
                completed=event.done_bytes,
                total=event.total_bytes,
                description=f"{weights_id}: {event.state}",
            )
    say(f"{weights_id} is ready: {event.path}")


@weights_app.command("import")
def import_weights(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .safetensors or .pth file.")],
    weights_id: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="Default: made from the file's name.")
    ] = None,
    task: Annotated[str | None, typer.Option(help=f"One of {', '.join(TASKS)}.")] = None,
) -> None:
    """Check a weights file you have, convert it, and keep it in the cache."""
    from mirnet.weights.load import import_file

    entry = import_file(file, id=weights_id, task=task)
    say(f"{entry.id} is ready: {entry.architecture} for the task {entry.task}.")


@weights_app.command("verify")
def verify_weights(
    weights_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Default: all on this machine.")
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FOLDER of a score on the card of our own weights; repeatable."),
    ] = None,
) -> None:
    """Hash weights anew, compare, and load them once; with --pairs, measure their scores anew."""
    from mirnet.weights.catalogue import load_catalogue
    from mirnet.weights.load import locate, verify

    folders = _named_folders(pairs or [])
    if folders and not weights_id:
        raise InvalidRequest("--pairs measures one set of weights: name its ID too.")
    chosen = [weights_id] if weights_id else [key for key in load_catalogue() if locate(key)]
    fine = True
    for key in chosen:
        report = verify(key)
        fine &= report.ok
        if report.ok:
            say(f"{report.message} sha256 {report.sha256}")
        else:
            complain(report.message)
    if weights_id and fine:
        from mirnet.train.publish import recompute

        for name, place in folders.items():
            again = recompute(weights_id, name, place)
            fine &= again.ok
            (say if again.ok else complain)(again.message)
    if not fine:
        raise typer.Exit(2)


@weights_app.command("forget")
def forget_weights(weights_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Delete downloaded or imported weights from the cache."""
    from mirnet.weights.load import forget

    deleted = forget(weights_id)
    say(f"{weights_id} was deleted." if deleted else f"{weights_id} was not in the cache.")


# ---------------------------------------------------------------- the rest


@app.command()
def info() -> None:
    """Show versions, threads, devices, the cache folder and the weights on this machine."""
    import platform
    from importlib.metadata import version

    import torch

    from mirnet import __version__
    from mirnet.restoration.engines import available
    from mirnet.weights.catalogue import load_catalogue
    from mirnet.weights.load import cache_folder, locate

    best = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    devices = ["cpu"]
    devices += [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    facts = {
        "mirnet": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "pillow")},
        "threads": str(torch.get_num_threads()),
        "devices": ", ".join(devices),
        "engines": ", ".join(available(best)),
        "cache": str(cache_folder()),
        "weights": ", ".join(key for key in load_catalogue() if locate(key)) or "none",
    }
    for name, value in facts.items():
        say(f"{name:<8} {value}")


@app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print a document instead.")] = False,
) -> None:
    """Check weights, disk, memory, Hub and versions; exit code 1 where something is wrong."""
    import json

    from mirnet.app import health

    findings = health.check()
    if as_json:
        say(json.dumps(health.document(findings)))
    for finding in () if as_json else findings:
        say(f"{'ok ' if finding.ok else 'BAD'} {finding.what:<8} {finding.words}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def bench(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the rows as a document.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print tables for the documentation.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only 128 x 128, two rounds, 1 to 3 megapixels.")
    ] = False,
    architecture: Annotated[
        list[str] | None,
        typer.Option(help="v1, v2 or an id from `weights list`; repeatable. Default: four."),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(help="256 or 600x400, width first; repeatable. Megapixels for --memory."),
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option(help="Repeatable. Default: all that may be quicker.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each contestant runs.")] = 5,
    scaling: Annotated[
        bool, typer.Option("--scaling", help="Instead: whole photos by megapixels and threads.")
    ] = False,
    memory: Annotated[
        bool, typer.Option("--memory", help="Instead: memory of large photos, by megapixels.")
    ] = False,
    overhead: Annotated[
        bool, typer.Option("--overhead", help="Instead: what the app adds to a restoration.")
    ] = False,
) -> None:
    """Time every engine against the papers' formulas, side by side, and compare their results."""
    from tests.bench import run

    chosen = run.Chosen(
        architecture or None, size or None, engine or None, 2 if quick else rounds, quick
    )
    kinds = {"scaling": scaling, "memory": memory, "overhead": overhead}
    asked = [name for name, wanted in kinds.items() if wanted] or ["engines"]
    for name in asked:
        for line in run.KINDS[name](chosen, markdown, json_file):
            say(line)


@space_app.callback()
def space() -> None:
    """Put the app on a Hugging Face Space."""


@space_app.command("push")
def space_push(
    repo: Annotated[str, typer.Option(help="ORG/NAME of the Space.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Upload; without it the files are only listed.")
    ] = False,
    private: Annotated[bool, typer.Option(help="Hide a new Space from others.")] = False,
) -> None:
    """List what a Space needs, and upload it with --yes."""
    from mirnet.app.space import push, stage

    staged = stage()
    for file in staged:
        say(f"{file.size / 1e3:>9,.1f} kB  {file.path}")
    say(f"{len(staged)} files, {sum(file.size for file in staged) / 1e6:.1f} MB")
    if yes:
        say(push(repo, staged, private))
    else:
        say(f"Nothing was uploaded: add --yes to put this on {repo}.")


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="A training recipe.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where the run lives. Default: runs/train/ID.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many steps in all.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the run's last state.")] = True,
) -> None:
    """Train weights as a recipe says; stop at any time, and the same command goes on."""
    from mirnet.train.run import train as start

    for report in start(config, folder, steps, resume):
        parts = [
            f"step {report.step}/{report.steps}",
            f"loss {report.loss:.5f}",
            f"rate {report.learning_rate:.2e}",
            f"{report.seconds_per_step:.2f} s/step",
        ]
        if report.dev_psnr_db is not None:
            parts.append(f"dev {report.dev_psnr_db:.2f} dB")
        say(" · ".join(parts))


@app.command()
def prepare(
    folder: Annotated[Path, typer.Option(help="Where the photographs go.")] = Path("data/photos"),
) -> None:
    """Fetch the freely licensed photographs that training uses."""
    from mirnet.train.fetch import prepare as start

    for line in start(folder):
        say(line)


def _named_folders(pairs: list[str]) -> dict[str, Path]:
    named = [pair.partition("=") for pair in pairs]
    if not all(name and place for name, _, place in named):
        raise InvalidRequest("--pairs wants NAME=FOLDER, such as --pairs CC15=pairs/cc15.")
    return {name: Path(place) for name, _, place in named}


@app.command()
def publish(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    pairs: Annotated[
        list[str],
        typer.Option(help="NAME=FOLDER, with FOLDER/input and FOLDER/target; repeatable."),
    ],
    folder: Annotated[
        Path | None, typer.Option(help="Where weights and card go. Default: mirnet/weights.")
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="Ship the last step, not the best dev score.")
    ] = False,
) -> None:
    """Measure a run's weights on pairs it never saw, and ship them with their card."""
    from mirnet.train.publish import publish as start
    from mirnet.weights.catalogue import EMBEDDED_FOLDER

    card = start(run, _named_folders(pairs), folder or EMBEDDED_FOLDER, last)
    for score in card["scores"]:
        say(
            f"{score['benchmark']}: {score['input_psnr_db']:.2f} dB / {score['input_ssim']:.4f} -> "
            f"{score['psnr_db']:.2f} dB / {score['ssim']:.4f} over {score['pairs']} pairs"
        )


if __name__ == "__main__":
    from mirnet.memory import keep_freed_memory

    keep_freed_memory()
    app(prog_name="python -m mirnet")
