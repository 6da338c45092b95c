"""Restore one photo: picture in, one event a tile, picture out.

A photo is cut into tiles, each goes through the network, and only a tile or a band of the picture
is ever held as floats. How tiles agree is a choice (`TILINGS`): as the whole photo would have come
out (`seamless.py`), or each on its own and blended (`tiling.py`). Networks of any task keep the
size; super-resolution enlarges first (see `restore`). The module can be called like its function,
because `mirnet.restore` names both.
"""

import contextlib
import copy
import itertools
import math
import operator
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from mirnet import memory
from mirnet.device import default_device
from mirnet.errors import Cancelled, CheckpointRejected, ImageRejected, InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.encode import write_image
from mirnet.images.limits import MAX_PIXELS
from mirnet.images.picture import Picture, quantize, to_unit
from mirnet.models.base import ForeignNetwork, RestorationNetwork
from mirnet.models.global_pooling import Pools
from mirnet.restoration.compute_lock import FairLock, Share
from mirnet.tasks import Task, get_task
from mirnet.weights.checkpoints import count_parameters
from mirnet.weights.load import LoadedWeights
from mirnet.weights.load import load as load_by_name

from . import engines
from . import exact_tiles as seamless
from . import tiles as tiling
from .tiles import Tile

COMPUTE_LOCK = FairLock()
"""Held while a network runs, one pass at a time, so that several restorations take turns."""

TILE_MEMORY_BYTES = 512 * 2**20
"""What the network may need for one tile when the tile size is chosen automatically."""
WHOLE_MEMORY_BYTES = 2 * TILE_MEMORY_BYTES
"""The same for a photo in one piece, which spares it halos and the passes of exact tiles."""
TILE_MEMORY_SHARE = 0.5
"""Of the memory that is free, where that is little; the rest is for the photo and its result."""
MAX_AUTO_TILE_PX = 768
"""Beyond this a tile saves little overlap, but stopping takes longer."""
MIN_TILE_PX, MAX_TILE_PX = 32, 16384
"""What a person may choose."""
MAX_AUTO_OVERLAP_PX = 32
"""As the authors' demo of MIRNet-v2 has it; wider overlaps cost time."""

TILINGS = {
    "auto": "exact where it takes at most 3.5 times as long as naive, for networks behind a "
    "pixel-unshuffle only up to 2 megapixels; else fast, else naive",
    "exact": "as if the whole photo had gone through the network at once, to 80 dB or better",
    "fast": "very nearly so, in one pass: the whole photo is judged from a sample",
    "naive": "every tile on its own, neighbours blended: its colours and strength may vary",
}
"""How tiles of a large photo may agree."""
MAX_AUTO = {"exact": 3.5, "fast": 2.0}
"""How many times the pixels of naive tiles a choice may send through the network to be automatic;
the rest of it are halos, which small tiles make expensive."""
MAX_WAIT_PIXELS = 2_000_000
"""Larger photos are not restored twice over by default where a network is made for speed."""


@dataclass(frozen=True)
class TileProgress:
    """One event of a `RestoreJob`."""

    tile: int
    """How many tiles are done, from 1."""
    tiles: int
    """How many there are."""
    seconds: float
    """Time worked so far."""
    seconds_left: float | None
    """Expected from the speed so far; None while nothing is known."""


@dataclass(frozen=True)
class RestoreResult:
    """A restored photo and how it came about."""

    picture: Picture
    """The result: depth, alpha, colour profile and EXIF of the source."""
    before: Picture
    """The input at the size of the result: enlarged for super-resolution, else as it was read."""
    task: str
    """Id of the task."""
    weights_id: str
    """Id in the catalogue, the file's name, or the class of a network given as a module."""
    weights_sha256: str | None
    """Hash of the weights file; None for a network given as a module."""
    architecture: str
    """"MIRNet" or "MIRNetV2"."""
    parameters: int
    """Numbers the network learned."""
    seconds: float
    """Time worked, without reading, enlarging and writing."""
    tiles: int
    """Tiles the photo was cut into; 0 at strength 0, where the network does not run."""
    tile_px: int
    """Longest side a tile could have."""
    overlap_px: int
    """Shortest overlap neighbours could have; of `exact` and `fast`, the halo around a tile."""
    strength: float
    """Share of the network's result, the rest being `before`."""
    ensemble: bool
    """Whether each tile is the mean over 8 flips and rotations."""
    device: str
    """Where the network ran: "cpu", "cuda", "mps"."""
    tiling: str = "whole"
    """How tiles were made to agree: one of `TILINGS`, or "whole" where there was but one."""
    passes: int = 1
    """How often each tile went through the network, flips and rotations not counted."""
    agreement_db: float | None = None
    """Of `exact`: estimated PSNR between the result and the whole photo in one go."""
    engine: str = "torch"
    """What computed it: a key of `mirnet.restoration.engines.ENGINES`."""
    engine_note: str = ""
    """Why it was not the engine that was asked for; else ""."""

    @property
    def megapixels(self) -> float:
        """Million pixels of the result."""
        return self.picture.megapixels

    @property
    def megapixels_per_second(self) -> float:
        """Speed of the network, in megapixels of the result."""
        return self.megapixels / max(self.seconds, 1e-9)

    def facts(self) -> str:
        """One line for a person: weights, hash, size, time, tiles and how they agree, engine."""
        parts = [f"weights {self.weights_id}"]
        if self.weights_sha256:
            parts.append(f"sha256 {self.weights_sha256[:6]}…")
        if self.tiles:
            speed = self.megapixels_per_second
            parts.append(f"{self.megapixels:.3g} MP in {self.seconds:.1f} s ({speed:.2g} MP/s)")
            many = f"{self.tiles} tiles up to {self.tile_px} px"
            parts.append("1 tile" if self.tiles == 1 else many + self._how_tiles_agree())
            parts.append(f"engine {self.engine}")
            if self.engine_note:
                parts.append(self.engine_note)
        else:
            parts.append(f"{self.megapixels:.3g} MP unchanged at strength 0")
        return " · ".join(parts)

    def _how_tiles_agree(self) -> str:
        if self.tiling == "exact":
            times = "1 pass" if self.passes == 1 else f"{self.passes} passes"
            return f" in {times}, as if in one piece ({self.agreement_db or 0:.0f} dB)"
        return ", matched to a sample of the photo" if self.tiling == "fast" else ""

    def save(self, path: str | Path, format: str | None = None, quality: int = 95) -> Path:  # noqa: A002
        """Write the result as a file.

        Args:
            path: The file to write or replace.
            format: "PNG", "JPEG", "WebP" or "TIFF"; None takes it from the suffix.
            quality: 1 to 100, for JPEG and WebP.

        Returns:
            The path written.

        Raises:
            ImageRejected: The picture cannot be written so.
        """
        return write_image(self.picture, path, format=format, quality=quality)


@dataclass(frozen=True)
class _Network:
    """A network and where it came from."""

    model: RestorationNetwork
    id: str
    sha256: str | None


@dataclass(frozen=True)
class _Settings:
    """Checked settings of one restoration."""

    task: Task
    strength: float
    ensemble: bool
    tile_px: int
    overlap_px: int
    device: torch.device
    tiling: str
    engine: str


class RestoreJob:
    """A restoration under way: an iterator of one `TileProgress` per tile and pass, and its result.

    The work is done while iterating, in the thread that iterates. `restore` makes these.

    >>> work = restore(np.zeros((1, 1, 3), np.uint8), strength=0)
    >>> [event.tile for event in work], work.result().picture.pixels.tolist()
    ([], [[[0, 0, 0]]])
    """

    def __init__(self, before: Picture, network: _Network, settings: _Settings):
        self._before, self._network, self._settings = before, network, settings
        self._tiling, self._overlap_px, self._tile_px = (
            "whole",
            settings.overlap_px,
            settings.tile_px,
        )
        self._plan: list[Tile] = []
        self._areas: list[int] = []
        self._tiles = self._passes = 0
        self._agreement_db: float | None = None
        self._engine = engines.Prepared(network.model, "torch")
        if settings.strength > 0:
            size = before.height, before.width
            lengths = settings.tile_px, settings.overlap_px
            self._plan = tiling.plan(*size, *lengths, network.model.multiple)
            self._areas = [tile.rows.length * tile.columns.length for tile in self._plan]
            self._tiles, self._passes = len(self._plan), 1
            if self._tiles > 1:
                self._tiling = self._choose_tiling()
            if self._tiling in ("exact", "fast"):
                exact = self._tiling == "exact"
                passes = seamless.USUAL_PASSES if exact else 1
                self._areas = self._usual_areas(exact) * passes * len(self._views)
        self._stop = threading.Event()
        self._share = Share()
        self._seconds = 0.0
        self._pixels: np.ndarray | None = None
        self._error: Exception | None = None
        self._work = self._run()

    @property
    def tiles(self) -> int:
        """How many events there will be: tiles, passes counted. The number of passes is a guess."""
        return len(self._areas)

    def __iter__(self) -> Iterator[TileProgress]:
        return self

    def __next__(self) -> TileProgress:
        """Restore one more tile.

        Raises:
            StopIteration: All tiles are done, or the restoration was stopped.
            CheckpointRejected: The network made values that are not numbers.
            InvalidRequest: The network needs more memory than there is, or changes the size.
        """
        began = time.perf_counter()
        try:
            done = next(self._work)
        except StopIteration:
            raise
        except Exception as error:
            if memory.is_out_of_memory(error):  # beside the network: statistics, sums, pixels
                self._error = InvalidRequest(
                    "There is not enough memory to restore this photo: close other programs or "
                    "choose a smaller tile size."
                )
                raise self._error from error
            self._error = error
            raise
        finally:
            self._seconds += time.perf_counter() - began
        left = self._seconds * sum(self._areas[done:]) / sum(self._areas[:done])
        return TileProgress(done, self.tiles, self._seconds, left)

    def cancel(self) -> None:
        """Stop before the next tile; safe from any thread, and without effect when all is done."""
        self._stop.set()

    def close(self) -> None:
        """Stop, and let go of what was done so far."""
        self.cancel()
        with contextlib.suppress(ValueError):  # another thread is inside; it stops by itself
            self._work.close()

    def result(self) -> RestoreResult:
        """Do what is left and return the restored photo.

        Raises:
            Cancelled: It was stopped.
            CheckpointRejected: See `__next__`.
            InvalidRequest: See `__next__`.
        """
        for _ in self:
            pass
        if self._error is not None:
            raise self._error
        if self._pixels is None:
            raise Cancelled("The restoration was stopped: start it again for a result.")
        settings, network = self._settings, self._network
        return RestoreResult(
            picture=self._before.with_pixels(self._pixels),
            before=self._before,
            task=settings.task.id,
            weights_id=network.id,
            weights_sha256=network.sha256,
            architecture=network.model.architecture,
            parameters=count_parameters(network.model),
            seconds=self._seconds,
            tiles=self._tiles,
            tile_px=self._tile_px,
            overlap_px=self._overlap_px,
            strength=settings.strength,
            ensemble=settings.ensemble,
            device=str(settings.device),
            tiling=self._tiling,
            passes=self._passes,
            agreement_db=self._agreement_db,
            engine=self._engine.engine,
            engine_note=self._engine.note,
        )

    def _run(self) -> Generator[int]:
        """Restore tile after tile; yield how many are done."""
        if self._stop.is_set():
            return
        if not self._plan:
            self._pixels = self._before.pixels
            return
        device = self._settings.device
        model = _on_device(self._network.model, device)
        with COMPUTE_LOCK.of(self._share):
            self._engine = engines.prepare(self._settings.engine, model, device)
        condition = self._condition(model)
        if self._tiling in ("exact", "fast"):
            yield from self._run_agreeing(model, condition)
        else:
            yield from self._run_blending(model, condition)

    def _computed(
        self,
        model: RestorationNetwork,
        run: Callable[[RestorationNetwork, Tensor], Tensor],
        image: Tensor,
    ) -> Tensor:
        """Run the engine's network, or from its first failure on the network itself.

        Args:
            model: The network itself.
            run: Called with the one to use and an image.
            image: (B, 3, h, w) on any device.

        Returns:
            (B, 3, h, w) on the device of the restoration.
        """
        with COMPUTE_LOCK.of(self._share), torch.inference_mode():
            if self._engine.network is not model:
                try:
                    return self._checked(self._engine.network, run, image)
                except InvalidRequest:  # too little memory is not the engine's fault
                    raise
                except Exception as error:
                    self._engine = engines.without(self._engine, model, error)
            return self._checked(model, run, image)

    def _checked(
        self,
        network: RestorationNetwork,
        run: Callable[[RestorationNetwork, Tensor], Tensor],
        image: Tensor,
    ) -> Tensor:
        return _checked(partial(run, network), laid_out(image, network).to(self._settings.device))

    def _run_blending(self, model: RestorationNetwork, condition: Tensor | None) -> Generator[int]:
        """Restore every tile on its own; blend neighbours."""
        before = self._before.pixels
        pixels = np.empty_like(before)
        unfinished = np.empty((0, before.shape[1], 3), np.float32)
        done = 0
        for _, row in itertools.groupby(self._plan, key=lambda tile: tile.row):
            tiles = list(row)
            rows = tiles[0].rows
            band = np.zeros((rows.length, before.shape[1], 3), np.float32)
            band[: len(unfinished)] = unfinished  # what the row above faded out
            finished = rows.fade_out_start - rows.start
            for tile in tiles:
                restored = self._restore_tile(model, tile, condition)
                if restored is None:
                    return
                band[:, tile.columns.pixels] += tiling.blend_window(tile)[..., None] * restored
                done += 1
                if tile is tiles[-1]:
                    pixels[rows.start : rows.fade_out_start] = self._finish(
                        band[:finished], before[rows.start : rows.fade_out_start]
                    )
                    unfinished = band[finished:]
                if done == len(self._plan):
                    self._pixels = pixels
                yield done

    def _run_agreeing(self, model: RestorationNetwork, condition: Tensor | None) -> Generator[int]:
        """Restore tiles as the whole photo would have come out, view by view."""
        before, exact = self._before.pixels, self._tiling == "exact"
        multiple, margin = model.multiple, model.margin
        run = self._runner(model, condition)
        pixels = np.empty_like(before)
        total = np.zeros(before.shape, np.float32) if len(self._views) > 1 else None
        done = 0
        for view in self._views:
            if self._stop.is_set():
                return
            turned = _turn_pixels(before, view)
            restored = None if total is None else np.empty(turned.shape, np.float32)
            picture = seamless.PaddedPicture(turned, multiple, margin)
            work = seamless.SeamlessTiles(run, picture, multiple, self._settings.tile_px, exact)
            self._overlap_px, self._tile_px = work.halo_px, work.longest_px
            self._tiles, usual = len(work.areas), seamless.USUAL_PASSES if exact else 1
            views_left = len(self._views) - 1 - view
            self._areas[done:] = work.areas * usual * (views_left + 1)
            for index, made in enumerate(work):
                output = made.output[0].permute(1, 2, 0).cpu().numpy()
                if restored is None:
                    pixels[made.place] = self._finish(output, before[made.place])
                else:
                    restored[made.place] = output
                done += 1
                ahead = work.areas[index % self._tiles + 1 :] + work.areas * made.passes_left
                self._areas[done:] = ahead + work.areas * usual * views_left
                if not ahead:
                    self._passes, self._agreement_db = work.passes, work.agreement_db
                    if total is not None and restored is not None:
                        total += _turn_pixels_back(restored, view)
                if len(self._areas) == done:
                    if total is not None:
                        pixels = self._finish(total / len(self._views), before)
                    self._pixels = pixels
                yield done
                if self._stop.is_set():
                    return

    def _runner(self, model: RestorationNetwork, condition: Tensor | None) -> seamless.Run:
        """The network on padded tiles, on its device and with the lock held."""

        def run(tiles: Tensor, pools: Pools) -> Tensor:
            def once(network: RestorationNetwork, image: Tensor) -> Tensor:
                pools.begin()
                return network.restore_padded(image, condition, pools)

            return self._computed(model, once, tiles)

        return run

    @property
    def _views(self) -> range:
        """Flips and rotations to average over."""
        return range(8) if self._settings.ensemble else range(1)

    def _choose_tiling(self) -> str:
        """How the tiles of this photo are to agree."""
        model, wanted = self._network.model, self._settings.tiling
        if not model.pools_from_outside:
            return "naive"  # its tiles cannot be told about the whole photo
        if wanted != "auto":
            return wanted
        exactly = engines.is_exact(self._settings.engine)
        naive = sum(self._areas)
        quick = model.unshuffle > 1
        large = self._before.height * self._before.width > MAX_WAIT_PIXELS
        for choice, longest in MAX_AUTO.items():
            exact = choice == "exact"
            if exact and (quick and large or not exactly):
                continue
            areas = self._usual_areas(exact)
            if sum(areas) * (seamless.USUAL_PASSES if exact else 1) <= longest * naive:
                return choice
        return "naive"

    def _usual_areas(self, exact: bool) -> list[int]:
        """Pixels of each tile with a halo as usual, before it is measured."""
        step = self._network.model.multiple
        halo = seamless.usual_halo_px(self._network.model, exact)
        rows, columns = (
            [part.seen.stop - part.seen.start for part in seamless.cut(side, *lengths)]
            for side, lengths in (
                (-(-side // step) * step, (self._settings.tile_px, halo, step))
                for side in (self._before.height, self._before.width)
            )
        )
        return [row * column for row in rows for column in columns]

    def _condition(self, model: RestorationNetwork) -> Tensor | None:
        """What the network takes from the whole photo, once, so that all tiles agree."""
        pixels, side = self._before.pixels, model.thumbnail_px
        if not side:
            return None
        if len(self._plan) == 1:
            whole = _as_tensor(pixels)
        else:
            whole = _reduced(pixels, min(side, pixels.shape[0]), min(side, pixels.shape[1]))
        with COMPUTE_LOCK.of(self._share), torch.inference_mode():
            return model.condition(whole.to(self._settings.device))

    def _restore_tile(
        self, model: RestorationNetwork, tile: Tile, condition: Tensor | None
    ) -> np.ndarray | None:
        """Restore one tile: (h, w, 3) float32, not clamped; None when stopped meanwhile."""
        image = _as_tensor(self._before.pixels[tile.rows.pixels, tile.columns.pixels])

        def once(network: RestorationNetwork, turned: Tensor) -> Tensor:
            return network(turned, condition)

        total: Tensor | None = None
        for view in self._views:
            if self._stop.is_set():
                return None
            output = _turn_back(self._computed(model, once, _turn(image, view)), view)
            total = output if total is None else total + output
        assert total is not None
        return (total / len(self._views))[0].permute(1, 2, 0).cpu().numpy()

    def _finish(self, band: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Turn complete rows into pixels: clamp, grey, strength, depth.

        Args:
            band: (h, W, 3) float32, blended from all tiles.
            before: The same rows of the input.

        Returns:
            (h, W, 3) of the input's type.
        """
        unit = np.clip(band, 0, 1)
        if self._before.grey:
            unit[:] = unit.mean(axis=2, keepdims=True)
        if self._settings.strength < 1:
            base = to_unit(before)
            unit = base + np.float32(self._settings.strength) * (unit - base)
        return quantize(unit, before.dtype)


def restore(
    image: "str | Path | bytes | Image.Image | np.ndarray | Picture",
    task: str = "denoise",
    *,
    weights: "str | Path | LoadedWeights | nn.Module | None" = None,
    strength: float = 1.0,
    ensemble: bool = False,
    tile_px: int | None = None,
    overlap_px: int | None = None,
    same_size: bool = False,
    max_pixels: int = MAX_PIXELS,
    device: "str | torch.device | None" = None,
    tiling: str = "auto",
    engine: str = "auto",
) -> RestoreJob:
    """Start restoring a photo of any size from 1x1 up.

    Settings are checked, the photo is read and the weights are loaded here; the network runs while
    the returned `RestoreJob` is iterated. It sees sRGB values in [0, 1] as (1, 3, h, w) float32,
    pads each side to its own multiple by reflection and crops back; its output is clamped to [0, 1]
    and rounded to the depth of the source. Alpha, colour profile and EXIF pass by the network; a
    grey photo stays grey (mean of the three channels).

    For super-resolution the photo is first enlarged by Pillow's bicubic filter and rounded to its
    depth: the networks keep the size, as RealSR's do.

    Args:
        image: What `mirnet.images.decode.read_image` takes: path, bytes, Pillow image, array, `Picture`.
        task: Id of a task (`mirnet.TASKS`).
        weights: None for the task's own; an id of the catalogue; a path of a weights file or folder
            (do not let strangers choose a string here: pass what `weights.load` returns); a network
            as an `nn.Module` that maps (B, 3, H, W) to the same shape.
        strength: 0 returns the input bit for bit, 1 the network's result, between them a blend.
        ensemble: Average over the 8 flips and rotations of each tile: 8 times slower.
        tile_px: Longest side of a tile; None for what suits the network in about 0.5 GB, or in half
            of the memory that is free where that is less.
        overlap_px: Shortest overlap of naive neighbours, which are then chosen unless `tiling` says
            otherwise; None for an eighth of a tile, at most 32.
        same_size: The photo already has its target size: do not enlarge it for super-resolution.
        max_pixels: Most pixels accepted, in the photo and in the result.
        device: "cpu", "cuda", "cuda:1", "mps"; None for $MIRNET_DEVICE, or else CUDA where there is
            a GPU, else the CPU.
        tiling: How the tiles of a photo larger than a tile agree: a key of `TILINGS`. A network
            that is not one of ours knows only "naive".
        engine: What computes: a key of `mirnet.restoration.engines.ENGINES`, or "auto" for the quickest one
            with float32, timed once on a machine. Where it fails, "torch" takes its place, and
            `RestoreResult.engine_note` says why.

    Returns:
        An iterator of `TileProgress` with `.result()` and `.cancel()`.

    Raises:
        ImageRejected: The photo cannot be read or it, or its result, is too large.
        InvalidRequest: A setting is outside its range, or the weights are for another task.
        WeightsUnavailable: The weights are unknown or not on this machine.
        CheckpointRejected: The weights file fits no network of ours.

    >>> photo = np.full((30, 40, 3), 128, np.uint8)
    >>> restore(photo).result().picture.pixels.shape
    (30, 40, 3)
    """
    chosen = get_task(task)
    if not isinstance(strength, (int, float, np.number)) or not 0 <= strength <= 1:
        raise InvalidRequest(
            f"Strength {strength!r} is not a number from 0 to 1: choose 1 for all."
        )
    if tiling not in TILINGS:
        raise InvalidRequest(
            f"There is no tiling {str(tiling)[:40]!r}: choose from {', '.join(TILINGS)}."
        )
    if tiling == "auto" and overlap_px is not None:
        tiling = "naive"
    place = choose_device(device)
    engines.check_choice(engine, place)
    if tiling == "exact" and not engines.is_exact(engine):
        raise InvalidRequest(
            f"Tiles cannot agree exactly with the engine {engine!r}, which rounds more: choose the "
            'tiling "fast", or the engine "auto".'
        )
    network = _network(weights, chosen)
    automatic = tile_px is None
    free = _free_bytes(engine, network.model, place) if automatic else None
    tile_px, overlap_px = _tile_sizes(network, tile_px, overlap_px, free)
    picture = read_image(image, max_pixels=max_pixels)
    if chosen.scale > 1 and not same_size:
        picture = enlarge(picture, chosen.scale, max_pixels=max_pixels)
    if automatic and fits_whole(network.model, picture.height, picture.width, free):
        tile_px = max(tile_px, picture.height, picture.width)
    settings = _Settings(
        chosen, float(strength), bool(ensemble), tile_px, overlap_px, place, tiling, engine
    )
    return RestoreJob(picture, network, settings)


def enlarge(picture: Picture, scale: int, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Enlarge a photo as super-resolution does before the network: bicubic, colours and alpha.

    Args:
        picture: Any picture.
        scale: Factor for both sides.
        max_pixels: Most pixels the result may have.

    Returns:
        The picture with `scale` times the sides, at its own depth.

    Raises:
        ImageRejected: The result would have more than `max_pixels` pixels.
    """
    height, width = picture.height * scale, picture.width * scale
    if height * width > max_pixels:
        raise ImageRejected(
            f"{picture.name} enlarged x{scale} would have {height * width / 1e6:.4g} megapixels "
            f"({width} x {height}), more than the limit of {max_pixels / 1e6:.4g}: enlarge less, "
            "crop it first, or raise max_pixels."
        )

    def resampled(channel: np.ndarray) -> np.ndarray:
        unit = Image.fromarray(to_unit(channel)).resize((width, height), Image.Resampling.BICUBIC)
        return quantize(np.asarray(unit), channel.dtype)

    pixels = np.empty((height, width, 3), picture.pixels.dtype)
    for channel in range(3):  # one at a time: a float copy of all would cost 12 bytes a pixel
        repeat = picture.grey and channel
        pixels[..., channel] = pixels[..., 0] if repeat else resampled(picture.pixels[..., channel])
    alpha = None if picture.alpha is None else resampled(picture.alpha)
    return picture.with_pixels(pixels, alpha)


def automatic_tile_px(model: RestorationNetwork, available_bytes: int | None = None) -> int:
    """Longest tile side for which a network needs about `TILE_MEMORY_BYTES`, if so much is free.

    Args:
        model: The network.
        available_bytes: Memory that this program can still have, of which a tile gets at most
            `TILE_MEMORY_SHARE`; None where nothing is known.

    Returns:
        Pixels, a multiple of 32.
    """
    side = math.isqrt(int(_budget(TILE_MEMORY_BYTES, available_bytes) / model.bytes_per_pixel))
    return min(max(side // 32 * 32, MIN_TILE_PX), MAX_AUTO_TILE_PX)


def fits_whole(
    model: RestorationNetwork, height: int, width: int, available_bytes: int | None = None
) -> bool:
    """Whether a photo is restored in one piece where nobody chose a tile size.

    Args:
        model: As for `automatic_tile_px`.
        height: Of the result.
        width: The same.
        available_bytes: As for `automatic_tile_px`.
    """
    needed = model.bytes_per_pixel * height * width
    return needed <= _budget(WHOLE_MEMORY_BYTES, available_bytes)


def _free_bytes(engine: str, model: RestorationNetwork, device: torch.device) -> int | None:
    """Memory that is left for tiles where an engine has its weights; None if nobody knows."""
    available = memory.available_bytes(device)
    if available is None:
        return None
    return max(available - engines.extra_bytes(engine, model, device), 0)


def _budget(most: int, available_bytes: int | None) -> float:
    return most if available_bytes is None else min(most, TILE_MEMORY_SHARE * available_bytes)


def _tile_sizes(
    network: _Network, tile_px: int | None, overlap_px: int | None, available_bytes: int | None
) -> tuple[int, int]:
    """Check or choose tile size and overlap."""
    if tile_px is None:
        tile_px = automatic_tile_px(network.model, available_bytes)
    tile_px = _whole_number(tile_px, "tile size", MIN_TILE_PX, MAX_TILE_PX)
    if overlap_px is None:
        overlap_px = min(tile_px // 8, MAX_AUTO_OVERLAP_PX)
    return tile_px, _whole_number(overlap_px, "tile overlap", 0, tile_px // 2)


def _whole_number(value: object, what: str, least: int, most: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if not least <= number <= most:
        raise InvalidRequest(
            f"The {what} {value!r} does not fit: choose a whole number of pixels from {least} to "
            f"{most}."
        )
    return number


def choose_device(name: "str | torch.device | None" = None) -> torch.device:
    """Check or choose where to compute.

    Args:
        name: As `restore` takes it.

    Returns:
        A device that this machine has.

    Raises:
        InvalidRequest: There is no such device here.
    """
    if name is None:
        name = default_device()
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise InvalidRequest(
            f"There is no device {str(name)[:40]!r}: choose cpu, cuda or mps."
        ) from error
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(device.type, False):
        have = ", ".join(kind for kind in present if kind == "cpu" or _available(kind))
        raise InvalidRequest(
            f"This machine cannot compute on {str(name)[:40]!r}: choose from {have}."
        )
    return device


def _available(kind: str) -> bool:
    return torch.cuda.is_available() if kind == "cuda" else torch.backends.mps.is_available()


def _network(weights: "str | Path | LoadedWeights | nn.Module | None", task: Task) -> _Network:
    """Find the network and check that it is for this task."""
    if isinstance(weights, nn.Module):
        ours = isinstance(weights, RestorationNetwork)
        network = weights if ours else ForeignNetwork(weights)
        return _Network(network, f"{network.architecture} module", None)
    if weights is None:
        weights = load_by_name(task.default_weights)
    elif isinstance(weights, (str, Path)):
        weights = load_by_name(weights, allow_paths=True)
    elif not isinstance(weights, LoadedWeights):
        raise InvalidRequest(
            f"Weights cannot be a {type(weights).__name__}: give an id, a path or an nn.Module."
        )
    meant = weights.entry.task if weights.entry else ""
    if meant not in ("", task.id):
        raise InvalidRequest(
            f"The weights {weights.id!r} are for the task {meant}, not {task.id}: choose that task "
            f"or other weights."
        )
    return _Network(weights.model, weights.id, weights.sha256)


def _on_device(model: RestorationNetwork, device: torch.device) -> RestorationNetwork:
    """The network on a device; a copy where it has to move, because networks are shared."""
    parameter = next(model.parameters(), None)
    if parameter is None or parameter.device == device:
        return model
    if parameter.device.type == device.type and device.index is None:
        return model
    return copy.deepcopy(model).to(device)


def _as_tensor(pixels: np.ndarray) -> Tensor:
    """(H, W, 3) of any depth to (1, 3, H, W) float32 in [0, 1], channels last in memory."""
    return torch.from_numpy(to_unit(pixels)).permute(2, 0, 1)[None]


def laid_out(image: Tensor, model: RestorationNetwork) -> Tensor:
    """A picture in the memory layout that a network is fastest with."""
    if model.channels_last:
        return image.contiguous(memory_format=torch.channels_last)
    return image.contiguous()


def _reduced(pixels: np.ndarray, small_height: int, small_width: int) -> Tensor:
    """`adaptive_avg_pool2d` of (H, W, 3), a few rows at a time: (1, 3, h, w) in [0, 1]."""
    height = pixels.shape[0]
    rows = []
    for i in range(small_height):
        top, bottom = i * height // small_height, -(-(i + 1) * height // small_height)
        rows.append(F.adaptive_avg_pool2d(_as_tensor(pixels[top:bottom]), (1, small_width)))
    return torch.cat(rows, 2)


def _turn_pixels(pixels: np.ndarray, view: int) -> np.ndarray:
    """`_turn` for (H, W, 3), without a copy."""
    return np.rot90(pixels[:, ::-1] if view >= 4 else pixels, view % 4)


def _turn_pixels_back(pixels: np.ndarray, view: int) -> np.ndarray:
    """Undo `_turn_pixels`."""
    pixels = np.rot90(pixels, -(view % 4))
    return pixels[:, ::-1] if view >= 4 else pixels


def _turn(image: Tensor, view: int) -> Tensor:
    """One of the 8 flips and rotations of (B, C, H, W); 0 leaves it alone."""
    if view >= 4:
        image = image.flip(3)
    return image.rot90(view % 4, (2, 3))


def _turn_back(image: Tensor, view: int) -> Tensor:
    """Undo `_turn`."""
    image = image.rot90(-(view % 4), (2, 3))
    return image.flip(3) if view >= 4 else image


def _checked(run: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Run the network and refuse what cannot be a picture.

    Raises:
        CheckpointRejected: The output holds values that are not numbers.
        InvalidRequest: Too little memory, or an output of another size.
    """
    try:
        output = run(image)
    except (RuntimeError, MemoryError) as error:
        if not memory.is_out_of_memory(error):
            raise
        height, width = image.shape[2:]
        raise InvalidRequest(
            f"There is not enough memory to restore a tile of {width} x {height} pixels: choose a "
            "smaller tile size."
        ) from error
    if output.shape != image.shape:
        raise InvalidRequest(
            f"The network turned {tuple(image.shape)} into {tuple(output.shape)}: give one that "
            "keeps the size."
        )
    if not torch.isfinite(output).all():
        raise CheckpointRejected(
            "The network made values that are not numbers from this picture: its weights are "
            "damaged or their training diverged, so choose others."
        )
    return output


class _CallableModule(ModuleType):
    """Makes `mirnet.restore(...)` work although importing this module shadows the function."""

    def __call__(self, *args, **kwargs) -> RestoreJob:
        """See the function `restore`."""
        return restore(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
