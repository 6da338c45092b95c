"""Opening a benchmark: from its definition to the reader of its pairs, without fetching."""

import os
from pathlib import Path

from .benchmarks import BENCHMARKS_FILE, Benchmark, Source
from .hub import HubFiles
from .pairs import BenchmarkUnavailable
from .readers.base import Expected, PairReader
from .readers.columns import ColumnsReader
from .readers.dnd import DndReader
from .readers.files import Files, LocalFiles
from .readers.metadata_files import METADATA_FILES
from .readers.parquet import ParquetReader
from .readers.pictures import PicturesReader, ZipReader
from .readers.sidd import SiddReader
from .readers.tars import TwoTarsReader, WebDatasetReader


def open_benchmark(
    benchmark: Benchmark, folder: Path | None = None, offline: bool = False
) -> PairReader:
    """Make the reader of a benchmark's pairs.

    Args:
        benchmark: Benchmark of the table, or one made by `custom_benchmark`.
        folder: A local copy, in place of the benchmark's own source: input/ and target/ with the
            same file names in both, a set made by `eval.data.pack`, a folder with metadata.jsonl,
            or the source's own layout. Its pairs are counted like those of the source.
        offline: Use only what was fetched before.

    Raises:
        BenchmarkUnavailable: The files must be downloaded by hand, and no folder is given.
    """
    source = benchmark.source if folder is None else _source_of_folder(folder, benchmark.source)
    files = _files_of(source, benchmark.title, offline)
    expected = Expected(
        title=benchmark.title,
        scale=benchmark.scale,
        same_size=benchmark.same_size,
        pairs=benchmark.pairs,
        noise_sigma=source.noise_sigma,
    )
    degraded, target = source.degraded, source.target
    match source.kind:
        case "pictures":
            return PicturesReader(files, expected, degraded, target)
        case "zip":
            return ZipReader(files, expected, str(source.file), degraded, target)
        case "parquet":
            return ParquetReader(
                files, expected, degraded, target, source.file, source.config, source.split
            )
        case "tars":
            return TwoTarsReader(files, expected, degraded, target)
        case "webdataset":
            return WebDatasetReader(files, expected, degraded, target)
        case "sidd":
            return SiddReader(files, expected, hidden=not benchmark.ground_truth)
        case "dnd":
            return DndReader(files, expected)
        case "columns":
            return ColumnsReader(files, expected, degraded, target, source.config, source.split)


def _files_of(source: Source, title: str, offline: bool) -> Files:
    if source.folder is not None:
        is_file = source.kind in ("zip", "parquet") and os.path.isabs(source.folder)
        only = source.file if is_file else None
        return LocalFiles(BENCHMARKS_FILE.parent / source.folder, only)
    if source.repo is not None:
        return HubFiles(source.repo, source.revision, offline)
    raise BenchmarkUnavailable(
        f"{title} is not on the Hub. To use it, {source.layout}, then name that folder."
    )


def _source_of_folder(folder: Path, source: Source) -> Source:
    """Find how to read a local copy; noise that is already in its pairs is not added again."""
    folder = Path(os.path.expanduser(folder)).absolute()  # ~nobody stays as it is
    at = source.model_copy(update={"repo": None, "folder": str(folder), "layout": ""})
    if not os.path.isdir(folder):  # False for a name that is too long, too
        return at
    if (folder / "input").is_dir() and (folder / "target").is_dir():
        return Source(kind="pictures", folder=str(folder), degraded="input/*", target="target/*")
    has_table = any((folder / name).is_file() for name in METADATA_FILES)
    if has_table or any((folder / "data").glob("*.parquet")):
        return Source(kind="columns", folder=str(folder), degraded="degraded", target="target")
    return at
