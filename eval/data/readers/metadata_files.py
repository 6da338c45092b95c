"""metadata.jsonl, .csv and .parquet: tables that name the pictures of each pair."""

import codecs
import contextlib
import csv
import io
import json
import os
import posixpath
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from eval.data.pair_facts import Fact, clean_facts
from eval.data.pairs import BenchmarkUnavailable
from mirnet.images.folder_pairs import PICTURE_SUFFIX

from .files import Files, LocalFiles, read_file, without_repeats
from .pairing import FilePair, composed, unique_ids
from .splits import files_of_named_split, rows_of_split

METADATA_FILES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
"""File names of the tables, as `datasets` reads them; the first one that exists is taken."""


def is_metadata(name: str) -> bool:
    """Whether a path is that of a table of pairs."""
    return _table_kind(name) in METADATA_FILES


def _table_kind(name: str) -> str:
    return name.split("/")[-1].lower()


def pairs_of_metadata(
    files: Files, degraded: str, target: str, split: str | None = None
) -> list[FilePair]:
    """Read the pairs that a table names.

    Args:
        files: Files with the table and pictures; paths in the table are relative to its folder.
        degraded: Column of the degraded pictures: 'COLUMN_file_name', 'COLUMN' or 'file_name'.
        target: Column of the targets.
        split: Split whose table is read where there are several, and whose rows are where the
            table has a column `split`; None as for `files_of_named_split`.

    Raises:
        BenchmarkUnavailable: There is no table or more than one, a row is damaged or lacks a
            column, two rows have one id, a picture is not there, or the split is not known.
    """
    names = _Names(files.names())
    found = without_repeats(files, _tables(files), lambda table: (table,))
    if len(found) > 1:
        found = files_of_named_split(found, split, files.label)
    if not found:
        raise BenchmarkUnavailable(
            f"{files.label} has no folders {degraded!r} and {target!r} with pictures, and no table "
            f"({' or '.join(METADATA_FILES)}) with such columns: name the folders, or give "
            "patterns such as 'input/*.png' and 'target/*.png'.",
            "names",
        )
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
    named: dict[tuple[str], int] = {}
    lines = list(_rows(read_file(files, table), table, files.label))
    splits = {own for _, row in lines if (own := _split_of(row))}
    read = rows_of_split(splits, split, f"{table} in {files.label}") if splits else set()
    for number, row in lines:
        where = f"Line {number} of {table} in {files.label}"
        if (own := _split_of(row)) and own not in read:
            continue
        low, high = (
            _named(row, column, folder, names, where, files) for column in (degraded, target)
        )
        rows.append((low, high, _facts(row, degraded, target)))
        name = str(row.get("id") or low.removeprefix(_path(folder, "")).rsplit(".", 1)[0])
        if named.setdefault((name,), number) != number:
            raise BenchmarkUnavailable(
                f"{where} has the pair {name!r} of line {named[name,]} again: take one out, or "
                "give each row an id of its own in a column 'id'."
            )
    if not rows:
        raise BenchmarkUnavailable(f"{table} in {files.label} has no rows.")
    return [
        FilePair(pair_id, low, high, facts)
        for pair_id, (low, high, facts) in zip(unique_ids(list(named)), rows, strict=True)
    ]


def _split_of(row: Mapping[str, Any]) -> str:
    """Value of a row's column `split`; empty without one."""
    return str(row.get("split") or "").strip()


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
    tables = [[name for name in names if _table_kind(name) == kind] for kind in METADATA_FILES]
    return next(filter(None, tables), [])


def _facts(row: Mapping[str, Any], *pictures: str) -> dict[str, Fact]:
    """Facts of a row: every column but the id, hashes, and those that name the pictures."""
    leave_out = {name for name in row if name.endswith(("file_name", "_sha256"))}
    return clean_facts(row, {*leave_out, *pictures, "id"})


def _rows(content: bytes, table: str, label: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Read the rows of a table with their line numbers."""
    kind = _table_kind(table)
    if kind.endswith(".csv"):
        try:
            yield from _csv_rows(content, f"{table} in {label}")
        except (csv.Error, UnicodeDecodeError) as error:
            raise BenchmarkUnavailable(
                f"{table} in {label} is no CSV in UTF-8 ({error}): correct it."
            ) from error
        return
    if kind.endswith(".parquet"):
        yield from _parquet_rows(content, f"{table} in {label}")
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


def _csv_rows(content: bytes, where: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of a CSV file, whose cells commas, semicolons or tabs part (spreadsheets write all)."""
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if utf16 else "utf-8-sig")
    head = text.lstrip().partition("\n")[0]
    mark = max(",;\t", key=head.count)
    lines = io.StringIO(text, newline=None)
    reader = csv.DictReader(lines, strict=True, delimiter=mark, skipinitialspace=mark != "\t")
    columns = [column.strip() for column in reader.fieldnames or []]
    twice = next((column for column in columns if column and columns.count(column) > 1), None)
    if twice is not None:
        raise BenchmarkUnavailable(f"{where} has two columns {twice!r}: rename one.")
    reader.fieldnames = columns
    for row in reader:
        yield reader.line_num, {key: _stripped(value) for key, value in row.items() if key}


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _parquet_rows(content: bytes, where: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
        yield from enumerate(table.to_pylist(), 1)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BenchmarkUnavailable(f"{where} is no Parquet file, or damaged: write it anew.") from (
            error
        )


class _Names:
    """Paths of the files, found as people write them.

    Letters may be composed or not, and the suffix of a picture may have any case.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = set(names)
        self._plain: dict[str, list[str]] = {}
        for name in names:
            self._plain.setdefault(self._key(name), []).append(name)

    @staticmethod
    def _key(name: str) -> str:
        return PICTURE_SUFFIX.sub(lambda suffix: suffix[0].lower(), composed(name))

    def find(self, path: str) -> str | None:
        """Path of the file that is meant; None where there is none, or more than one."""
        if path in self._names:
            return path
        found = self._plain.get(self._key(path), [])
        return found[0] if len(found) == 1 else None


def _named(
    row: Mapping[str, Any], column: str, folder: str, names: _Names, where: str, files: Files
) -> str:
    """Find the picture file that a row names in a column."""
    name = row.get(f"{column}_file_name", row.get(column))
    if not isinstance(name, str):
        raise BenchmarkUnavailable(
            f"{where} has no {column}_file_name: its columns are {', '.join(map(str, row))}.",
            "names",
        )
    if isinstance(files, LocalFiles) and Path(name).is_absolute():
        name = os.path.relpath(name, files.folder / folder)
    path = names.find(_path(folder, name))
    if path is None:
        raise BenchmarkUnavailable(f"{where} names {name}, which is not there: add it.", "names")
    return path


def _path(folder: str, name: str) -> str:
    r"""Path of a picture that a table in `folder` ("" for the top) names, as people write it.

    >>> _path("train", ".\\in\\a.png"), _path("", "./in/a.png")
    ('train/in/a.png', 'in/a.png')
    """
    plain = name.replace("\\", "/").removeprefix("./")
    path = f"{folder}/{plain}" if folder else plain
    return posixpath.normpath(path) if "../" in plain else path
