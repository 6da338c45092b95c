"""Restored pictures that anybody's code has written to a folder, as a method.

Nothing is computed: each pair's result is read from the folder, found by the pair's name. BasicSR
and others append the network's name to each file (`baby_MIRNet.png`): an ending that all files
share is left out where no file has the pair's own name. A result that is missing or of another size
fails for its pair alone.
"""

import hashlib
import os
from functools import partial
from pathlib import Path

from eval.data.pairs import BenchmarkUnavailable
from eval.data.readers.files import LocalFiles, read_file
from eval.data.readers.pairing import safe_id
from mirnet.errors import ImageRejected, InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.folder_pairs import is_picture
from mirnet.images.picture import Picture
from mirnet.tasks import Task

from .method import Method, Output, Restorer, checked, checked_settings
from .method_record import MethodRecord
from .settings import Settings

SEPARATORS = "_-. "
"""Characters that an ending shared by all files begins with."""


class ImportedSettings(Settings):
    """Location of imported results."""

    folder: str
    """Absolute path of the folder."""
    ending: str = ""
    """Text behind the pair's name in every file, such as '_MIRNet'; "" for none."""


def new_settings(path: str, name: str) -> dict[str, str]:
    """Look into a folder of results: its settings as a method of a new run.

    Raises:
        InvalidRequest: There is no such folder, or it holds no pictures.
    """
    folder = Path(os.path.expanduser(path)).absolute()  # ~nobody stays as it is
    stems = [Path(file).stem for file in _pictures(folder, name)]
    if not stems:
        raise InvalidRequest(
            f"The folder {folder} of {name!r} holds no pictures: name the one with the results."
        )
    return {"folder": str(folder), "ending": _shared_ending(stems)}


def imported_method(method_id: str, task: Task, given: dict) -> Method:
    """Make a method of a folder of results.

    Raises:
        InvalidRequest: The settings are damaged.
    """
    settings = checked_settings(ImportedSettings, given, method_id)
    info = MethodRecord(
        id=method_id, title=method_id, kind="imported", settings=settings.model_dump()
    )
    return Method(info, partial(_load, method_id, task, settings))


def _load(method_id: str, task: Task, settings: ImportedSettings) -> Restorer:
    folder = Path(settings.folder)
    files, names = LocalFiles(folder), _by_name(_pictures(folder, method_id))

    def run(picture: Picture, size: tuple[int, int]) -> Output:
        return _result(files, names, settings.ending, picture.name, size)

    return checked(method_id, task, run)


def _result(
    files: LocalFiles, names: dict[str, list[str]], ending: str, pair: str, size: tuple[int, int]
) -> Output:
    """Read the result of one pair, and hash its file."""
    found = names.get(pair) or (ending and names.get(safe_id([pair + ending]))) or []
    if len(found) != 1:
        trouble = f"{' and '.join(found[:2])} are both results" if found else "there is no result"
        raise InvalidRequest(
            f"{trouble} of pair {pair!r} in {files.folder.name}: it needs one picture of that "
            f"name, such as {pair}.png."
        )
    name = found[0]
    try:
        content = read_file(files, name)
        pixels = read_image(content).pixels
    except (BenchmarkUnavailable, ImageRejected) as error:
        raise InvalidRequest(f"{name} cannot be read: {error}") from error
    if pixels.shape[:2] != size:
        raise InvalidRequest(
            f"{name} has {pixels.shape[1]} x {pixels.shape[0]} pixels where {size[1]} x {size[0]} "
            f"belong to pair {pair!r}: write the result at the size of its target."
        )
    return Output(pixels, file_sha256=hashlib.sha256(content).hexdigest())


def _pictures(folder: Path, method_id: str) -> list[str]:
    try:
        return [name for name in LocalFiles(folder).names() if is_picture(name)]
    except BenchmarkUnavailable as error:
        raise InvalidRequest(
            f"The results of {method_id!r} cannot be read from {folder}: check that the folder is "
            "there."
        ) from error


def _by_name(pictures: list[str]) -> dict[str, list[str]]:
    """Files by the names that pairs may have: the stem, and the path for files in subfolders."""
    found: dict[str, list[str]] = {}
    for name in pictures:
        path = Path(name)
        for key in {safe_id([path.stem]), safe_id([*path.parts[:-1], path.stem])}:
            found.setdefault(key, []).append(name)
    return found


def _shared_ending(stems: list[str]) -> str:
    """Longest text that all stems end with and that begins with a separator; "" for one file.

    >>> _shared_ending(["baby_MIRNet_x2", "bird_MIRNet_x2"]), _shared_ending(["a1", "b1"])
    ('_MIRNet_x2', '')
    """
    if len(stems) < 2:
        return ""
    common = os.path.commonprefix([stem[::-1] for stem in stems])[::-1]
    starts = [common.find(mark) for mark in SEPARATORS if mark in common]
    return common[min(starts) :] if starts else ""
