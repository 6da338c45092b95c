"""Pairs named by two columns, whichever kind of file holds them."""

import re
from typing import Any

from eval.data.pairs import Item

from .base import Expected, PairReader
from .files import Files
from .parquet import ParquetReader
from .pictures import METADATA_FILE, PicturesReader
from .tars import WebDatasetReader


class ColumnsReader(PairReader):
    """Chooses the Parquet, webdataset or metadata.jsonl reader by the files that are there.

    Args:
        files: Where the files are.
        expected: What is checked of every pair.
        degraded: Column of the degraded pictures.
        target: Column of the targets.
    """

    def __init__(self, files: Files, expected: Expected, degraded: str, target: str) -> None:
        super().__init__(files, expected)
        self.degraded = degraded
        self.target = target
        self._chosen: PairReader | None = None

    def upfront_bytes(self) -> int:
        """Bytes that listing the pairs downloads; see `PairReader.upfront_bytes`."""
        return self._reader().upfront_bytes()

    def _list(self) -> list[Item]:
        return self._reader()._list()

    def _halves(self, item: Item) -> Any:
        return self._reader()._halves(item)

    def _reader(self) -> PairReader:
        if self._chosen is None:
            names = self.files.names()
            has_metadata = any(name.split("/")[-1] == METADATA_FILE for name in names)
            kind: type[ParquetReader] | type[PicturesReader] | type[WebDatasetReader]
            if any(name.endswith(".parquet") for name in names):
                kind = ParquetReader
            elif not has_metadata and any(re.search(r"\.tar(\.gz)?$", name) for name in names):
                kind = WebDatasetReader
            else:
                kind = PicturesReader
            self._chosen = kind(self.files, self.expected, self.degraded, self.target)
        return self._chosen
