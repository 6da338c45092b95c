"""Files that a reader reads: a folder on this machine, or a data set on the Hub."""

import errno
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from eval.data.pairs import BenchmarkUnavailable, PairUnusable
from eval.data.range_file import RangeFile

T = TypeVar("T")

MAX_PICTURE_BYTES = 512 * 10**6
"""Bytes of the largest picture file that is read, beyond any benchmark's."""
MAX_PATHS_OF_A_FOLDER = 1000
"""Most paths, through links, under which one folder is listed."""


class Files(Protocol):
    """A tree of files that can be listed, read whole, and read in parts."""

    is_local: bool
    """Whether reading costs no download."""

    @property
    def label(self) -> str:
        """Name of the source in messages."""
        ...

    def revision(self) -> str:
        """Identifier of the content: a commit, or a hash over the local files."""
        ...

    def names(self) -> dict[str, int]:
        """List every file's path, with '/', and its size in bytes, sorted."""
        ...

    def path(self, name: str) -> Path:
        """Path of the whole file on this machine, fetched where needed."""
        ...

    def open(self, name: str) -> BinaryIO | RangeFile:
        """Open the file for reading in parts."""
        ...


class LocalFiles:
    """A folder on this machine.

    Args:
        folder: Path of the folder; first read when a method is called.
        only: Name of the only file in it that counts; None for all.
    """

    is_local = True
    """Whether reading costs no download."""

    def __init__(self, folder: Path, only: str | None = None) -> None:
        self.folder = folder
        self.only = only
        self._sizes: dict[str, int] | None = None
        self._real_folders: dict[str, str] = {}
        self.hidden: list[str] = []
        """Hidden files, which `names` leaves out and whose coming and going changes no revision."""

    @property
    def label(self) -> str:
        """Name of the source in messages."""
        return str(self.folder)

    def revision(self) -> str:
        """Hash over the names and sizes of its files.

        Their content is not read for it; a run hashes every picture it scores.
        """
        digest = hashlib.sha256()
        for name, size in self.names().items():
            digest.update(f"{size} {name}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def names(self) -> dict[str, int]:
        """List every ordinary file below the folder with its size, sorted, without hidden ones.

        Links are followed: what lies in a linked folder is listed under each of its paths, see
        `without_repeats`. A link to nothing is listed too; devices and pipes are not.

        Raises:
            BenchmarkUnavailable: There is no such folder, it cannot be read, or links lead to one
                folder on more than `MAX_PATHS_OF_A_FOLDER` paths.
        """
        if self._sizes is None:
            if not os.path.isdir(self.folder):  # False for a name that is too long, too
                raise BenchmarkUnavailable(
                    f"There is no folder {str(self.folder)[:200]}: check the path, or leave the "
                    "folder out to use the benchmark's own source."
                )
            self._sizes = dict(sorted(self._walk()))
        return self._sizes

    def path(self, name: str) -> Path:
        """Path of the file.

        Raises:
            BenchmarkUnavailable: The folder has no such file.
        """
        if name not in self.names():
            raise BenchmarkUnavailable(
                f"The folder {self.folder} has no file {name}: compare it with the layout of the "
                "benchmark."
            )
        return self.folder / name

    def open(self, name: str) -> BinaryIO:
        """Open the file.

        Raises:
            BenchmarkUnavailable: The file is missing or may not be read.
        """
        try:
            return self.path(name).open("rb")
        except OSError as error:
            raise _unreadable(self.folder / name, error) from error

    def real_path(self, name: str) -> str:
        """Path of a listed file with the links of its folders resolved, not one of its own."""
        folder, _, file = name.rpartition("/")
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(self.folder / folder)
        return os.path.join(self._real_folders[folder], file)

    def _walk(self) -> list[tuple[str, int]]:
        if self.only is not None:
            path = self.folder / self.only
            return [(self.only, path.stat().st_size)] if os.path.isfile(path) else []
        found = []
        paths: Counter[tuple[int, int]] = Counter()
        try:
            for folder, folders, files in os.walk(self.folder, onerror=_raise, followlinks=True):
                place = os.stat(folder)
                paths[place.st_dev, place.st_ino] += 1
                if paths[place.st_dev, place.st_ino] > MAX_PATHS_OF_A_FOLDER:
                    raise BenchmarkUnavailable(
                        f"Links in {self.folder} lead to {os.path.realpath(folder)} on more than "
                        f"{MAX_PATHS_OF_A_FOLDER} paths: take links out, or name a folder below."
                    )
                folders[:] = [
                    name
                    for name in folders
                    if not name.startswith(".") and not _is_loop(Path(folder, name), self.folder)
                ]
                for file in files:
                    path = Path(folder, file)
                    name = path.relative_to(self.folder).as_posix()
                    if file.startswith("."):
                        self.hidden.append(name)
                    elif path.is_file():
                        found.append((name, path.stat().st_size))
                    elif (
                        not os.path.exists(path) and path.is_symlink()
                    ):  # to nothing: its pair is said to be unreadable
                        found.append((name, 0))
        except OSError as error:
            raise _unreadable(Path(error.filename or self.folder), error) from error
        return found


def read_file(files: Files, name: str) -> bytes:
    """Read a whole file, fetched where needed.

    Raises:
        PairUnusable: The file is too large for a picture, or is not there, may not be read or is
            no ordinary file while its folder is there.
        BenchmarkUnavailable: The file cannot be fetched, its folder is gone, or its disk fails.
    """
    if files.names().get(name, 0) > MAX_PICTURE_BYTES:
        raise PairUnusable(
            f"{name} of {files.label} has more than {MAX_PICTURE_BYTES / 1e6:.0f} MB, the limit "
            "for a picture: it is not read."
        )
    path = files.path(name)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device has no end
            raise OSError(errno.EINVAL, "it is no ordinary file")
        return path.read_bytes()
    except OSError as error:
        of_file = error.errno in (errno.ENOENT, errno.EACCES, errno.ELOOP, errno.EINVAL)
        if not of_file or not path.parent.is_dir():  # a disk that is gone: the run waits for it
            raise _unreadable(path, error) from error
        raise PairUnusable(
            f"{path} cannot be read ({error.strerror}): check that it is there and its permissions."
        ) from error


def without_repeats(
    files: Files, found: Iterable[T], names_of: Callable[[T], tuple[str, ...]]
) -> list[T]:
    """Keep one of those things whose files are the same, reached on several paths through links.

    Args:
        files: Files that they lie in.
        found: Things of one or several files, in order.
        names_of: Names of a thing's files.

    Returns:
        Things in the same order; of equal ones that whose paths have no link, else the first.
    """
    if not isinstance(files, LocalFiles):
        return list(found)
    root = os.path.realpath(files.folder)
    kept: dict[tuple[str, ...], T] = {}
    for one in found:
        names = names_of(one)
        real = tuple(map(files.real_path, names))
        if real not in kept or real == tuple(os.path.join(root, name) for name in names):
            kept[real] = one
    return list(kept.values())


def _is_loop(path: Path, root: Path) -> bool:
    """Whether a link below `root` leads to a folder that it lies in, as the path goes."""
    if not path.is_symlink():
        return False
    leads_to = os.path.realpath(path)
    above = [each for each in path.parents if each == root or root in each.parents]
    return any(Path(os.path.realpath(each)).is_relative_to(leads_to) for each in above)


def _raise(error: OSError) -> None:
    raise error


def _unreadable(path: Path, error: OSError) -> BenchmarkUnavailable:
    return BenchmarkUnavailable(
        f"{path} cannot be read ({error.strerror}): check its permissions, or name another folder."
    )
