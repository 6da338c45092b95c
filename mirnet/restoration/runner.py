"""Runs the network on one tile: engine, device, turn to compute, check of the output.

Knows neither photos nor plans. Everything that computes in this process takes `COMPUTE_LOCK`
for one pass at a time, so that several restorations and evaluations take turns.
"""

import threading
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mirnet import memory
from mirnet.errors import Cancelled, CheckpointRejected, InvalidRequest
from mirnet.images.picture import to_unit
from mirnet.models.base import RestorationNetwork
from mirnet.models.global_pooling import Pools

from . import engines
from .compute_lock import COMPUTE_LOCK, ComputeUsage
from .devices import float32_arithmetic, on_device, receive, release_cached_memory, send

MAX_WINDOWS_ACROSS = 8
"""Largest number of windows along each side of a picture that a condition is computed from."""


class TileTooLarge(InvalidRequest):
    """A pass needs more memory than there is; a smaller tile may fit."""


class TileRunner:
    """Runs a network on tiles of one photo.

    Args:
        model: The network; never changed, and copied once where it has to move to the device.
        engine: A checked key of `ENGINES`, or "auto".
        device: Device that computes.
        noise_level: Standard deviation of the noise in 8-bit levels, for a network that takes it;
            None to estimate it.
    """

    def __init__(
        self,
        model: RestorationNetwork,
        engine: str,
        device: torch.device,
        noise_level: float | None = None,
    ):
        self.model = model
        self.device = device
        self.prepared = engines.Prepared(model, "torch")
        """Network that computes: the engine's, or the network itself."""
        self._engine = engine
        self._given_level = noise_level
        self._condition: Tensor | None = None
        self._usage = ComputeUsage()
        self._stop = threading.Event()

    @property
    def waited_seconds(self) -> float:
        """Time in seconds spent waiting for other computations of this process."""
        return self._usage.waited

    @property
    def noise_level(self) -> float | None:
        """Noise level that the network was told, in 8-bit levels; None if it takes none."""
        if self._condition is None or not self.model.takes_noise_level:
            return None
        return 255 * float(self._condition.reshape(-1)[0])

    def cancel(self) -> None:
        """Make the next pass raise `Cancelled`; safe from any thread."""
        self._stop.set()

    def prepare(self, pixels: np.ndarray, whole: bool) -> None:
        """Move the network to its device, choose the engine, and compute the photo's condition.

        Args:
            pixels: (H, W, 3) of any depth, the whole photo.
            whole: Whether the photo is restored in one piece; if not, a reduced copy is enough.

        Raises:
            Cancelled: `cancel` was called.
        """
        self._raise_if_cancelled()
        self.model = on_device(self.model, self.device)
        with COMPUTE_LOCK.hold(self._usage), float32_arithmetic():
            self.prepared = engines.prepare(self._engine, self.model, self.device)
        if self.model.takes_noise_level and self._given_level is not None:
            self._condition = torch.tensor([[self._given_level / 255]], device=self.device)
            return
        thumbnail_px, window_px = self.model.thumbnail_px, self.model.window_px
        if not thumbnail_px and not window_px:
            return
        if window_px:  # the same windows, whether the photo is cut into tiles or not
            seen = side_by_side(pixels, window_px)
        elif whole:
            seen = to_tensor(to_unit(pixels))
        else:
            seen = area_reduced(pixels, *(min(thumbnail_px, side) for side in pixels.shape[:2]))
        with COMPUTE_LOCK.hold(self._usage), torch.inference_mode(), float32_arithmetic():
            self._condition = self.model.condition(send(seen, self.device))

    def restore(self, unit: np.ndarray, views: int = 1) -> np.ndarray:
        """Restore a tile on its own.

        Args:
            unit: (h, w, 3) float32 in [0, 1].
            views: Flips and rotations to average over: 1 or 8.

        Returns:
            (h, w, 3) float32, not clamped.

        Raises:
            Cancelled: `cancel` was called.
            CheckpointRejected: The output holds values that are not numbers.
            InvalidRequest: The output has another size.
            TileTooLarge: Memory is too small.
        """
        image = to_tensor(unit)
        total: Tensor | float = 0.0
        for view in range(views):
            turned = self._run(
                lambda network, tile: network(tile, self._condition), turn(image, view)
            )
            total = turn_back(turned, view) + total
        return to_array(total / views)  # type: ignore[arg-type]

    def restore_padded(self, image: Tensor, pools: Pools) -> Tensor:
        """Restore tiles of a padded photo, with pooled values set from outside.

        Args:
            image: (B, 3, h, w) in [0, 1]; both sides divide by the network's multiple.
            pools: Receives every global pool of the pass and returns its value.

        Returns:
            (B, 3, h, w) on the device, not clamped.

        Raises:
            Cancelled: See `restore`.
            CheckpointRejected: See `restore`.
            InvalidRequest: See `restore`.
            TileTooLarge: See `restore`.
        """

        def run(network: RestorationNetwork, tile: Tensor) -> Tensor:
            pools.reset()  # discards the pools of a failed engine's pass
            return network.restore_padded(tile, self._condition, pools)

        return self._run(run, image)

    def _run(self, run: Callable[[RestorationNetwork, Tensor], Tensor], image: Tensor) -> Tensor:
        """Run the engine's network; after its first failure, its replacement."""
        self._raise_if_cancelled()
        with COMPUTE_LOCK.hold(self._usage), torch.inference_mode(), float32_arithmetic():
            while self.prepared.network is not self.model:
                try:
                    return self._checked(run, self.prepared.network, image)
                except InvalidRequest:  # too little memory is not the engine's fault
                    raise
                except Exception as error:
                    self.prepared = engines.fallback_after_failure(self.prepared, self.model, error)
            return self._checked(run, self.model, image)

    def _checked(
        self,
        run: Callable[[RestorationNetwork, Tensor], Tensor],
        network: RestorationNetwork,
        image: Tensor,
    ) -> Tensor:
        """Run a network and check that its output is a picture; see `restore` for errors."""
        image = send(laid_out(image, network), self.device)
        try:
            output = run(network, image)
        except (RuntimeError, MemoryError) as error:
            if not memory.is_out_of_memory(error):
                raise
            height, width = image.shape[2:]
            release_cached_memory(self.device)
            raise TileTooLarge(
                f"There is not enough memory to restore a tile of {width} x {height} pixels: "
                "choose a smaller tile size."
            ) from error
        if output.shape != image.shape:
            raise InvalidRequest(
                f"The network turned {tuple(image.shape)} into {tuple(output.shape)}: give one "
                "that keeps the size."
            )
        if not torch.isfinite(output).all():
            raise CheckpointRejected(
                "The network made values that are not numbers from this picture: its weights are "
                "damaged or their training diverged, so choose others."
            )
        return output

    def _raise_if_cancelled(self) -> None:
        if self._stop.is_set():
            raise Cancelled("The restoration was stopped: start it again for a result.")


def laid_out(image: Tensor, network: RestorationNetwork) -> Tensor:
    """Convert a picture to the memory layout that a network is fastest with."""
    if network.channels_last:
        return image.contiguous(memory_format=torch.channels_last)
    return image.contiguous()


def to_tensor(unit: np.ndarray) -> Tensor:
    """View (H, W, 3) float32 as (1, 3, H, W), channels last in memory, without a copy."""
    return torch.from_numpy(unit).permute(2, 0, 1)[None]


def to_array(output: Tensor) -> np.ndarray:
    """Convert (1, 3, H, W) on any device to (H, W, 3) float32, not clamped."""
    return receive(output[0].permute(1, 2, 0)).numpy()


def area_reduced(pixels: np.ndarray, height: int, width: int) -> Tensor:
    """Reduce by area average, a few rows at a time: `adaptive_avg_pool2d`.

    Args:
        pixels: (H, W, 3) of any depth.
        height: Rows of the result, at most H.
        width: Columns of the result, at most W.

    Returns:
        (1, 3, height, width) in [0, 1].
    """
    rows = []
    for i in range(height):
        top, bottom = i * len(pixels) // height, -(-(i + 1) * len(pixels) // height)
        rows.append(F.adaptive_avg_pool2d(to_tensor(to_unit(pixels[top:bottom])), (1, width)))
    return torch.cat(rows, 2)


def side_by_side(pixels: np.ndarray, window_px: int) -> Tensor:
    """Join unreduced windows of a picture, spread evenly over it, to one picture.

    Args:
        pixels: (H, W, 3) of any depth.
        window_px: Sides of the windows, even; a shorter side of the picture is not cut.

    Returns:
        (1, 3, h, n * w) in [0, 1] with even h and w and n up to `MAX_WINDOWS_ACROSS` squared;
        windows start at even pixels.
    """
    starts, sizes = [], []
    for side in pixels.shape[:2]:
        size = min(window_px, side // 2 * 2)
        count = min(max(side // max(size, 1), 1), MAX_WINDOWS_ACROSS)
        last = (side - size) // 2
        starts.append([2 * (i * last // max(count - 1, 1)) for i in range(count)])
        sizes.append(size)
    windows = [pixels[y : y + sizes[0], x : x + sizes[1]] for y in starts[0] for x in starts[1]]
    return to_tensor(to_unit(np.concatenate(windows, 1)))


def turn(image: Tensor, view: int) -> Tensor:
    """One of the 8 flips and rotations of (B, C, H, W); view 0 is the image itself."""
    if view >= 4:
        image = image.flip(3)
    return image.rot90(view % 4, (2, 3))


def turn_back(image: Tensor, view: int) -> Tensor:
    """Undo `turn`."""
    image = image.rot90(-(view % 4), (2, 3))
    return image.flip(3) if view >= 4 else image
