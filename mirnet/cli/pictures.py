"""Input and output files of `restore`: expands folders and patterns, and plans the results."""

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mirnet.errors import InvalidRequest
from mirnet.images.formats import PICTURE_SUFFIXES, format_of_suffix, save_format


class Format(StrEnum):
    """File formats of results."""

    png = "png"
    jpeg = "jpeg"
    webp = "webp"
    tiff = "tiff"

    @property
    def suffix(self) -> str:
        """Usual suffix, with its dot."""
        known = save_format(self.value)
        assert known is not None
        return known.suffixes[0]


@dataclass(frozen=True)
class PictureJob:
    """One picture to restore."""

    source: Path
    """The file to read."""
    target: Path
    """The file to write."""


def find_pictures(inputs: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Expand folders and patterns.

    Args:
        inputs: Command-line arguments: files, folders, and patterns the shell did not expand.

    Returns:
        The files in the order given, each once; and a sentence for every input without any.
    """
    found: dict[Path, Path] = {}
    complaints = []
    for text in inputs:
        if os.path.isdir(text):
            files = _pictures_among(glob.glob(os.path.join(glob.escape(text), "*")))
            complaint = f"The folder {text} holds no pictures that can be read: check its name."
        elif os.path.exists(text) or not glob.has_magic(text):
            files = [Path(text)] if os.path.exists(text) else []
            complaint = f"{text} does not exist: check the name and the folder."
        else:
            files = _pictures_among(glob.glob(text, recursive=True))
            complaint = f"No picture fits the pattern {text}: check it."
        if not files:
            complaints.append(complaint)
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values()), complaints


def _pictures_among(names: Iterable[str]) -> list[Path]:
    files = filter(os.path.isfile, names)
    return sorted(Path(name) for name in files if name.lower().endswith(PICTURE_SUFFIXES))


def plan_jobs(
    sources: Sequence[Path], out: Path, chosen: Format | None, *, may_be_file: bool
) -> list[PictureJob]:
    """Assign an output file to every picture.

    Args:
        sources: Pictures to restore.
        out: The `--out` argument: a folder, or a file for a single picture.
        chosen: Format for all results; None keeps that of each source, or PNG if it cannot be
            written.
        may_be_file: Whether `out` may be a file if there is one picture: all inputs were files.

    Raises:
        InvalidRequest: `out` is not usable, two results would have the same name, or a result
            would replace one of the sources.
    """
    if len(sources) == 1 and may_be_file and out.suffix and not os.path.isdir(out):
        kind = save_format(out.suffix)
        if kind is None or chosen not in (None, kind.name.lower()):
            wanted = chosen.suffix if chosen else ".png, .jpg, .webp or .tif"
            raise InvalidRequest(
                f"{out.name} does not end like a picture that can be written: use {wanted}."
            )
        jobs = [PictureJob(sources[0], out)]
    else:
        is_file = os.path.exists(out) or save_format(out.suffix) is not None
        if is_file and not os.path.isdir(out):
            raise InvalidRequest(
                f"{out} is the name of a file, but several pictures, a folder or a pattern need a "
                "folder: give another --out."
            )
        jobs = [PictureJob(source, out / _result_name(source, chosen)) for source in sources]
    first: dict[str, Path] = {}
    identities = {_identity(source) for source in sources}
    for job in jobs:
        name = os.path.normcase(job.target)
        if name in first:
            raise InvalidRequest(
                f"{first[name]} and {job.source} would both become {job.target}: restore them into "
                "different folders."
            )
        first[name] = job.source
        if os.path.exists(job.target) and _identity(job.target) in identities:
            raise InvalidRequest(
                f"The result {job.target} would replace an input, which is never done: give "
                "another --out."
            )
    return jobs


def _result_name(source: Path, chosen: Format | None) -> str:
    known = format_of_suffix(source.suffix)
    if known and known.writable and chosen in (None, known.name.lower()):
        kept = source.suffix.lower() in known.suffixes
        return source.name if kept else source.stem + known.suffixes[0]
    return source.stem + (chosen or Format.png).suffix


def _identity(path: Path) -> tuple[int, int]:
    """Device and inode of a file, equal for all names of the same file."""
    status = path.stat()
    return status.st_dev, status.st_ino
