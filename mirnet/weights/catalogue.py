"""Catalogue of all weights: the table in catalogue.toml and the cache folder.

Weights are *embedded* (ours, inside the package), *official* (the authors', downloaded on request),
*hub* (a repository of the Hugging Face Hub) or *imported* (a user's own file). This module only
describes them and imports no torch; `mirnet.weights.load` finds and loads them.
"""

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from mirnet.errors import WeightsUnavailable
from mirnet.tasks import TASKS

from . import store

CATALOGUE_FILE = Path(__file__).parent / "catalogue.toml"
"""Path of the table of all weights that the package knows."""
EMBEDDED_FOLDER = Path(__file__).parent / "files"
"""Folder with our own safetensors files and their cards."""
Architecture = Literal["MIRNet", "MIRNetV2"]
"""The two networks, by class name."""
Kind = Literal["embedded", "official", "hub", "imported"]
"""Origins of weights, in the order of lists."""
DEFAULT_HUB_FILE = "model.safetensors"
"""Name of the file that PyTorchModelHubMixin writes."""
HUB_PREFIX = "hub:"
"""Prefix of the ids of weights on the Hugging Face Hub."""

_KIND_ORDER = ("embedded", "official", "hub", "imported")
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HUB_ID = re.compile(r"hub:([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?")


def _plain_name(name: str) -> str:
    if Path(name).name != name:
        raise ValueError("must be a plain file name")
    return name


def _safe_address(value: str) -> str:
    """Accept https addresses, and http ones of this machine (as in tests)."""
    parts = urlsplit(value)
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")
    if not (parts.scheme == "https" and parts.hostname) and not local:
        raise ValueError("must be an https address")
    return value


Text = Annotated[str, Field(min_length=1)]
FileName = Annotated[Text, AfterValidator(_plain_name)]
Address = Annotated[str, AfterValidator(_safe_address)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 as 64 lower-case hexadecimal digits."""


class PublishedScore(BaseModel):
    """A published score of the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    benchmark: Text
    """Name of the set of pictures, as in the paper."""
    scores: Annotated[dict[str, float], Field(min_length=1)]
    """Published means by key of the metric."""
    source: Text
    """Publication in which the score was read."""
    evidence: Literal["read-primary", "read-secondary", "memory-unverified"]
    """Evidence for the score: read in its own source, in a text that repeats it, or not at all."""
    method: Text
    """Variant or re-run that the score belongs to."""

    @property
    def verified(self) -> bool:
        """Whether the score was read in its own source or in a text that repeats it."""
        return self.evidence.startswith("read-")

    @field_validator("scores")
    @classmethod
    def _are_of_known_metrics(cls, scores: dict[str, float]) -> dict[str, float]:
        from mirnet.metrics.registry import METRICS, OPTIONAL

        known = METRICS | OPTIONAL
        for key, value in scores.items():
            if key not in known:
                raise ValueError(f"unknown metric {key}: choose one of {', '.join(known)}")
            if not 0 < value <= known[key].max_value:
                raise ValueError(f"{key} = {value} must lie between 0 and {known[key].max_value:g}")
        return scores


class WeightsEntry(BaseModel):
    """One row of the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Text
    """Short name used on the command line, in the page and in results."""
    title: Text
    """Name shown in lists."""
    task: str
    """Id of the task; empty for hub weights of unknown task."""
    architecture: Architecture | Literal[""]
    """Name of the network; empty for weights that were not opened yet."""
    kind: Kind
    """Origin of the weights."""
    licence: Text
    """Licence of the weights."""
    source: Text
    """Authors of the weights."""
    trained_on: Text = "unknown"
    """Training data in words."""
    licence_url: Address | None = None
    """Address of the licence text."""
    source_url: Address | None = None
    """Home page of the authors."""
    page_url: Address | None = None
    """Page for downloading the file with a browser."""
    file: FileName | None = None
    """Embedded weights: file name inside `EMBEDDED_FOLDER`."""
    url: Address | None = None
    """Direct address of the file."""
    drive_id: Text | None = None
    """Google Drive id of the file."""
    repo: Text | None = None
    """Hub weights: repository 'org/name'."""
    revision: Text | None = None
    """Hub weights: branch, tag or commit."""
    filename: FileName | None = None
    """Name of the file at its source."""
    size_bytes: Annotated[int, Field(gt=0)] | None = None
    """Size of the file at its source in bytes."""
    size_is_expected: bool = False
    """Whether the size is computed from the number of parameters rather than read at the source."""
    sha256: Sha256 | None = None
    """Hash of the file at its source; None if unknown."""
    published: Annotated[tuple[PublishedScore, ...], Field(strict=False)] = ()
    """Scores published by others."""
    protocol: str = ""
    """Convention by which the published scores were computed."""
    limits: str = ""
    """Limits of these weights in words."""

    @property
    def downloadable(self) -> bool:
        """Whether `mirnet.weights.fetch` can download the file; otherwise it must be imported."""
        return bool(self.url or self.drive_id or self.repo)


class OwnScore(BaseModel):
    """A score we measured for our own weights, from their card."""

    model_config = ConfigDict(frozen=True, strict=True)

    benchmark: str
    """Name and split of the set of pictures."""
    protocol: str
    """Convention by which PSNR and SSIM were computed."""
    pairs: int
    """Number of pictures."""
    psnr_db: float
    """Mean PSNR of the results in decibels."""
    ssim: float | None
    """Mean SSIM of the results."""
    input_psnr_db: float | None
    """Mean PSNR of the unrestored pictures in decibels."""
    input_ssim: float | None
    """Mean SSIM of the unrestored pictures."""
    data_sha256: str
    """Hash of the list of pictures measured on."""


class Card(BaseModel):
    """Card of our own weights: how they were trained, and their scores."""

    model_config = ConfigDict(frozen=True, strict=True)  # ignores fields of later versions

    id: str
    """Name of the weights file without its suffix."""
    task: str
    """Id of the task; one of them if the weights serve several."""
    architecture: Architecture
    """The network."""
    config: dict[str, Any]
    """Keyword arguments that build the network."""
    trained_on: str
    """Training pictures in a sentence."""
    steps: int
    """Optimiser steps."""
    hours: float
    """Wall-clock hours of training."""
    licence: str
    """Licence of the weights."""
    sha256: Sha256
    """Hash of the safetensors file."""
    scores: tuple[OwnScore, ...]
    """Scores we measured."""
    notes: str = ""
    """Further remarks."""


def load_catalogue() -> dict[str, WeightsEntry]:
    """Load all weights that can be offered now, by id.

    Embedded weights without their file are left out; imported and fetched Hub weights are added.
    The table is read once, the cache folder every time.

    Raises:
        ValueError: catalogue.toml is invalid, which is a bug.
    """
    known = read_catalogue(CATALOGUE_FILE)
    entries = {
        key: entry
        for key, entry in known.items()
        if entry.kind != "embedded" or (EMBEDDED_FOLDER / str(entry.file)).is_file()
    }
    for record in store.read_records():
        if record.id not in known:
            entries[record.id] = entry_of_record(record)
    return entries


def entries_for(task_id: str) -> list[WeightsEntry]:
    """Weights for one task: embedded first, then official, hub and imported ones."""
    entries = [entry for entry in load_catalogue().values() if entry.task == task_id]
    return sorted(entries, key=lambda entry: _KIND_ORDER.index(entry.kind))


def get_entry(weights_id: str) -> WeightsEntry:
    """Look up weights by id.

    Raises:
        WeightsUnavailable: The id is unknown, or its embedded file is not in this copy.
    """
    entries = load_catalogue()
    if weights_id in entries:
        return entries[weights_id]
    if weights_id in read_catalogue(CATALOGUE_FILE):
        raise WeightsUnavailable(
            f"The weights {weights_id!r} are not part of this copy: choose others from "
            "`python -m mirnet weights list`."
        )
    if hub := hub_entry(weights_id):
        return hub
    raise WeightsUnavailable(
        f"There are no weights {weights_id[:80]!r}: choose from `python -m mirnet weights list`."
    )


def is_reserved(weights_id: str) -> bool:
    """Whether catalogue.toml has this id, even if its file is not in this copy."""
    return weights_id in read_catalogue(CATALOGUE_FILE)


def is_valid_id(weights_id: str) -> bool:
    """Whether imported weights may have this id: 1 to 64 of a-z, 0-9, '.', '_' and '-'."""
    return bool(_ID.fullmatch(weights_id))


def hub_entry(weights_id: str, task: str = "") -> WeightsEntry | None:
    """Make a provisional entry for 'hub:org/name@revision'; None for other ids.

    Args:
        weights_id: Id of the form above; the default revision is 'main'.
        task: Id of the task, or empty.
    """
    match = _HUB_ID.fullmatch(weights_id)
    if match is None or ".." in weights_id:
        return None
    return WeightsEntry(
        id=weights_id,
        title=weights_id.removeprefix(HUB_PREFIX),
        task=task,
        architecture="",
        kind="hub",
        licence="see its page on the Hub",
        source=match[1].split("/")[0],
        repo=match[1],
        revision=match[2] or "main",
        filename=DEFAULT_HUB_FILE,
    )


def entry_of_record(record: store.Record) -> WeightsEntry:
    """Make the entry of weights that are in the cache but not in catalogue.toml."""
    hub = hub_entry(record.id)
    return WeightsEntry(
        id=record.id,
        title=record.title,
        task=record.task,
        architecture=record.architecture,
        kind=record.kind,
        licence=record.licence,
        source=record.origin,
        repo=hub.repo if hub else None,
        revision=hub.revision if hub else None,
        filename=hub.filename if hub else None,
        sha256=record.original_sha256 or None,
    )


def read_card(entry: WeightsEntry) -> Card | None:
    """Read the card of embedded weights (`.json` beside the file); None if there is none.

    Weights of several tasks may share a file and so its card.

    Raises:
        ValueError: The card is damaged or lacks a field, which is a bug.
    """
    if entry.kind != "embedded":
        return None
    path = EMBEDDED_FOLDER / Path(str(entry.file)).with_suffix(".json")
    if not path.is_file():
        return None
    try:
        card = Card.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"The card {path.name} is wrong: {_first(error)}") from error
    if card.id != path.stem:
        raise ValueError(f"The card {path.name} has another id: {card.id}")
    return card


def scores(entry: WeightsEntry) -> list[OwnScore]:
    """Scores we measured for embedded weights; empty for all others.

    Raises:
        ValueError: See `read_card`.
    """
    card = read_card(entry)
    return list(card.scores) if card else []


class _Table(BaseModel):
    """Contents of a catalogue file before families are applied."""

    model_config = ConfigDict(extra="forbid", strict=True)

    families: dict[str, dict[str, Any]] = {}
    weights: list[dict[str, Any]] = []


@lru_cache(maxsize=4)
def read_catalogue(path: Path) -> dict[str, WeightsEntry]:
    """Read and check a catalogue file.

    Args:
        path: A TOML file laid out like catalogue.toml.

    Returns:
        Entries by id, in the file's order.

    Raises:
        ValueError: A field is unknown, missing, of the wrong type or out of range.
    """
    try:
        table = _Table.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name}: {error}") from error
    except ValidationError as error:
        raise ValueError(f"{path.name}: {_first(error)}") from error
    entries: dict[str, WeightsEntry] = {}
    for number, row in enumerate(table.weights, 1):
        where = f"{path.name}, weights {row.get('id', number)!r}"
        family = row.pop("family", None)
        if family is not None and family not in table.families:
            raise ValueError(f"{where}: there is no family {family!r}")
        try:
            entry = WeightsEntry.model_validate({**table.families.get(family, {}), **row})
        except ValidationError as error:
            raise ValueError(f"{where}: {_first(error)}") from error
        if entry.id in entries:
            raise ValueError(f"{where}: the id is used twice")
        if problem := _problem(entry):
            raise ValueError(f"{where}: {problem}")
        entries[entry.id] = entry
    return entries


def _problem(entry: WeightsEntry) -> str | None:
    """Describe what is wrong with a row of the table; None if nothing."""
    if not is_valid_id(entry.id):
        return "an id is 1 to 64 of a-z, 0-9, '.', '_' and '-'"
    if entry.task not in TASKS:
        return f"task must be one of {', '.join(TASKS)}"
    if not entry.architecture or entry.trained_on == "unknown":
        return "architecture and trained_on must be given"
    needed = {
        "embedded": (entry.file, "a file"),
        "official": (
            entry.url or entry.drive_id or (entry.filename and entry.page_url),
            "a url, a drive_id, or a filename and a page_url to get it from",
        ),
        "hub": (entry.repo and entry.revision and entry.filename, "repo, revision and filename"),
        "imported": (None, "another kind: imported ones are never in the table"),
    }
    given, words = needed[entry.kind]
    if not given:
        return f"{entry.kind} weights need {words}"
    if sum(value is not None for value in (entry.file, entry.url, entry.drive_id, entry.repo)) > 1:
        return "only one of file, url, drive_id and repo may be given"
    return None


def _first(error: ValidationError) -> str:
    """First problem of a validation error, as 'field: reason'."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
