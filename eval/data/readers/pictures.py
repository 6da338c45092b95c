"""Picture files that lie beside each other, in a folder or in a zip archive."""

import json
import re
import zipfile
import zlib
from collections.abc import Mapping

from natsort import natsorted

from eval.data.pairs import BenchmarkUnavailable, Item
from eval.data.range_file import RangeFile

from .base import Expected, Half, PairReader, safe_id
from .files import MAX_PICTURE_BYTES, Files, read_file

METADATA_FILE = "metadata.jsonl"
"""Names the pictures of each pair, as the `datasets` library reads it."""
ZIP_TAIL_BYTES = 64 * 2**10
"""Fetched from the end of a zip at first: its list of members, unless that is longer."""
_SUFFIX = re.compile(r"\.(png|jpe?g|bmp|tiff?|webp)$", re.IGNORECASE)
_LOCAL_HEADER_BYTES = 30 + 2 * 65_535
"""Most bytes between a member's header and its data: .ZIP specification, section 4.3.7."""


def is_pattern(text: str) -> bool:
    """Whether a text names files by a pattern rather than by a column."""
    return "*" in text or "/" in text


def paired(
    names: Mapping[str, int], degraded: str, target: str, label: str
) -> list[tuple[str, str, str]]:
    """Pair file names by what their patterns' wildcards stand for.

    Args:
        names: File names and sizes.
        degraded: Pattern in which '*' stands for any text within a folder and '**/' for folders.
        target: Pattern with as many wildcards; may be the same.
        label: What to call the source in a message.

    Returns:
        (id, degraded name, target name), numbers in the ids sorted by value.

    Raises:
        BenchmarkUnavailable: Nothing fits, a picture has no partner, or the patterns do not go
            together.
    """
    low, high = _matches(names, degraded), _matches(names, target)
    if degraded.count("*") != target.count("*"):
        raise BenchmarkUnavailable(
            f"The patterns {degraded!r} and {target!r} have different numbers of '*': what each "
            "stands for must be the same in both pictures of a pair."
        )
    for found, pattern in ((low, degraded), (high, target)):
        if not found:
            raise BenchmarkUnavailable(
                f"{label} has no file that fits {pattern!r}: compare it with the layout of the "
                "benchmark."
            )
    for one, other, what in ((low, high, "target"), (high, low, "degraded picture")):
        if lonely := sorted(one.keys() - other.keys()):
            raise BenchmarkUnavailable(
                f"{one[lonely[0]]} in {label} has no {what}: add it, or take the picture out."
            )
    pairs = [
        (safe_id((*key[:-1], _SUFFIX.sub("", key[-1])) if key else ()), name, high[key])
        for key, name in low.items()
    ]
    return natsorted(pairs, key=lambda pair: pair[:2])


def _matches(names: Mapping[str, int], pattern: str) -> dict[tuple[str, ...], str]:
    kinds = {"**/": "((?:[^/]+/)*)", "*": "([^/]*)"}
    pieces = re.split(r"(\*\*/|\*)", pattern)
    regex = re.compile("".join(kinds.get(piece, re.escape(piece)) for piece in pieces))
    found = ((regex.fullmatch(name), name) for name in names)
    return {match.groups(): name for match, name in found if match}


class PicturesReader(PairReader):
    """Picture files paired by patterns, or by the columns of metadata.jsonl.

    Args:
        files: A folder or a data set on the Hub, of which only the chosen pictures are fetched.
        expected: What is checked of every pair.
        degraded: Pattern of the degraded pictures (see `paired`), or a column: metadata.jsonl then
            names them in 'COLUMN_file_name' (or 'file_name', or 'COLUMN' itself).
        target: The same for the targets.
    """

    def __init__(self, files: Files, expected: Expected, degraded: str, target: str) -> None:
        super().__init__(files, expected)
        self.degraded = degraded
        self.target = target

    def _list(self) -> list[Item]:
        names = self.files.names()
        if is_pattern(self.degraded) or is_pattern(self.target):
            pairs = paired(names, self.degraded, self.target, self.files.label)
        else:
            pairs = self._of_metadata(names)
        return [
            Item(pair_id, sum(names[name] for name in {low, high}), (low, high))
            for pair_id, low, high in pairs
        ]

    def _halves(self, item: Item) -> tuple[Half, Half | None]:
        low, high = item.locator
        target = read_file(self.files, high)
        return (target if low == high else read_file(self.files, low)), target

    def _of_metadata(self, names: Mapping[str, int]) -> list[tuple[str, str, str]]:
        found = [name for name in names if name.split("/")[-1] == METADATA_FILE]
        if len(found) != 1:
            raise BenchmarkUnavailable(
                f"{self.files.label} has {len(found)} files called {METADATA_FILE} where one names "
                f"the pictures of {self.degraded!r} and {self.target!r}: give patterns such as "
                "'input/*.png' and 'target/*.png' instead."
            )
        folder = found[0].removesuffix(METADATA_FILE)
        pairs = []
        for number, line in enumerate(read_file(self.files, found[0]).splitlines(), 1):
            if not line.strip():
                continue
            where = f"Line {number} of {found[0]} in {self.files.label}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise BenchmarkUnavailable(f"{where} is no JSON: correct it.") from error
            low, high = (
                self._named(row, column, folder, names, where)
                for column in (self.degraded, self.target)
            )
            stem = low.removeprefix(folder).rsplit(".", 1)[0]
            pairs.append((safe_id([str(row.get("id") or stem)]), low, high))
        return pairs

    def _named(
        self, row: object, column: str, folder: str, names: Mapping[str, int], where: str
    ) -> str:
        """The picture that a row names in a column."""
        if not isinstance(row, dict):
            raise BenchmarkUnavailable(f"{where} is no JSON object: correct it.")
        name = row.get(f"{column}_file_name", row.get(column))
        if not isinstance(name, str):
            raise BenchmarkUnavailable(
                f"{where} has no {column}_file_name: its columns are {', '.join(map(str, row))}."
            )
        if folder + name not in names:
            raise BenchmarkUnavailable(f"{where} names {name}, which is not there: add it.")
        return folder + name


class ZipReader(PairReader):
    """Pictures inside one zip archive, of which only the chosen members are fetched.

    Members are paired by their own paths, so it does not matter that the `datasets` library takes
    their folders for labels.

    Args:
        files: Where the archive is.
        expected: What is checked of every pair.
        archive: Path of the zip.
        degraded: Pattern of the degraded members; see `paired`.
        target: The same for the targets.
    """

    def __init__(
        self, files: Files, expected: Expected, archive: str, degraded: str, target: str
    ) -> None:
        super().__init__(files, expected)
        self.archive = archive
        self.degraded = degraded
        self.target = target
        self._opened: zipfile.ZipFile | None = None

    def _list(self) -> list[Item]:
        members = {
            member.filename: member.compress_size
            for member in self._zip().infolist()
            if not member.is_dir()
        }
        label = f"{self.archive} in {self.files.label}"
        return [
            Item(pair_id, sum(members[name] for name in {low, high}), (low, high))
            for pair_id, low, high in paired(members, self.degraded, self.target, label)
        ]

    def _halves(self, item: Item) -> tuple[Half, Half | None]:
        low, high = item.locator
        target = self._member(high)
        return (target if low == high else self._member(low)), target

    def _zip(self) -> zipfile.ZipFile:
        if self._opened is None:
            file = self.files.open(self.archive)
            try:
                if isinstance(file, RangeFile):
                    file.prefetch(file.size_bytes - ZIP_TAIL_BYTES, file.size_bytes)
                self._opened = zipfile.ZipFile(file)
            except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
                raise BenchmarkUnavailable(
                    f"{self.archive} in {self.files.label} is no zip archive, or damaged: fetch it "
                    "again."
                ) from error
        return self._opened

    def _member(self, name: str) -> bytes:
        archive = self._zip()
        where = f"{name} in {self.archive} of {self.files.label}"
        try:
            member = archive.getinfo(name)
            if member.file_size > MAX_PICTURE_BYTES:
                raise BenchmarkUnavailable(
                    f"{where} unpacks to {member.file_size / 1e6:.0f} MB, more than the limit of "
                    f"{MAX_PICTURE_BYTES / 1e6:.0f} MB for a picture: it is not read."
                )
            self._prefetch(archive, member)
            return archive.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise BenchmarkUnavailable(
                f"{where} is damaged (its checksum does not fit): fetch the archive again."
            ) from error
        except (KeyError, RuntimeError, NotImplementedError) as error:
            raise BenchmarkUnavailable(
                f"{where} is missing, encrypted or packed in an unusual way: unpack it by hand and "
                "give the folder."
            ) from error

    def _prefetch(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
        """Ask for a member's header and data at once: they end before the next member begins."""
        file = archive.fp
        if not isinstance(file, RangeFile):
            return
        starts = [other.header_offset for other in archive.infolist()] + [archive.start_dir]
        most = member.header_offset + member.compress_size + _LOCAL_HEADER_BYTES
        following = min((at for at in starts if at > member.header_offset), default=most)
        file.prefetch(member.header_offset, min(following, most))
