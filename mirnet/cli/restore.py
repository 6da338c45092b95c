"""`python -m mirnet restore`: pictures, folders and patterns, one by one."""

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import MofNCompleteColumn, TextColumn, TimeRemainingColumn

from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.restoration.choices import ENGINES, TILINGS
from mirnet.tasks import TASKS, get_task

from .pictures import Format, PictureJob, find_pictures, plan_jobs
from .terminal import print_error, print_line, progress

Tiling = StrEnum("Tiling", {name: name for name in TILINGS})  # type: ignore[misc]
Engine = StrEnum("Engine", {name: name for name in ENGINES})  # type: ignore[misc]
AUTO_TILING, AUTO_ENGINE = Tiling("auto"), Engine("auto")


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
    ] = AUTO_TILING,
    same_size: Annotated[
        bool,
        typer.Option("--same-size", help="Do not enlarge: the picture has its target size."),
    ] = False,
    format: Annotated[  # noqa: A002
        Format | None, typer.Option(help="Format of the results. Default: that of each input.")
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="For JPEG and WebP.")] = 95,
    metadata: Annotated[
        MetadataChoice,
        typer.Option(help="EXIF, XMP and the like: all, no-gps (all but the position), none."),
    ] = MetadataChoice.all,
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
    sources, missing = find_pictures(inputs)
    for complaint in missing:
        print_error(complaint)
    if not sources:
        raise typer.Exit(2)
    jobs = plan_jobs(sources, out, format, may_be_file=[Path(text) for text in inputs] == sources)
    waiting = [job for job in jobs if overwrite or not os.path.exists(job.target)]
    for job in jobs:
        if job not in waiting:
            print_line(f"{job.target} is there already and was skipped: --overwrite replaces it.")
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
        failed = _restore_all(waiting, task, settings, quality, metadata.value)
    if len(jobs) > 1:
        done, skipped = len(waiting) - failed, len(jobs) - len(waiting)
        print_line(f"{done} restored, {skipped} skipped, {failed + len(missing)} failed.")
    if failed or missing:
        raise typer.Exit(2)


def _restore_all(
    jobs: Sequence[PictureJob], task: str, settings: dict[str, Any], quality: int, metadata: str
) -> int:
    """Restore and write pictures one by one; report failures and return their number."""
    import numpy as np

    from mirnet.images.encode import losses
    from mirnet.restoration.api import restore as start

    # A wrong setting is reported once, not per picture: try the settings on a single pixel.
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
            restored.save(job.target, quality=quality, metadata=metadata)
        except MIRNetError as error:
            failed += 1
            text = str(error)
            print_error(text if text.startswith(job.source.name) else f"{job.source}: {text}")
        else:
            print_line(f"{job.target} · {restored.facts()}")
            lost = losses(restored.picture, job.target.suffix)
            for note in (*restored.picture.notes, *lost):
                print_line(note)
    return failed
