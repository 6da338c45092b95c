"""What benchmarks exist: the table in benchmarks.toml, people's own pairs, and subsets of both.

Nothing here is fetched before a reader is asked for its items; `size_of` says beforehand how much
reading them will download.
"""

import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mirnet.errors import InvalidRequest
from mirnet.metrics.protocols import PROTOCOLS, get_protocol
from mirnet.tasks import TASKS, get_task

from .hub import HubFiles
from .pairs import BenchmarkUnavailable, Item
from .readers.base import Expected, PairReader, safe_id
from .readers.dnd import DndReader
from .readers.files import Files, LocalFiles
from .readers.parquet import ParquetReader
from .readers.pictures import METADATA_FILE, PicturesReader, ZipReader, is_pattern
from .readers.sidd import SiddReader
from .readers.tars import TwoTarsReader, WebDatasetReader

BENCHMARKS_FILE = Path(__file__).parent / "benchmarks.toml"
"""The table of all benchmarks the product knows."""
KINDS = ("pictures", "columns", "zip", "parquet", "tars", "webdataset", "sidd", "dnd")
"""How a source is laid out; see `Source`."""
OWN_DATA = "own-"
"""What ids of people's own pairs begin with."""

_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Source:
    """Where a benchmark's pairs are and how they are read."""

    kind: str
    """One of `KINDS`: "pictures" (files paired by patterns, or by metadata.jsonl), "columns" (any
    of metadata.jsonl, Parquet and webdataset that holds the columns), "zip", "parquet", "tars" (an
    archive of degraded pictures and one of targets), "webdataset", "sidd", "dnd"."""
    repo: str | None = None
    """Data set on the Hub, 'org/name'."""
    revision: str = "main"
    """Its branch, tag or commit. Of a branch, the commit found when it is read is recorded."""
    folder: str | None = None
    """Local folder; a relative one lies in eval/. Without this and `repo`, a person brings it."""
    file: str | None = None
    """The zip archive, or a regular expression of the Parquet files to read."""
    degraded: str = ""
    """Pattern, column, suffix or archive of the degraded pictures."""
    target: str = ""
    """The same of the targets."""
    noise_sigma: float | None = None
    """Standard deviation, of 255, of noise added to the targets; None where none is added."""
    layout: str = ""
    """For data that a person brings: what to do, as the end of the sentence 'To use it, ...'."""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark."""

    id: str
    """Short name used on the command line, in the page and in runs."""
    task: str
    """Id of the task it measures."""
    title: str
    """Name shown in lists."""
    size: str
    """Pixels of the targets, as 'width x height' or in words."""
    licence: str
    """Licence of the pictures, as far as it is known."""
    protocols: tuple[str, ...]
    """Ids of the protocols it is scored with; the first is the one papers use."""
    official: bool
    """Whether these are the very pictures that papers report on."""
    synthetic: bool
    """Whether the degradation was simulated."""
    note: str
    """What is official and what is not, and anything else a reader must know."""
    citation: str
    """Whom to cite."""
    source: Source
    """Where the pairs are."""
    pairs: int | None = None
    """How many there are; None where as many count as a person brings."""
    megabytes: float | None = None
    """What reading all pairs downloads; None where nobody measured it, or nothing is downloaded."""
    scale: int = 1
    """Factor of super-resolution; 1 for other tasks."""
    same_size: bool = False
    """Whether degraded and target have one size in spite of the scale, as in RealSR."""
    truth: bool = True
    """Whether the targets are there; False where a site keeps them to itself (DND)."""

    @property
    def brought(self) -> bool:
        """Whether a person must bring the files."""
        return self.source.repo is None and self.source.folder is None


def load_benchmarks() -> dict[str, Benchmark]:
    """All benchmarks of the table, by id.

    Raises:
        ValueError: benchmarks.toml is wrong, which is a bug.
    """
    return dict(read_benchmarks(BENCHMARKS_FILE))


def get_benchmark(benchmark_id: str) -> Benchmark:
    """Look a benchmark up.

    Raises:
        BenchmarkUnavailable: No benchmark has this id.
    """
    known = load_benchmarks()
    if benchmark_id not in known:
        raise BenchmarkUnavailable(
            f"There is no benchmark {benchmark_id[:80]!r}: choose one of {', '.join(known)}."
        )
    return known[benchmark_id]


def open_benchmark(
    benchmark: Benchmark, folder: Path | None = None, offline: bool = False
) -> PairReader:
    """Make the reader of a benchmark's pairs; nothing is fetched yet.

    Args:
        benchmark: One of the table's, or made by `custom_benchmark`.
        folder: A local copy, in place of the benchmark's own source: input/ and target/ with the
            same file names in both, a set made by `eval.data.pack`, a folder with metadata.jsonl, or
            the source's own layout. Its pairs are counted like those of the source.
        offline: Use only what was fetched before.

    Raises:
        BenchmarkUnavailable: A person must bring the files, and no folder is given.
    """
    source = benchmark.source
    if folder is not None:
        source = _source_of_folder(folder, source)
    if source.folder is not None:
        files: Files = LocalFiles(BENCHMARKS_FILE.parent / source.folder)
    elif source.repo is not None:
        files = HubFiles(source.repo, source.revision, offline)
    else:
        raise BenchmarkUnavailable(
            f"{benchmark.title} is not on the Hub. To use it, {source.layout}, then name that "
            "folder."
        )
    expected = Expected(
        title=benchmark.title,
        scale=benchmark.scale,
        same_size=benchmark.same_size,
        pairs=benchmark.pairs,
        noise_sigma=source.noise_sigma,
    )
    low, high = source.degraded, source.target
    match source.kind:
        case "pictures":
            return PicturesReader(files, expected, low, high)
        case "zip":
            return ZipReader(files, expected, str(source.file), low, high)
        case "parquet":
            return ParquetReader(files, expected, low, high, source.file)
        case "tars":
            return TwoTarsReader(files, expected, low, high)
        case "webdataset":
            return WebDatasetReader(files, expected, low, high)
        case "sidd":
            return SiddReader(files, expected)
        case "dnd":
            return DndReader(files, expected)
    return _ColumnsReader(files, expected, low, high)


def custom_benchmark(
    source: str,
    task: str,
    *,
    degraded: str,
    target: str,
    scale: int | None = None,
    same_size: bool = False,
    revision: str | None = None,
    protocol: str | None = None,
) -> Benchmark:
    """Describe anybody's own pairs.

    Args:
        source: A folder that exists, or 'org/name' of a data set on the Hub.
        task: Id of the task to measure.
        degraded: Column of the degraded pictures (of Parquet, metadata.jsonl or webdataset), or a
            pattern of their files such as 'input/*.png'.
        target: The same of the targets.
        scale: Factor of super-resolution; None takes the task's.
        same_size: Whether degraded and target have one size in spite of the scale.
        revision: Branch, tag or commit on the Hub; None is 'main'.
        protocol: Id of the protocol to score with; None takes y-sr (y-crop for one size) for
            super-resolution and rgb for other tasks.

    Raises:
        InvalidRequest: The task, protocol or scale is unknown, or something is missing.
        BenchmarkUnavailable: The source is neither a folder nor the name of a data set.
    """
    natural = get_task(task).scale
    scale = natural if scale is None else scale
    if not degraded or not target:
        raise InvalidRequest(
            "Own pairs need both: the column or pattern of the degraded pictures, and that of the "
            "targets."
        )
    if not 1 <= scale <= 8:
        raise InvalidRequest(f"Scale {scale} is outside 1 to 8: choose 2, 3 or 4, for example.")
    usual = "rgb" if scale == 1 else "y-crop" if same_size else "y-sr"
    chosen = get_protocol(protocol or usual).id
    path = Path(source).expanduser()
    local = path.is_dir()
    if not local and not _REPO.fullmatch(source):
        raise BenchmarkUnavailable(
            f"{source} is neither a folder that exists nor the name of a data set on the Hub "
            "(org/name): check it."
        )
    pattern = is_pattern(degraded) or is_pattern(target)
    name = path.resolve().name if local else source
    return Benchmark(
        id=f"{OWN_DATA}{safe_id([name]).lower().replace('_', '-')[:50]}",
        task=task,
        title=name,
        size="unknown",
        licence="unknown",
        protocols=(chosen,),
        official=False,
        synthetic=False,
        note="Own pairs: nobody has checked what they are.",
        citation="unknown",
        source=Source(
            kind="pictures" if pattern else "columns",
            repo=None if local else source,
            revision=revision or "main",
            folder=str(path.resolve()) if local else None,
            degraded=degraded,
            target=target,
        ),
        scale=scale,
        same_size=same_size,
    )


def benchmark_of_record(record: dict[str, Any]) -> Benchmark:
    """Rebuild a benchmark from what a run has recorded of it.

    Args:
        record: What `dataclasses.asdict` made of it, through JSON.

    Raises:
        InvalidRequest: The record is damaged or of another version.
    """
    try:
        given = {key: value for key, value in record.items() if value not in (None, "")}
        source = {key: value for key, value in record["source"].items() if value not in (None, "")}
        return _checked({**given, "source": source}, "record")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(
            f"The run's record of its benchmark is damaged ({error}): run it again."
        ) from error


def subset(items: Sequence[Item], n: int, seed: int) -> list[Item]:
    """Choose pairs by seed, spread evenly: the order is cut into `n` parts, one pair from each.

    The choice within a part is a hash of seed and part, so it is the same everywhere.

    Args:
        items: All pairs, in order.
        n: How many; as many as there are, or more, gives all.
        seed: Another seed, another choice.

    Raises:
        InvalidRequest: `n` is below 1.

    >>> [item.id for item in subset([Item(str(i)) for i in range(100)], 4, seed=0)]
    ['6', '30', '55', '91']
    """
    if n < 1:
        raise InvalidRequest(f"A subset of {n} pairs cannot be scored: choose 1 or more.")
    if n >= len(items):
        return list(items)
    chosen = []
    for part in range(n):
        start, end = part * len(items) // n, (part + 1) * len(items) // n
        drawn = hashlib.sha256(f"{seed} {part}".encode()).digest()
        chosen.append(items[start + int.from_bytes(drawn[:8], "big") % (end - start)])
    return chosen


def size_of(items: Sequence[Item]) -> int | None:
    """Bytes that reading these pairs downloads, where nothing of them was fetched before.

    Pairs that are fetched together (rows of one row group) are counted once. What listing the pairs
    had to download already is not in it: ask the reader's `upfront_bytes` before.

    Returns:
        The size, or None where the source does not tell.
    """
    units: dict[Any, int] = {}
    for item in items:
        if item.bytes is None:
            return None
        units[getattr(item.locator, "unit", item.id)] = item.bytes
    return sum(units.values())


@lru_cache(maxsize=4)
def read_benchmarks(path: Path) -> dict[str, Benchmark]:
    """Read and check a table of benchmarks.

    Args:
        path: A TOML file laid out like benchmarks.toml.

    Returns:
        Benchmarks by id, in the file's order.

    Raises:
        ValueError: A field is unknown, missing, of the wrong type or out of range.
    """
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    _refuse_unknown(content, {"families", "benchmarks"}, path.name)
    families = content.get("families", {})
    found: dict[str, Benchmark] = {}
    for number, table in enumerate(content.get("benchmarks", []), 1):
        where = f"{path.name}, benchmark {table.get('id', number)!r}"
        family = table.pop("family", None)
        if family is not None and family not in families:
            raise ValueError(f"{where}: there is no family {family!r}")
        benchmark = _checked({**families.get(family, {}), **table}, where)
        if benchmark.id in found:
            raise ValueError(f"{where}: the id is used twice")
        if benchmark.id.startswith(OWN_DATA) or benchmark.scale != TASKS[benchmark.task].scale:
            raise ValueError(f"{where}: own- is kept for own data, and the scale is the task's")
        found[benchmark.id] = benchmark
    return found


def _checked(table: dict[str, Any], where: str) -> Benchmark:
    source = table.pop("source", None)
    if not isinstance(source, dict):
        raise ValueError(f"{where}: a source belongs to it")
    protocols = table.pop("protocols", None)
    if not isinstance(protocols, list) or not protocols or not set(protocols) <= set(PROTOCOLS):
        raise ValueError(f"{where}: protocols must be some of {', '.join(PROTOCOLS)}")
    _check_types(table, Benchmark, {"source", "protocols"}, where)
    _check_types(source, Source, set(), f"{where}, source")
    benchmark = Benchmark(
        **table,
        protocols=tuple(protocols),
        source=Source(**source),
    )
    _check_values(benchmark, where)
    return benchmark


def _check_types(table: dict[str, Any], model: type, known: set[str], where: str) -> None:
    types = {
        field.name: getattr(field.type, "__name__", str(field.type).split(" |")[0])
        for field in fields(model)
    }
    _refuse_unknown(table, types.keys() - known, where)
    for name, value in table.items():
        if type(value).__name__ != types[name] or value == "":
            raise ValueError(f"{where}: {name} must be a {types[name]}, not {value!r}")
    needed = {field.name for field in fields(model) if field.default is MISSING} - known
    if missing := sorted(needed - table.keys()):
        raise ValueError(f"{where}: {', '.join(missing)} missing")


def _check_values(benchmark: Benchmark, where: str) -> None:
    source = benchmark.source
    if not _ID.fullmatch(benchmark.id):
        raise ValueError(f"{where}: an id is 1 to 64 of a-z, 0-9, '.' and '-'")
    if benchmark.task not in TASKS:
        raise ValueError(f"{where}: task must be one of {', '.join(TASKS)}")
    if source.kind not in KINDS:
        raise ValueError(f"{where}: kind must be one of {', '.join(KINDS)}")
    if source.repo is not None and (source.folder or not _REPO.fullmatch(source.repo)):
        raise ValueError(f"{where}: repo must be org/name, without a folder")
    if benchmark.brought != bool(source.layout):
        raise ValueError(f"{where}: a layout belongs to data that a person brings, and only there")
    if source.kind not in ("sidd", "dnd") and not (source.degraded and source.target):
        raise ValueError(f"{where}: degraded and target missing")
    if (source.kind == "zip") and not source.file:
        raise ValueError(f"{where}: a zip needs its file")
    for name in ("pairs", "megabytes"):
        value = getattr(benchmark, name)
        if value is not None and value < (1 if name == "pairs" else 0):
            raise ValueError(f"{where}: {name} is too small")


def _refuse_unknown(table: dict[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(table.keys() - known):
        raise ValueError(f"{where}: unknown field {unknown[0]!r}")


def _source_of_folder(folder: Path, source: Source) -> Source:
    """How to read a local copy: what is already made into pairs needs no added noise."""
    folder = folder.expanduser().absolute()
    pairs = Source("columns", folder=str(folder), degraded="degraded", target="target")
    if (folder / "input").is_dir() and (folder / "target").is_dir():
        return replace(pairs, kind="pictures", degraded="input/*", target="target/*")
    if (folder / METADATA_FILE).is_file() or any((folder / "data").glob("*.parquet")):
        return pairs
    return replace(source, repo=None, folder=str(folder))


class _ColumnsReader(PairReader):
    """Chooses among the readers of columns by the files there are."""

    def __init__(self, files: Files, expected: Expected, degraded: str, target: str) -> None:
        super().__init__(files, expected)
        self.degraded = degraded
        self.target = target
        self._found: PairReader | None = None

    def upfront_bytes(self) -> int:
        return self._reader().upfront_bytes()

    def _list(self) -> list[Item]:
        return self._reader()._list()

    def _halves(self, item: Item) -> Any:
        return self._reader()._halves(item)

    def _reader(self) -> PairReader:
        if self._found is None:
            names = self.files.names()
            kind: type[ParquetReader] | type[PicturesReader] | type[WebDatasetReader]
            if any(name.endswith(".parquet") for name in names):
                kind = ParquetReader
            elif any(re.search(r"\.tar(\.gz)?$", name) for name in names) and not any(
                name.split("/")[-1] == METADATA_FILE for name in names
            ):
                kind = WebDatasetReader
            else:
                kind = PicturesReader
            self._found = kind(self.files, self.expected, self.degraded, self.target)
        return self._found
