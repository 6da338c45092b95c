"""Tar archives: one of degraded pictures and one of targets, or webdataset shards.

An archive has no index, so it is fetched whole before its pairs are known. Members are read into
memory, never written to disk, and links are left out.
"""

import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from natsort import natsorted

from eval.data.pair_facts import Fact, clean_facts
from eval.data.pairs import BenchmarkUnavailable, Item
from mirnet.images.folder_pairs import PICTURE_SUFFIX, is_picture

from .base import Expected, PairImage, PairReader
from .files import MAX_PICTURE_BYTES, Files
from .pairing import composed, paired, safe_id
from .splits import files_of_folder, files_of_named_split

MAX_ARCHIVE_BYTES = 2 * 10**9
"""Bytes: largest archive that is fetched, and most that is unpacked of one."""
MAX_MEMBERS = 100_000
"""Largest number of members that are read of one archive."""
FACTS_SUFFIX = "json"
"""Suffix of the member with facts of a sample, as webdataset names it."""


def is_shard(name: str) -> bool:
    """Whether a file is a shard of a webdataset."""
    return re.search(r"\.tar(\.gz)?$", name) is not None


def _members(files: Files, archive: str) -> Iterator[tuple[str, bytes]]:
    """Read every ordinary member of an archive, by path; hidden ones are left out."""
    where = f"{archive} of {files.label}"
    size = files.names().get(archive, 0)
    if size > MAX_ARCHIVE_BYTES:
        raise BenchmarkUnavailable(
            f"{where} has {size / 1e9:.1f} GB, more than the limit of "
            f"{MAX_ARCHIVE_BYTES / 1e9:.0f} GB for an archive that must be fetched whole: unpack "
            "it by hand and give the folder."
        )
    path, unpacked = files.path(archive), 0
    try:
        with tarfile.open(path, "r|*") as tar:
            for number, member in enumerate(tar):
                unpacked += member.size
                if number >= MAX_MEMBERS or unpacked > MAX_ARCHIVE_BYTES:
                    raise BenchmarkUnavailable(
                        f"{where} unpacks to more than {MAX_ARCHIVE_BYTES / 1e9:.0f} GB or "
                        f"{MAX_MEMBERS:,} files: it is not read."
                    )
                if not member.isreg() or member.name.split("/")[-1].startswith("."):
                    continue
                if member.size > MAX_PICTURE_BYTES:
                    raise BenchmarkUnavailable(
                        f"{member.name!r} in {where} has {member.size / 1e6:.0f} MB, more than the "
                        f"limit of {MAX_PICTURE_BYTES / 1e6:.0f} MB for a picture: it is not read."
                    )
                content = tar.extractfile(member)
                yield member.name, content.read() if content else b""
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
        raise BenchmarkUnavailable(
            f"{where} is no tar archive, or damaged: fetch it again."
        ) from error


class TwoTarsReader(PairReader):
    """Pictures of one archive paired with those of another by their file names.

    A degraded picture may carry its scale ('baby.png' or 'babyx2.png' goes with 'baby.png').

    Args:
        files: Files that hold both archives.
        expected: Requirements that every pair must meet.
        degraded: Path of the archive of degraded pictures.
        target: Path of the archive of targets.
    """

    def __init__(self, files: Files, expected: Expected, degraded: str, target: str) -> None:
        super().__init__(files, expected)
        self.degraded = degraded
        self.target = target
        self._pictures: tuple[dict[str, bytes], dict[str, bytes]] | None = None

    def upfront_bytes(self) -> int:
        """Size of both archives.

        Raises:
            BenchmarkUnavailable: The source is not there.
        """
        names = self.files.names()
        return sum(names.get(name, 0) for name in (self.degraded, self.target))

    def _list(self) -> list[Item]:
        low, high = self._read()
        names = {f"degraded/{stem}.png": 0 for stem in low}
        names |= {f"target/{stem}.png": 0 for stem in high}
        pairs = paired(names, "degraded/*.png", "target/*.png", self.files.label).pairs
        return [
            Item(pair.id, 0, (Path(pair.degraded).stem, Path(pair.target).stem)) for pair in pairs
        ]

    def _read_pair_images(self, item: Item) -> tuple[PairImage, PairImage | None]:
        low, high = self._read()
        return low[item.locator[0]], high[item.locator[1]]

    def _read(self) -> tuple[dict[str, bytes], dict[str, bytes]]:
        if self._pictures is None:
            self._pictures = (self._by_stem(self.degraded), self._by_stem(self.target))
        return self._pictures

    def _by_stem(self, archive: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for name, content in _members(self.files, archive):
            if not is_picture(name):
                continue
            stem = name.split("/")[-1].rsplit(".", 1)[0]
            stem = re.sub(rf"[_-]?x{self.expected.scale}$", "", stem)
            if stem in found:
                raise BenchmarkUnavailable(
                    f"{archive} of {self.files.label} has two pictures called {stem!r}: which one "
                    "is meant cannot be told."
                )
            found[stem] = content
        return found


class WebDatasetReader(PairReader):
    """Webdataset shards: members with one name and different suffixes are one sample.

    Args:
        files: Files of the source; every .tar or .tar.gz of the split is a shard.
        expected: Requirements that every pair must meet.
        degraded: Suffix of the degraded pictures, such as 'png' or 'noisy.png'; 'noisy' stands for
            that with the suffix of any picture.
        target: Suffix of the targets; may be the same where noise is added.
        config: Folder of the shards; None where all lie in one.
        split: Split to read; None takes 'test', else 'validation', else the only one.
    """

    def __init__(
        self,
        files: Files,
        expected: Expected,
        degraded: str,
        target: str,
        config: str | None = None,
        split: str | None = None,
    ) -> None:
        super().__init__(files, expected)
        self.config = config
        self.split = split
        self.degraded = degraded.lower().lstrip(".")
        self.target = target.lower().lstrip(".")
        self._shard: tuple[str, dict[str, dict[str, bytes]]] | None = None
        self._suffixes: dict[str, set[str]] = {}

    def upfront_bytes(self) -> int:
        """Size of all shards.

        Raises:
            BenchmarkUnavailable: The source is not there.
        """
        return sum(self.files.names()[shard] for shard in self._shards())

    def _shards(self) -> list[str]:
        shards = [name for name in self.files.names() if is_shard(name)]
        if not shards:
            raise BenchmarkUnavailable(f"{self.files.label} has no .tar shard: look at its files.")
        shards = files_of_named_split(shards, self.split, self.files.label)
        return files_of_folder(shards, self.config, self.files.label)

    def _list(self) -> list[Item]:
        items = []
        for shard in self._shards():
            for key, sample in self._samples(shard).items():
                for suffix in (self.degraded, self.target):
                    if suffix not in sample:
                        raise BenchmarkUnavailable(
                            f"Sample {key} in {shard} of {self.files.label} has no {suffix!r}: it "
                            f"has {', '.join(sorted(self._suffixes[key]))}.",
                            "names",
                        )
                items.append(Item(safe_id([key]), 0, (shard, key)))
        return natsorted(items, key=lambda item: item.id)

    def _read_pair_images(self, item: Item) -> tuple[PairImage, PairImage | None]:
        shard, key = item.locator
        sample = self._samples(shard)[key]
        return sample[self.degraded], sample[self.target]

    def facts_of(self, item: Item) -> dict[str, Fact]:
        """Facts of a sample's member .json; see `PairReader.facts_of`."""
        shard, key = item.locator
        try:
            content = json.loads(self._samples(shard)[key].get(FACTS_SUFFIX, b"{}"))
        except (ValueError, RecursionError):  # the pictures are whole without it
            return {}
        return clean_facts(content) if isinstance(content, dict) else {}

    def _samples(self, shard: str) -> dict[str, dict[str, bytes]]:
        if self._shard is None or self._shard[0] != shard:
            samples: dict[str, dict[str, bytes]] = {}
            wanted = {self.degraded, self.target, FACTS_SUFFIX}
            for name, content in _members(self.files, shard):
                folder, _, file = name.rpartition("/")
                key, _, suffix = file.partition(".")
                key = composed(f"{folder}/{key}" if folder else key)
                sample = samples.setdefault(key, {})
                self._suffixes.setdefault(key, set()).add(suffix)
                for column in _columns(suffix.lower()) & wanted:
                    if column in sample:
                        raise BenchmarkUnavailable(
                            f"Sample {key} in {shard} of {self.files.label} has two members "
                            f"{column!r}: name the one that is meant, such as {suffix!r}.",
                            "names",
                        )
                    sample[column] = content
            with_pictures = {
                key: found
                for key, found in samples.items()
                if {*found} - {FACTS_SUFFIX} or any(map(_is_picture_suffix, self._suffixes[key]))
            }
            self._shard = (shard, with_pictures)
        return self._shard[1]


def _is_picture_suffix(suffix: str) -> bool:
    return is_picture(f"x.{suffix}")


def _columns(suffix: str) -> set[str]:
    """Names of the column that a member's suffix is: with and without that of a picture.

    >>> sorted(_columns("noisy.png")), sorted(_columns("png")), sorted(_columns("cls"))
    (['noisy', 'noisy.png'], ['png'], ['cls'])
    """
    stem = PICTURE_SUFFIX.sub("", suffix)
    return {suffix, stem} - {""}
