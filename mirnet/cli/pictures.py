"""Input and output files of `restore`: walks folders, expands patterns, and plans the results."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from natsort import natsorted, ns

from mirnet.errors import InvalidRequest
from mirnet.images.formats import (
    FORMATS,
    HEAD_BYTES,
    PICTURE_SUFFIXES,
    SAVE_FORMATS,
    PictureFormat,
    format_of_suffix,
    identify,
    save_format,
)

JUNK_FOLDERS = {"@eadir", "__macosx", "#recycle", "$recycle.bin", "lost+found"}
"""Lower-case names of folders that systems add to folders of photos, beside hidden ones."""


@dataclass(frozen=True)
class Source:
    """One picture to restore."""

    path: Path
    """The file, as it was named or found."""
    relative: Path
    """Path below the folder or pattern that was given; the file's name for a single file."""


@dataclass(frozen=True)
class PictureJob:
    """One picture to restore, and its result."""

    source: Path
    """The file to read."""
    target: Path
    """The file to write."""


@dataclass
class Found:
    """Pictures found for the arguments of a command."""

    sources: list[Source] = field(default_factory=list)
    """Pictures in the order of the arguments, those of a folder in natural order; each once, and by
    the name of a link only if it has no other."""
    complaints: list[str] = field(default_factory=list)
    """A sentence for every argument without pictures, and for every unreadable folder."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Number of files in folders that are no pictures, by suffix."""
    junk_folders: int = 0
    """Number of hidden and system folders that were not entered."""
    further_names: int = 0
    """Number of other names, mostly links, of pictures that are among the sources."""

    def left_out_words(self) -> str | None:
        """Sentence about what was left out of folders; None if nothing was."""
        total = sum(self.left_out.values())
        parts = []
        if total:
            kinds = [f"{kind} {count}" for kind, count in self.left_out.most_common(5)]
            more = ", …" if len(self.left_out) > 5 else ""
            files = "1 file that is not read" if total == 1 else f"{total} files that are not read"
            parts.append(f"{files} ({', '.join(kinds)}{more})")
        if self.junk_folders:
            folders = "folder" if self.junk_folders == 1 else "folders"
            parts.append(f"{self.junk_folders} hidden or system {folders}")
        if self.further_names:
            names = "name" if self.further_names == 1 else "names"
            parts.append(f"{self.further_names} further {names} of the same pictures")
        return f"Left out: {' and '.join(parts)}." if parts else None


def chosen_format(name: str | None) -> PictureFormat | None:
    """Find the format of `--format`, by name or suffix; None if none was given.

    Raises:
        InvalidRequest: Pictures cannot be saved so.
    """
    known = save_format(name) if name is not None else None
    if name is not None and known is None:
        names = ", ".join(known.name.lower() for known in SAVE_FORMATS.values())
        raise InvalidRequest(f"There is no format {name[:20]!r} to save in: choose {names} or jpg.")
    return known


def find_pictures(inputs: Sequence[str], out: str | None = None) -> Found:
    """Expand folders, whose folders are walked too, and patterns that the shell left alone.

    A file in a folder is a picture by its suffix or by its first bytes.

    Args:
        inputs: Command-line arguments: files, folders, patterns; a leading ~ is expanded.
        out: The `--out` argument, whose folder is not searched.
    """
    found = Found()
    named: dict[Path, dict[str, Source]] = {}  # by the file itself, then by each name of it
    in_order: list[Source] = []
    results = Path(os.path.expanduser(out)).resolve() if out is not None else None
    for text in map(os.path.expanduser, inputs):
        unreadable = len(found.complaints)
        if os.path.isdir(text):
            root, files = Path(text), _pictures_below(text, results, found)
            complaint = f"The folder {text} holds no pictures that can be read: check its name."
        elif os.path.exists(text) or not glob.has_magic(text):
            root, reason = Path(text).parent, _why_unreadable(text)
            files = iter([] if reason else [Path(text)])
            complaint = f"{text} {reason}."
        else:
            root = _fixed_part(text)
            matches = [
                match
                for match in natsorted(glob.glob(text, recursive=True), alg=ns.IGNORECASE)
                if not any(part.lower() in JUNK_FOLDERS for part in Path(match).parts)
            ]
            files = _pictures_among(matches, found)
            complaint = f"No picture fits the pattern {text}: check it."
        empty = True
        for file in files:
            empty = False
            source = Source(file, file.relative_to(root))
            named.setdefault(file.resolve(), {}).setdefault(os.path.abspath(file), source)
            in_order.append(source)
        if empty and len(found.complaints) == unreadable:
            found.complaints.append(complaint)
    kept = {id(_own_name(list(names.values()))) for names in named.values()}
    found.sources = [source for source in in_order if id(source) in kept]
    found.further_names = sum(len(names) - 1 for names in named.values())
    return found


def _own_name(names: Sequence[Source]) -> Source:
    """The name of a picture that is no link; the first where all are."""
    return next((source for source in names if not source.path.is_symlink()), names[0])


def _why_unreadable(path: str) -> str:
    """Reason why a path cannot be read, as the end of a sentence; "" if it can."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return "does not exist: check the name and the folder"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "bad file name"
        return f"cannot be read ({reason}): check its name and permissions"
    return ""


def _fixed_part(pattern: str) -> Path:
    """Folder of a pattern, up to its first part with wildcards."""
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:fixed])


def _pictures_below(folder: str, results: Path | None, found: Found) -> Iterator[Path]:
    """Walk a folder in natural order; hidden and system folders and `results` are not entered."""

    def unreadable(error: OSError) -> None:
        found.complaints.append(
            f"The folder {error.filename} cannot be read ({error.strerror}): check its permissions."
        )

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        entered = []
        for name in natsorted(folders, alg=ns.IGNORECASE):
            if name.startswith(".") or name.lower() in JUNK_FOLDERS:
                found.junk_folders += 1
            elif results is None or Path(parent, name).resolve() != results:
                entered.append(name)
        folders[:] = entered
        paths = [os.path.join(parent, name) for name in natsorted(names, alg=ns.IGNORECASE)]
        yield from _pictures_among(paths, found)


def _pictures_among(names: Iterable[str], found: Found) -> Iterator[Path]:
    """Keep pictures among files; count the others."""
    for name in names:
        path = Path(name)
        if not path.is_file():
            continue
        if not path.name.startswith(".") and _is_picture(path):
            yield path
        else:
            found.left_out[path.suffix.lower() or path.name] += 1


def _is_picture(path: Path) -> bool:
    if path.name.lower().endswith(PICTURE_SUFFIXES):
        return True
    try:
        with path.open("rb") as file:
            return identify(file.read(HEAD_BYTES)) in FORMATS
    except OSError:
        return False


def plan_jobs(
    sources: Sequence[Source], out: str, chosen: PictureFormat | None, *, may_be_file: bool
) -> list[PictureJob]:
    """Assign an output file to every picture.

    Results lie in the output folder as their sources do below the folder that was given. Sources of
    different folders with the same name keep their folders; sources of one folder whose results
    would have the same name keep their suffix in it.

    Args:
        out: The `--out` argument: a folder, also by a slash at its end, or a file for a single
            picture.
        chosen: Format for all results; None keeps that of each source, or PNG if it cannot be
            written.
        may_be_file: Whether `out` may be a file if there is one picture: all inputs were files.

    Raises:
        InvalidRequest: `out` is not usable, two results would have the same name, or a result
            would replace one of the sources.
    """
    folder = Path(os.path.expanduser(out))
    named_folder = os.path.isdir(folder) or out.endswith(("/", os.sep))
    if len(sources) == 1 and may_be_file and folder.suffix and not named_folder:
        kind = save_format(folder.suffix)
        if kind is None or chosen not in (None, kind):
            wanted = chosen.suffixes[0] if chosen else ".png, .jpg, .webp or .tif"
            raise InvalidRequest(
                f"{folder.name} does not end like a picture that can be written: use {wanted}."
            )
        jobs = [PictureJob(sources[0].path, folder)]
    else:
        is_file = os.path.exists(folder) or save_format(folder.suffix) is not None
        if is_file and not named_folder:
            raise InvalidRequest(
                f"{folder} is the name of a file, but several pictures, a folder or a pattern need "
                "a folder: give another --out."
            )
        jobs = [
            PictureJob(source.path, folder / name)
            for source, name in zip(sources, _result_names(sources, chosen), strict=True)
        ]
    _check_targets(jobs)
    return jobs


def _check_targets(jobs: Sequence[PictureJob]) -> None:
    """Check that results replace neither each other nor a source.

    Raises:
        InvalidRequest: One would.
    """
    first: dict[str, Path] = {}
    identities = {_identity(job.source) for job in jobs}
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


def _result_names(sources: Sequence[Source], chosen: PictureFormat | None) -> list[Path]:
    """Names of results below the output folder; see `plan_jobs`."""
    relative = [source.relative for source in sources]
    names = [path.with_name(_result_name(path, chosen)) for path in relative]
    if _repeated(names):
        absolute = [Path(os.path.abspath(source.path)) for source in sources]
        if len({path.parent for path in absolute}) > 1:
            top = os.path.commonpath([path.parent for path in absolute])
            names = [
                path.relative_to(top).with_name(_result_name(path, chosen)) for path in absolute
            ]
    repeated = _repeated(names)
    return [
        name.with_stem(f"{name.stem}-{path.suffix[1:].lower()}")
        if name in repeated and path.suffix
        else name
        for path, name in zip(relative, names, strict=True)
    ]


def _repeated(names: Sequence[Path]) -> set[Path]:
    """Names that stand in the list twice, also in upper and lower case: some disks take no heed."""
    counts = Counter(str(name).lower() for name in names)
    return {name for name in names if counts[str(name).lower()] > 1}


def _result_name(source: Path, chosen: PictureFormat | None) -> str:
    known = format_of_suffix(source.suffix)
    if known and known.writable and chosen in (None, known):
        kept = source.suffix.lower() in known.suffixes
        return source.name if kept else source.stem + known.suffixes[0]
    return source.stem + (chosen or FORMATS["PNG"]).suffixes[0]


def _identity(path: Path) -> tuple[int, int]:
    """Device and inode of a file, equal for all names of the same file."""
    status = path.stat()
    return status.st_dev, status.st_ino
