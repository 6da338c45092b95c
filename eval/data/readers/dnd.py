"""The Darmstadt Noise Dataset, as its site gives it: noisy pictures only, the truth is hidden.

`info.mat` says which 20 boxes of 512 x 512 of each of the 50 pictures count;
`images_srgb/0001.mat` and so on hold `InoisySRGB`, values in [0, 1]. All are HDF5 files.
"""

from typing import Any

import numpy as np

from eval.data.pairs import BenchmarkUnavailable, Item

from .base import Expected, PairImage, PairReader
from .files import Files

_PICTURE = "images_srgb/{:04d}.mat"


class DndReader(PairReader):
    """Boxes called '0001-01' for the first box of the first picture; targets are None.

    Args:
        files: The folder with info.mat and images_srgb/.
        expected: Requirements that every pair must meet.
    """

    def __init__(self, files: Files, expected: Expected) -> None:
        super().__init__(files, expected)
        self._picture: tuple[int, np.ndarray] | None = None

    def _list(self) -> list[Item]:
        boxes = self._read("info.mat", _boxes)
        return [
            Item(f"{picture + 1:04d}-{number + 1:02d}", None, (picture + 1, *box))
            for picture, of_picture in enumerate(boxes)
            for number, box in enumerate(of_picture)
        ]

    def _read_pair_images(self, item: Item) -> tuple[PairImage, PairImage | None]:
        picture, top, left, bottom, right = item.locator
        if self._picture is None or self._picture[0] != picture:
            self._picture = (picture, self._read(_PICTURE.format(picture), _pixels))
        pixels = self._picture[1]
        if not (0 <= top < bottom <= pixels.shape[0] and 0 <= left < right <= pixels.shape[1]):
            raise BenchmarkUnavailable(
                f"Pair {item.id}: its box lies outside of {_PICTURE.format(picture)}, which has "
                f"{pixels.shape[1]} x {pixels.shape[0]} pixels: download both files again."
            )
        return np.ascontiguousarray(pixels[top:bottom, left:right]), None

    def _read(self, name: str, use: Any) -> Any:
        try:
            import h5py
        except ImportError as error:
            raise BenchmarkUnavailable(
                "DND's files are HDF5, which the package h5py reads: run `pip install h5py` and "
                "try again."
            ) from error
        path = self.files.path(name)
        try:
            with h5py.File(path, "r") as file:
                return use(file)
        except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
            raise BenchmarkUnavailable(
                f"{name} in {self.files.label} is not laid out as DND's, or damaged: download it "
                "again."
            ) from error


def _boxes(file: Any) -> list[list[tuple[int, int, int, int]]]:
    """Read (top, left, bottom, right) of every box; MATLAB counts from 1 and includes the end."""
    references = np.array(file["info"]["boundingboxes"]).reshape(-1)
    boxes = [np.array(file[reference]).T for reference in references]
    return [
        [(int(top) - 1, int(left) - 1, int(bottom), int(right)) for top, left, bottom, right in box]
        for box in boxes
    ]


def _pixels(file: Any) -> np.ndarray:
    """Read pixels as (H, W, 3) float32 in [0, 1]; MATLAB stores columns first."""
    return np.clip(np.array(file["InoisySRGB"], dtype=np.float32).T, 0, 1)
