"""Numbers that papers and repositories report, kept apart from numbers measured here.

`published.csv` says for each where it was read and whether it was read there at all: many tables of
the field exist only as pictures. A published number is shown beside a measured one of the same
data set, under its own protocol and in its own table, and never enters a mean or a ranking.
"""

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

from eval.runs.document import Run
from mirnet.errors import InvalidRequest

from .score_tables import chosen_protocol

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED_FILE = Path(__file__).with_name("published.csv")
"""Path of the table of published numbers."""
EVIDENCE = {
    "read-primary": "read in its own source",
    "read-secondary": "read where somebody else repeats it",
    "memory-unverified": "from memory, unverified",
    "not-found": "not found anywhere",
}
"""Evidence for a number, in words, by the value in column `verified` of the file."""
DATASETS = {
    "sidd": "SIDD",
    "dnd": "DND",
    "lol": "LoL-v1",
    "fivek": "MIT-Adobe FiveK",
    **{f"realsr-x{scale}": f"RealSR-V1 x{scale}" for scale in (2, 3, 4)},
    **{f"realsr-v3-x{scale}": f"RealSR-V3 x{scale}" for scale in (3, 4)},
}
"""Name of a data set in the file, by id of the benchmark in the catalogue."""

_TASKS = {
    "denoise": ("SIDD", "DND"),
    "lowlight": ("LoL-v1",),
    "retouch": ("MIT-Adobe FiveK",),
    **{
        f"sr-x{scale}": tuple(f"RealSR-V{version} x{scale}" for version in (1, 2, 3))
        for scale in (2, 3, 4)
    },
}
_FIELDS = ["task", "dataset", "method", "year", "psnr", "ssim", "protocol", "source", "verified"]


def read_published(path: Path = PUBLISHED_FILE) -> "pd.DataFrame":
    """Read and check the table.

    Args:
        path: A CSV file of the same columns.

    Returns:
        Columns `dataset`, `method`, `year` (may be missing), `psnr_db` in decibels and `ssim` (not
        a number where not given), `protocol` in the words of its source, `source`, `evidence` (see
        `EVIDENCE`) and `verified`: whether the number was read in text.

    Raises:
        InvalidRequest: The file is not there, or a line is not as it must be.
    """
    import pandas as pd

    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [_checked(path, reader.line_num, row) for row in reader]
            fields = reader.fieldnames
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(f"{path} cannot be read as CSV: restore the file.") from error
    if fields != _FIELDS:
        raise InvalidRequest(f"{path.name} must have the columns {', '.join(_FIELDS)}.")
    columns = ["dataset", "method", "year", "psnr_db", "ssim", "protocol", "source"]
    frame = pd.DataFrame(rows, columns=[*columns, "evidence", "verified"])
    frame["year"] = frame.year.astype("Int64")
    return frame


def published_for(name: str) -> "pd.DataFrame":
    """Select published numbers of a task or of one benchmark.

    Args:
        name: Id of a task, or of a benchmark in the catalogue.

    Returns:
        Rows of `read_published`; none where nobody has published on it.
    """
    wanted = _TASKS.get(name, (DATASETS.get(name),))
    frame = read_published()
    return frame[frame.dataset.isin(wanted)].reset_index(drop=True)


def published_beside(run: Run, protocol: str | None = None) -> "pd.DataFrame":
    """Published numbers of the data set that a run was made on, to be shown beside its own.

    Args:
        run: Header of the run.
        protocol: Protocol of the run's numbers, with or without version; its first by default.

    Returns:
        Rows of `published_for` that have a number, with the columns `measured_protocol`, the name
        with version that the run's numbers follow, and `measured_pictures`, as in "7 of 15", before
        they are compared by eye. None for a person's own data, whatever its name.

    Raises:
        InvalidRequest: The run was not scored under the protocol.
    """
    frame = published_for(run.benchmark.id)
    frame = frame[frame.psnr_db.notna() | frame.ssim.notna()]
    if run.benchmark.source:
        frame = frame.iloc[:0]
    return frame.assign(
        measured_protocol=chosen_protocol(run, protocol),
        measured_pictures=f"{run.benchmark.n} of {run.benchmark.of}",
    ).reset_index(drop=True)


def with_measured(beside: "pd.DataFrame", board: "pd.DataFrame") -> "pd.DataFrame":
    """Join published and measured numbers into one table, for users' own plots.

    Args:
        beside: Result of `published_beside`.
        board: Result of `leaderboards.leaderboard` for the same run.

    Returns:
        Columns `kind` ("published" or "measured here"), `method`, `year`, `psnr_db`, `ssim`,
        `protocol`, `source`, `evidence` and `verified`; what a kind does not have is missing.
    """
    import pandas as pd

    columns = ["kind", "method", "year", "psnr_db", "ssim", "protocol", "source", "evidence"]
    columns.append("verified")
    pictures = beside.measured_pictures.iloc[0] if len(beside) else None
    measured = board.astype({"method": str}).assign(
        kind="measured here", source=f"this run, {pictures} pictures"
    )
    both = [beside.assign(kind="published"), measured]
    return pd.concat([part.reindex(columns=columns).astype(object) for part in both])


def _checked(path: Path, number: int, row: dict[str, str]) -> tuple:
    place = f"Line {number} of {path.name}"
    if set(row) != set(_FIELDS) or None in row.values():
        raise InvalidRequest(f"{place} must have the columns {', '.join(_FIELDS)}.")
    for field in ("dataset", "method", "protocol", "source"):
        if not row[field].strip():
            raise InvalidRequest(f"{place} has no {field}: every number needs one.")
    if row["verified"] not in EVIDENCE:
        raise InvalidRequest(
            f"{place} says verified = {row['verified']!r}: write one of {', '.join(EVIDENCE)}."
        )
    if row["year"] and not row["year"].isdecimal():
        raise InvalidRequest(f"{place} has no year in {row['year']!r}.")
    psnr = _number(place, row["psnr"], "psnr", 100)
    ssim = _number(place, row["ssim"], "ssim", 1)
    return (
        row["dataset"],
        row["method"],
        int(row["year"]) if row["year"] else None,
        psnr,
        ssim,
        row["protocol"],
        row["source"],
        EVIDENCE[row["verified"]],
        row["verified"].startswith("read-"),
    )


def _number(place: str, text: str, field: str, most: float) -> float:
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= most:
        raise InvalidRequest(f"{place} has {field} = {text!r}: it must lie between 0 and {most}.")
    return value
