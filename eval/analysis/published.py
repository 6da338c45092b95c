"""Numbers that papers and repositories report, kept apart from numbers measured here.

`published.csv` says for each where it was read, whether in the primary source, and the text that
was read: many tables of the field exist only as pictures. A published number is shown beside a
measured one of the same data set, under its own protocol and in its own table, and never enters a
mean or a ranking.
"""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.runs.document import Run
from mirnet.errors import InvalidRequest
from mirnet.metrics.registry import METRICS, OPTIONAL, Metric, metrics_in

from .score_tables import chosen_protocol

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED_FILE = Path(__file__).with_name("published.csv")
"""Path of the table of published numbers, checked row by row in November 2026."""
SOURCE_KINDS = {
    "primary": "primary source",
    "restated-by-paper": "restated by a paper",
    "restated-by-readme": "restated by a README",
    "user-rerun": "re-run by a user",
    "unverified": "unverified",
}
"""Kind of source that a number was read in, in words, by its value in column `source_kind`."""
READ = {
    "read-primary": True,
    "read-secondary": True,
    "memory-unverified": False,
    "not-found": False,
}
"""Whether a number was read in text at all, by its value in column `verified` of the file."""
DATASETS = {
    "sidd": "SIDD",
    "dnd": "DND",
    "lol": "LoL-v1",
    "fivek": "MIT-Adobe FiveK",
    **{f"realsr-x{scale}": f"RealSR-V1 x{scale}" for scale in (2, 3, 4)},
    **{f"realsr-v3-x{scale}": f"RealSR-V3 x{scale}" for scale in (3, 4)},
}
"""Name of a data set in the file, by id of the benchmark in the catalogue."""

DATASETS_OF = {
    "denoise": ("SIDD", "DND"),
    "lowlight": ("LoL-v1",),
    "retouch": ("MIT-Adobe FiveK",),
    **{
        f"sr-x{scale}": tuple(f"RealSR-V{version} x{scale}" for version in (1, 2, 3))
        for scale in (2, 3, 4)
    },
}
"""Names of data sets in the file, by id of the task that is measured on them."""
_FIELDS = ("task", "dataset", "method", "year")
_LATER_FIELDS = ("setting", "protocol", "source", "verified", "source_kind", "quote")
"""Columns of the file before and after those of scores, which are named by `Metric.stem`."""

CAVEATS = {
    "SIDD": (
        "Tables of SIDD mix numbers of its server (hidden truth) with numbers on the 1280 "
        "validation blocks: their first author says so (swz30/Restormer#7), and Restormer has "
        "40.02 dB on validation and 39.86 dB on the server.",
        "The classical rows (DnCNN 23.66, BM3D 25.65 ...) are of the server; on validation the "
        "authors of RIDNet measured DnCNN 26.21, BM3D 30.88 and FFDNet 29.20.",
        "SSIM is of more than one kind: MIRNet's table prints .754, .914 and .909 for CBDNet, "
        "RIDNet and VDN where MPRNet's prints .801, .951 and .956.",
    ),
    "DND": (
        "The truth of DND is hidden: every number is its server's, and none is measured here.",
    ),
    "LoL-v1": (
        "GT-mean scales each result to the brightness of its target and adds 2.2 to 3.9 dB to the "
        "same outputs (SNR-Aware 24.61 to 26.81, LLFormer 23.65 to 26.11, HVI-CIDNet 23.81 to "
        "27.71); LLFlow and LYT-Net's PyTorch code use it by default.",
        "The 15 pictures of eval15 deviate from their mean by more than 4 dB.",
        "MIRNet's released checkpoint gives 21.27 dB and its authors' own result pictures 24.10 "
        "(swz30/MIRNet#15).",
    ),
    "MIT-Adobe FiveK": (
        "Everybody exports FiveK anew: HDRNet alone reads 21.96, 23.20, 23.44 and 24.32 dB in "
        "different papers. Rank within one table only.",
        "The PSNR in DeepUPE's paper had a fault, which the errata in its README correct.",
    ),
    "RealSR-V1": (
        "Papers on MIRNet use version 1 (swz30/MIRNet#23); versions 2 and 3 are other pictures, "
        "and numbers must not be mixed.",
        "The bicubic baseline of version 1 is reported as not reproducible with the authors' "
        "script (csjcai/RealSR#24).",
    ),
    "RealSR-V3": (
        "Version 3 has other pictures than version 1 of the MIRNet papers, and low resolution is "
        "smaller: numbers must not be mixed.",
    ),
}
"""Remarks to be read beside the published numbers of a data set, by the start of its name."""


def read_published(path: Path = PUBLISHED_FILE) -> "pd.DataFrame":
    """Read and check the table.

    Args:
        path: A CSV file of the same columns.

    Returns:
        Columns `dataset`, `method`, `year` (may be missing), one for each metric of `metrics_in` by
        its key (not a number where not given), `setting` (which of the data set's pictures or
        conventions, such as "server" or "GT-mean": only numbers of one setting may be compared),
        `protocol` in the words of its source, `source`, `source_kind` (key of `SOURCE_KINDS`),
        `evidence` (its words), `quote` (the text that was read, "" for none) and `verified`:
        whether the number was read in text.

    Raises:
        InvalidRequest: The file is not there, or a line is not as it must be.
    """
    import pandas as pd

    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            metrics = _metrics_of(path, reader.fieldnames or ())
            rows = [_checked(path, reader.line_num, row, metrics) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(f"{path} cannot be read as CSV: restore the file.") from error
    frame = pd.DataFrame(rows)
    frame["year"] = frame.year.astype("Int64")
    return frame


def caveats(dataset: str) -> tuple[str, ...]:
    """Sentences to show beside the published numbers of a data set; none where there are none.

    >>> caveats("RealSR-V3 x4")[0][:9], caveats("Kodak24")
    ('Version 3', ())
    """
    return next((words for name, words in CAVEATS.items() if dataset.startswith(name)), ())


def published_for(name: str) -> "pd.DataFrame":
    """Select published numbers of a task or of one benchmark.

    Args:
        name: Id of a task, or of a benchmark in the catalogue.

    Returns:
        Rows of `read_published`; none where nobody has published on it.
    """
    wanted = DATASETS_OF.get(name, (DATASETS.get(name),))
    frame = read_published()
    return frame[frame.dataset.isin(wanted)].reset_index(drop=True)


def published_beside(run: Run, protocol: str | None = None) -> "pd.DataFrame":
    """Published numbers of the data set that a run was made on, to be shown beside its own.

    Args:
        protocol: Protocol of the run's numbers, with or without version; its first by default.

    Returns:
        Rows of `published_for` that have a number, with the columns `measured_protocol`, the name
        with version that the run's numbers follow, and `measured_pictures`, as in "7 of 15", before
        they are compared by eye. None for a person's own files, whatever their name, unless they
        have the hashes of the official pictures.

    Raises:
        InvalidRequest: The run was not scored under the protocol.
    """
    frame = published_for(run.benchmark.id)
    frame = frame[frame[[metric.key for metric in metrics_in(frame.columns)]].notna().any(axis=1)]
    if run.benchmark.is_own:
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
        Columns `kind` ("published" or "measured here"), `method`, `year`, the key of each metric of
        either, and those that `read_published` says of each number; what a kind does not have is
        missing.
    """
    import pandas as pd

    scores = [metric.key for metric in metrics_in({*beside.columns, *board.columns})]
    columns = ["kind", "method", "year", *scores, "setting", "protocol", "source"]
    columns += ["source_kind", "evidence", "quote", "verified"]
    pictures = beside.measured_pictures.iloc[0] if len(beside) else None
    measured = board.astype({"method": str}).assign(
        kind="measured here", source=f"this run, {pictures} pictures"
    )
    both = [beside.assign(kind="published"), measured]
    return pd.concat([part.reindex(columns=columns).astype(object) for part in both])


def _metrics_of(path: Path, fields: Sequence[str]) -> dict[str, Metric]:
    """Metrics that the file has a column of, by the column's name.

    Raises:
        InvalidRequest: A column is missing, unknown or in another place.
    """
    stems = {metric.stem: metric for metric in (METRICS | OPTIONAL).values()}
    scores = fields[len(_FIELDS) : -len(_LATER_FIELDS)]
    if tuple(fields) != (*_FIELDS, *scores, *_LATER_FIELDS) or not set(scores) <= set(stems):
        raise InvalidRequest(
            f"{path.name} must have the columns {', '.join(_FIELDS)}, then scores (some of "
            f"{', '.join(stems)}), then {', '.join(_LATER_FIELDS)}."
        )
    return {stem: stems[stem] for stem in scores}


def _checked(
    path: Path, number: int, row: dict[str, str], metrics: dict[str, Metric]
) -> dict[str, Any]:
    place = f"Line {number} of {path.name}"
    if None in row or None in row.values():
        raise InvalidRequest(f"{place} must have the columns of the first line.")
    for field in ("dataset", "method", "setting", "protocol", "source"):
        if not row[field].strip():
            raise InvalidRequest(f"{place} has no {field}: every number needs one.")
    for field, known in (("verified", READ), ("source_kind", SOURCE_KINDS)):
        if row[field] not in known:
            raise InvalidRequest(
                f"{place} says {field} = {row[field]!r}: write one of {', '.join(known)}."
            )
    verified = READ[row["verified"]]
    if verified == (row["source_kind"] == "unverified"):
        raise InvalidRequest(
            f"{place} says {row['verified']} and {row['source_kind']}: only a number that was read "
            "has a source."
        )
    if row["year"] and not row["year"].isdecimal():
        raise InvalidRequest(f"{place} has no year in {row['year']!r}.")
    return {
        "dataset": row["dataset"],
        "method": row["method"],
        "year": int(row["year"]) if row["year"] else None,
        **{metric.key: math.nan for metric in METRICS.values()},
        **{metric.key: _number(place, row[stem], metric) for stem, metric in metrics.items()},
        "setting": row["setting"],
        "protocol": row["protocol"],
        "source": row["source"],
        "source_kind": row["source_kind"],
        "evidence": SOURCE_KINDS[row["source_kind"]],
        "quote": row["quote"],
        "verified": verified,
    }


def _number(place: str, text: str, metric: Metric) -> float:
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    most = metric.max_value
    if not 0 < value <= most:
        raise InvalidRequest(
            f"{place} has {metric.stem} = {text!r}: it must lie between 0 and {most:g}."
        )
    return value
