"""Pairs of a degraded picture and its ground truth, and why one cannot be used."""

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mirnet.errors import MIRNetError
from mirnet.images.picture import Picture

from .pair_facts import Fact

About = Literal["source", "split", "names", "size"]
"""Subject of a data set's error: its place, its configuration or split, the columns or patterns
that name its pictures, or the sizes of a pair."""


class BenchmarkUnavailable(MIRNetError):
    """A benchmark is unknown, cannot be reached, or is not what its catalogue entry says.

    Args:
        message: Sentence with a way out.
        about: What to change, as a form shows it.
    """

    def __init__(self, message: str, about: About = "source") -> None:
        super().__init__(message)
        self.about: About = about


class PairUnusable(BenchmarkUnavailable):
    """One pair cannot be scored: a file is damaged, or its pictures do not belong together."""


@dataclass(frozen=True)
class Item:
    """One pair before it is read."""

    id: str
    """Id, unique in its benchmark, of letters, digits, '.', '_' and '-': safe as a file name."""
    bytes: int | None = None
    """Bytes to fetch for the pair; None where the source does not tell."""
    locator: Any = field(default=None, compare=False, repr=False)
    """Place of the pair in its source; only its reader looks inside."""
    fetched_with: Hashable = field(default=None, compare=False, repr=False)
    """Key of pairs that are fetched together, `bytes` in all; None for a pair fetched alone."""
    facts: Mapping[str, Fact] = field(default_factory=dict, compare=False, repr=False)
    """Facts from the source's list of pairs; see `pair_facts`."""


@dataclass(frozen=True)
class Pair:
    """A pair that has been read: its pictures and their hashes."""

    id: str
    """Id of the pair's item."""
    degraded: Picture
    """Degraded picture, the input of a method."""
    target: Picture | None
    """Ground truth; None where it is private (DND)."""
    degraded_sha256: str
    """Hash of the degraded picture's file, or of its pixels where it has no file of its own."""
    target_sha256: str | None
    """Hash of the ground truth's file or pixels; None without ground truth."""
    facts: Mapping[str, Fact] = field(default_factory=dict, compare=False, repr=False)
    """Facts from its source, for a worker that has no source."""


def pixels_sha256(pixels: np.ndarray) -> str:
    """Hash an array's type, shape and values, independent of its file format.

    >>> pixels_sha256(np.zeros((1, 1, 3), np.uint8))[:8]
    'bce79337'
    """
    digest = hashlib.sha256(f"{pixels.dtype.str} {pixels.shape} ".encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()
