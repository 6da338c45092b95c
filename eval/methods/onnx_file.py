"""Checked reading of ONNX files, which anybody may have written.

A file is bounded in size, and holds all its tensors itself: ONNX can name other files as the place
of its data, anywhere on the machine. Nothing in an ONNX file is code, and operators of other
libraries are never loaded.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mirnet.errors import InvalidRequest

from .onnx_range import Ranges, ranges_of

MAX_BYTES = 10**9
"""Largest file in bytes; protobuf ends at 2 GB, networks for pictures are far below."""
MAX_NUMBERS = 250_000_000
"""Most numbers of a tensor: as many as a file of `MAX_BYTES` can hold in float32."""


class OnnxContent(NamedTuple):
    """Content of an ONNX file that was checked."""

    content: bytes
    """The file."""
    sha256: str
    """SHA-256 of the file."""
    parameters: int
    """Number of learned numbers: all values of its floating-point tensors."""
    ranges: Ranges
    """What its first and last steps say of the range of its values."""


def read_onnx(path: Path, name: str) -> OnnxContent:
    """Read an ONNX file and check that it stands alone.

    Raises:
        InvalidRequest: The packages are missing, or the file is missing, too large, no ONNX file,
            or refers to other files.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise InvalidRequest(
            f"{name} is an ONNX file, which needs onnx and onnxruntime: install both with pip."
        ) from error
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InvalidRequest(
                f"{path.name} has {size / 1e9:.1f} GB: ONNX files up to {MAX_BYTES / 1e9:g} GB are "
                "read."
            )
        content = path.read_bytes()
    except OSError as error:
        raise InvalidRequest(
            f"The ONNX file {path} cannot be read ({error.strerror}): check the path."
        ) from error
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf raises its own kinds for foreign bytes
        raise InvalidRequest(
            f"{path.name} is no ONNX file, or damaged: export it again."
        ) from error
    if not model.graph.node:
        raise InvalidRequest(f"{path.name} is no ONNX file, or damaged: export it again.")
    tensors = list(_tensors(model, onnx))
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor, _ in tensors):
        raise InvalidRequest(
            f"{path.name} keeps its weights in other files, which are not opened: export it as one "
            "file (save_as_external_data=False)."
        )
    if any(_count(dims) > MAX_NUMBERS for _, dims in tensors):
        raise InvalidRequest(
            f"{path.name} describes a tensor of more than {MAX_NUMBERS / 1e6:,.0f} million "
            "numbers, which no network for pictures has: export it again."
        )
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    numbers = sum(_count(dims) for tensor, dims in tensors if tensor.data_type in floats)
    digest = hashlib.sha256(content).hexdigest()
    return OnnxContent(content, digest, numbers, ranges_of(model))


def _count(dims: Sequence[int]) -> int:
    """Number of values of a shape; a negative size counts as one that is too large."""
    count = 1
    for size in dims:
        count *= size if size >= 0 else MAX_NUMBERS + 1
    return count


def _tensors(model: Any, onnx: Any) -> Iterator[tuple[Any, Sequence[int]]]:
    """All stored tensors and their shapes: of the graph, of attributes, subgraphs and functions.

    onnxruntime unpacks a sparse tensor to its whole shape, however few values it has.
    """
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        part = waiting.pop()
        if isinstance(part, onnx.GraphProto):
            yield from ((tensor, tensor.dims) for tensor in part.initializer)
            for sparse in part.sparse_initializer:
                yield from _parts(sparse)
        for node in part.node:
            for attribute in node.attribute:
                for tensor in (attribute.t, *attribute.tensors):
                    yield tensor, tensor.dims
                for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                    yield from _parts(sparse)
                waiting += [attribute.g, *attribute.graphs]


def _parts(sparse: Any) -> Iterator[tuple[Any, Sequence[int]]]:
    """Values of a sparse tensor with its whole shape, and its indices with theirs."""
    yield sparse.values, sparse.dims
    yield sparse.indices, sparse.indices.dims
