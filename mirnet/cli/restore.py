"""`python -m mirnet restore`: pictures, folders and patterns, one by one."""

import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import MofNCompleteColumn, TextColumn, TimeRemainingColumn

from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.images.formats import SUBSAMPLINGS
from mirnet.restoration.choices import ENGINES, TILINGS
from mirnet.tasks import TASKS, get_task

from .pictures import PictureJob, chosen_format, find_pictures, plan_jobs
from .terminal import print_error, print_line, progress

Tiling = StrEnum("Tiling", {name: name for name in TILINGS})  # type: ignore[misc]
Engine = StrEnum("Engine", {name: name for name in ENGINES})  # type: ignore[misc]
Subsampling = StrEnum("Subsampling", {name: name for name in SUBSAMPLINGS})  # type: ignore[misc]
AUTO_TILING, AUTO_ENGINE, AUTO_COLOURS = Tiling("auto"), Engine("auto"), Subsampling("auto")
WATCH_SECONDS = 2.0
"""Seconds between two looks at watched folders; a file is restored once it has not changed for as
long."""
MAX_SKIPPED_LINES = 3
"""Most results that are named one by one because they exist already."""


def use_preset(context: typer.Context, path: Path | None) -> Path | None:
    """Make the values of a preset the defaults of the command; flags have the last word.

    Raises:
        InvalidRequest: See `mirnet.restoration.presets.read_preset`.
    """
    if path is not None:
        from mirnet.restoration.presets import read_preset

        context.default_map = read_preset(path).model_dump(exclude_none=True, exclude_unset=True)
    return path


class MetadataChoice(StrEnum):
    """Metadata kept in results: the keys of `mirnet.images.metadata.METADATA_CHOICES`."""

    all = "all"
    no_gps = "no-gps"
    none = "none"


def restore(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN", help="Pictures, folders of pictures, or patterns."),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out", "-o", help="A file for one picture; otherwise a folder, whose tree is kept."
        ),
    ],
    task: Annotated[str, typer.Option(help=f"One of {', '.join(TASKS)}.")],
    preset: Annotated[  # noqa: ARG001  # its callback has set the defaults
        Path | None,
        typer.Option(
            metavar="FILE",
            help="TOML file of the settings below, as the page saves it; flags override it.",
            is_eager=True,
            callback=use_preset,
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Id from `weights list`, or a file. Default: the task's own.")
    ] = None,
    then: Annotated[
        str | None,
        typer.Option(
            metavar="TASK", help="Task that follows on the result, such as sr-x2 after denoise."
        ),
    ] = None,
    then_weights: Annotated[
        str | None, typer.Option(help="Weights of that task, as --weights.")
    ] = None,
    strength: Annotated[float, typer.Option(help="0 keeps the input, 1 is the full effect.")] = 1.0,
    luma: Annotated[float, typer.Option(help="Share of the change of luminance, 0 to 1.")] = 1.0,
    chroma: Annotated[float, typer.Option(help="Share of the change of colour, 0 to 1.")] = 1.0,
    detail: Annotated[
        float, typer.Option(help="Share of the texture, removed with noise, to give back, 0 to 1.")
    ] = 0.0,
    noise_level: Annotated[
        float | None,
        typer.Option(
            help="Standard deviation of the noise in 8-bit levels, for weights that take one. "
            "Default: estimated."
        ),
    ] = None,
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
    ] = AUTO_TILING,
    same_size: Annotated[
        bool,
        typer.Option("--same-size", help="Do not enlarge: the picture has its target size."),
    ] = False,
    format: Annotated[  # noqa: A002
        str | None,
        typer.Option(help="png, jpg, webp or tiff for all results. Default: that of each input."),
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="For JPEG and WebP.")] = 95,
    subsampling: Annotated[
        Subsampling,
        typer.Option(help="Colours of JPEG: 444, full; 420, half; auto, full from quality 90 on."),
    ] = AUTO_COLOURS,
    metadata: Annotated[
        MetadataChoice,
        typer.Option(help="EXIF, XMP and the like: all, no-gps (all but the position), none."),
    ] = MetadataChoice.all,
    provenance: Annotated[
        bool,
        typer.Option("--provenance", help="Say in the file's XMP how it was made, and with what."),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Then wait for new pictures in the folders, until Ctrl-C."),
    ] = False,
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
            help="What computes: auto, the quickest with float32; torch, the reference; fastest, "
            "the quickest that agrees with float32 to 50 dB; bf16, fp16 and tf32, not exact. "
            "`info` lists those that run here."
        ),
    ] = AUTO_ENGINE,
) -> None:
    """Restore pictures: python -m mirnet restore holiday/*.jpg -o restored --task denoise."""
    default_weights = get_task(task).default_weights
    chosen = chosen_format(format)
    shares = {"luma": luma, "chroma": chroma, "detail": detail}
    check_blend(task, then, shares)
    if then_weights and not then:
        raise InvalidRequest("--then-weights is for a second step: name its task with --then.")
    found = find_pictures(inputs, out)
    for complaint in found.complaints:
        print_error(complaint)
    if not found.sources and not watch:
        raise typer.Exit(2)
    files_only = [str(source.path) for source in found.sources] == [str(Path(i)) for i in inputs]
    jobs = plan_jobs(found.sources, out, chosen, may_be_file=files_only)
    settings: dict[str, Any] = {
        "strength": strength,
        "ensemble": ensemble,
        "tile_px": tile,
        "tiling": tiling.value,
        "same_size": same_size,
        "device": device,
        "engine": engine.value,
        "noise_level": noise_level,
        "then": then,
    }
    if max_pixels is not None:
        settings["max_pixels"] = max_pixels
    saving = {
        "quality": quality,
        "metadata": metadata.value,
        "subsampling": subsampling.value,
        "provenance": provenance,
    }
    names = {"weights": weights or default_weights}
    if then is not None:
        names["then_weights"] = then_weights or get_task(then).default_weights
    batch = _Batch(task, names, settings, shares, saving, overwrite)
    done, skipped, failed = batch.restore(jobs)
    if (words := found.left_out_words()) is not None:
        print_line(words)
    failed += len(found.complaints)
    if len(jobs) > 1:
        print_line(f"{done} restored, {skipped} skipped, {failed} failed.")
    if watch:
        batch.watch(inputs, out, chosen, {job.source for job in jobs})
    if failed:
        raise typer.Exit(2)


def check_blend(task: str, then: str | None, shares: dict[str, float]) -> None:
    """Check shares of a blend before any picture is restored.

    Args:
        then: Id of the task of a second step, if there is one.
        shares: Arguments of `Blend`.

    Raises:
        InvalidRequest: A share is outside 0 to 1, a task is unknown, or detail is wanted and a
            task enlarges.
    """
    from mirnet.restoration import blending, result

    tasks = [get_task(name).id for name in (task, then) if name is not None]
    result.check_blend(blending.Blend(**shares), *tasks)


class _Batch:
    """Restores pictures one by one with the same settings; the network is loaded once.

    Args:
        task: Id of the task.
        weights: Ids or paths of weights, by the arguments of `mirnet.restore` that name them.
        settings: Further arguments of `mirnet.restore`.
        shares: Arguments of `RestoreResult.blend`.
        saving: Arguments of `RestoreResult.save`.
        overwrite: Whether results that exist are replaced.
    """

    def __init__(
        self,
        task: str,
        weights: dict[str, str],
        settings: dict[str, Any],
        shares: dict[str, float],
        saving: dict[str, Any],
        overwrite: bool,
    ) -> None:
        self.task, self.weights, self.settings = task, weights, settings
        self.shares, self.saving, self.overwrite = shares, saving, overwrite
        self._checked = False

    def restore(self, jobs: Sequence[PictureJob]) -> tuple[int, int, int]:
        """Restore and write pictures; what exists is skipped, so that a batch can be resumed.

        Returns:
            Numbers of pictures restored, skipped and failed.
        """
        waiting = [job for job in jobs if self.overwrite or not job.target.exists()]
        skipped = [job for job in jobs if job not in waiting]
        for job in skipped[:MAX_SKIPPED_LINES]:
            print_line(f"{job.target} is there already and was skipped: --overwrite replaces it.")
        if len(skipped) > MAX_SKIPPED_LINES:
            print_line(f"So were {len(skipped) - MAX_SKIPPED_LINES} more results.")
        if waiting:
            self._check()
        failed = sum(
            not self._restore_one(job, f"{number}/{len(waiting)} {job.source.name}")
            for number, job in enumerate(waiting, 1)
        )
        return len(waiting) - failed, len(skipped), failed

    def watch(self, inputs: Sequence[str], out: str, chosen: Any, known: set[Path]) -> None:
        """Restore pictures that come into the folders, until Ctrl-C.

        Args:
            inputs: Folders and patterns.
            chosen: Format of the results, or None.
            known: Sources that were restored, or failed, before.
        """
        print_line("Waiting for new pictures: Ctrl-C ends it.")
        before: dict[Path, tuple[int, int]] = {}
        while True:
            time.sleep(WATCH_SECONDS)
            sources = [s for s in find_pictures(inputs, out).sources if s.path not in known]
            now = {source.path: _state(source.path) for source in sources}
            still = [source for source in sources if before.get(source.path) == now[source.path]]
            before = now
            if still:
                known |= {source.path for source in still}
                self.restore(plan_jobs(still, out, chosen, may_be_file=False))

    def _check(self) -> None:
        """Load the network, and try the settings on a single pixel: a wrong one is reported once.

        Raises:
            MIRNetError: The weights or a setting cannot be used.
        """
        if self._checked:
            return
        import numpy as np

        from mirnet.restoration.api import restore as start
        from mirnet.weights.load import load

        for argument, name in self.weights.items():
            self.settings[argument] = load(name, allow_paths=True)
        start(np.zeros((1, 1, 3), np.uint8), self.task, **self.settings)
        self._checked = True

    def _restore_one(self, job: PictureJob, name: str) -> bool:
        """Restore and write a picture; report a failure and return whether there was none.

        Raises:
            InvalidRequest: The output folder cannot be made.
        """
        from mirnet.images.encode import losses
        from mirnet.restoration.api import restore as start

        try:
            job.target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidRequest(
                f"The folder {job.target.parent} cannot be made ({error.strerror}): give another "
                "--out."
            ) from error
        try:
            work = start(job.source, self.task, **self.settings)
            with progress(MofNCompleteColumn(), TextColumn("tiles"), TimeRemainingColumn()) as bar:
                shown = bar.add_task(name, total=work.tiles)
                for event in work:
                    bar.update(shown, completed=event.tile, total=event.tiles)
                restored = work.result().blend(**self.shares)
            restored.save(job.target, **self.saving)
        except MIRNetError as error:
            text = str(error)
            print_error(text if text.startswith(job.source.name) else f"{job.source}: {text}")
            return False
        print_line(f"{job.target} · {restored.facts()}")
        lost = losses(restored.picture, job.target.suffix, self.saving["metadata"])
        for note in (*restored.picture.notes, *lost):
            print_line(note)
        return True


def _state(path: Path) -> tuple[int, int]:
    """Size and time of change of a file, which tell whether it is still being written."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns
