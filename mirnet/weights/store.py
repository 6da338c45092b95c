"""The cache folder: converted weights, and one small JSON record beside each.

A record holds the origin of weights and the hashes of their files, so that a changed file at the
source is noticed. A damaged record counts as absent and is rebuilt from the notes in the
safetensors header. Nothing here imports torch or opens a connection.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mirnet.files import PathLock, cache_folder, file_sha256, write_file

_HEADER_LIMIT = 16 * 2**20
"""Longest safetensors header that is parsed, in bytes."""
Text = Annotated[str, Field(min_length=1)]
Hash = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
"""SHA-256 as 64 hexadecimal digits; empty if unknown."""


class Record(BaseModel):
    """Stored facts about downloaded or imported weights."""

    model_config = ConfigDict(frozen=True, strict=True)  # fields of later versions pass

    id: Text
    """Id in the catalogue, an id chosen by the user, or 'hub:org/name@revision'."""
    kind: Literal["official", "hub", "imported"]
    """Origin of the weights."""
    task: str
    """Id of the task; empty if unknown."""
    title: Text
    """Name shown in lists."""
    architecture: Literal["MIRNet", "MIRNetV2"]
    """Name of the network."""
    origin: Text
    """URL, Drive id or file name of the source."""
    original_sha256: Hash
    """Hash of the source's file at the first download; later downloads must have it too."""
    sha256: Hash
    """Hash of the converted safetensors in the cache; empty while only the original is known."""
    licence: Text = "unknown"
    """Licence stated by the source."""


def weights_folder() -> Path:
    """Folder in the cache for weights, records and locks; may not exist yet."""
    return cache_folder() / "weights"


def weights_lock(weights_id: str) -> PathLock:
    """Lock of one weights id across threads and processes."""
    return PathLock(weights_folder() / f"{file_stem(weights_id)}.lock")


def file_stem(weights_id: str) -> str:
    """File name for an id: the same on every machine, different for different ids.

    >>> file_stem("denoise-v2")
    'denoise-v2'
    """
    safe = re.sub(r"[^a-z0-9._-]+", "--", weights_id.lower()).strip(".-")
    if safe == weights_id:
        return safe
    return f"{safe[:80]}--{hashlib.sha256(weights_id.encode()).hexdigest()[:8]}"


def cached_file(weights_id: str) -> Path:
    """Path of the converted weights with this id; may not exist."""
    return weights_folder() / f"{file_stem(weights_id)}.safetensors"


def record_file(weights_id: str) -> Path:
    """Path of the record of these weights; may not exist."""
    return weights_folder() / f"{file_stem(weights_id)}.json"


def write_record(record: Record) -> None:
    """Store a record, replacing an older one in one step."""
    path = record_file(record.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, record.model_dump_json(indent=1))


def read_record(weights_id: str) -> Record | None:
    """Read the record of these weights, or rebuild it from the cached file.

    Returns:
        The record; None if neither a sound record nor a cached file exists.
    """
    record = _parse_record(record_file(weights_id))
    if record is not None and record.id == weights_id:
        return record
    record = _rebuilt_record(cached_file(weights_id))
    if record is None or record.id != weights_id:
        return None
    write_record(record)
    return record


def read_records() -> list[Record]:
    """Records of all weights whose converted file is in the cache, sorted by id."""
    found: dict[str, Record] = {}
    folder = weights_folder()
    for path in sorted(folder.glob("*.safetensors")) if folder.is_dir() else []:
        record = _parse_record(path.with_suffix(".json"))
        if record is None or cached_file(record.id) != path:
            record = _rebuilt_record(path)
            if record is None or cached_file(record.id) != path:
                continue
            write_record(record)
        found[record.id] = record
    return [found[key] for key in sorted(found)]


def _parse_record(path: Path) -> Record | None:
    try:
        return Record.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _rebuilt_record(path: Path) -> Record | None:
    """Rebuild a record from the header of a converted file and the file's current hash."""
    notes = read_notes(path)
    try:
        return Record.model_validate({**notes, "sha256": file_sha256(path)}) if notes else None
    except ValidationError:
        return None


def read_notes(path: Path) -> dict[str, str]:
    """Text notes in the header of a safetensors file, without torch; empty for any other file."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_HEADER_LIMIT, path.stat().st_size):
                return {}
            notes = json.loads(file.read(length)).get("__metadata__", {})
    except (OSError, ValueError, AttributeError):
        return {}
    if not isinstance(notes, dict):
        return {}
    return {str(key): value for key, value in notes.items() if isinstance(value, str)}
