"""Blocks of SIDD, as the official site gives them in MATLAB files.

`ValidationNoisyBlocksSrgb.mat` and `ValidationGtBlocksSrgb.mat`, and for the server
`BenchmarkNoisyBlocksSrgb.mat`, hold one variable each, named as the file, of 40 pictures x 32
blocks x 256 x 256 x 3, uint8.
"""

from typing import Any

from eval.data.pairs import BenchmarkUnavailable, Item

from .base import Expected, PairImage, PairReader
from .files import Files

NOISY = "ValidationNoisyBlocksSrgb"
"""MATLAB variable and file stem of the noisy blocks."""
TRUTH = "ValidationGtBlocksSrgb"
"""MATLAB variable and file stem of the ground-truth blocks."""
HIDDEN = "BenchmarkNoisyBlocksSrgb"
"""MATLAB variable and file stem of the noisy blocks whose ground truth the server keeps."""


class SiddReader(PairReader):
    """Blocks of the files, called '0001-01' for the first block of the first picture.

    Args:
        files: A folder with the files.
        expected: Requirements that every pair must meet.
        hidden: Whether to read the benchmark's blocks, whose targets are None, in place of the
            validation set's.
    """

    def __init__(self, files: Files, expected: Expected, hidden: bool = False) -> None:
        super().__init__(files, expected)
        self._noisy = HIDDEN if hidden else NOISY
        self._truth: str | None = None if hidden else TRUTH
        self._blocks: dict[str, Any] = {}

    def _list(self) -> list[Item]:
        shape = self._shape(self._noisy)
        if self._truth is not None and (other := self._shape(self._truth)) != shape:
            raise BenchmarkUnavailable(
                f"{self._noisy}.mat holds {_product(shape)} and {self._truth}.mat "
                f"{_product(other)}: they are not of one download."
            )
        pictures, blocks = shape[:2]
        return [
            Item(f"{picture + 1:04d}-{block + 1:02d}", None, (picture, block))
            for picture in range(pictures)
            for block in range(blocks)
        ]

    def _read_pair_images(self, item: Item) -> tuple[PairImage, PairImage | None]:
        truth = None if self._truth is None else self._load(self._truth)[item.locator]
        return self._load(self._noisy)[item.locator], truth

    def _shape(self, variable: str) -> tuple[int, ...]:
        from scipy.io import whosmat

        found = self._read_mat(variable, lambda path: whosmat(path))
        shapes = {name: (shape, kind) for name, shape, kind in found}
        shape, kind = shapes.get(variable, ((), "absent"))
        if len(shape) != 5 or shape[-1] != 3 or kind != "uint8":
            raise BenchmarkUnavailable(
                f"{variable}.mat holds {variable} as {_product(shape)} {kind} where pictures x "
                "blocks x height x width x 3 uint8 belong: take the file of the official site."
            )
        return tuple(shape)

    def _load(self, variable: str) -> Any:
        if variable not in self._blocks:
            from scipy.io import loadmat

            found = self._read_mat(variable, lambda path: loadmat(path, variable_names=[variable]))
            self._blocks[variable] = found[variable]
        return self._blocks[variable]

    def _read_mat(self, variable: str, read: Any) -> Any:
        """Apply `read` to the path of the variable's .mat file.

        Raises:
            BenchmarkUnavailable: The file is missing or damaged.
        """
        names = self.files.names()
        name = next((name for name in names if name.split("/")[-1] == f"{variable}.mat"), None)
        if name is None:
            raise BenchmarkUnavailable(
                f"{self.files.label} has no {variable}.mat: put the official files there."
            )
        path = self.files.path(name)
        try:
            return read(str(path))
        except NotImplementedError as error:  # scipy's answer to HDF5
            raise BenchmarkUnavailable(
                f"{name} in {self.files.label} is a MATLAB 7.3 file: save it in MATLAB with '-v7', "
                "or download the official one."
            ) from error
        except Exception as error:  # MATLAB's formats are foreign bytes: anything may be raised
            raise BenchmarkUnavailable(
                f"{name} in {self.files.label} is no MATLAB 5 file, or damaged: download it again."
            ) from error


def _product(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "nothing"
