"""Patches of photographs that `prepare` left as arrays, and of real pairs of pictures."""

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from mirnet.errors import InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.picture import to_eight_bits
from mirnet.weights.store import file_sha256

from .config import Pairs
from .manifest import read_manifest

_GAINS = 0.75, 1.0  # of red, green and blue: what is white must not clip in one picture alone


class Patches:
    """Random patches of prepared photographs; a batch is a function of its generator alone.

    Args:
        folder: What `prepare` filled.
        split: 'train' or 'dev'.
        thumbnail_px: Side of the reduced copy of each whole photograph that comes along.

    Raises:
        InvalidRequest: The photographs are not prepared.
    """

    def __init__(self, folder: Path | str, split: str, thumbnail_px: int = 64):
        self.photos = [photo for photo in read_manifest()[1] if photo.split == split]
        paths = [Path(folder) / photo.key for photo in self.photos]
        if not all(path.exists() for path in paths):
            raise InvalidRequest(
                f"The training photographs are not in {folder}: run `python -m mirnet prepare "
                f"--folder {folder}` first (about 640 MB to fetch)."
            )
        self.arrays = [np.load(path, mmap_mode="r") for path in paths]
        self.thumbnails = [
            np.asarray(
                Image.fromarray(array[:]).resize((thumbnail_px, thumbnail_px), Image.Resampling.BOX)
            )
            for array in self.arrays
        ]

    def batch(
        self,
        size: int,
        patch_px: int,
        rng: np.random.Generator,
        detail: float = 0.0,
        reduced: float = 0.3,
    ) -> tuple:
        """Draw patches with random flips, quarter turns and scale.

        Args:
            size: Number of patches.
            patch_px: Side of a patch.
            rng: Source of randomness.
            detail: Probability that a patch is the most detailed of four: most of a photograph is
                sky or out of focus and teaches little.
            reduced: Probability that a patch is cut 2, 3 or 4 times as large and reduced.

        Returns:
            Patches (size, 3, patch_px, patch_px) and thumbnails (size, 3, t, t), sRGB in [0, 1].
        """
        import torch

        patches, thumbnails = [], []
        areas = np.array([array.shape[0] * array.shape[1] for array in self.arrays], float)
        for index in rng.choice(len(self.arrays), size, p=areas / areas.sum()):
            array = self.arrays[index]
            shrink = int(rng.integers(2, 5)) if rng.random() < reduced else 1
            shrink = min(shrink, min(array.shape[:2]) // patch_px)
            draws = 4 if detail and rng.random() < detail else 1
            crops = [_crop([array], patch_px * shrink, rng)[0] for _ in range(draws)]
            patch = max(crops, key=_detail)
            if shrink > 1:
                patch = patch.reshape(3, patch_px, shrink, patch_px, shrink).mean((2, 4))
            patches.append(patch)
            thumbnails.append(self.thumbnails[index].transpose(2, 0, 1).astype(np.float32) / 255)
        return torch.from_numpy(np.stack(patches)), torch.from_numpy(np.stack(thumbnails))


def _detail(crop: np.ndarray) -> float:
    """Mean step between neighbouring green values of a (3, H, W) patch."""
    green = crop[1]
    return sum(float(np.abs(np.diff(green, axis=axis)).mean()) for axis in (0, 1))


def _crop(arrays: list[np.ndarray], side: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The same random square of every (H, W, 3) uint8 array, turned and mirrored alike.

    The crops are (3, side, side) float32 in [0, 1].
    """
    top = rng.integers(arrays[0].shape[0] - side + 1)
    left = rng.integers(arrays[0].shape[1] - side + 1)
    turns, mirror = int(rng.integers(4)), rng.random() < 0.5
    crops = []
    for array in arrays:
        crop = np.rot90(array[top : top + side, left : left + side], turns)
        crop = crop[:, ::-1] if mirror else crop
        crops.append(np.ascontiguousarray(crop.transpose(2, 0, 1), dtype=np.float32) / 255)
    return crops


class RealPairs:
    """Random patches of pictures that exist degraded and good.

    Args:
        recipe: Where they are.
        split: 'dev' for every `recipe.dev_every`-th pair, 'train' for the others.
        thumbnail_px: Side of the reduced copy of each whole input that comes along.

    Raises:
        InvalidRequest: The folder holds no such pictures, or an input has no target.
    """

    def __init__(self, recipe: Pairs, split: str, thumbnail_px: int = 64):
        self.recipe = recipe
        self.thumbnail_px = thumbnail_px
        folder = Path(recipe.folder)
        inputs = sorted(path for path in folder.glob(recipe.input) if path.is_file())
        if not inputs:
            raise InvalidRequest(
                f"{folder} holds no {recipe.input}: put the data set there, or change data.pairs."
            )
        paths = []
        for degraded in inputs:
            below = degraded.relative_to(folder).as_posix()
            target = folder / below.replace(recipe.find, recipe.replace)
            if target == degraded or not target.is_file():
                raise InvalidRequest(
                    f"{below} has no target {target.relative_to(folder)}: complete {folder}, or "
                    "change find and replace of data.pairs."
                )
            paths.append((degraded, target))
        every = recipe.dev_every
        held_out = [bool(every) and number % every == every - 1 for number in range(len(paths))]
        self.paths = [
            pair for pair, out in zip(paths, held_out, strict=True) if out == (split == "dev")
        ]
        if not self.paths:
            raise InvalidRequest(f"{folder} leaves no pair for {split}: change dev_every.")
        self._read = functools.lru_cache(maxsize=64)(self._read_pair)

    def hashes(self) -> list[str]:
        """The hash of every file."""
        return [file_sha256(path) for pair in self.paths for path in pair]

    def description(self, share: float) -> str:
        """What the card says about them."""
        name = self.recipe.name or self.recipe.folder
        return f"{len(self.paths)} real pairs of {name} ({share:.0%} of the batches)"

    def _read_pair(self, index: int) -> tuple[list[np.ndarray], np.ndarray]:
        pair = [read_image(path) for path in self.paths[index]]
        if pair[0].pixels.shape != pair[1].pixels.shape:
            raise InvalidRequest(
                f"{self.paths[index][0]} has {pair[0].width} x {pair[0].height} pixels, its target "
                f"{pair[1].width} x {pair[1].height}: they must be the same size."
            )
        small = (self.thumbnail_px, self.thumbnail_px)
        arrays = [to_eight_bits(picture.pixels) for picture in pair]
        thumbnail = Image.fromarray(arrays[0]).resize(small, Image.Resampling.BOX)
        return arrays, np.asarray(thumbnail)

    def batch(self, size: int, patch_px: int, rng: np.random.Generator) -> tuple:
        """Draw patches with random flips, quarter turns and, where asked for, colours.

        Args:
            size: Number of patches.
            patch_px: Side of a patch.
            rng: Source of randomness.

        Returns:
            Degraded, target (size, 3, patch_px, patch_px) and thumbnails of the degraded pictures
            (size, 3, t, t), sRGB in [0, 1].

        Raises:
            InvalidRequest: A picture is smaller than a patch, or a pair differs in size.
        """
        import torch

        drawn = []
        for index in rng.integers(len(self.paths), size=size):
            arrays, thumbnail = self._read(int(index))
            if min(arrays[0].shape[:2]) < patch_px:
                raise InvalidRequest(
                    f"{self.paths[index][0]} is smaller than a patch of {patch_px} pixels: make "
                    "data.patch_px smaller."
                )
            small = thumbnail.transpose(2, 0, 1).astype(np.float32) / 255
            patches = [*_crop(arrays, patch_px, rng), small]
            if self.recipe.colours and rng.random() < self.recipe.colours:
                order, gains = rng.permutation(3), rng.uniform(*_GAINS, (3, 1, 1))
                patches = [patch[order] * gains.astype(np.float32) for patch in patches]
            drawn.append(patches)
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*drawn, strict=True))
