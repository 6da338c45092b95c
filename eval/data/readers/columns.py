"""Pairs named by two columns, whichever kind of file holds them."""

from typing import Any

from eval.data.pair_facts import Fact
from eval.data.pairs import Item

from .base import Expected, PairReader
from .files import Files
from .metadata_files import is_metadata
from .parquet import ParquetReader
from .pictures import PicturesReader
from .tars import WebDatasetReader, is_shard


class ColumnsReader(PairReader):
    """Reader of two columns in Parquet, webdataset or metadata.jsonl, chosen by the files found.

    Args:
        files: Files of the data set.
        expected: Requirements that every pair must meet.
        degraded: Column of the degraded pictures.
        target: Column of the targets.
        config: Configuration of a Parquet set's card, or folder; None takes its default.
        split: Split; None takes 'test', else 'validation', else the only one.
    """

    def __init__(
        self,
        files: Files,
        expected: Expected,
        degraded: str,
        target: str,
        config: str | None = None,
        split: str | None = None,
    ) -> None:
        super().__init__(files, expected)
        self.config = config
        self.split = split
        self.degraded = degraded
        self.target = target
        self._chosen: PairReader | None = None

    def files_of(self, item: Item) -> tuple[str, str] | None:
        """Paths of a pair's two files; see `PairReader.files_of`."""
        return self._reader().files_of(item)

    def upfront_bytes(self) -> int:
        """Bytes that listing the pairs downloads; see `PairReader.upfront_bytes`."""
        return self._reader().upfront_bytes()

    def facts_of(self, item: Item) -> dict[str, Fact]:
        """Facts that the source states of a pair; see `PairReader.facts_of`."""
        return self._reader().facts_of(item)

    def _list(self) -> list[Item]:
        reader = self._reader()
        items = reader._list()
        self.left_out = reader.left_out
        return items

    def _read_pair_images(self, item: Item) -> Any:
        return self._reader()._read_pair_images(item)

    def _reader(self) -> PairReader:
        if self._chosen is None:
            names = self.files.names()
            has_metadata = any(map(is_metadata, names))
            given = (self.files, self.expected, self.degraded, self.target)
            if any(name.lower().endswith(".parquet") and not is_metadata(name) for name in names):
                self._chosen = ParquetReader(*given, config=self.config, split=self.split)
            elif not has_metadata and any(map(is_shard, names)):
                self._chosen = WebDatasetReader(*given, config=self.config, split=self.split)
            else:
                self._chosen = PicturesReader(*given, split=self.split)
        return self._chosen
