"""Runs MIRNet or MIRNet-v2 once and records attention, fusion weights and feature energy.

The pass is an ordinary `mirnet.restore` of one tile. Forward hooks on a copy of the network record
the outputs of its modules; only the sigmoid or softmax that turns an output into a weight is
recomputed. Pictures are reduced first: see `automatic_px`.
"""

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mirnet.errors import InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.limits import MAX_PIXELS
from mirnet.images.picture import Picture
from mirnet.images.preview import shrink
from mirnet.tasks import get_task
from mirnet.weights.load import LoadedWeights
from mirnet.weights.load import load as load_by_name

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor, nn

    from mirnet.models.blocks import (
        DualAttention,
        ResidualContextualBlock,
        SelectiveKernelFusion,
    )
    from mirnet.models.exposure import ExposureCurve
    from mirnet.models.mirnet import MIRNet
    from mirnet.models.mirnet_v2 import MIRNetV2

MAX_PX = 512
"""Default longest side of a network's input, in pixels."""
MAX_PX_PAPER = 256
"""Default longest side for the papers' networks on a CPU, in pixels; 256 x 172 pixels took MIRNet
a minute on a busy core."""
MIN_SIDE_PX, MAX_SIDE_PX = 32, 2048
"""Range of `max_px`; the records of a pass need about 10 bytes per pixel and block."""

FeatureName = Literal[
    "energy",
    "spatial attention",
    "channel attention",
    "context attention",
    "context channels",
    "fusion",
]
"""Kinds of records; `plots.WORDS` explains each."""


@dataclass(frozen=True, eq=False)
class Feature:
    """One record: the output of one module of one block in one of its two turns."""

    name: FeatureName
    """Kind of the record."""
    block: int
    """Number of the multi-scale residual block, counted from 1 through all groups."""
    turn: int
    """1 or 2: the units and fusions of a block are used twice, with the same weights."""
    stream: int
    """Stream 0, 1, 2: full, half, quarter resolution; for a fusion, the receiving stream."""
    values: np.ndarray
    """float32. "energy": (h, w), root mean square over the channels that leave the stream's unit.
    "spatial attention": (h, w) in (0, 1). "context attention": (h, w), sum 1. "channel attention":
    (n,) in (0, 1). "context channels": (n,), the values added to the channels. "fusion": (S, n),
    sum over S is 1. Maps include the padding around the picture."""
    box: tuple[slice, slice]
    """Rows and columns of a map that lie on the picture."""

    @property
    def on_picture(self) -> np.ndarray:
        """A map without the padding: (h', w')."""
        return self.values[self.box]

    @property
    def sources(self) -> tuple[int, ...]:
        """Streams weighed by a fusion, in the order of the rows of `values`."""
        if len(self.values) == 3:  # MIRNet: every stream receives all three
            return 0, 1, 2
        return self.stream, self.stream + 1  # MIRNet-v2: itself and the coarser one


@dataclass(frozen=True, eq=False)
class Trace:
    """The records of one pass through a network."""

    task: str
    """Id of the task."""
    weights_id: str
    """Id of the weights; see `mirnet.restoration.result.RestoreResult`."""
    architecture: str
    """"MIRNet" or "MIRNetV2"."""
    source_px: tuple[int, int]
    """Width and height of the photo before reduction."""
    seen: Picture
    """The network's input: the reduced copy, enlarged again for super-resolution."""
    restored: Picture
    """The network's result, exactly as `mirnet.restore` returns it with the engine "plain"."""
    seconds: float
    """Duration of the pass, recording included."""
    unshuffle: int
    """The finest stream has 1/unshuffle of the sides of `seen`."""
    channels: tuple[int, int, int]
    """Number of channels of the three streams."""
    blocks: int
    """Number of multi-scale residual blocks."""
    features: tuple[Feature, ...]
    """All records, in the order of the pass."""
    curve: np.ndarray | None
    """(steps, 3) slopes of the exposure curve, see `ExposureCurve`; None if there is none."""
    colours: np.ndarray | None
    """(3, 3) colour matrix applied after the curve; None if there is none."""
    levels: tuple[float, float] | None
    """Black and white point that values are stretched to ahead of the curve; None if there are
    none."""

    @property
    def nbytes(self) -> int:
        """Memory in bytes of the records and the pictures."""
        pictures = self.seen.pixels.nbytes + self.restored.pixels.nbytes
        return pictures + sum(feature.values.nbytes for feature in self.features)

    def find(self, name: FeatureName, block: int, stream: int, turn: int) -> Feature | None:
        """Return one record; None if the network has no such part."""
        wanted = name, block, stream, turn
        for feature in self.features:
            if (feature.name, feature.block, feature.stream, feature.turn) == wanted:
                return feature
        return None

    def first(self, names: tuple[FeatureName, ...], block: int, stream: int, turn: int) -> Feature:
        """Return the record of the first of several kinds that the network has.

        Raises:
            StopIteration: The network has none of them.
        """
        return next(f for name in names if (f := self.find(name, block, stream, turn)))


def trace(
    image: "str | Path | bytes | Image.Image | np.ndarray | Picture | None",
    task: str = "denoise",
    weights: "str | Path | LoadedWeights | nn.Module | None" = None,
    max_px: int | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
) -> Trace:
    """Send a reduced copy of a photo through a network once and record its streams.

    For super-resolution the copy is reduced further and then enlarged as `mirnet.restore` does, so
    that the network's input is as soft as in training. The network given is not changed: hooks are
    put on a temporary copy.

    Args:
        image: Any source that `mirnet.images.decode.read_image` takes.
        weights: Weights as for `mirnet.restore`; None for the task's own.
        max_px: Longest side of the network's input in pixels, `MIN_SIDE_PX` to `MAX_SIDE_PX`; None
            for `automatic_px`.
        max_pixels: Largest accepted number of pixels of the photo.

    Raises:
        ImageRejected: The photo cannot be read or is too large.
        InvalidRequest: No photo, a setting outside its range, or another kind of network.
        WeightsUnavailable: The weights are unknown or not on this machine.
        CheckpointRejected: The weights fit no network of ours or make no numbers.
    """
    from mirnet.device import choose_device
    from mirnet.models.mirnet import MIRNet
    from mirnet.models.mirnet_v2 import MIRNetV2
    from mirnet.restoration.api import restore

    scale = get_task(task).scale
    if image is None:
        raise InvalidRequest("Add a photo or click an example first.")
    if max_px is not None and not (
        isinstance(max_px, int) and MIN_SIDE_PX <= max_px <= MAX_SIDE_PX
    ):
        raise InvalidRequest(
            f"The longest side {max_px!r} does not fit: choose a whole number of pixels from "
            f"{MIN_SIDE_PX} to {MAX_SIDE_PX}."
        )
    loaded = _loaded(weights, get_task(task).default_weights)
    given = loaded.model if isinstance(loaded, LoadedWeights) else loaded
    if not isinstance(given, (MIRNet, MIRNetV2)):
        raise InvalidRequest(
            f"A {type(given).__name__} has no streams to look at: give a MIRNet or a MIRNet-v2."
        )
    if max_px is None:
        max_px = automatic_px(given)
    picture = read_image(image, max_pixels=max_pixels)
    small = picture
    if max(picture.width, picture.height) > max_px // scale:
        small = shrink(picture, max_px // scale)
    # A copy, because other threads may use the same network.
    model = copy.deepcopy(given).to(choose_device())
    recorder = _Recorder(model, small.height * scale, small.width * scale)
    own = replace(loaded, model=model) if isinstance(loaded, LoadedWeights) else model
    try:
        # "plain" runs the network itself, so its hooks are called.
        done = restore(small, task, weights=own, tile_px=max_px, engine="plain").result()
    finally:
        recorder.remove()
    slopes = colours = levels = None
    if recorder.prediction is not None:
        slopes, matrix, points = recorder.prediction
        colours = matrix if len(matrix) else None
        levels = (float(points[0, 0]), float(points[0, 1])) if len(points) else None
    return Trace(
        task=task,
        weights_id=done.weights_id,
        architecture=done.architecture,
        source_px=(picture.width, picture.height),
        seen=done.before,
        restored=done.picture,
        seconds=done.seconds,
        unshuffle=model.unshuffle,
        channels=recorder.channels,
        blocks=recorder.blocks,
        features=tuple(recorder.features),
        curve=slopes,
        colours=colours,
        levels=levels,
    )


def automatic_px(model: "MIRNet | MIRNetV2") -> int:
    """Longest side in pixels for a pass of seconds: `MAX_PX` or `MAX_PX_PAPER`."""
    from mirnet.device import choose_device

    return MAX_PX if model.unshuffle > 1 or choose_device().type != "cpu" else MAX_PX_PAPER


def mean_energy(found: Trace) -> np.ndarray:
    """Root mean square of each stream's features over the whole picture.

    Returns:
        (3, blocks, 2) float64: stream, block, turn.
    """
    table = np.full((3, found.blocks, 2), np.nan)
    for feature in found.features:
        if feature.name == "energy":
            squares = np.square(feature.on_picture, dtype=np.float64)
            place = feature.stream, feature.block - 1, feature.turn - 1
            table[place] = np.sqrt(squares.mean())
    return table


def summary(found: Trace) -> dict[str, Any]:
    """Convert the records to plain values for programs: weights in full, mean and range of maps."""
    rows = []
    for feature in found.features:
        row: dict[str, Any] = {
            "name": feature.name,
            "block": feature.block,
            "turn": feature.turn,
            "stream": feature.stream,
        }
        if feature.name in ("energy", "spatial attention", "context attention"):
            inside = feature.on_picture
            row["height"], row["width"] = inside.shape
            row |= {"mean": float(inside.mean())}
            row |= {"min": float(inside.min()), "max": float(inside.max())}
        else:
            row["weights"] = feature.values.tolist()
        rows.append(row)
    return {
        "task": found.task,
        "weights": found.weights_id,
        "architecture": found.architecture,
        "source_px": list(found.source_px),
        "seen_px": [found.seen.width, found.seen.height],
        "blocks": found.blocks,
        "channels": list(found.channels),
        "features": rows,
        "curve_slopes": None if found.curve is None else found.curve.tolist(),
        "colour_matrix": None if found.colours is None else found.colours.tolist(),
        "levels": found.levels,
    }


def _loaded(
    weights: "str | Path | LoadedWeights | nn.Module | None", default: str
) -> "LoadedWeights | nn.Module":
    from torch import nn

    if weights is None:
        return load_by_name(default)
    if isinstance(weights, (str, Path)):
        return load_by_name(weights, allow_paths=True)
    if isinstance(weights, (LoadedWeights, nn.Module)):
        return weights
    raise InvalidRequest(
        f"Weights cannot be a {type(weights).__name__}: give an id, a path or an nn.Module."
    )


class _Recorder:
    """Forward hooks on a network that collect records."""

    def __init__(self, model: "MIRNet | MIRNetV2", height: int, width: int):
        """Register the hooks.

        Args:
            height: Rows of the network's input before padding.
            width: Columns of the network's input before padding.
        """
        from mirnet.models.mirnet_v2 import MIRNetV2

        self.features: list[Feature] = []
        self.prediction: list[np.ndarray] | None = None
        self._turns: Counter[tuple[str, int, int]] = Counter()
        self._handles: list[Any] = []
        self._boxes = [
            _box(height, width, model.margin, model.unshuffle * 2**stream) for stream in range(3)
        ]
        groups: Any = model.groups
        blocks: list[Any] = [block for group in groups for block in group.blocks]
        self.blocks = len(blocks)
        for number, block in enumerate(blocks, 1):
            if isinstance(model, MIRNetV2):
                units = (block.context_top, block.context_mid, block.context_bot)
                fusions = (block.fuse_top, block.fuse_mid)
                watch: Any = self._watch_context
            else:
                units, fusions = tuple(block.attend), tuple(block.fuse)
                watch = self._watch_attention
            for stream, unit in enumerate(units):
                watch(unit, number, stream)
                self._watch(unit, "energy", number, stream, _energy)
            for stream, fusion in enumerate(fusions):
                self._watch_fusion(fusion, number, stream)
        self.channels = tuple(unit.conv2.out_channels for unit in units)
        if isinstance(model, MIRNetV2) and model.exposure is not None:
            self._handles.append(model.exposure.register_forward_hook(self._keep_prediction))

    def remove(self) -> None:
        """Remove all hooks."""
        for handle in self._handles:
            handle.remove()

    def _watch_attention(self, unit: "DualAttention", block: int, stream: int) -> None:
        """Hook a dual attention unit: both weights are sigmoids of a convolution's output."""
        self._watch(
            unit.spatial_conv, "spatial attention", block, stream, lambda x: x.sigmoid()[0, 0]
        )
        self._watch(
            unit.excite, "channel attention", block, stream, lambda x: x.sigmoid()[0, :, 0, 0]
        )

    def _watch_context(self, unit: "ResidualContextualBlock", block: int, stream: int) -> None:
        """Hook a residual contextual block: a softmax over pixels, and the vector that is added."""
        self._watch(
            unit.attend,
            "context attention",
            block,
            stream,
            lambda x: x.flatten(2).softmax(2).view(x.shape[2:]),
        )
        self._watch(unit.context2, "context channels", block, stream, lambda x: x[0, :, 0, 0])

    def _watch_fusion(self, fusion: "SelectiveKernelFusion", block: int, stream: int) -> None:
        """Hook a selective kernel fusion: a softmax over the outputs of the score convolutions."""
        import torch

        scores: list[Tensor] = []

        def weights(_: "Tensor") -> "Tensor":
            chosen = torch.stack(scores).softmax(0)[:, 0, :, 0, 0]
            scores.clear()
            return chosen

        for score in fusion.score:
            self._handles.append(
                score.register_forward_hook(lambda _module, _inputs, output: scores.append(output))
            )
        self._watch(fusion, "fusion", block, stream, weights)

    def _watch(
        self,
        module: "nn.Module",
        name: FeatureName,
        block: int,
        stream: int,
        read: "Callable[[Tensor], Tensor]",
    ) -> None:
        hook = partial(self._keep, name, block, stream, read)
        self._handles.append(module.register_forward_hook(hook))

    def _keep(
        self,
        name: FeatureName,
        block: int,
        stream: int,
        read: "Callable[[Tensor], Tensor]",
        _module: "nn.Module",
        _inputs: tuple,
        output: "Tensor",
    ) -> None:
        self._turns[name, block, stream] += 1
        turn = self._turns[name, block, stream]
        values = np.ascontiguousarray(read(output).float().cpu().numpy())
        self.features.append(Feature(name, block, turn, stream, values, self._boxes[stream]))

    def _keep_prediction(self, module: "ExposureCurve", inputs: tuple, _output: "Tensor") -> None:
        """Keep the input of the exposure curve: slopes, and colour matrix and levels if any."""
        prediction = inputs[1][0].float().cpu().numpy()
        self.prediction = np.split(prediction, [module.steps, module.steps + 3])


def _energy(x: "Tensor") -> "Tensor":
    """Root mean square over channels: maps (1, n, h, w) to (h, w)."""
    return x[0].square().mean(0).sqrt()


def _box(height: int, width: int, margin: int, step: int) -> tuple[slice, slice]:
    """Rows and columns of the picture in a map with one value for every `step` pixels."""
    start = margin // step
    return slice(start, start + -(-height // step)), slice(start, start + -(-width // step))
