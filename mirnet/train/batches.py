"""Batches of training pairs: photographs that are degraded on the fly, and real pairs.

A batch is a function of the seed of its generator and its step: a resumed run sees the same batches
as an uninterrupted one.
"""

import functools
import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from mirnet.errors import InvalidRequest
from mirnet.files import file_sha256
from mirnet.images.decode import read_image
from mirnet.images.picture import to_eight_bits

from .config import Config, Data, Pairs
from .degradations import DEGRADATIONS, CleanBatch
from .degradations.draws import shift, uniform
from .degradations.registry import WITH_MOSAIC
from .device_dataset import DeviceDataset, reduced
from .manifest import Photo, fingerprint, read_manifest
from .noise_profiles import NoiseProfiles
from .pack import read_pack

REDUCTIONS = (2, 3, 4)
"""Factors of the reduced copies of the photographs."""
COLOUR_GAINS = (0.75, 1.0)
"""Range of the gains of permuted colours; at most 1, so that white clips in neither picture."""
TILE_PX = 512
"""Side in pixels of the random tiles kept of real pairs that exceed the memory."""


class Batch(NamedTuple):
    """Training pairs, float32 in [0, 1], on the device."""

    degraded: Tensor
    """Degraded patches, (B, 3, side, side)."""
    target: Tensor
    """Clean patches, (B, 3, side, side)."""
    thumbnails: Tensor
    """Degraded thumbnails of the whole photographs of the patches, (B, 3, t, t)."""


def generator_for(device: torch.device | str, *numbers: int) -> Generator:
    """A generator on the device, seeded by these numbers."""
    digest = hashlib.sha256(repr(numbers).encode()).digest()
    return Generator(device).manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def load_photos(folder: Path | str, split: str) -> list[tuple[Photo, np.ndarray]]:
    """Read photographs of one split as (H, W, 3) uint8 arrays.

    Args:
        folder: Folder that `prepare` filled, or a pack (see `mirnet.train.pack`).
        split: 'train' or 'dev'.

    Raises:
        InvalidRequest: Photographs of the manifest are missing, or the file is not a pack.
    """
    if Path(folder).is_file():
        return read_pack(folder, split)
    photos = [photo for photo in read_manifest()[1] if photo.split == split]
    if not all((Path(folder) / photo.key).exists() for photo in photos):
        raise InvalidRequest(
            f"The training photographs are not in {folder}: run `python -m mirnet prepare "
            f"--folder {folder}` first."
        )
    return [(photo, np.load(Path(folder) / photo.key, mmap_mode="r")) for photo in photos]


class Photographs:
    """Clean patches of free photographs, held in memory at full and reduced size.

    Args:
        data: Folder of the photographs, and shares of detailed and reduced patches.
        split: 'train' or 'dev'.
        device: Device of the pixels.

    Raises:
        InvalidRequest: The photographs are not prepared.
    """

    def __init__(self, data: Data, split: str, device: torch.device | str):
        loaded = load_photos(data.photos, split)
        self.data = data
        self.photos = [photo for photo, _ in loaded]
        self.datasets = [
            DeviceDataset((array for _, array in loaded), device, detail=True),
            *(
                DeviceDataset((reduced(array, factor) for _, array in loaded), device, detail=True)
                for factor in REDUCTIONS
            ),
        ]
        self._chances: dict[int, list[Tensor | None]] = {}

    def _chances_for(self, side: int) -> list[Tensor | None]:
        """Cumulative probabilities for each dataset; None if all its pictures are too small."""
        if side not in self._chances:
            full, *smaller = self.datasets
            found: list[Tensor | None] = [full.chances(side)]
            for dataset in smaller:
                try:
                    found.append(dataset.chances(side))
                except InvalidRequest:
                    found.append(None)
            self._chances[side] = found
        return self._chances[side]

    def batch(self, size: int, side: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw clean patches (size, 3, side, side) and thumbnails (size, 3, t, t).

        A fixed share of them comes from reduced photographs, spread over the factors of
        `REDUCTIONS`; the order within a batch does not matter.

        Raises:
            InvalidRequest: Every photograph is smaller than a patch.
        """
        chances = self._chances_for(side)
        usable = [place for place, chance in enumerate(chances) if place and chance is not None]
        chooser = random.Random(generator.initial_seed())
        counts = [0] * len(chances)
        for _ in range(size):
            is_reduced = usable and chooser.random() < self.data.reduced
            counts[chooser.choice(usable) if is_reduced else 0] += 1
        patches, thumbnails = [], []
        for dataset, chance, count in zip(self.datasets, chances, counts, strict=True):
            if count and chance is not None:
                places = dataset.draw(count, side, chance, generator, self.data.detail)
                patches.append(dataset.cut(places, side))
                thumbnails.append(dataset.thumbnails[places.picture])
        return torch.cat(patches), torch.cat(thumbnails)


class RealPairs:
    """Patches of real pairs of pictures, held in memory.

    Pictures are decoded once, when the run begins. If all of them take more than
    `recipe.memory_gib`, as many random tiles of `TILE_PX` pixels as fit are kept of each picture.

    Args:
        recipe: Folder, patterns and memory limit of the pairs.
        split: 'dev' for every `recipe.dev_every`-th pair, 'train' for the others.
        device: Device of the pixels.

    Raises:
        InvalidRequest: No picture matches, an input has no target, or the pictures of a pair
            differ in size.
    """

    def __init__(self, recipe: Pairs, split: str, device: torch.device | str):
        self.recipe = recipe
        self.paths = find_pairs(recipe, split)
        seed = np.random.default_rng(len(self.paths))
        with ThreadPoolExecutor() as pool:
            first = pool.submit(_read_pair, *self.paths[0]).result()
            room = recipe.memory_gib * 2**30 / len(self.paths)  # bytes of a pair
            tiles = int(room // (2 * 3 * TILE_PX**2)) if first[0].nbytes * 2 > room else 0
            seeds = seed.integers(2**32, size=len(self.paths))
            read = [
                pool.submit(_read_tiles, *paths, max(tiles, 1), int(seed)) if tiles else
                pool.submit(_read_pair, *paths)
                for paths, seed in zip(self.paths, seeds, strict=True)
            ]  # fmt: skip
            results = [result.result() for result in read]
        if tiles:
            inputs = [tile for pair in results for tile in pair[0]]
            targets = [tile for pair in results for tile in pair[1]]
        else:
            inputs, targets = ([pair[which] for pair in results] for which in (0, 1))
        self.inputs, self.targets = DeviceDataset(inputs, device), DeviceDataset(targets, device)
        self._chances: dict[int, Tensor] = {}

    def hashes(self) -> list[str]:
        """SHA-256 of every file."""
        return [file_sha256(path) for pair in self.paths for path in pair]

    def description(self, share: float) -> str:
        """Description of the pairs for the model card; `share` is their part of the batches."""
        name = self.recipe.name or self.recipe.folder
        return f"{len(self.paths)} real pairs of {name} ({share:.0%} of the batches)"

    def batch(self, size: int, side: int, generator: Generator) -> Batch:
        """Draw patches with random mirroring, quarter turns and, if configured, colours.

        Raises:
            InvalidRequest: Every picture is smaller than a patch.
        """
        if side not in self._chances:
            self._chances[side] = self.inputs.chances(side)
        places = self.inputs.draw(size, side, self._chances[side], generator)
        batch = [
            self.inputs.cut(places, side),
            self.targets.cut(places, side),
            self.inputs.thumbnails[places.picture],
        ]
        if self.recipe.colours:
            device = generator.device
            kept = uniform(size, 0, 1, generator) >= self.recipe.colours
            order = torch.rand(size, 3, generator=generator, device=device).argsort(1)
            order = torch.where(kept.view(-1, 1), torch.arange(3, device=device), order)
            gains = torch.where(kept, 1.0, uniform(size, *COLOUR_GAINS, generator, 3))
            rows = torch.arange(size, device=device)[:, None]
            batch = [tensor[rows, order] * gains for tensor in batch]
        return Batch(*batch)


def find_pairs(recipe: Pairs, split: str) -> list[tuple[Path, Path]]:
    """Paths of the inputs and targets of one split, sorted by name.

    Raises:
        InvalidRequest: No picture matches, or an input has no target.
    """
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
    chosen = [pair for pair, out in zip(paths, held_out, strict=True) if out == (split == "dev")]
    if not chosen:
        raise InvalidRequest(f"{folder} leaves no pair for {split}: change dev_every.")
    return chosen


def _read_pair(degraded: Path, target: Path) -> tuple[np.ndarray, np.ndarray]:
    pair = [read_image(path) for path in (degraded, target)]
    if pair[0].pixels.shape != pair[1].pixels.shape:
        raise InvalidRequest(
            f"{degraded} has {pair[0].width} x {pair[0].height} pixels, its target "
            f"{pair[1].width} x {pair[1].height}: they must be the same size."
        )
    first, second = (to_eight_bits(picture.pixels) for picture in pair)
    return first, second


def _read_tiles(
    degraded: Path, target: Path, tiles: int, seed: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Random tiles of a pair, copied so that the whole pictures can be freed."""
    pair = _read_pair(degraded, target)
    height, width = pair[0].shape[:2]
    side = min(TILE_PX, height, width)
    rng = np.random.default_rng(seed)
    tops, lefts = (rng.integers(length - side + 1, size=tiles) for length in (height, width))
    first, second = (
        [picture[t : t + side, n : n + side].copy() for t, n in zip(tops, lefts, strict=True)]
        for picture in pair
    )
    return first, second


class Source:
    """Source of a run's batches: photographs to degrade, real pairs, or both.

    Args:
        config: The run's configuration.
        split: 'train' or 'dev'.
        device: Device of the pixels and the batches.

    Raises:
        InvalidRequest: The photographs are not prepared, or a data set is missing.
    """

    def __init__(self, config: Config, split: str, device: torch.device | str = "cpu"):
        self.config = config
        self.device = torch.device(device)
        self.pairs = [
            (RealPairs(pairs, split, device), pairs.share)
            for pairs in config.data.pairs
            if split == "train" or pairs.dev_every
        ]
        synthetic = config.data.degradation != "none"
        self.photographs = Photographs(config.data, split, device) if synthetic else None
        self.profiles = None
        if config.data.noise == "profiles":
            cameras = "train" if split == "train" else "held_out"
            self.profiles = NoiseProfiles.load(config.data.photos, cameras)
        if not synthetic and not self.pairs:
            raise InvalidRequest(
                "The recipe has nothing to score: give one of data.pairs a dev_every."
            )

    def batch(self, size: int, side: int, seed: tuple[int, ...]) -> Batch:
        """Draw a batch of pairs.

        Args:
            side: Side of a patch in pixels.
            seed: Seed of all randomness of the batch.

        Raises:
            InvalidRequest: Every picture is smaller than a patch.
        """
        generator = generator_for(self.device, *seed)
        chooser = random.Random(generator.initial_seed())
        # A share of 0.3 of 8 pairs is 2.4: 2 or 3 pairs, 2.4 on average.
        counts = [int(share * size + chooser.random()) for _, share in self.pairs]
        if self.photographs is None:
            counts[-1] = size - sum(counts[:-1])
        parts = [
            real.batch(count, side, generator)
            for (real, _), count in zip(self.pairs, counts, strict=True)
            if count > 0
        ]
        rest = size - sum(counts)
        if self.photographs is not None and rest > 0:
            parts.append(self._degraded(rest, side, generator, chooser))
        return Batch(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def _degraded(
        self, size: int, side: int, generator: Generator, chooser: random.Random
    ) -> Batch:
        assert self.photographs is not None
        data = self.config.data
        shifted = data.degradation in WITH_MOSAIC
        scale = chooser.choice((2, 3, 4)) if data.degradation == "photographed" else data.scale
        # Two pixels more to shift in, and sides that the scale divides.
        cut = side + 2 * shifted
        cut += -cut % scale
        clean, thumbnails = self.photographs.batch(size, cut, generator)
        degraded, target, thumbnails = DEGRADATIONS[data.degradation](
            CleanBatch(clean, thumbnails, generator, scale, self.profiles)
        )
        if shifted:
            degraded, target = shift([degraded, target], side, generator)
        else:
            degraded, target = degraded[..., :side, :side], target[..., :side, :side]
        return Batch(degraded, target, thumbnails)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash over all files; the files of real pairs are hashed once."""
        hashes = [photo.sha256 for photo in self.photographs.photos] if self.photographs else []
        return fingerprint(hashes + [h for real, _ in self.pairs for h in real.hashes()])

    def manifest(self) -> list[dict[str, str]]:
        """Origin, file, author, licence and hash of every photograph, for the card."""
        photos = self.photographs.photos if self.photographs else []
        keys = ("origin", "file", "author", "licence", "sha256")
        return [{key: getattr(photo, key) for key in keys} for photo in photos]

    def description(self) -> str:
        """Description of the training data for the model card."""
        parts = [real.description(share) for real, share in self.pairs]
        if self.photographs is not None:
            photos = self.photographs.photos
            packages = ", ".join(sorted({photo.package for photo in photos if photo.package}))
            stores = ", ".join(sorted({photo.repository for photo in photos if photo.repository}))
            licences = ", ".join(sorted({photo.licence for photo in photos}))
            origins = [f"of the Debian packages {packages}"] if packages else []
            origins += [f"of the repositories {stores}"] if stores else []
            parts.insert(
                0,
                f"{len(photos)} photographs {' and '.join(origins)} ({licences}) with synthetic "
                f"degradation '{self.config.data.degradation}'"
                + (" and darktable's noise profiles" if self.profiles else ""),
            )
        return "; ".join(parts)
