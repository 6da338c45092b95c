"""Making the recorded runs of `recorded`: each is a run like any other, copied without its folder.

A run is made anew only where weights, protocols or the table of recordings have moved on, and
replaces the older one once it is complete, so that the same command goes on after an interruption.
"""

import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from eval.methods.registry import get_method, list_methods, resolve
from mirnet.errors import InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.picture import to_eight_bits
from mirnet.metrics.protocols import get_protocol
from mirnet.weights import catalogue

from .recorded import Recording, forget_headers, recorded_headers, recording_of
from .runner import ImageScored, RunConfig, create_run, execute_run
from .store import RECORDED_FOLDER, RunStore, StoredRun, replace_file

WEBP_QUALITY = 90
"""Quality of the outputs that are kept for looking; a picture of the mini benchmark is 10 kB."""

UNTIMED = dict.fromkeys(("seconds", "seconds_low", "seconds_high", "peak_mb", "own_peak_mb"))
"""Fields of a row that a recorded run leaves out, because the machine is not the reader's."""


def outdated(recording: Recording, folder: Path = RECORDED_FOLDER) -> str:
    """Say why a recording must be made anew; "" where the stored one is up to date.

    Args:
        folder: Folder of the recorded runs.

    Raises:
        BenchmarkUnavailable: The catalogue has no such benchmark.
        InvalidRequest: Weights are damaged.
    """
    run = next((run for run in recorded_headers(folder) if recording_of(run) == recording.id), None)
    if run is None:
        return "it is not recorded yet"
    benchmark = recording.definition()
    if (run.benchmark.id, run.benchmark.title) != (benchmark.id, benchmark.title):
        return f"it is of {run.benchmark.title}, and the table says {benchmark.title}"
    protocols = [get_protocol(name).name for name in benchmark.protocols]
    if run.protocols != protocols:
        return f"it follows {', '.join(run.protocols)}, and now there are {', '.join(protocols)}"
    recorded = {method.id: method for method in run.methods}
    for weights_id in _own_weights(run.task):
        if weights_id not in recorded:
            return f"{weights_id} is missing"
    for method in run.methods:
        known = {choice.id for choice in list_methods(run.task)}
        if method.id not in known:
            return f"there is no method {method.id} any more"
        now = get_method(method.id, run.task).info
        if now.weights_sha256 != method.weights_sha256:
            return f"the weights {method.id} are others now"
        if now.settings != method.settings:
            return f"the settings of {method.id} are others now"
    return ""


def _own_weights(task: str) -> list[str]:
    return [entry.id for entry in catalogue.entries_for(task) if entry.kind == "embedded"]


def record(
    recording: Recording, data: Path | None = None, folder: Path = RECORDED_FOLDER
) -> Iterator[ImageScored]:
    """Make a recording and replace the older one.

    Args:
        data: Folder of data sets, which `Recording.folder` lies in; None for recordings of the
            repository's own pictures.
        folder: Folder of the recorded runs.

    Yields:
        `ImageScored` for every picture and method.

    Raises:
        BenchmarkUnavailable: The pictures are not there.
        InvalidRequest: The recording needs `data`, or a picture failed.
    """
    if recording.folder and data is None:
        raise InvalidRequest(
            f"{recording.id} needs pictures that are not in the repository: name the folder of "
            "data sets with --data."
        )
    benchmark = recording.definition()
    names = resolve(["compact", "baselines"], benchmark.task)
    config = RunConfig(
        benchmark,
        tuple(names),
        title=recording.title,
        folder=data / recording.folder if data is not None and recording.folder else None,
        offline=True,
        fresh=True,
    )
    with tempfile.TemporaryDirectory() as work:
        stored = create_run(RunStore(Path(work)), config)
        yield from execute_run(stored, offline=True, fresh=True)
        failed = next((row for row in stored.rows() if row.error), None)
        if failed:
            raise InvalidRequest(
                f"{recording.id} is not recorded: {failed.method} failed on {failed.pair} "
                f"({failed.error})."
            )
        _keep(stored, recording, folder)


def _keep(stored: StoredRun, recording: Recording, folder: Path) -> None:
    """Copy a complete run, and remove the older recording.

    The place of the data, times and memory are left out: they are of the machine that recorded it.
    """
    run = stored.header()
    own_id = f"{run.created:%Y%m%d-%H%M%S}-{recording.id}"
    benchmark = run.benchmark.model_copy(update={"folder": None})
    part = folder / f".{recording.id}"
    shutil.rmtree(part, ignore_errors=True)
    copy = StoredRun(part)
    copy.write_pairs(stored.pairs())
    summary = [line.model_copy(update={"seconds_per_megapixel": None}) for line in run.summary]
    update = {"id": own_id, "benchmark": benchmark, "summary": summary}
    copy.write_header(run.model_copy(update=update))
    for pair, facts in stored.facts().items():
        copy.append_facts(pair, facts)
    for row in stored.rows():
        copy.append(row.model_copy(update=UNTIMED))
    if recording.pictures:
        for sha256 in {str(row.output_sha256) for row in stored.rows()}:
            pixels = to_eight_bits(read_image(stored.output(sha256)).pixels)
            replace_file(part / "outputs" / f"{sha256}.webp", _webp(pixels))
    older = [found for found in folder.glob("*-*-*") if found.name.endswith(f"-{recording.id}")]
    for path in older:
        shutil.rmtree(path)
    part.rename(folder / own_id)
    forget_headers()


def _webp(pixels: np.ndarray) -> bytes:
    """Encode (H, W, 3) uint8 for looking at it."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=WEBP_QUALITY, method=6)
    return buffer.getvalue()
