"""Converts a checked foreign weights file into the cache, under a lock of its id."""

import errno
import re
import shutil
import tempfile
from pathlib import Path

from mirnet.errors import CheckpointRejected, InvalidRequest, MIRNetError, WeightsUnavailable
from mirnet.files import cache_folder, file_sha256
from mirnet.tasks import get_task

from . import store
from .catalogue import WeightsEntry
from .download import by_hand
from .download_state import Transfer


def convert(
    path: Path, entry: WeightsEntry, origin: str, original_sha256: str, transfer: Transfer
) -> Path:
    """Open a foreign file safely, check every tensor, and put it into the cache in one step.

    Args:
        entry: Entry of the catalogue to store the weights under.
        origin: Address or file name, for the record.
        original_sha256: Hash of the foreign file, for the record.
        transfer: Holds the working folder, on the cache's disk, and a way to stop.

    Returns:
        Path of the converted file in the cache.

    Raises:
        CheckpointRejected: The file fits no network of ours, or another one than the entry's.
        Stopped: The caller has asked to stop.
    """
    from .checkpoints import read_checkpoint
    from .networks import build_model, save_weights

    notes = store.read_notes(path)
    model = build_model(read_checkpoint(path), path.name)
    architecture = model.architecture
    if entry.architecture not in ("", architecture):
        raise CheckpointRejected(
            f"{path.name} holds a {architecture}, but {entry.id!r} are weights of "
            f"{entry.architecture}: import it under another id."
        )
    notes = {
        "id": entry.id,
        "kind": entry.kind,
        "task": entry.task or _task_of(notes),
        "title": entry.title,
        "architecture": architecture,
        "origin": origin,
        "original_sha256": original_sha256,
        "licence": entry.licence,
    }
    converted = save_weights(model, transfer.folder / "converted.safetensors", notes)
    record = store.Record.model_validate({**notes, "sha256": file_sha256(converted)})
    transfer.check()
    target = store.cached_file(entry.id)
    converted.replace(target)
    store.write_record(record)
    return target


def _task_of(notes: dict[str, str]) -> str:
    try:
        return get_task(notes.get("task", "")).id
    except InvalidRequest:
        return ""


def check_original(entry: WeightsEntry, original: str, promised: str | None) -> None:
    """Compare a file's hash with every hash known for its entry.

    Raises:
        WeightsUnavailable: A known hash differs.
    """
    if promised is not None and original != promised:
        raise WeightsUnavailable(
            f"The file of {entry.id!r} arrived with sha256 {original[:12]} where its server "
            f"promised {promised[:12]}: it was damaged on the way, try again."
        )
    if entry.kind == "official" and entry.sha256 not in (None, original):
        raise WeightsUnavailable(
            f"The file of {entry.id!r} has sha256 {original[:12]}, the catalogue expects "
            f"{str(entry.sha256)[:12]}: it is damaged or another file, so it is not used; "
            f"{by_hand(entry)}."
        )
    record = store.read_record(entry.id)
    if record is not None and record.original_sha256 not in ("", original):
        raise WeightsUnavailable(
            f"The file of {entry.id!r} has sha256 {original[:12]}, but the first one seen had "
            f"{record.original_sha256[:12]}: its source has changed it; if you trust the new one, "
            f"run `python -m mirnet weights forget {entry.id}` and try again."
        )


def make_folder() -> Path:
    """Create the folder for weights and check that it can be written to.

    Raises:
        WeightsUnavailable: The disk is full, or the folder is read-only.
    """
    folder = store.weights_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise disk_trouble(error) from error
    return folder


def disk_trouble(error: OSError) -> MIRNetError:
    """Make an error with a way out of a failure to write into the cache folder."""
    if error.errno == errno.ENOSPC:
        return WeightsUnavailable(
            f"The disk of the cache folder {cache_folder()} is full: make room, or point "
            "MIRNET_CACHE at a folder on another disk."
        )
    return WeightsUnavailable(
        f"The cache folder {cache_folder()} cannot be written ({error.strerror or error}): "
        "point MIRNET_CACHE at a folder of yours."
    )


def sweep(weights_id: str) -> None:
    """Remove remains of killed processes; the caller holds the id's lock."""
    pattern = re.compile(re.escape(store.file_stem(weights_id)) + r"\.\w+\.partial")
    for leftover in store.weights_folder().iterdir():
        if pattern.fullmatch(leftover.name):
            shutil.rmtree(leftover, ignore_errors=True)
