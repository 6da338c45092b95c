"""Picture files that lie beside each other, in a folder or in a zip archive."""

import zipfile
import zlib
from collections.abc import Collection, Iterable

from eval.data.pairs import BenchmarkUnavailable, Item, PairUnusable
from eval.data.range_file import RangeFile

from .base import Expected, PairImage, PairReader
from .files import MAX_PICTURE_BYTES, Files, LocalFiles, read_file, without_repeats
from .metadata_files import facts_by_file, is_metadata, pairs_of_metadata
from .pairing import FilePair, is_pattern, paired
from .written_patterns import folder_pattern, folders_of_pairs, relative_pattern

ZIP_TAIL_BYTES = 64 * 2**10
"""Bytes first fetched from the end of a zip, for its list of members."""
_LOCAL_HEADER_BYTES = 30 + 2 * 65_535
"""Most bytes between a member's header and its data: .ZIP specification, section 4.3.7."""


class PicturesReader(PairReader):
    """Picture files paired by patterns, or by the columns of a metadata table.

    Args:
        files: A folder or a data set on the Hub, of which only the chosen pictures are fetched.
        expected: Requirements that every pair must meet.
        degraded: Pattern of the degraded pictures (see `paired`), their folder, or a column of
            metadata.jsonl or metadata.csv (see `pairs_of_metadata`).
        target: Pattern, folder or column of the targets.
        split: Split whose table is read where there are several; None takes 'test', else
            'validation'.
    """

    def __init__(
        self,
        files: Files,
        expected: Expected,
        degraded: str,
        target: str,
        split: str | None = None,
    ) -> None:
        super().__init__(files, expected)
        self.split = split
        self.degraded = degraded
        self.target = target

    def _list(self) -> list[Item]:
        names = self.files.names()
        if (patterns := self._patterns(names)) is not None:
            found = paired(names, *patterns, self.files.label)
            pairs = without_repeats(self.files, found.pairs, lambda pair: pair[1:3])
            self.left_out = found.left_out
            if isinstance(self.files, LocalFiles):
                self.left_out = sorted([*self.left_out, *_beside(pairs, self.files.hidden)])
            known = facts_by_file(self.files)
            pairs = [
                pair._replace(facts=known.get(pair.degraded, known.get(pair.target, {})))
                for pair in pairs
            ]
        else:
            pairs = pairs_of_metadata(self.files, self.degraded, self.target, self.split)
        return [
            Item(pair_id, sum(names[name] for name in {low, high}), (low, high), facts=facts)
            for pair_id, low, high, facts in pairs
        ]

    def _patterns(self, names: Collection[str]) -> tuple[str, str] | None:
        """Patterns of the degraded pictures and targets; None where a table names them."""
        if is_pattern(self.degraded) or is_pattern(self.target):
            folder = self.files.folder if isinstance(self.files, LocalFiles) else None
            low, high = (
                relative_pattern(text, names, folder) for text in (self.degraded, self.target)
            )
            return low, high
        if any(map(is_metadata, names)):
            return None
        return folders_of_pairs(self.degraded, self.target, names)

    def files_of(self, item: Item) -> tuple[str, str] | None:
        """Paths of a pair's two files."""
        low, high = item.locator
        return low, high

    def _read_pair_images(self, item: Item) -> tuple[PairImage, PairImage | None]:
        low, high = item.locator
        target = read_file(self.files, high)
        return (target if low == high else read_file(self.files, low)), target


def _beside(pairs: list[FilePair], names: Iterable[str]) -> list[str]:
    """Names in the folders of the pairs' pictures."""
    folders = {name.rpartition("/")[0] for pair in pairs for name in (pair.degraded, pair.target)}
    return [name for name in names if name.rpartition("/")[0] in folders]


class ZipReader(PairReader):
    """Pictures inside one zip archive, of which only the chosen members are fetched.

    Members are paired by their own paths, so it does not matter that the `datasets` library takes
    their folders for labels.

    Args:
        files: Files that hold the archive.
        expected: Requirements that every pair must meet.
        archive: Path of the zip.
        degraded: Pattern of the degraded members; see `paired`.
        target: Pattern of the targets.
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
        patterns = folders_of_pairs(self.degraded, self.target, members)
        if is_pattern(self.degraded) or is_pattern(self.target) or patterns is None:
            patterns = (self.degraded, self.target)
        low, high = (folder_pattern(text, members) or text for text in patterns)
        found = paired(members, low, high, label)
        self.left_out = found.left_out
        return [
            Item(pair_id, sum(members[name] for name in {low, high}), (low, high))
            for pair_id, low, high, _ in found.pairs
        ]

    def files_of(self, item: Item) -> tuple[str, str] | None:
        """Paths of a pair's two files."""
        low, high = item.locator
        return low, high

    def _read_pair_images(self, item: Item) -> tuple[PairImage, PairImage | None]:
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
            except NotImplementedError as error:
                raise BenchmarkUnavailable(
                    f"{self.archive} in {self.files.label} is a ZIP archive of a newer kind "
                    f"({error}): unpack it by hand and give the folder."
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
        except OSError as error:  # of the disk: the run waits for it
            raise BenchmarkUnavailable(
                f"{where} cannot be read ({error.strerror}): check the disk it lies on."
            ) from error
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise PairUnusable(
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
