"""Definitions of benchmarks: the table in benchmarks.toml, and data sets that people name.

Nothing is fetched here; `reader_factory.open_benchmark` makes the reader of a benchmark's pairs.
"""

import hashlib
import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from mirnet.errors import InvalidRequest
from mirnet.metrics.protocols import MAX_SCALE, PROTOCOLS, get_protocol
from mirnet.tasks import TASKS, get_task

from .pairs import BenchmarkUnavailable
from .readers.pairing import is_pattern, safe_id
from .scenes import SCENE_RULES, SceneRule

BENCHMARKS_FILE = Path(__file__).parent / "benchmarks.toml"
"""The table of all benchmarks the product knows."""
OWN_DATA = "own-"
"""Prefix of the ids of data sets that people name."""

Kind = Literal["pictures", "columns", "zip", "parquet", "tars", "webdataset", "sidd", "dnd"]
"""Layout of a source: "pictures" (files paired by patterns, or by metadata.jsonl), "columns" (any
of metadata.jsonl, Parquet and webdataset that holds the columns), "zip", "parquet", "tars" (an
archive of degraded pictures and one of targets), "webdataset", "sidd", "dnd"."""
Text = Annotated[str, Field(min_length=1)]
"""Non-empty string."""
NOT_LOCAL = (
    "Folders of this machine cannot be named from here: give the name of a data set of the Hub, "
    "ORG/NAME."
)
"""Sentence to visitors who name anything else."""
RepoName = Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
"""Name of a data set on the Hub, org/name."""


def _known_task(task: str) -> str:
    if task not in TASKS:
        raise ValueError(f"must be one of {', '.join(TASKS)}")
    return task


def _known_protocol(protocol: str) -> str:
    if protocol not in PROTOCOLS:
        raise ValueError(f"must be some of {', '.join(PROTOCOLS)}")
    return protocol


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Source(_Table):
    """Location and layout of a benchmark's pairs."""

    kind: Kind
    """Layout; the reader is chosen by it."""
    repo: RepoName | None = None
    """Data set on the Hub."""
    revision: Text = "main"
    """Branch, tag or commit on the Hub; a run records the commit it resolves to."""
    folder: Text | None = None
    """Local folder; a relative one lies in eval/data. Without this and `repo`, the files must be
    downloaded by hand."""
    file: Text | None = None
    """The zip archive, or a pattern of the Parquet files to read."""
    config: Text | None = None
    """Configuration of a data set whose card has several; None takes the card's default."""
    split: Text | None = None
    """Split of the data set; None takes 'test', else 'validation', else the only one."""
    degraded: str = ""
    """Pattern, column, suffix or archive of the degraded pictures."""
    target: str = ""
    """Pattern, column, suffix or archive of the targets."""
    noise_sigma: float | None = None
    """Standard deviation, of 255, of noise added to the targets; None where none is added."""
    layout: str = ""
    """Instructions for files downloaded by hand: the end of the sentence 'To use it, ...'."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.repo is not None and self.folder is not None:
            raise ValueError("repo and folder exclude each other")
        if (self.repo is None and self.folder is None) != bool(self.layout):
            raise ValueError("a layout belongs to files downloaded by hand, and only to them")
        if self.kind not in ("sidd", "dnd") and not (self.degraded and self.target):
            raise ValueError("degraded and target are missing")
        if self.kind == "zip" and self.file is None:
            raise ValueError("a zip needs its file")
        return self


class Benchmark(_Table):
    """Definition of one benchmark."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")]
    """Short name used on the command line, in the page and in runs."""
    task: Annotated[str, AfterValidator(_known_task)]
    """Id of the task it measures."""
    title: Text
    """Name shown in lists."""
    size: Text
    """Pixels of the targets, as 'width x height' or in words."""
    licence: Text
    """Licence of the pictures, as far as it is known."""
    protocols: Annotated[
        tuple[Annotated[str, AfterValidator(_known_protocol)], ...],
        Field(min_length=1, strict=False),
    ]
    """Ids of the protocols it is scored with; the first is the one papers use."""
    official: bool
    """Whether these are the very pictures that papers report on."""
    synthetic: bool
    """Whether the degradation was simulated."""
    note: Text
    """Caveats: what is official and what is not, and anything else a reader must know."""
    citation: Text
    """Publications to cite."""
    source: Source
    """Location and layout of the pairs."""
    pairs: Annotated[int, Field(ge=1)] | None = None
    """Number of pairs; None where any number is accepted."""
    megabytes: Annotated[float, Field(ge=0, strict=False)] | None = None
    """Download of all pairs; None where nobody measured it, or nothing is downloaded."""
    scale: Annotated[int, Field(ge=1, le=MAX_SCALE)] = 1
    """Factor of super-resolution; 1 for other tasks."""
    same_size: bool = False
    """Whether degraded and target have one size in spite of the scale, as in RealSR."""
    scenes: SceneRule | None = None
    """Rule that groups pairs into scenes, whose scores go together; None for a scene a pair."""
    facts: str | None = None
    """Regular expression of pair ids whose named groups are facts of a pair, such as its camera;
    None where ids tell none."""
    ground_truth: bool = Field(True, validation_alias=AliasChoices("ground_truth", "truth"))
    """Whether the targets are public; False where a site keeps them to itself (DND). Runs recorded
    before November 2026 call it "truth"."""

    @property
    def manual_download(self) -> bool:
        """Whether the files must be downloaded by hand."""
        return self.source.repo is None and self.source.folder is None


def load_benchmarks() -> dict[str, Benchmark]:
    """Load all benchmarks of the table, by id.

    Raises:
        ValueError: benchmarks.toml is wrong, which is a bug.
    """
    return dict(read_benchmarks(BENCHMARKS_FILE))


def get_benchmark(benchmark_id: str) -> Benchmark:
    """Look up a benchmark by id.

    Raises:
        BenchmarkUnavailable: No benchmark has this id.
    """
    known = load_benchmarks()
    if benchmark_id not in known:
        raise BenchmarkUnavailable(
            f"There is no benchmark {benchmark_id[:80]!r}: choose one of {', '.join(known)}."
        )
    return known[benchmark_id]


def custom_benchmark(
    source: str,
    task: str,
    *,
    degraded: str,
    target: str,
    scale: int | None = None,
    same_size: bool = False,
    revision: str | None = None,
    config: str | None = None,
    split: str | None = None,
    protocol: str | None = None,
    scenes: str | None = None,
    local: bool = True,
) -> Benchmark:
    """Describe a data set that the table does not have.

    Args:
        source: A folder that exists, a zip archive or Parquet file, or 'org/name' of a data set on
            the Hub.
        task: Id of the task to measure.
        degraded: Column of the degraded pictures (of Parquet, metadata.jsonl or webdataset), or a
            pattern of their files such as 'input/*.png'.
        target: Column or pattern of the targets.
        scale: Factor of super-resolution; None takes the task's.
        same_size: Whether degraded and target have one size in spite of the scale.
        revision: Branch, tag or commit on the Hub; None is 'main'.
        config: Configuration of the data set's card; None takes its default.
        split: Split of the data set; None takes 'test', or what there is.
        protocol: Id of the protocol to score with; None takes y-sr (y-crop for one size) for
            super-resolution and rgb for other tasks.
        scenes: How pairs belong to scenes, one of `SCENE_RULES`; None where each is one of its own.
        local: Whether the source may be of this machine; if not, no path is looked at, so that
            nobody learns what exists.

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
    if not 1 <= scale <= MAX_SCALE:
        raise InvalidRequest(
            f"Scale {scale} is outside 1 to {MAX_SCALE}: choose 2, 3 or 4, for example."
        )
    if scenes is not None and scenes not in SCENE_RULES:
        raise InvalidRequest(
            f"There is no rule of scenes {scenes[:80]!r}: choose {', '.join(SCENE_RULES)}."
        )
    usual = "rgb-8bit" if scale == 1 else "y-crop" if same_size else "y-sr"
    chosen = get_protocol(protocol or usual).id
    kind: Kind = "pictures" if is_pattern(degraded) or is_pattern(target) else "columns"
    try:
        path = Path(source).expanduser()
        folder = path.resolve() if local and path.is_dir() else None
        name = source if folder is None else folder.name
        file = None
        if local and path.is_file():
            file, folder, name = path.name, path.parent.resolve(), path.stem
            kind = _kind_of_file(path)
        found = Source(
            kind=kind,
            repo=None if folder else source,
            revision=revision or "main",
            folder=str(folder) if folder else None,
            file=file,
            config=config,
            split=split,
            degraded=degraded,
            target=target,
        )
    except (OSError, RuntimeError, ValidationError) as error:  # ~nobody; too long for a path
        raise BenchmarkUnavailable(
            f"{source[:200]} is neither a folder that exists nor the name of a data set on the Hub "
            "(org/name): check it."
            if local
            else NOT_LOCAL
        ) from error
    return Benchmark(
        id=_own_id(name),
        task=task,
        title=name,
        size="unknown",
        licence="unknown",
        protocols=(chosen,),
        official=False,
        synthetic=False,
        note="Own pairs: nobody has checked what they are.",
        citation="unknown",
        source=found,
        scale=scale,
        same_size=same_size,
        scenes=cast(SceneRule | None, scenes),
    )


def _kind_of_file(path: Path) -> Kind:
    """How to read a file that is a data set.

    Raises:
        BenchmarkUnavailable: It is of another kind.
    """
    kinds: dict[str, Kind] = {".zip": "zip", ".parquet": "parquet"}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise BenchmarkUnavailable(
            f"{path.name} is a file, and a data set is a folder, a zip archive, a Parquet file or "
            "the name of one on the Hub (org/name): give the folder that the file lies in."
        )
    return kind


def _own_id(name: str) -> str:
    """Make an id of a-z, 0-9, '.' and '-'; names without such letters get a hash."""
    plain = re.sub(r"[^a-z0-9.-]+", "-", safe_id([name]).lower()).strip("-.")[:50]
    return OWN_DATA + (plain or hashlib.sha256(name.encode()).hexdigest()[:12])


def benchmark_of_record(record: dict[str, Any]) -> Benchmark:
    """Rebuild a benchmark from what a run has recorded of it.

    Args:
        record: Result of `Benchmark.model_dump(mode="json")`.

    Raises:
        InvalidRequest: The record is damaged or of another version.
    """
    try:
        return Benchmark.model_validate(record)
    except ValidationError as error:
        raise InvalidRequest(
            f"The run's record of its benchmark is damaged ({_first(error)}): run it again."
        ) from error


@lru_cache(maxsize=4)
def read_benchmarks(path: Path) -> dict[str, Benchmark]:
    """Read and check a table of benchmarks.

    Args:
        path: A TOML file laid out like benchmarks.toml: families of defaults, and benchmarks.

    Returns:
        Benchmarks by id, in the file's order.

    Raises:
        ValueError: A field is unknown, missing, of the wrong type or out of range.
    """
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    families = content.get("families", {})
    found: dict[str, Benchmark] = {}
    for number, table in enumerate(content.get("benchmarks", []), 1):
        where = f"{path.name}, benchmark {table.get('id', number)!r}"
        family = table.pop("family", None)
        if family is not None and family not in families:
            raise ValueError(f"{where}: there is no family {family!r}")
        try:
            benchmark = Benchmark.model_validate({**families.get(family, {}), **table})
        except ValidationError as error:
            raise ValueError(f"{where}: {_first(error)}") from error
        if benchmark.id in found:
            raise ValueError(f"{where}: the id is used twice")
        if benchmark.id.startswith(OWN_DATA) or benchmark.scale != TASKS[benchmark.task].scale:
            raise ValueError(f"{where}: own- is kept for own data, and the scale is the task's")
        found[benchmark.id] = benchmark
    return found


def _first(error: ValidationError) -> str:
    """Format the first validation error as 'field: reason'."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
