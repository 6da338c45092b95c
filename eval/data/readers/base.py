"""Base of the readers: checks ids, counts, partners, sizes and hashes in one place."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from eval.data.bit_depth import RESULT_BITS, TARGET_BITS, too_few_bits
from eval.data.pair_facts import Fact
from eval.data.pairs import BenchmarkUnavailable, Item, Pair, PairUnusable, pixels_sha256
from mirnet.errors import ImageRejected
from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image
from mirnet.images.picture import Picture

from .files import Files
from .noise import add_noise

PairImage = bytes | np.ndarray
"""One picture of a pair: the bytes of its file, or its pixels where it has no file of its own."""


@dataclass(frozen=True)
class Expected:
    """Requirements that the pairs of a benchmark must meet."""

    title: str
    """Name of the benchmark in messages."""
    scale: int = 1
    """Factor by which the target is wider and higher than the degraded picture."""
    same_size: bool = False
    """Whether degraded and target have one size in spite of the scale, as in RealSR."""
    pairs: int | None = None
    """Number of pairs; None where it is not known in advance."""
    noise_sigma: float | None = None
    """Standard deviation, of 255, of the noise to add to the target; None where none is added."""


class PairReader:
    """Base class of readers; a subclass implements `_list` and `_read_pair_images`.

    Args:
        files: Files of the source; nothing is fetched before `items` or `load`.
        expected: Requirements that are checked.
    """

    def __init__(self, files: Files, expected: Expected) -> None:
        self.files = files
        self.expected = expected
        self.revision = ""
        self._items: list[Item] | None = None
        self.left_out: list[str] = []
        """Files beside the pictures that are no pictures; filled by `items`."""

    def items(self) -> list[Item]:
        """List every pair in a fixed order, and set `revision` to the version of the data.

        Raises:
            BenchmarkUnavailable: The source is not there, a picture has no partner, two pairs have
                the same id, or there are more or fewer than the benchmark has.
        """
        if self._items is None:
            self.revision = self.files.revision()
            items = self._list()
            self._check(items)
            local = self.files.is_local
            self._items = [replace(item, bytes=0) for item in items] if local else items
        return list(self._items)

    def load(self, item: Item) -> Pair:
        """Fetch and read one pair.

        A target whose sides are not multiples of the scale is cut at the right and bottom to what
        the degraded picture covers, as MATLAB's `modcrop` did when these sets were made.

        Raises:
            PairUnusable: A picture cannot be decoded, the sizes of degraded and target do not
                match, or a picture of 16 bits holds values of fewer.
            BenchmarkUnavailable: The pair cannot be fetched.
        """
        degraded, target = self._read_pair_images(item)
        if self.expected.noise_sigma is not None and target is not None:
            truth, target_sha256 = _read(target, item.id, "target")
            pixels = add_noise(truth.pixels, self.expected.noise_sigma, item.id)
            noisy = Picture(pixels, name=truth.name)
            return Pair(item.id, noisy, truth, pixels_sha256(pixels), target_sha256)
        given, degraded_sha256 = _read(degraded, item.id, "degraded picture")
        if target is None:
            return Pair(item.id, given, None, degraded_sha256, None)
        truth, target_sha256 = _read(target, item.id, "target")
        for picture, what, bits in (
            (truth, "target", TARGET_BITS),
            (given, "degraded picture", RESULT_BITS),
        ):
            if trouble := too_few_bits(picture.pixels, bits):
                raise PairUnusable(f"Pair {item.id}: the {what} {trouble}")
        return Pair(
            item.id, given, self._fitted(item.id, given, truth), degraded_sha256, target_sha256
        )

    def originals(self, item: Item) -> tuple[bytes, bytes | None]:
        """Read the picture files of a pair, byte for byte as the source stores them.

        Pictures without a file of their own (blocks of a .mat file, added noise) are encoded as
        PNG, floats with 16 bits.

        Raises:
            BenchmarkUnavailable: The files cannot be fetched.
        """
        degraded, target = self._read_pair_images(item)
        if self.expected.noise_sigma is not None:
            degraded = self.load(item).degraded.pixels
        return _encoded(degraded), None if target is None else _encoded(target)

    def facts_of(self, item: Item) -> dict[str, Fact]:
        """Facts that the source states of a pair; see `eval.data.pair_facts`.

        Raises:
            BenchmarkUnavailable: The pair cannot be fetched.
        """
        return dict(item.facts)

    def files_of(self, item: Item) -> tuple[str, str] | None:
        """Paths of a pair's two files in the source; None where they have none of their own."""
        return None

    def upfront_bytes(self) -> int:
        """Bytes that `items` itself downloads, beyond lists of files; 0 for most kinds.

        Raises:
            BenchmarkUnavailable: The source is not there.
        """
        return 0

    def _list(self) -> list[Item]:
        raise NotImplementedError

    def _read_pair_images(self, item: Item) -> tuple[PairImage, PairImage | None]:
        raise NotImplementedError

    def _check(self, items: list[Item]) -> None:
        seen: set[str] = set()
        for item in items:
            if item.id in seen:
                raise BenchmarkUnavailable(
                    f"{self.files.label} has two pairs called {item.id!r}: give every pair a name "
                    "of its own."
                )
            seen.add(item.id)
        wanted = self.expected.pairs
        if not items and wanted is None:
            raise BenchmarkUnavailable(
                f"{self.files.label} has no pairs: the files that should name or hold them are "
                "empty."
            )
        if not items or (wanted is not None and len(items) != wanted):
            raise BenchmarkUnavailable(
                f"{self.files.label} has {len(items)} pairs where {self.expected.title} has "
                f"{wanted}: complete it, or evaluate it as data of your own."
            )

    def _fitted(self, pair_id: str, given: Picture, truth: Picture) -> Picture:
        scale = 1 if self.expected.same_size else self.expected.scale
        height, width = given.height * scale, given.width * scale
        extra = (truth.height - height, truth.width - width)
        if extra == (0, 0):
            return truth
        if all(0 <= rest < scale for rest in extra):
            alpha = None if truth.alpha is None else truth.alpha[:height, :width]
            return truth.with_pixels(np.ascontiguousarray(truth.pixels[:height, :width]), alpha)
        raise PairUnusable(
            f"Pair {pair_id}: the target has {truth.width} x {truth.height} pixels where "
            f"{width} x {height} belong to a degraded picture of {given.width} x {given.height} at "
            f"scale {scale}: they are not a pair, or the scale is another.",
            "size",
        )


def _encoded(image: PairImage) -> bytes:
    return image if isinstance(image, bytes) else encode_image(Picture(image), "png")


def _read(image: PairImage, pair_id: str, what: str) -> tuple[Picture, str]:
    """Decode one picture of a pair, and hash its file or pixels."""
    try:
        if isinstance(image, np.ndarray):
            return Picture(image, name=pair_id), pixels_sha256(image)
        return replace(read_image(image), name=pair_id), hashlib.sha256(image).hexdigest()
    except ImageRejected as error:
        raise PairUnusable(
            f"Pair {pair_id}: the {what} cannot be read, {error.args[0][:1].lower()}"
            f"{error.args[0][1:]}"
        ) from error
