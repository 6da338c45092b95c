"""The validation blocks of SIDD, as the official site gives them: two MATLAB files.

`ValidationNoisyBlocksSrgb.mat` and `ValidationGtBlocksSrgb.mat` hold one variable each, named as
the file, of 40 pictures x 32 blocks x 256 x 256 x 3, uint8.
"""

from typing import Any

from eval.data.pairs import BenchmarkUnavailable, Item

from .base import Expected, PairImage, PairReader
from .files import Files

NOISY = "ValidationNoisyBlocksSrgb"
"""MATLAB variable and file stem of the noisy blocks."""
TRUTH = "ValidationGtBlocksSrgb"
"""MATLAB variable and file stem of the ground-truth blocks."""


class SiddReader(PairReader):
    """Blocks of the two files, called '0001-01' for the first block of the first picture.

    Args:
        files: A folder with both files.
        expected: Requirements that every pair must meet.
    """

    def __init__(self, files: Files, expected: Expected) -> None:
        super().__init__(files, expected)
        self._blocks: dict[str, Any] = {}

    def _list(self) -> list[Item]:
        shapes = {variable: self._shape(variable) for variable in (NOISY, TRUTH)}
        if shapes[NOISY] != shapes[TRUTH]:
            raise BenchmarkUnavailable(
                f"{NOISY}.mat holds {_product(shapes[NOISY])} and {TRUTH}.mat "
                f"{_product(shapes[TRUTH])}: they are not of one download."
            )
        pictures, blocks = shapes[NOISY][:2]
        return [
            Item(f"{picture + 1:04d}-{block + 1:02d}", None, (picture, block))
            for picture in range(pictures)
            for block in range(blocks)
        ]

    def _read_pair_images(self, item: Item) -> tuple[PairImage, PairImage | None]:
        return self._load(NOISY)[item.locator], self._load(TRUTH)[item.locator]

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
                f"{self.files.label} has no {variable}.mat: put both official files there."
            )
        try:
            return read(str(self.files.path(name)))
        except BenchmarkUnavailable:
            raise
        except Exception as error:  # MATLAB's formats are foreign bytes: anything may be raised
            raise BenchmarkUnavailable(
                f"{name} in {self.files.label} is no MATLAB 5 file, or damaged: download it again."
            ) from error


def _product(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "nothing"
