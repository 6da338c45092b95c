"""Results of a run as the files that the servers of DND and SIDD take.

Both keep their ground truth and score uploads. The layouts are those of the sites' own scripts:
DND's `bundle_submissions_srgb` (0001.mat to 0050.mat, a cell of 20 boxes each) and SIDD's
`SIDD_Denoise` (SubmitSrgb.mat, a cell of 40 x 32 blocks).
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from eval.runs.document import Run, SampleResult
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest
from mirnet.files import replacing
from mirnet.images.decode import read_image
from mirnet.images.picture import to_unit

SERVERS = {"dnd": "DND", "sidd-server": "SIDD"}
"""Benchmarks whose results a server scores, with the server's name."""
DND_VERSION = "1.0"
"""`eval_version` of DND's script."""
_PLACE = re.compile(r"(\d{4})-(\d{2})")


def write_submission(
    stored: StoredRun, method: str, folder: Path, facts: dict[str, str] | None = None
) -> list[Path]:
    """Write the files of one method's submission.

    Args:
        stored: A complete run of a benchmark in `SERVERS`.
        folder: Folder to write into; it is made where needed.
        facts: For SIDD: MethodName, Authors, PaperTitle, Venue; the method's title by default.

    Returns:
        The files, in order.

    Raises:
        InvalidRequest: No server scores this benchmark, the method or results are missing, or the
            folder cannot be written to.
    """
    run = stored.header()
    server = SERVERS.get(run.benchmark.id)
    if server is None:
        raise InvalidRequest(
            f"No server scores {run.benchmark.title}: submissions are of {', '.join(SERVERS)}."
        )
    blocks = _blocks(stored, run, method)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if server == "DND":
            return _write_dnd(blocks, folder)
        rows = [row for row in stored.rows() if row.method == method]
        title = next(info.title for info in run.methods if info.id == method)
        machine = {"MachineSpecs": run.environment.machine}
        optional = {"MethodName": title, **machine, **(facts or {})}
        return [_write_sidd(blocks, rows, optional, folder)]
    except OSError as error:
        raise InvalidRequest(
            f"The submission cannot be written to {folder} ({error.strerror}): name another folder."
        ) from error


def _blocks(stored: StoredRun, run: Run, method: str) -> list[list[np.ndarray]]:
    """Results by picture and block, (H, W, 3) float32 in [0, 1]; none may be missing."""
    if method not in [info.id for info in run.methods]:
        known = ", ".join(info.id for info in run.methods)
        raise InvalidRequest(f"Run {run.id} has no method {method[:80]!r}: it has {known}.")
    rows = {row.pair: row for row in stored.rows() if row.method == method and not row.error}
    pairs = stored.pairs()
    missing = [pair for pair in pairs if pair not in rows]
    if missing or run.benchmark.n < run.benchmark.of:
        what = f"{missing[0]} has no result" if missing else "it is a subset"
        raise InvalidRequest(
            f"Run {run.id} has {len(rows)} of {run.benchmark.of} results of {method} ({what}), and "
            "a server takes all: run the whole benchmark."
        )
    table: dict[int, dict[int, np.ndarray]] = {}
    for pair in pairs:
        place = _PLACE.fullmatch(pair)
        if place is None:
            raise InvalidRequest(f"{pair!r} names no picture and block: run the official files.")
        pixels = read_image(stored.output(str(rows[pair].output_sha256))).pixels
        table.setdefault(int(place[1]), {})[int(place[2])] = to_unit(pixels)
    return [
        [of_picture[key] for key in sorted(of_picture)] for _, of_picture in sorted(table.items())
    ]


def _write_dnd(blocks: list[list[np.ndarray]], folder: Path) -> list[Path]:
    files = []
    for number, boxes in enumerate(blocks, 1):
        cell = np.empty((len(boxes),), object)
        cell[:] = boxes
        content = {"Idenoised": cell, "israw": False, "eval_version": DND_VERSION}
        files.append(_save(folder / f"{number:04d}.mat", content))
    return files


def _write_sidd(
    blocks: list[list[np.ndarray]], rows: list[SampleResult], facts: dict[str, str], folder: Path
) -> Path:
    cell = np.empty((len(blocks), len(blocks[0])), object)
    for picture, of_picture in enumerate(blocks):
        cell[picture, :] = of_picture
    timed = [row for row in rows if row.seconds is not None and row.megapixels]
    seconds = sum(row.seconds or 0 for row in timed)
    megapixels = sum(row.megapixels or 0 for row in timed)
    content = {
        "DenoisedBlocksSrgb": cell,
        "TimeMPSrgb": seconds * 1.048576 / megapixels if timed else 0.0,  # of 1024 x 1024 pixels
        "OptionalData": facts,
    }
    return _save(folder / "SubmitSrgb.mat", content)


def _save(path: Path, content: dict[str, Any]) -> Path:
    from scipy.io import savemat

    with replacing(path) as part, part.open("wb") as file:
        savemat(file, content, do_compression=True)
    return path
