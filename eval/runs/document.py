"""Documents of a stored run: `run.json` (`Run`) and lines of `scores.jsonl` (`SampleResult`).

Scores are mappings from the key of a metric (`mirnet.metrics`) to its value, so that a new metric
changes no document. Documents of older versions are migrated when they are read; stored files are
never rewritten for it.
"""

import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from eval.data.benchmarks import OWN_DATA
from eval.methods.method_record import MethodRecord
from mirnet.machine_paths import last_part, without_paths
from mirnet.number_format import counted

VERSION = 2
"""Format of new run documents. Version 1 had psnr_db and ssim in each summary line, as means over
that method's own pictures."""

Status = Literal["running", "done", "stopped", "failed"]
"""State of a run. "running" while nobody holds the run's lock means that it was interrupted."""

Sentence = Annotated[str, AfterValidator(without_paths)]
"""Text of an error, which everybody who sees a run may read: paths of this machine are shortened to
their last part, also when documents of before are read."""

SampleScore = dict[str, float]
"""One protocol's scores of one picture by key of the metric; infinite PSNR for equal pictures."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class RunBenchmark(_Part):
    """The benchmark of a run and the subset of its pairs that was scored."""

    id: str
    """Id in the catalogue, or the id of a data set that a user named."""
    title: str
    """Title of the benchmark."""
    revision: str
    """Commit of the data set on the Hub, or hash over the local files."""
    scale: int
    """Factor of super-resolution; 1 for other tasks."""
    synthetic: bool
    """Whether the degradation was simulated."""
    official: bool
    """Whether the benchmark is, in the catalogue, the one that papers report on. That its pictures
    were scored is another question: see `pictures`."""
    official_pairs: int = 0
    """Number of scored pairs whose files have the stored hashes of the official ones; counted when
    the run ends."""
    of: int
    """Number of pairs in the whole benchmark."""
    n: int
    """Number of pairs in the scored subset."""
    left_out: int = 0
    """Number of files beside the pictures that are no pictures, such as Thumbs.db."""
    seed: int
    """Seed that chose the subset."""
    folder: str | None = None
    """Local folder that the pairs were read from; None for the benchmark's source."""
    source: dict[str, Any] = {}
    """Entry of a benchmark that is not in the catalogue, from which it is opened again."""

    @property
    def is_own(self) -> bool:
        """Whether these are a person's own files, as far as anybody can tell by their hashes."""
        if self.source:
            return True
        return self.folder is not None and not self.has_official_pictures

    @property
    def has_official_pictures(self) -> bool:
        """Whether every scored pair has the hashes of the pictures that papers report on."""
        return self.official and self.n > 0 and self.official_pairs == self.n

    @property
    def pictures(self) -> str:
        """Sentence on the origin of the scored pictures."""
        if self.id.startswith(OWN_DATA):
            return "your own files"
        if self.has_official_pictures:
            return "official pictures, by their hashes"
        known = (
            f", {self.official_pairs} of {self.n} pairs official by their hashes"
            if self.official_pairs
            else ""
        )
        if self.folder is not None:
            return f"your own files, named as {self.title}{known}"
        if self.official:
            return f"a copy of the official pictures, hashes not known{known}"
        return "not the official pictures"


class Environment(_Part):
    """Code, packages and machine that a run was executed with."""

    commit: str | None
    """Git commit of this project; None outside a checkout."""
    dirty: bool
    """Whether that checkout had uncommitted changes."""
    code_sha256: str
    """SHA-256 over the code that restores."""
    python: str
    """Python version."""
    packages: dict[str, str]
    """Versions of the packages that numbers depend on."""
    machine: str
    """Processor, cores and memory."""
    threads: int
    """Compute threads of each worker."""
    device: str
    """'cpu', 'cuda' or 'mps'."""


class Attempt(_Part):
    """One attempt at executing a run, from start or resumption to its end."""

    environment: Environment
    """Environment of this attempt."""
    started: datetime.datetime
    """Start, UTC."""
    ended: datetime.datetime | None = None
    """End, UTC; None while the attempt is under way or after it was killed."""
    status: Status = "running"
    """Status of the run at the end of the attempt."""


class SampleResult(_Part):
    """Result of one picture and method: a line of `scores.jsonl`."""

    pair: str
    """Id of the pair."""
    method: str
    """Id of the method."""
    scores: dict[str, SampleScore] = {}
    """Scores by name of the protocol; empty without ground truth or where the method failed."""
    seconds: float | None = None
    """Time of the method alone, in seconds of wall clock, the median of its repeats; None for a
    result made elsewhere."""
    repeats: int = 1
    """Number of times that the method was timed on the picture."""
    seconds_low: float | None = None
    """Quickest of the repeats; None for one."""
    seconds_high: float | None = None
    """Slowest of the repeats; None for one."""
    megapixels: float | None = None
    """Size of the result in megapixels."""
    peak_mb: float | None = None
    """Peak resident memory of the process meanwhile, in megabytes, where the system tells."""
    own_peak_mb: float | None = None
    """Peak memory of the method alone, in megabytes; see `PeakMemory`."""
    tiles: int | None = None
    """Number of tiles that a network saw the picture in; 1 is the whole picture."""
    width: int | None = None
    """Width of the result in pixels."""
    height: int | None = None
    """Height of the result in pixels."""
    output_sha256: str | None = None
    """Hash of the output's pixels, which names its stored picture."""
    degraded_sha256: str | None = None
    """Hash of the degraded picture's file."""
    target_sha256: str | None = None
    """Hash of the ground truth's file; None where it is not published."""
    cached: bool = False
    """Whether the output came from the cache; `seconds` are then those of the earlier run."""
    timed_in: str | None = None
    """Id of the other run that measured `seconds`; None for this run."""
    threads: int | None = None
    """Compute threads that `seconds` were measured with."""
    file_sha256: str | None = None
    """Hash of the file that holds an imported result; None for one that was computed."""
    attempt: int | None = None
    """Number of the attempt that computed the row, from 1; None in runs of version 1."""
    error: Sentence | None = None
    """Sentence saying why there is no result; None where there is one."""

    @property
    def unusable_pair(self) -> bool:
        """Whether the pair itself could not be read, which is no method's fault."""
        return self.error is not None and self.degraded_sha256 is None


class MethodSummary(_Part):
    """Means of a method's rows under the run's first protocol."""

    method: str
    """Id of the method."""
    count: int
    """Number of pictures scored."""
    failed: int
    """Number of pictures without a result."""
    identical: int
    """Number of results that equal their target, whose PSNR is infinite."""
    scores: dict[str, float] = {}
    """Mean by key of the metric over the pictures that all ranked methods have (`CommonPictures`);
    not a number where there is none."""
    seconds_per_megapixel: float | None
    """Total seconds over total megapixels of the rows that this run timed itself."""


class Run(_Part):
    """The header of a run: `run.json`."""

    version: int = VERSION
    """Version of this format."""
    id: str = Field(pattern=r"^\d{8}-\d{6}-[a-z0-9]{4,12}$")
    """UTC date and time and a random ending: sorts by age, safe in paths and links."""
    title: str = Field(max_length=200)
    """Title that a user gave; "" for none."""
    status: Status
    """State of the run."""
    created: datetime.datetime
    """Start, UTC."""
    ended: datetime.datetime | None = None
    """End of the last attempt, UTC."""
    task: str
    """Id of the task."""
    benchmark: RunBenchmark
    """Benchmark and subset."""
    protocols: list[str] = Field(min_length=1)
    """Names of the protocols with versions; the first one ranks."""
    methods: list[MethodRecord]
    """Compared methods, in the requested order."""
    repeats: int = 1
    """Number of times that each method is timed on each picture."""
    multiply_adds: dict[str, float] = {}
    """Multiply-adds of each network in 10**9 a megapixel, by id of the method; see
    `mirnet.models.complexity`."""
    environment: Environment
    """Environment that the run was created in."""
    attempts: list[Attempt] = []
    """Attempts in order; each row names its own."""
    data_sha256: str | None = None
    """Fingerprint of the scored pictures: SHA-256 over the hashes of both files of every pair."""
    summary: list[MethodSummary] = []
    """Means of every method, written when a run ends."""
    error: Sentence | None = None
    """Sentence saying why the run failed; None where it did not."""

    @model_validator(mode="before")
    @classmethod
    def _migrate(cls, document: Any) -> Any:
        return migrated(document) if isinstance(document, dict) else document

    @property
    def protocol(self) -> str:
        """Name of the first protocol, which ranks."""
        return self.protocols[0]

    @property
    def name(self) -> str:
        """Title, or benchmark and number of pairs for a run without title."""
        return self.title or f"{self.benchmark.title}, {counted(self.benchmark.n, 'pair')}"

    def without_folders(self) -> "Run":
        """Copy for strangers: of paths of this machine only the last part of the name is left."""
        where = self.benchmark
        source = dict(where.source)
        place = dict(source.get("source") or {})
        if place.get("folder"):
            place["folder"] = last_part(str(place["folder"]))
            source["source"] = place
        folder = last_part(where.folder) if where.folder else None
        update = {"folder": folder, "source": source}
        benchmark = where.model_copy(update=update)
        methods = [method.without_folders() for method in self.methods]
        return self.model_copy(update={"benchmark": benchmark, "methods": methods})


def migrated(document: dict[str, Any]) -> dict[str, Any]:
    """Bring the content of a `run.json` of any version up to `VERSION`.

    Args:
        document: Parsed JSON; it is left as it is.

    Raises:
        ValueError: A newer version of this program wrote it.
    """
    version = document.get("version", 1)
    if isinstance(version, int) and version > VERSION:
        raise ValueError(f"version {version} is newer than this program, which reads {VERSION}")
    if version == 1:
        lines = document.get("summary", [])
        most = max((line["count"] - line["identical"] for line in lines), default=0)
        summary = [_with_mapped_scores(line, most) for line in lines]
        document = document | {"version": 2, "summary": summary}
    return document


def _with_mapped_scores(line: dict[str, Any], most: int) -> dict[str, Any]:
    """Move the means of version 1 into a mapping.

    Each was over the method's own pictures: where those are fewer than another method's, the mean
    cannot be compared, and none is given.
    """
    keys = ("psnr_db", "ssim")
    rest = {name: value for name, value in line.items() if name not in keys}
    complete = line["count"] - line["identical"] == most
    return rest | {"scores": {key: line[key] if complete else "NaN" for key in keys}}


def public_header(run: Run) -> dict[str, Any]:
    """Header for JSON outputs, where each summary line also has its scores as fields of their own.

    Programs that read `psnr_db` and `ssim` there keep working.
    """
    content = run.model_dump(mode="json")
    for line in content["summary"]:
        line |= line["scores"]
    return content
