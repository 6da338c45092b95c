"""Export of a network as an ONNX file that takes pictures of any size, and its check.

The graph holds the whole computation of `RestorationNetwork.forward`: padding, the global pools,
and what a network estimates of the whole picture first (exposure, noise level), in operators whose
sizes are known only when it runs. Every export is compared with PyTorch at even, odd and tiny sizes
before it is written.
"""

import copy
import io
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirnet.errors import InvalidRequest
from mirnet.files import write_file
from mirnet.models.base import RestorationNetwork
from mirnet.models.blocks import BlurPool, ResidualDown
from mirnet.models.exposure import ExposureCurve
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.models.noise_level import NORMAL_MAD
from mirnet.version import __version__

from .load import LoadedWeights

OPSET = 17
"""Version of ONNX's operators; onnxruntime reads it since 1.13 (October 2022)."""
SIZES = ((64, 64), (65, 97), (90, 51), (33, 32), (7, 5), (1, 1))
"""Height and width of the pictures that an export is compared on."""
MAX_ERROR = 1e-3
"""Largest difference from PyTorch, for values in [0, 1], of an export that is written."""


@dataclass(frozen=True)
class OnnxExport:
    """Result of an export."""

    path: Path
    """File that was written."""
    bytes: int
    """Size of the file."""
    opset: int
    """Version of ONNX's operators."""
    max_error: float
    """Largest absolute difference from PyTorch over the pictures compared, values in [0, 1]."""
    sizes: tuple[tuple[int, int], ...]
    """Height and width of those pictures."""


def export_onnx(loaded: LoadedWeights, path: Path) -> OnnxExport:
    """Write a network as an ONNX file: 1 x 3 x H x W float32 sRGB in [0, 1] to the same shape.

    H and W may be anything. Results are not clamped. Weights for super-resolution take the picture
    enlarged already.

    Args:
        loaded: The network and where it comes from, which the file's metadata tells.
        path: File to create or replace.

    Raises:
        InvalidRequest: onnx or onnxruntime is missing, the folder cannot be written to, or the
            export differs from PyTorch.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise InvalidRequest(
            "An ONNX export needs onnx and onnxruntime: run `pip install onnx onnxruntime`."
        ) from error
    if not path.parent.is_dir():
        raise InvalidRequest(f"There is no folder {path.parent}: make it, or name another file.")
    network = copy.deepcopy(loaded.model).float().eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    model = onnx.load_model_from_string(_graph(network))
    model.producer_name, model.producer_version = "MIRNet Studio", __version__
    model.graph.name = loaded.id
    for key, value in _metadata(loaded).items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    difference = max(_difference(network, content, size) for size in SIZES)
    if not difference <= MAX_ERROR:
        raise InvalidRequest(
            f"The ONNX graph of {loaded.id} differs from PyTorch by {difference:.2g}: it was not "
            "written. Please report this with the versions of torch and onnxruntime."
        )
    try:
        write_file(path, content)
    except OSError as trouble:
        raise InvalidRequest(
            f"{path} cannot be written ({trouble.strerror}): name another file."
        ) from trouble
    return OnnxExport(path, len(content), OPSET, difference, SIZES)


def _graph(network: RestorationNetwork) -> bytes:
    """Trace a network into an ONNX graph, whose sizes stay free."""
    network, buffer = copy.deepcopy(network), io.BytesIO()
    for module in network.modules():
        if isinstance(module, ResidualDown):
            module.halve = _Halving(module.conv1.in_channels)
    sides = {2: "height", 3: "width"}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: what depends on sizes is compared afterwards
        torch.onnx.export(
            AnySize(network).eval(),
            (torch.rand(1, 3, 72, 88),),
            cast(Any, buffer),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["restored"],
            dynamic_axes={"image": sides, "restored": sides},
        )
    return buffer.getvalue()


def _metadata(loaded: LoadedWeights) -> dict[str, str]:
    entry = loaded.entry
    facts = {
        "id": loaded.id,
        "task": entry.task if entry else "",
        "architecture": loaded.model.architecture,
        "weights_sha256": loaded.sha256,
        "licence": entry.licence if entry else "",
        "source": entry.source if entry else "",
        "input": "1 x 3 x H x W, sRGB in [0, 1], any H and W; for sr tasks already enlarged",
        "output": "1 x 3 x H x W, sRGB, not clamped",
        "opset": OPSET,
        "torch": torch.__version__,
    }
    return {f"mirnet.{key}": v if isinstance(v, str) else json.dumps(v) for key, v in facts.items()}


def _difference(network: nn.Module, content: bytes, size: tuple[int, int]) -> float:
    """Largest absolute difference of an ONNX graph from its network on a random picture."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(size[0] * 1000 + size[1])
    coarse = torch.rand(1, 3, -(-size[0] // 8), -(-size[1] // 8), generator=generator)
    noise = 0.05 * torch.randn(1, 3, *size, generator=generator)
    image = (F.interpolate(coarse, size, mode="bilinear") + noise).clamp(0, 1)
    with torch.no_grad():
        expected = network(image)
    found = torch.from_numpy(session.run(None, {"image": image.numpy()})[0])
    if found.shape != expected.shape or not torch.isfinite(found).all():
        return float("inf")
    return float((found - expected).abs().max())


class AnySize(nn.Module):
    """A network whose steps that depend on the picture's size are operators of its graph.

    Args:
        network: The network, in evaluation mode.
    """

    def __init__(self, network: RestorationNetwork):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """See `RestorationNetwork.forward`."""
        network, margin = self.network, self.network.margin
        height, width = image.shape[2:]
        condition = _condition(network, image)
        padded = image
        for dimension in (2, 3):
            places = _padded_places(image.shape[dimension], network.multiple, margin)
            padded = padded.index_select(dimension, places)
        restored = network.restore_padded(padded, condition)
        return restored[:, :, margin : margin + height, margin : margin + width]


class _Halving(BlurPool):
    """`BlurPool` with a kernel of known shape, which an exported convolution needs."""

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels
        self.register_buffer("kernels", self.kernel.expand(channels, 1, 3, 3).clone())

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, ceil(H / 2), ceil(W / 2))."""
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(x, cast(Tensor, self.kernels), stride=2, groups=self.channels)


def _padded_places(side: Any, multiple: int, margin: int) -> Tensor:
    """Source position of each position of a padded side, as `pad_to_multiple` pads it."""
    after = margin + (multiple - side % multiple) % multiple
    places = torch.arange(side + margin + after) - margin
    mirrored = side - 1 - (side - 1 - places.abs()).abs()
    repeated = places.clamp(min=0).minimum(torch.ones_like(places) * (side - 1))
    fits = torch.ones_like(places) * after < side
    return torch.where(fits, mirrored, repeated)


def _condition(network: RestorationNetwork, image: Tensor) -> Tensor | None:
    """Computes `RestorationNetwork.condition` for pictures of any size."""
    if not isinstance(network, MIRNetV2):
        return None
    if network.noise_level:
        return _noise_level(image)
    if network.exposure is None:
        return None
    return _predict(network.exposure, image)


def _noise_level(image: Tensor) -> Tensor:
    """`estimate_noise` with a sort in place of `nanmedian`: (1, 3, H, W) to (1, 1)."""
    high, wide = image.shape[2] // 2 * 2, image.shape[3] // 2 * 2
    whole = image[:, :, :high, :wide]
    a, b, c, d = (whole[:, :, y::2, x::2] for y in (0, 1) for x in (0, 1))
    least, most = a.minimum(b).minimum(c.minimum(d)), a.maximum(b).maximum(c.maximum(d))
    judged = ((least > 0) & (most < 1)).flatten(1)  # (1, 3 * H/2 * W/2)
    detail = ((a - b - c + d).abs() / 2).flatten(1)
    last = torch.full((1, 1), 9.0)  # larger than any detail, and there where nothing can be judged
    details = torch.cat([torch.where(judged, detail, 9.0), last], 1).sort(1).values
    count = judged.to(torch.int64).sum(1, keepdim=True)
    median = details.gather(1, ((count - 1) // 2).clamp(min=0))
    return torch.where(count > 0, median / NORMAL_MAD, torch.zeros_like(median))


def _quantile(values: Tensor, levels: Tensor, dim: int) -> Tensor:
    """`torch.quantile` along the last dimension with a sort: (1, C, N), (L,) to (L, 1, C)."""
    ordered = values.sort(dim).values
    places = levels * (values.shape[dim] - 1)
    first = places.floor().to(torch.int64)
    second = (first + 1).minimum(torch.ones_like(first) * (values.shape[dim] - 1))
    lower, upper = ordered.index_select(dim, first), ordered.index_select(dim, second)
    return (lower + (upper - lower) * (places - places.floor())).permute(2, 0, 1)


def _predict(curve: ExposureCurve, image: Tensor) -> Tensor:
    """`ExposureCurve.predict` with averages over a thumbnail as products of matrices."""
    rows = _averages(image.shape[2], curve.thumbnail_px)
    columns = _averages(image.shape[3], curve.thumbnail_px)
    small = (rows @ image @ columns.transpose(0, 1)).clamp(0, 1)
    return curve.predict_from(small, _quantile)


def _averages(side: Any, most: int) -> Tensor:
    """Matrix (min(side, most), side) of `adaptive_avg_pool2d` along one side."""
    count = (torch.ones(1, dtype=torch.int64) * side).clamp(max=most)
    cell = torch.arange(most)[:, None]
    cell = cell[: count[0]]
    first, end = cell * side // count, ((cell + 1) * side + count - 1) // count
    place = torch.arange(side)[None]
    inside = ((place >= first) & (place < end)).to(torch.float32)
    return inside / inside.sum(1, keepdim=True)
