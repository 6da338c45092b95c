"""metadata.jsonl and metadata.csv: tables that name the pictures of each pair."""

import contextlib
import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from eval.data.pair_facts import Fact, clean_facts
from eval.data.pairs import BenchmarkUnavailable

from .files import Files, read_file
from .pairing import FilePair, unique_ids

METADATA_FILES = ("metadata.jsonl", "metadata.csv")
"""File names of the tables, as `datasets` reads them; the first one that exists is taken."""


def is_metadata(name: str) -> bool:
    """Whether a path is that of a table of pairs."""
    return name.split("/")[-1] in METADATA_FILES


def pairs_of_metadata(files: Files, degraded: str, target: str) -> list[FilePair]:
    """Read the pairs that a table names.

    Args:
        files: Files with the table and pictures; paths in the table are relative to its folder.
        degraded: Column of the degraded pictures: 'COLUMN_file_name', 'COLUMN' or 'file_name'.
        target: Column of the targets.

    Raises:
        BenchmarkUnavailable: There is no table or more than one, a row is damaged or lacks a
            column, or a picture is not there.
    """
    names, found = files.names(), _tables(files)
    if len(found) != 1:
        raise BenchmarkUnavailable(
            f"{files.label} has {len(found)} files called {' or '.join(METADATA_FILES)} where one "
            f"names the pictures of {degraded!r} and {target!r}: give patterns such as "
            "'input/*.png' and 'target/*.png' instead.",
            "names",
        )
    table = found[0]
    folder = table.rpartition("/")[0]
    rows: list[tuple[str, str, dict[str, Fact]]] = []
    named = []
    for number, row in _rows(read_file(files, table), table, files.label):
        where = f"Line {number} of {table} in {files.label}"
        low, high = (_named(row, column, folder, names, where) for column in (degraded, target))
        rows.append((low, high, _facts(row, degraded, target)))
        named.append([str(row.get("id") or low.removeprefix(_path(folder, "")).rsplit(".", 1)[0])])
    return [
        FilePair(pair_id, low, high, facts)
        for pair_id, (low, high, facts) in zip(unique_ids(named), rows, strict=True)
    ]


def facts_by_file(files: Files) -> dict[str, dict[str, Fact]]:
    """Facts that a table beside the pictures has of each picture that it names, by path.

    Pictures that are paired by patterns need no table: a damaged one is left out.
    """
    found: dict[str, dict[str, Fact]] = {}
    for table in _tables(files):
        folder = table.rpartition("/")[0]
        with contextlib.suppress(BenchmarkUnavailable):
            for _, row in _rows(read_file(files, table), table, files.label):
                for column, name in row.items():
                    if column.endswith("file_name") and isinstance(name, str):
                        found[_path(folder, name)] = _facts(row)
    return found


def _tables(files: Files) -> list[str]:
    """Paths of the tables: those called metadata.jsonl where there are any."""
    names = files.names()
    tables = [[name for name in names if name.split("/")[-1] == kind] for kind in METADATA_FILES]
    return next(filter(None, tables), [])


def _facts(row: Mapping[str, Any], *pictures: str) -> dict[str, Fact]:
    """Facts of a row: every column but the id, hashes, and those that name the pictures."""
    leave_out = {name for name in row if name.endswith(("file_name", "_sha256"))}
    return clean_facts(row, {*leave_out, *pictures, "id"})


def _rows(content: bytes, table: str, label: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Read the rows of a table with their line numbers."""
    if table.endswith(".csv"):
        try:
            reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
            for row in reader:
                yield reader.line_num, {key: value for key, value in row.items() if key}
        except (csv.Error, UnicodeDecodeError) as error:
            raise BenchmarkUnavailable(
                f"{table} in {label} is no CSV in UTF-8 ({error}): correct it."
            ) from error
        return
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        where = f"Line {number} of {table} in {label}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BenchmarkUnavailable(f"{where} is no JSON: correct it.") from error
        if not isinstance(row, dict):
            raise BenchmarkUnavailable(f"{where} is no JSON object: correct it.")
        yield number, row


def _named(
    row: Mapping[str, Any], column: str, folder: str, names: Mapping[str, int], where: str
) -> str:
    """Find the picture file that a row names in a column."""
    name = row.get(f"{column}_file_name", row.get(column))
    if not isinstance(name, str):
        raise BenchmarkUnavailable(
            f"{where} has no {column}_file_name: its columns are {', '.join(map(str, row))}.",
            "names",
        )
    path = _path(folder, name)
    if path not in names:
        raise BenchmarkUnavailable(f"{where} names {name}, which is not there: add it.", "names")
    return path


def _path(folder: str, name: str) -> str:
    r"""Path of a picture that a table in `folder` ("" for the top) names, as people write it.

    >>> _path("train", ".\\in\\a.png"), _path("", "./in/a.png")
    ('train/in/a.png', 'in/a.png')
    """
    plain = name.replace("\\", "/").removeprefix("./")
    return f"{folder}/{plain}" if folder else plain
