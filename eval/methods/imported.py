"""Restored pictures that anybody's code has written to a folder, as a method.

Nothing is computed: each pair's result is read from the folder, found by the pair's name. What
programs write around it (`baby_MIRNet.png`, `restored_baby.png`) is found when a run begins, for
all pairs alike; a folder with several pictures of a pair is refused. A result that is missing or of
another size fails for its pair alone.
"""

import hashlib
import os
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import NamedTuple

from eval.data.bit_depth import RESULT_BITS, too_few_bits
from eval.data.pairs import BenchmarkUnavailable
from eval.data.readers.files import LocalFiles, read_file
from eval.data.readers.pairing import hashed_id, safe_id
from eval.data.result_names import Affixes, find_affixes, plain, words
from mirnet.errors import ImageRejected, InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.folder_pairs import PICTURE_SUFFIX, is_picture
from mirnet.images.picture import Picture
from mirnet.tasks import Task

from .method import Method, Output, Restorer, checked, checked_settings
from .method_record import MethodRecord
from .settings import Settings


class ImportedSettings(Settings):
    """Location of imported results."""

    folder: str
    """Absolute path of the folder."""
    prefix: str = ""
    """Text before the pair's name in every file, such as 'restored-'; "" for none."""
    ending: str = ""
    """Text behind the pair's name in every file, such as '-MIRNet'; "" for none."""


class ResultFiles(NamedTuple):
    """Files of a folder by the names that pairs may have: their stems, and paths in subfolders."""

    exact: dict[str, list[str]]
    """Files by the ids that `safe_id` makes, and `hashed_id` where two are alike."""
    loose: dict[str, list[str]]
    """Files by the names that `plain` makes, to which `img_1` and `img-1` are alike."""

    def of(self, pair: str, affixes: Affixes) -> list[str]:
        """Files that are called as a pair, with the affixes of all files of the run around it."""
        exact = self.exact.get(pair) if affixes == Affixes() else None
        return exact or self.loose.get(affixes.around(_without_suffix(pair)), [])


def new_settings(path: str, name: str) -> dict[str, str]:
    """Look into a folder of results: its settings as a method of a new run.

    Raises:
        InvalidRequest: There is no such folder, or it holds no pictures.
    """
    folder = Path(os.path.expanduser(path)).absolute()  # ~nobody stays as it is
    if not _pictures(folder, name):
        raise InvalidRequest(
            f"The folder {folder} of {name!r} holds no pictures: name the one with the results."
        )
    return {"folder": str(folder)}


def fitted_to(record: MethodRecord, pairs: Collection[str]) -> MethodRecord:
    """Find what stands around the names of a run's pairs in the names of the files.

    Args:
        record: Method of a folder of results.
        pairs: Ids of the pairs.

    Raises:
        InvalidRequest: Pairs have several files, called in one way and in another.
    """
    settings = checked_settings(ImportedSettings, record.settings, record.id)
    pictures = _pictures(Path(settings.folder), record.id)
    files = _by_name(pictures)
    names = [_without_suffix(pair) for pair in pairs]
    paths = [_without_suffix(name) for name in pictures]
    found = find_affixes(names, [Path(one).name for one in paths]) or find_affixes(names, paths)
    if Affixes() not in found and all(files.of(pair, Affixes()) for pair in pairs):
        found.insert(0, Affixes())  # by ids that only files know, of subfolders or with a hash
    if len(found) > 1:
        raise InvalidRequest(
            f"The folder {settings.folder} of {record.id!r} holds several pictures of a pair, "
            f"called {words(found)}: put the results into a folder of their own."
        )
    affixes = found[0] if found else Affixes()
    return record.model_copy(update={"settings": {**record.settings, **affixes._asdict()}})


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
    files, results = LocalFiles(folder), _by_name(_pictures(folder, method_id))
    affixes = Affixes(settings.prefix, settings.ending)

    def run(picture: Picture, size: tuple[int, int]) -> Output:
        return _result(files, results.of(picture.name, affixes), picture.name, size)

    return checked(method_id, task, run)


def _result(files: LocalFiles, found: list[str], pair: str, size: tuple[int, int]) -> Output:
    """Read the result of one pair, the only file that was found for it, and hash the file."""
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
    if trouble := too_few_bits(pixels, RESULT_BITS):
        raise InvalidRequest(f"{name} {trouble}")
    return Output(pixels, file_sha256=hashlib.sha256(content).hexdigest())


def _pictures(folder: Path, method_id: str) -> list[str]:
    try:
        return [name for name in LocalFiles(folder).names() if is_picture(name)]
    except BenchmarkUnavailable as error:
        raise InvalidRequest(
            f"The results of {method_id!r} cannot be read from {folder}: check that the folder is "
            "there."
        ) from error


def _by_name(pictures: list[str]) -> ResultFiles:
    found = ResultFiles({}, {})
    for name in pictures:
        path = Path(_without_suffix(name))
        for parts in {(path.name,), path.parts}:
            for key in {safe_id(parts), hashed_id(parts)}:
                _add(found.exact, key, name)
            _add(found.loose, plain("-".join(parts)), name)
    return found


def _add(files: dict[str, list[str]], key: str, name: str) -> None:
    """Add a file once to those of a key, though its stem and its path give the same key."""
    named = files.setdefault(key, [])
    if named[-1:] != [name]:
        named.append(name)


def _without_suffix(name: str) -> str:
    return PICTURE_SUFFIX.sub("", name)
