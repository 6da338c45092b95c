"""What a benchmark is made of: pairs of a degraded picture and its truth, and how they are read."""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from mirnet.errors import MIRNetError
from mirnet.images.picture import Picture


class BenchmarkUnavailable(MIRNetError):
    """A benchmark is unknown, cannot be reached, or is not what its catalogue entry says."""


@dataclass(frozen=True)
class Item:
    """One pair before it is read."""

    id: str
    """Unique in its benchmark; letters, digits, '.', '_' and '-' only, safe as a file name."""
    bytes: int | None = None
    """Bytes to fetch for it; None where the source does not tell."""
    locator: Any = field(default=None, compare=False, repr=False)
    """Place of the pair in its source; only its reader looks inside."""
    fetched_with: Hashable = field(default=None, compare=False, repr=False)
    """Pairs with the same value are fetched together, `bytes` in all; None where it is alone."""


@dataclass(frozen=True)
class Pair:
    """One pair, read."""

    id: str
    """Its item's id."""
    degraded: Picture
    """What a method is given."""
    target: Picture | None
    """The truth; None where a benchmark hides it (DND)."""
    degraded_sha256: str
    """Hash of the degraded picture's file, or of its pixels where it has no file of its own."""
    target_sha256: str | None
    """Hash of the truth likewise."""


class Reader(Protocol):
    """How pairs come out of one kind of source; making one fetches nothing."""

    revision: str
    """Commit of the data set on the Hub, or a hash over the local files."""

    def items(self) -> list[Item]:
        """Every pair in a fixed order, with as little fetched as the format allows.

        Raises:
            BenchmarkUnavailable: The source is not there, or a picture has no partner.
        """
        ...

    def load(self, item: Item) -> Pair:
        """Fetch and read one pair.

        Raises:
            BenchmarkUnavailable: It cannot be fetched, is no picture, or its two halves do not fit.
        """
        ...


def pixels_sha256(pixels: np.ndarray) -> str:
    """Hash of an array: its type, its shape and its values, whatever file it may lie in.

    >>> pixels_sha256(np.zeros((1, 1, 3), np.uint8))[:8]
    'bce79337'
    """
    digest = hashlib.sha256(f"{pixels.dtype.str} {pixels.shape} ".encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()
