"""Columns of images in Parquet files, as `datasets` writes them and `eval.data.pack` does.

Only the row groups of the chosen pairs are fetched, and of those only the columns that are used: a
set with a pair in each row group (see `eval.data.pack`) costs the bytes of the chosen pairs.
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from eval.data.pair_facts import Fact, clean_facts
from eval.data.pairs import BenchmarkUnavailable, Item, PairUnusable
from eval.data.range_file import RangeFile

from .base import Expected, PairImage, PairReader
from .dataset_card import CARD_FILE, files_of_split
from .files import MAX_PICTURE_BYTES, Files, LocalFiles, read_file, without_repeats
from .pairing import safe_id
from .patterns import NamePattern
from .splits import files_of_folder, files_of_named_split

FOOTER_BYTES = 64 * 2**10
"""Bytes first fetched from the end of a file for its index; a longer index is fetched whole."""
MAX_GROUP_BYTES = 2**31
"""Bytes of the largest row group that is read, unpacked."""
NAME_COLUMNS = ("id", "name", "file_name", "key")
"""Columns that may name a pair, in this order; without one it is named by its row."""


@dataclass(frozen=True)
class Row:
    """Place of a pair in the Parquet files."""

    file: str
    """Path of the Parquet file."""
    group: int
    """Number of the row group in the file."""
    row: int
    """Row within the group."""

    @property
    def unit(self) -> tuple[str, int]:
        """Part of the data that is fetched as a whole: a file and its row group."""
        return self.file, self.group


class ParquetReader(PairReader):
    """Two columns of images in Parquet files.

    Args:
        files: Files of the data set.
        expected: Requirements that every pair must meet.
        degraded: Column of degraded images: {bytes, path} as `datasets` stores them, or bytes.
        target: Column of targets.
        chosen: Pattern of the Parquet files' paths to read; see `NamePattern`. None: those of the
            configuration and split; where the data set's card names none, see `splits`.
        config: Configuration of the data set's card, or folder; None takes its default.
        split: Split to read; None takes 'test', else 'validation', else the only one.
    """

    def __init__(
        self,
        files: Files,
        expected: Expected,
        degraded: str,
        target: str,
        chosen: str | None = None,
        config: str | None = None,
        split: str | None = None,
    ) -> None:
        super().__init__(files, expected)
        self.config = config
        self.split = split
        self.degraded = degraded
        self.target = target
        self.chosen = chosen
        self._opened: dict[str, tuple[Any, Any]] = {}
        self._group: tuple[tuple[str, int], Any] | None = None

    def _list(self) -> list[Item]:
        items: list[Item] = []
        for name in self._file_names():
            with self._in_words(name):
                parquet, _ = self._open(name)
                columns = parquet.schema_arrow.names
            for column in (self.degraded, self.target):
                if column not in columns:
                    raise BenchmarkUnavailable(
                        f"{name} of {self.files.label} has no column {column!r}: its columns are "
                        f"{', '.join(columns)}.",
                        "names",
                    )
            with self._in_words(name):
                items += self._rows(name, parquet, len(items))
        counts = Counter(item.id for item in items)
        return [
            item if counts[item.id] == 1 else replace(item, id=f"{item.id}-{number:05d}")
            for number, item in enumerate(items, 1)
        ]

    def _file_names(self) -> list[str]:
        names = [name for name in self.files.names() if name.lower().endswith(".parquet")]
        if isinstance(self.files, LocalFiles) and self.files.only is not None:
            pass  # the file is given by its name
        elif self.chosen is not None:
            pattern = NamePattern(self.chosen)
            names = [name for name in names if pattern.match(name) is not None]
        elif (of_card := self._of_card(names)) is not None:
            names = of_card
        elif names:
            names = files_of_named_split(names, self.split, self.files.label)
            names = files_of_folder(names, self.config, self.files.label)
        if not names:
            raise BenchmarkUnavailable(
                f"{self.files.label} has no Parquet file{f' {self.chosen}' if self.chosen else ''}"
                ": look at its files, or pack it with `python -m eval pack`.",
            )
        return without_repeats(self.files, names, lambda name: (name,))

    def _of_card(self, names: list[str]) -> list[str] | None:
        """List the files that the data set's card names; None where it has no configurations."""
        if CARD_FILE not in self.files.names():
            return None
        card = read_file(self.files, CARD_FILE).decode("utf-8", "replace")
        return files_of_split(names, card, self.config, self.split, self.files.label)

    def _open(self, name: str) -> tuple[Any, Any]:
        """Open the Parquet file; returns it and the file object it is read through."""
        if name not in self._opened:
            import pyarrow as pa
            import pyarrow.parquet as pq

            file = self.files.open(name)
            if isinstance(file, RangeFile):
                file.prefetch(file.size_bytes - FOOTER_BYTES, file.size_bytes)
            parquet = pq.ParquetFile(
                pa.PythonFile(file, mode="r"), pre_buffer=False, page_checksum_verification=True
            )
            self._opened[name] = (parquet, file)
        return self._opened[name]

    def _rows(self, name: str, parquet: Any, before: int) -> list[Item]:
        columns = parquet.schema_arrow.names
        naming = next((column for column in NAME_COLUMNS if column in columns), None)
        items: list[Item] = []
        for group in range(parquet.num_row_groups):
            count = parquet.metadata.row_group(group).num_rows
            start, end, unpacked = self._span(parquet, group, self._used(parquet))
            if unpacked > MAX_GROUP_BYTES:
                raise BenchmarkUnavailable(
                    f"{name} of {self.files.label} keeps {unpacked / 1e9:.1f} GB in one row group, "
                    f"more than the limit of {MAX_GROUP_BYTES / 1e9:.1f} GB: pack it in smaller "
                    "ones with `python -m eval pack`."
                )
            labels = _labels(parquet, group, naming) if naming else None
            for row in range(count):
                number = f"{before + len(items) + 1:05d}"
                label = labels[row] if labels else None
                pair_id = number if label in (None, "") else safe_id([str(label)])
                place = Row(name, group, row)
                items.append(Item(pair_id, end - start, place, place.unit))
        return items

    def _used(self, parquet: Any) -> list[str]:
        hashes = [f"{half}_sha256" for half in (self.degraded, self.target)]
        plain = [field.name for field in parquet.schema_arrow if _is_plain(field.type)]
        return list(dict.fromkeys((self.degraded, self.target))) + [
            column
            for column in parquet.schema_arrow.names
            if column in hashes or (column in plain and column not in NAME_COLUMNS)
        ]

    def facts_of(self, item: Item) -> dict[str, Fact]:
        """Cells of a pair's other columns; see `PairReader.facts_of`."""
        place: Row = item.locator
        with self._in_words(place.file):
            table = self._read_group(place)
            cells = {
                name: table.column(name)[place.row].as_py()
                for name in table.schema.names
                if name not in (self.degraded, self.target) and not name.endswith("_sha256")
            }
        return clean_facts(cells)

    @staticmethod
    def _span(parquet: Any, group: int, names: list[str]) -> tuple[int, int, int]:
        """Find the first and last byte of a row group's columns, and their size when unpacked."""
        about = parquet.metadata.row_group(group)
        chunks = [about.column(index) for index in range(about.num_columns)]
        chunks = [chunk for chunk in chunks if chunk.path_in_schema.split(".")[0] in names]
        starts = [chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks]
        ends = [
            start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)
        ]
        return min(starts), max(ends), sum(chunk.total_uncompressed_size for chunk in chunks)

    def _read_pair_images(self, item: Item) -> tuple[PairImage, PairImage | None]:
        place: Row = item.locator
        with self._in_words(place.file):
            table = self._read_group(place)
            cells = {
                column: table.column(column)[place.row].as_py() for column in table.schema.names
            }
        return self._half(cells, self.degraded, item.id), self._half(cells, self.target, item.id)

    def _read_group(self, place: Row) -> Any:
        if self._group is None or self._group[0] != place.unit:
            parquet, file = self._open(place.file)
            used = self._used(parquet)
            start, end, _ = self._span(parquet, place.group, used)
            about = parquet.metadata.row_group(place.group)
            chunks = [about.column(index) for index in range(about.num_columns)]
            wanted = sum(
                chunk.total_compressed_size
                for chunk in chunks
                if chunk.path_in_schema.split(".")[0] in used
            )
            if isinstance(file, RangeFile) and end - start <= 1.05 * wanted:
                file.prefetch(start, end)
            self._group = (place.unit, parquet.read_row_group(place.group, columns=used))
        return self._group[1]

    def _half(self, cells: dict[str, Any], column: str, pair_id: str) -> bytes:
        cell = cells[column]
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(content, bytes):
            raise PairUnusable(
                f"Pair {pair_id} of {self.files.label} has no picture in column {column!r}, only "
                "a text or nothing: its pictures lie elsewhere.",
                "names",
            )
        if len(content) > MAX_PICTURE_BYTES:
            raise PairUnusable(
                f"Pair {pair_id} of {self.files.label} has {len(content) / 1e6:.0f} MB "
                f"in column {column!r}, more than the limit of {MAX_PICTURE_BYTES / 1e6:.0f} MB."
            )
        promised = cells.get(f"{column}_sha256")
        if promised is not None and hashlib.sha256(content).hexdigest() != promised:
            raise BenchmarkUnavailable(
                f"Pair {pair_id} of {self.files.label}: the picture in column {column!r} is not "
                "the one that was packed (its hash differs): fetch it again, or pack the set anew."
            )
        return content

    @contextlib.contextmanager
    def _in_words(self, name: str) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
            raise BenchmarkUnavailable(
                f"{name} of {self.files.label} is no Parquet file of images, or damaged: fetch it "
                "again."
            ) from error


def _is_plain(kind: Any) -> bool:
    """Whether a column's type is text, a number or a truth value."""
    import pyarrow as pa

    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return bool(texts or numbers or pa.types.is_boolean(kind))


def _labels(parquet: Any, group: int, column: str) -> list[Any]:
    """Read a naming column's values, from the file's index where the group has only one."""
    about = parquet.metadata.row_group(group)
    for index in range(about.num_columns):
        chunk = about.column(index)
        known = chunk.path_in_schema == column and about.num_rows == 1 and chunk.statistics
        if known and known.has_min_max and known.min == known.max:
            return [known.min]
    return parquet.read_row_group(group, columns=[column]).column(column).to_pylist()
