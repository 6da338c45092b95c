"""Finds, checks by hash and loads weights on this machine; never opens a connection."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cachetools import LRUCache

from mirnet.device import ThreadLock
from mirnet.errors import CheckpointRejected, WeightsUnavailable
from mirnet.files import file_sha256

from . import catalogue, store
from .catalogue import WeightsEntry
from .download import by_hand
from .download_state import megabytes

if TYPE_CHECKING:
    from mirnet.models.mirnet import MIRNet
    from mirnet.models.mirnet_v2 import MIRNetV2

MAX_BYTES = 512 * 2**20
"""Memory limit in bytes of the networks that `load` keeps: all compact ones and three of the
authors' largest, which have 127 MB. The newest stays, whatever its size."""


def _kept_bytes(loaded: "LoadedWeights") -> int:
    """Size of a network in the cache, which holds one of any size."""
    return min(loaded.nbytes, MAX_BYTES)


_models: "LRUCache[tuple[str, int, int], LoadedWeights]" = LRUCache(MAX_BYTES, _kept_bytes)
_models_lock = ThreadLock()


@dataclass(frozen=True)
class LoadedWeights:
    """A network in memory and the file it was loaded from."""

    id: str
    """Id in the catalogue, or the name of a file given by path."""
    model: "MIRNet | MIRNetV2"
    """The network in evaluation mode on the CPU; shared, so do not change it."""
    sha256: str
    """Hash of the file that was loaded."""
    path: Path
    """The file that was loaded."""
    entry: WeightsEntry | None
    """Row of the catalogue; None for a file given by path."""

    @property
    def nbytes(self) -> int:
        """Memory of the network's parameters in bytes."""
        return sum(value.nbytes for value in self.model.parameters())


def locate(weights_id: str) -> Path | None:
    """Find the file with these weights on this machine; None if it is absent."""
    entry = catalogue.read_catalogue(catalogue.CATALOGUE_FILE).get(weights_id)
    if entry is not None and entry.kind == "embedded":
        path = catalogue.EMBEDDED_FOLDER / str(entry.file)
    else:
        path = store.cached_file(weights_id)
    return path if path.is_file() else None


def load(id_or_path: str | Path, *, allow_paths: bool = False) -> LoadedWeights:
    """Load weights, or take them from the networks kept in memory; never opens a connection.

    Safe to call from several threads; one file is read at a time.

    Args:
        id_or_path: Id in the catalogue, 'hub:org/name@revision', or, where allowed, the path of a
            weights file or of a folder with model.safetensors.
        allow_paths: Accept paths. Leave this off for untrusted input.

    Raises:
        WeightsUnavailable: Unknown id, not downloaded yet, or changed on disk.
        CheckpointRejected: The file fits no network of ours.
    """
    name = str(id_or_path)
    entry: WeightsEntry | None = None
    if isinstance(id_or_path, Path) and allow_paths:
        path = _file_at(id_or_path)
    else:
        try:
            entry = catalogue.get_entry(name)
            path = present_file(entry)
        except WeightsUnavailable:
            if entry is not None or not allow_paths or not Path(name).exists():
                raise
            path = _file_at(Path(name))
    from .networks import load_weights

    with _models_lock:
        status = path.stat()
        key = (str(path.resolve()), status.st_mtime_ns, status.st_size)
        if kept := _models.get(key):
            return replace(kept, id=entry.id if entry else path.name, entry=entry)
        sha256 = file_sha256(path)
        if entry is not None and expected_hashes(entry)[0] not in (None, sha256):
            raise changed_on_disk(entry)
        loaded = LoadedWeights(
            entry.id if entry else path.name, load_weights(path), sha256, path, entry
        )
        _models[key] = loaded
        return loaded


def present_file(entry: WeightsEntry) -> Path:
    """Find the file of an entry.

    Raises:
        WeightsUnavailable: The file is not on this machine.
    """
    path = locate(entry.id)
    if path is not None:
        return path
    if not entry.downloadable:
        raise WeightsUnavailable(f"{entry.id!r} is not here yet: {by_hand(entry)}.")
    size = f" (about {megabytes(entry.size_bytes)})" if entry.size_bytes else ""
    raise WeightsUnavailable(
        f"{entry.id!r} is not downloaded yet{size}: download it first, in the page or with "
        f"`python -m mirnet weights fetch {entry.id}`."
    )


def expected_hashes(entry: WeightsEntry) -> tuple[str | None, str | None]:
    """Recorded hashes of the file and of the original it was converted from; None if unknown."""
    if entry.kind == "embedded":
        card = catalogue.read_card(entry)
        return (card.sha256 if card else None), None
    record = store.read_record(entry.id)
    if record is None:
        return None, None
    return record.sha256 or None, record.original_sha256 or None


def changed_on_disk(entry: WeightsEntry) -> WeightsUnavailable:
    """Make the error for a file whose hash differs from the recorded one."""
    if entry.kind == "embedded":
        return WeightsUnavailable(
            f"The file of {entry.id!r} does not have the hash on its card, so it is not used: "
            "get the program's files again."
        )
    return WeightsUnavailable(
        f"The file of {entry.id!r} changed on disk after it was checked, so it is not used: run "
        f"`python -m mirnet weights forget {entry.id}` and fetch or import it again."
    )


def _file_at(path: Path) -> Path:
    """Resolve a path to a weights file, or to the one in a folder written by `save_pretrained`."""
    if not path.is_dir():
        return path
    inside = path / catalogue.DEFAULT_HUB_FILE
    if not inside.is_file():
        raise CheckpointRejected(
            f"The folder {path.name!r} has no {catalogue.DEFAULT_HUB_FILE}: give a folder written "
            "by `save_pretrained`, or a weights file."
        )
    return inside
