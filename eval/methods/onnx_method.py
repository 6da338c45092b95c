"""Any image-to-image network in an ONNX file as a method, run by onnxruntime on the CPU.

The network takes one batch of one RGB picture, channels first or last, as floats in [0, 1], as
floats up to 255 where its own first or last steps say so (`onnx_range`), or as uint8, and gives one
of any of these kinds. Which sizes it takes, and how much it enlarges, is found by
trying; pictures are mirrored at the right and bottom up to such a size. Large pictures, and those
that exceed a network of a fixed size, are cut into overlapping tiles.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture, to_eight_bits, to_unit
from mirnet.tasks import Task

from .method import Method, Output, Restorer, checked, checked_settings, versions_of
from .method_record import MethodRecord
from .onnx_file import OnnxContent, read_onnx
from .onnx_range import Ranges
from .settings import Settings

MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 12, 24, 48, 7, 14, 28)
"""Divisors of both sides that are tried, in this order: powers of two, then windows of others."""
TRIED_PX = (96, 256)
"""Sides that are tried, rounded up to an odd number of multiples; the second for networks that need
large pictures."""
MAX_SCALE = 8
"""Largest factor by which a network may enlarge."""
WHOLE_PIXELS = 2_000_000
"""Pixels up to which a picture is not cut into tiles."""
TILE_PX = 1024
"""Side of the tiles of larger pictures, rounded down to the network's multiple."""
OVERLAP_PX = 32
"""Overlap of neighbouring tiles, over which one fades into the other."""

MIN_GREY_PX = 32
"""Least side of the grey picture whose result shows the range of a network's values."""
HIGHEST_GREY = 2.0
"""Mean that the result of a grey picture never has where white is 1."""

Network = Callable[[np.ndarray], np.ndarray]
"""Maps a picture (H, W, 3) float32 in [0, 1] to (s H, s W, 3) floats."""


class OnnxSettings(Settings):
    """The file and the rules that were found by trying it."""

    onnx: str
    """Absolute path of the file."""
    multiple: int = Field(1, ge=1, le=64)
    """Divisor that both sides of a picture must have."""
    minimum: int = Field(1, ge=1, le=1024)
    """Shortest side that the network takes."""
    scale: int = Field(1, ge=1, le=MAX_SCALE)
    """Factor by which the network enlarges."""
    fixed: tuple[int, int] | None = None
    """The only height and width that the network takes; None where sizes are free."""
    takes: Literal[1, 255] = 1
    """Value of white in a float input."""
    gives: Literal[1, 255] = 1
    """Value of white in a float output."""


class Signature(NamedTuple):
    """Shape and type of a network's input."""

    name: str
    """Name of the input."""
    dtype: str
    """numpy type of the input."""
    channels_last: bool
    """Whether pictures are (1, H, W, 3), else (1, 3, H, W)."""
    fixed: tuple[int, int] | None
    """The only height and width; None where at least one is free."""


def new_settings(path: str, name: str) -> dict[str, Any]:
    """Try an ONNX file: its settings as a method of a new run.

    Raises:
        InvalidRequest: See `read_onnx`; or the network takes no single RGB picture.
    """
    file = Path(os.path.expanduser(path)).absolute()  # ~nobody stays as it is
    found = read_onnx(file, name)
    network, signature = _network(found, file.name)
    rules = _rules(network, signature.fixed, file.name)
    ranges = Ranges(False, False) if signature.dtype == "uint8" else found.ranges  # takes 8 bits
    return {"onnx": str(file), **rules, **_whites(network, rules, ranges)}


def onnx_method(method_id: str, task: Task, given: dict) -> Method:
    """Make a method of an ONNX file.

    Args:
        method_id: Name of the method in the run.

    Raises:
        InvalidRequest: See `read_onnx`.
    """
    settings = checked_settings(OnnxSettings, given, method_id)
    found = read_onnx(Path(settings.onnx), method_id)
    info = MethodRecord(
        id=method_id,
        title=method_id,
        kind="onnx",
        settings=settings.model_dump(mode="json"),
        weights_sha256=found.sha256,
        parameters=found.parameters,
        packages=versions_of(("onnxruntime", "numpy")),
    )
    return Method(info, partial(_load, method_id, found.sha256, task, settings))


def _load(method_id: str, sha256: str, task: Task, settings: OnnxSettings) -> Restorer:
    path = Path(settings.onnx)
    found = read_onnx(path, method_id)
    if found.sha256 != sha256:
        raise InvalidRequest(f"The file of {method_id!r} changed meanwhile: start again.")
    plain, _ = _network(found, path.name)
    network = partial(_in_range, plain, settings.takes, settings.gives)
    return checked(method_id, task, partial(_restore, network, task, settings))


def _restore(
    network: Network, task: Task, settings: OnnxSettings, picture: Picture, size: tuple[int, int]
) -> Output:
    """Restore a picture; networks that do not enlarge get it enlarged, as those of mirnet do."""
    from mirnet.images.network_input import enlarge

    grown = size != (picture.height, picture.width)
    if grown and settings.scale == 1:
        picture = enlarge(picture, task.scale)
    if size != (picture.height * settings.scale, picture.width * settings.scale):
        raise InvalidRequest(
            f"The network enlarges by {settings.scale}, and a result of {size[1]} x {size[0]} "
            f"pixels is needed from {picture.width} x {picture.height}: it is for another task."
        )
    pixels, tiles = _tiled(network, to_unit(picture.pixels), settings)
    return Output(pixels, tiles)


def _tiled(network: Network, pixels: np.ndarray, settings: OnnxSettings) -> tuple[np.ndarray, int]:
    """Run the network on a picture, in one piece or in overlapping tiles."""
    height, width = pixels.shape[:2]
    if settings.fixed is not None:
        sides = settings.fixed
    elif height * width <= WHOLE_PIXELS:
        sides = (height, width)
    else:
        sides = (TILE_PX // settings.multiple * settings.multiple,) * 2
    rows, columns = (
        _starts(length, side) for length, side in zip((height, width), sides, strict=True)
    )
    if len(rows) * len(columns) == 1:
        return _padded(network, pixels, settings), 1
    scale = settings.scale
    total = np.zeros((height * scale, width * scale, 3), np.float32)
    weights = np.zeros((height * scale, width * scale, 1), np.float32)
    for top in rows:
        for left in columns:
            part = pixels[top : top + sides[0], left : left + sides[1]]
            restored = _padded(network, part, settings)
            weight = _fade(restored.shape[0], scale)[:, None] * _fade(restored.shape[1], scale)
            place = (
                slice(top * scale, top * scale + restored.shape[0]),
                slice(left * scale, left * scale + restored.shape[1]),
            )
            total[place] += restored * weight[..., None]
            weights[place] += weight[..., None]
    return total / weights, len(rows) * len(columns)


def _starts(length: int, side: int) -> list[int]:
    """First pixels of overlapping tiles that cover a length.

    >>> _starts(100, 128), _starts(300, 128)
    ([0], [0, 96, 172])
    """
    if length <= side:
        return [0]
    step = max(side - OVERLAP_PX, side // 2, 1)
    return [*range(0, length - side, step), length - side]


def _fade(length: int, scale: int) -> np.ndarray:
    """Weights that rise from both ends of a tile over the overlap, never zero."""
    distance = np.minimum(np.arange(length), np.arange(length)[::-1]) + 1
    return np.minimum(distance / (OVERLAP_PX * scale), 1).astype(np.float32)


def _padded(network: Network, pixels: np.ndarray, settings: OnnxSettings) -> np.ndarray:
    """Mirror a picture up to a size that the network takes, and cut the result."""
    height, width = pixels.shape[:2]
    if settings.fixed is not None:
        wanted = settings.fixed
    else:
        step = settings.multiple
        least = max(settings.minimum, step)
        wanted = (-(-max(height, least) // step) * step, -(-max(width, least) // step) * step)
    grown = [(0, wanted[0] - height), (0, wanted[1] - width), (0, 0)]
    padded = np.pad(pixels, grown, mode="reflect") if wanted != (height, width) else pixels
    restored = network(np.ascontiguousarray(padded))
    expected = (wanted[0] * settings.scale, wanted[1] * settings.scale, 3)
    if restored.shape != expected:
        raise InvalidRequest(
            f"The network gave an array of shape {restored.shape} where {expected} was expected."
        )
    return restored[: height * settings.scale, : width * settings.scale]


def _network(found: OnnxContent, name: str) -> tuple[Network, Signature]:
    """Open a session and wrap it as a function of a picture.

    Raises:
        InvalidRequest: onnxruntime refuses the file, or its input is no single RGB picture.
    """
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            found.content, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime raises kinds of its own
        raise InvalidRequest(
            f"onnxruntime cannot open {name} ({_line(error)}): export it with another opset."
        ) from error
    signature = _signature(session, name)
    return partial(_run, session, signature), signature


def _signature(session: Any, name: str) -> Signature:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = list(inputs[0].shape) if len(inputs) == 1 else []
    types = {
        "tensor(float)": "float32",
        "tensor(float16)": "float16",
        "tensor(double)": "float64",
        "tensor(uint8)": "uint8",
    }
    last = len(shape) == 4 and shape[3] == 3 and shape[1] != 3
    channels = shape[3 if last else 1] if len(shape) == 4 else 0
    if (
        len(shape) != 4
        or not outputs
        or (isinstance(channels, int) and channels != 3)
        or (isinstance(shape[0], int) and shape[0] != 1)
        or inputs[0].type not in types
    ):
        given = "; ".join(f"{value.name}: {value.type} {value.shape}" for value in inputs)[:200]
        raise InvalidRequest(
            f"{name} takes ({given}): a method needs one input of one RGB picture, 1 x 3 x H x W "
            "or 1 x H x W x 3, float or uint8."
        )
    high, wide = shape[1:3] if last else shape[2:4]
    fixed = (high, wide) if isinstance(high, int) and isinstance(wide, int) else None
    return Signature(inputs[0].name, types[inputs[0].type], last, fixed)


def _run(session: Any, signature: Signature, pixels: np.ndarray) -> np.ndarray:
    """Run the session on (H, W, 3) float32 in [0, 1]."""
    values = to_eight_bits(pixels) if signature.dtype == "uint8" else pixels
    values = values.astype(signature.dtype, copy=False)[None]
    if not signature.channels_last:
        values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    try:
        result = session.run(None, {signature.name: values})[0]
    except Exception as error:  # onnxruntime raises kinds of its own
        raise InvalidRequest(f"onnxruntime failed ({_line(error)}).") from error
    if not isinstance(result, np.ndarray) or result.ndim != 4 or result.dtype.kind not in "fu":
        raise InvalidRequest("The network's first output is no picture.")
    first, last = (result.shape[axis] == 3 for axis in (1, 3))
    if first and not (last and signature.channels_last):
        result = result.transpose(0, 2, 3, 1)
    return to_unit(result[0]) if result.dtype.kind == "u" else result[0].astype(np.float32)


def _in_range(network: Network, takes: int, gives: int, pixels: np.ndarray) -> np.ndarray:
    """Run a network on a picture in [0, 1] with the values of white that it was made for."""
    restored = network(pixels * np.float32(takes) if takes != 1 else pixels)
    return restored / np.float32(gives) if gives != 1 else restored


def _whites(network: Network, rules: dict[str, Any], ranges: Ranges) -> dict[str, int]:
    """Find the values of white of a network's input and output, by what it makes of grey."""
    sides = rules.get("fixed") or (max(rules["minimum"], MIN_GREY_PX),) * 2
    multiple = rules.get("multiple", 1)
    size = [-(-side // multiple) * multiple for side in sides]

    def mean(grey: float) -> float:
        return float(network(np.full((*size, 3), grey, np.float32)).mean())

    takes = 255 if ranges.takes_255 else 1
    if ranges.gives_255 and not ranges.takes_255:
        takes = min((1, 255), key=lambda white: abs(mean(white / 2) - 255 / 2))
    return {"takes": takes, "gives": 255 if mean(takes / 2) > HIGHEST_GREY else 1}


def _rules(network: Network, fixed: tuple[int, int] | None, name: str) -> dict[str, Any]:
    """Find a network's multiple, smallest side and scale by trying.

    Raises:
        InvalidRequest: It takes none of the sizes tried, or enlarges by no whole number.
    """
    if fixed is not None:
        scale = _scale(network, *fixed)
        if scale is None:
            raise _unusable(network, fixed, name)
        return {"fixed": fixed, "scale": scale}
    for side in TRIED_PX:
        for multiple in MULTIPLES:
            count = -(-side // multiple) // 2 * 2 + 1  # odd, so that 2 * multiple is no divisor
            scale = _scale(network, multiple * count, multiple * (count + 2))
            if scale is None:
                continue
            least = multiple
            while least < side and _scale(network, least, least) != scale:
                least += max(multiple, least // multiple // 2 * multiple)
            return {"multiple": multiple, "minimum": least, "scale": scale}
    raise _unusable(network, (TRIED_PX[0], TRIED_PX[0]), name)


def _scale(network: Network, height: int, width: int) -> int | None:
    """Whole factor by which the network enlarges a grey picture; None where it does not work."""
    try:
        result = network(np.full((height, width, 3), 0.5, np.float32))
    except InvalidRequest:
        return None
    scale = result.shape[0] // height
    wanted = (height * scale, width * scale, 3)
    return scale if 1 <= scale <= MAX_SCALE and result.shape == wanted else None


def _unusable(network: Network, size: tuple[int, int], name: str) -> InvalidRequest:
    try:
        shape = network(np.full((*size, 3), 0.5, np.float32)).shape
        reason = f"a picture of {size[1]} x {size[0]} became an array of shape {shape}"
    except InvalidRequest as error:
        reason = str(error)
    return InvalidRequest(
        f"{name} gave no RGB picture of the same size, or a whole multiple of it, for any size "
        f"tried: {reason}"
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
