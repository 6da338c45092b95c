"""Imports weights files of the user, and deletes imported or downloaded weights."""

import re
import shutil
import tempfile
from pathlib import Path

from mirnet.errors import CheckpointRejected, InvalidRequest, WeightsUnavailable
from mirnet.files import file_sha256
from mirnet.tasks import TASKS, get_task

from . import catalogue, store
from .catalogue import WeightsEntry
from .convert import check_original, convert, make_folder
from .download_state import Transfer

WAIT_SECONDS = 30.0
"""Time that `import_file` and `forget` wait for another process that uses the same id."""


def import_file(
    path: str | Path,
    *,
    id: str | None = None,  # noqa: A002
    task: str | None = None,
    title: str | None = None,
) -> WeightsEntry:
    """Import a weights file: check it, convert it and store it in the cache.

    Args:
        path: Any file that `checkpoints.read_checkpoint` opens; not changed.
        id: An official id, whose known hash the file must have, or a new id; None makes one from
            the file's name.
        task: Id of the task; None for that of the official id, or the one in the file.
        title: Name shown in lists; None for the file's name.

    Returns:
        The new entry of the catalogue.

    Raises:
        CheckpointRejected: The file is unsafe, damaged, or fits no network of ours.
        InvalidRequest: The id or task is invalid, or the task is unknown.
        WeightsUnavailable: Another file was recorded for this official id.
    """
    path = Path(path)
    known = catalogue.read_catalogue(catalogue.CATALOGUE_FILE).get(id or "")
    if known is not None and known.kind == "embedded":
        raise InvalidRequest(f"{id!r} is the name of our own weights: choose another id.")
    is_named = id is not None
    if id is None:
        id = _id_from_name(path)  # noqa: A001
    if known is None and not catalogue.is_valid_id(id):
        raise InvalidRequest(
            f"{id[:80]!r} cannot be an id: use 1 to 64 of a-z, 0-9, '.', '_' and '-'."
        )
    if known is not None and task not in (None, known.task):
        raise InvalidRequest(
            f"{id!r} are weights for {known.task}, not {task}: leave --task out or choose another "
            "id."
        )
    task = known.task if known else task or store.read_notes(path).get("task")
    if not task:
        raise InvalidRequest(
            f"{path.name} does not say what it restores: add --task with one of {', '.join(TASKS)}."
        )
    get_task(task)
    if not path.is_file():
        raise CheckpointRejected(f"There is no weights file {path.name!r}: check the path.")
    folder = make_folder()
    entry = known or WeightsEntry(
        id=id,
        title=title or path.stem,
        task=task,
        architecture="",
        kind="imported",
        licence="unknown",
        source=path.name,
    )
    with store.weights_lock(id) as lock:
        if not lock.acquired(WAIT_SECONDS):
            raise WeightsUnavailable(f"Another process is busy with {id!r}: try again later.")
        work = Path(
            tempfile.mkdtemp(dir=folder, prefix=f"{store.file_stem(id)}.", suffix=".partial")
        )
        try:
            original = file_sha256(path)
            if known is not None:  # a file of one's own may change at will
                check_original(entry, original, None)
            before = store.read_record(id)
            if not is_named and before and before.original_sha256 not in ("", original):
                raise InvalidRequest(
                    f"{path.name} would replace the weights {id!r}, which were made from another "
                    "file: choose an id with --as, or that one to replace them."
                )
            transfer = Transfer(max_bytes=0, folder=work)
            convert(path, entry, path.name, original, transfer)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return catalogue.load_catalogue()[id]


def forget(weights_id: str) -> bool:
    """Delete cached weights and the hash recorded for them, so that a changed file is accepted.

    Returns:
        Whether there was anything to delete.

    Raises:
        WeightsUnavailable: The weights are embedded, or another process uses them.
    """
    entry = catalogue.read_catalogue(catalogue.CATALOGUE_FILE).get(weights_id)
    if entry is not None and entry.kind == "embedded":
        raise WeightsUnavailable(f"{weights_id!r} are part of the program and cannot be forgotten.")
    files = [store.cached_file(weights_id), store.record_file(weights_id)]
    if not any(file.exists() for file in files):
        return False
    with store.weights_lock(weights_id) as lock:
        if not lock.acquired(WAIT_SECONDS):
            raise WeightsUnavailable(
                f"Another process is busy with {weights_id!r}: try again later."
            )
        for file in files:
            file.unlink(missing_ok=True)
    return True


def _id_from_name(path: Path) -> str:
    stem = re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._")[:50] or "imported"
    return f"{stem}-imported" if catalogue.is_reserved(stem) else stem
