"""What weights exist: the table in catalogue.toml, the cards beside our own files, the cache.

Weights are *embedded* (ours, inside the package), *official* (the authors', downloaded on request),
*hub* (a repository of the Hugging Face Hub) or *imported* (a person's own file). This module only
describes them; mirnet/weights/load.py finds, downloads and loads them. It imports no torch.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mirnet.errors import WeightsUnavailable
from mirnet.tasks import TASKS

from . import store as cache

CATALOGUE_FILE = Path(__file__).parent / "catalogue.toml"
"""The table of all weights the product knows."""
EMBEDDED_FOLDER = Path(__file__).parent / "files"
"""Where our own safetensors and their cards are."""
ARCHITECTURES = ("MIRNet", "MIRNetV2")
"""The two networks, by class name."""
KINDS = ("embedded", "official", "hub", "imported")
"""Where weights can come from, in the order lists show them."""
EVIDENCE = ("read-primary", "read-secondary", "memory-unverified")
"""How far a published score was traced."""
DEFAULT_HUB_FILE = "model.safetensors"
"""The file PyTorchModelHubMixin writes."""
HUB_PREFIX = "hub:"
"""What ids of weights on the Hugging Face Hub begin with."""

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HUB_ID = re.compile(r"hub:([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PublishedScore:
    """A number somebody published for these weights."""

    benchmark: str
    """Name of the set of pictures, as in the paper."""
    psnr_db: float | None
    """PSNR in decibels; None where only SSIM is given."""
    ssim: float | None
    """SSIM; None where only PSNR is given."""
    source: str
    """Where the number was read."""
    evidence: str
    """One of `EVIDENCE`."""
    method: str
    """Which variant or re-run the number belongs to."""

    @property
    def verified(self) -> bool:
        """Whether the number was read in a text, its own or another's that repeats it."""
        return self.evidence.startswith("read-")


@dataclass(frozen=True)
class OwnScore:
    """A number we measured for our own weights, from their card."""

    benchmark: str
    """Name and split of the set of pictures."""
    protocol: str
    """How PSNR and SSIM were computed."""
    pairs: int
    """How many pictures."""
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


@dataclass(frozen=True)
class Card:
    """What the card beside our own weights says: how they were made and what they reach."""

    id: str
    """Name of the weights file without its suffix."""
    task: str
    """Id of the task, or of one of them."""
    architecture: str
    """One of `ARCHITECTURES`."""
    config: Mapping[str, Any]
    """Keyword arguments that build the network."""
    trained_on: str
    """The training pictures in a sentence."""
    steps: int
    """Optimiser steps."""
    hours: float
    """Wall-clock hours of training."""
    licence: str
    """Licence of the weights."""
    sha256: str
    """Hash of the safetensors file."""
    scores: tuple[OwnScore, ...]
    """What we measured."""
    notes: str = ""
    """Anything a reader should know."""


@dataclass(frozen=True)
class WeightsEntry:
    """One row of the catalogue."""

    id: str
    """Short name used on the command line, in the page and in results."""
    title: str
    """Name shown in lists."""
    task: str
    """Id of the task; empty for hub weights nobody gave a task."""
    architecture: str
    """One of `ARCHITECTURES`."""
    kind: str
    """One of `KINDS`."""
    licence: str
    """Licence of the weights."""
    source: str
    """Who made them."""
    trained_on: str = "unknown"
    """The training data."""
    licence_url: str | None = None
    """Where the licence can be read."""
    source_url: str | None = None
    """Home page of whoever made them."""
    page_url: str | None = None
    """Page where a person can download the file with a browser."""
    file: str | None = None
    """Embedded weights: file name inside `EMBEDDED_FOLDER`."""
    url: str | None = None
    """Direct address of the file."""
    drive_id: str | None = None
    """Google Drive id of the file."""
    repo: str | None = None
    """Hub weights: 'org/name'."""
    revision: str | None = None
    """Hub weights: branch, tag or commit."""
    filename: str | None = None
    """Name of the file at its source."""
    size_bytes: int | None = None
    """Size of the file at its source in bytes."""
    size_is_expected: bool = False
    """Whether the size is computed from the number of parameters rather than read at the source."""
    sha256: str | None = None
    """Hash of the file at its source, where its makers or we know it."""
    published: tuple[PublishedScore, ...] = field(default=())
    """Scores others published."""
    protocol: str = ""
    """How those scores are computed."""
    limits: str = ""
    """What these weights cannot do."""

    @property
    def downloadable(self) -> bool:
        """Whether `weights.fetch` can get the file; otherwise a person brings it."""
        return bool(self.url or self.drive_id or self.repo)


def load_catalogue() -> dict[str, WeightsEntry]:
    """All weights that can be offered now, by id.

    Embedded ones whose file is absent are left out. Weights the person imported or fetched from the
    Hub are added. The table itself is read once; the cache folder is looked at every time.

    Raises:
        ValueError: catalogue.toml is wrong, which is a bug.
    """
    known = read_catalogue(CATALOGUE_FILE)
    entries = {
        key: entry
        for key, entry in known.items()
        if entry.kind != "embedded" or (EMBEDDED_FOLDER / str(entry.file)).is_file()
    }
    for record in cache.read_records():
        if record.id not in known:
            entries[record.id] = entry_of_record(record)
    return entries


def entries_for(task_id: str) -> list[WeightsEntry]:
    """Weights for one task: embedded first, then official, hub and imported ones."""
    entries = [entry for entry in load_catalogue().values() if entry.task == task_id]
    return sorted(entries, key=lambda entry: KINDS.index(entry.kind))


def get_entry(weights_id: str) -> WeightsEntry:
    """Look weights up.

    Raises:
        WeightsUnavailable: No weights have this id, or they are ours but not in this copy.
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
    """Whether the product's own table uses this id, offered in this copy or not."""
    return weights_id in read_catalogue(CATALOGUE_FILE)


def is_valid_id(weights_id: str) -> bool:
    """Whether imported weights may have this id: 1 to 64 of a-z, 0-9, '.', '_' and '-'."""
    return bool(_ID.fullmatch(weights_id))


def hub_entry(weights_id: str, task: str = "") -> WeightsEntry | None:
    """Describe 'hub:org/name@revision' before anything is known about it; None for other ids.

    Args:
        weights_id: As above; the revision is 'main' where none is given.
        task: Id of the task, where the person named one.
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


def entry_of_record(record: cache.Record) -> WeightsEntry:
    """Describe weights that only the cache knows."""
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
    """The card of embedded weights, `.json` beside the file; None for others or without one.

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
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {item.name for item in fields(Card)}
        values = {key: value for key, value in content.items() if key in names}
        values["scores"] = tuple(OwnScore(**score) for score in content["scores"])
        card = Card(**values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"The card {path.name} is wrong: {error}") from error
    if card.id != path.stem or not _SHA256.fullmatch(card.sha256):
        raise ValueError(f"The card {path.name} has another id, or no sha256 of 64 hex digits")
    return card


def scores(entry: WeightsEntry) -> list[OwnScore]:
    """What we measured for embedded weights; empty for all others.

    Raises:
        ValueError: See `read_card`.
    """
    card = read_card(entry)
    return list(card.scores) if card else []


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
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name}: {error}") from error
    _refuse_unknown(content, {"families", "weights"}, path.name)
    families, tables = content.get("families", {}), content.get("weights", [])
    if not isinstance(families, dict) or not isinstance(tables, list):
        raise ValueError(f"{path.name}: write [families.NAME] and [[weights]] tables")
    entries: dict[str, WeightsEntry] = {}
    for number, table in enumerate(tables, 1):
        where = f"{path.name}, weights number {number}"
        if not isinstance(table, dict):
            raise ValueError(f"{where}: a table belongs here, not {table!r}")
        where = f"{path.name}, weights {table.get('id', number)!r}"
        family = table.pop("family", None)
        if family is not None and family not in families:
            raise ValueError(f"{where}: there is no family {family!r}")
        entry = _checked_entry({**families.get(family, {}), **table}, where)
        if entry.id in entries:
            raise ValueError(f"{where}: the id is used twice")
        entries[entry.id] = entry
    return entries


def _checked_entry(table: dict[str, Any], where: str) -> WeightsEntry:
    _refuse_unknown(table, {item.name for item in fields(WeightsEntry)}, where)
    published = tuple(
        _checked_score(score, f"{where}, published score {number}")
        for number, score in enumerate(table.pop("published", []), 1)
    )
    for name, value in table.items():
        wanted = {"size_bytes": int, "size_is_expected": bool}.get(name, str)
        if type(value) is not wanted or value == "":
            raise ValueError(f"{where}: {name} must be a {wanted.__name__}, not {value!r}")
    missing = {"id", "title", "task", "architecture", "kind", "licence", "source", "trained_on"}
    if missing := missing - table.keys():
        raise ValueError(f"{where}: {', '.join(sorted(missing))} missing")
    entry = WeightsEntry(**table, published=published)
    _check_values(entry, where)
    return entry


def _check_values(entry: WeightsEntry, where: str) -> None:
    choices = {
        "task": tuple(TASKS),
        "architecture": ARCHITECTURES,
        "kind": ("embedded", "official", "hub"),
    }
    for name, allowed in choices.items():
        if getattr(entry, name) not in allowed:
            raise ValueError(f"{where}: {name} must be one of {', '.join(allowed)}")
    if not is_valid_id(entry.id):
        raise ValueError(f"{where}: an id is 1 to 64 of a-z, 0-9, '.', '_' and '-'")
    if entry.sha256 is not None and not _SHA256.fullmatch(entry.sha256):
        raise ValueError(f"{where}: sha256 must be 64 lower-case hexadecimal digits")
    if entry.size_bytes is not None and entry.size_bytes <= 0:
        raise ValueError(f"{where}: size_bytes must be positive")
    for name in ("file", "filename"):
        value = getattr(entry, name)
        if value is not None and Path(value).name != value:
            raise ValueError(f"{where}: {name} must be a plain file name")
    for name in ("url", "page_url", "licence_url", "source_url"):
        value = getattr(entry, name)
        if value is not None and not _is_safe_address(value):
            raise ValueError(f"{where}: {name} must be an https address")
    origins = {
        "embedded": [entry.file],
        "official": [entry.url or entry.drive_id or (entry.filename and entry.page_url)],
        "hub": [entry.repo, entry.revision, entry.filename],
    }
    if not all(origins[entry.kind]):
        raise ValueError(
            f"{where}: {entry.kind} weights need "
            + {
                "embedded": "a file",
                "official": "a url, a drive_id, or a filename and a page_url to get it from",
                "hub": "repo, revision and filename",
            }[entry.kind]
        )
    if sum(value is not None for value in (entry.file, entry.url, entry.drive_id, entry.repo)) > 1:
        raise ValueError(f"{where}: only one of file, url, drive_id and repo may be given")


def _checked_score(table: dict[str, Any], where: str) -> PublishedScore:
    if not isinstance(table, dict):
        raise ValueError(f"{where}: a table belongs here, not {table!r}")
    _refuse_unknown(table, {item.name for item in fields(PublishedScore)}, where)
    for name in ("benchmark", "source", "method", "evidence"):
        if not isinstance(table.get(name), str) or not table[name]:
            raise ValueError(f"{where}: {name} must be a text")
    if table["evidence"] not in EVIDENCE:
        raise ValueError(f"{where}: evidence must be one of {', '.join(EVIDENCE)}")
    score = PublishedScore(**{"psnr_db": None, "ssim": None, **table})
    numbers = {"psnr_db": (score.psnr_db, 100), "ssim": (score.ssim, 1)}
    for name, (value, highest) in numbers.items():
        if value is not None and (type(value) is not float or not 0 < value <= highest):
            raise ValueError(f"{where}: {name} must be a decimal number up to {highest}")
    if score.psnr_db is None and score.ssim is None:
        raise ValueError(f"{where}: psnr_db or ssim must be given")
    return score


def _is_safe_address(value: str) -> bool:
    """Encrypted, or on this very machine (as in tests)."""
    parts = urlsplit(value)
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")
    return (parts.scheme == "https" and bool(parts.hostname)) or local


def _refuse_unknown(table: dict[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(table.keys() - known):
        raise ValueError(f"{where}: unknown field {unknown[0]!r}")
