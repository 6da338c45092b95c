"""Counts multiply-adds of networks in ONNX files, by the rules of `mirnet.models.complexity`.

Shapes are those of ONNX's own shape inference for one size of picture; nothing is computed. A file
whose shapes cannot be told, or that multiplies inside branches, loops or operators of others, has
no count rather than one that is too small.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .method_record import MethodRecord
from .networks import COUNTED_PX
from .onnx_file import read_onnx
from .onnx_method import OnnxSettings

Shape = tuple[int, ...]
"""Sizes of a tensor."""
MAX_COUNT = 10**18
"""Most multiply-adds of a picture; a file that claims more says nothing of a network that runs."""


def multiply_adds_of(method: MethodRecord) -> float | None:
    """Multiply-adds of an ONNX method, in 10**9 a megapixel of its result.

    They are counted for a square of about `COUNTED_PX`, or the only size that the network takes;
    overlaps of tiles are left out.

    Returns:
        None where the file does not tell.

    Raises:
        InvalidRequest: See `read_onnx`.
    """
    settings = OnnxSettings.model_validate(method.settings)
    step = settings.multiple
    side = math.ceil(max(COUNTED_PX, settings.minimum) / step) * step
    height, width = settings.fixed or (side, side)
    found = multiply_adds(read_onnx(Path(settings.onnx), method.id).content, height, width)
    return None if found is None else found / (height * width * settings.scale**2) * 1e6 / 1e9


def multiply_adds(content: bytes, height: int, width: int) -> int | None:
    """Count the multiply-adds of convolutions and matrix products for one picture.

    Args:
        content: An ONNX file with one input, 1 x 3 x H x W or 1 x H x W x 3.

    Returns:
        None where a shape, or what an operator does, is not known.
    """
    import onnx
    from onnx.inliner import inline_local_functions

    model = inline_local_functions(onnx.load_model_from_string(content))
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    (given,) = (value for value in graph.input if value.name not in stored)
    dims = given.type.tensor_type.shape.dim
    is_last = dims[3].dim_value == 3 and dims[1].dim_value != 3
    for dim, size in zip(
        dims, (1, height, width, 3) if is_last else (1, 3, height, width), strict=True
    ):
        dim.dim_value = size
    # Shapes that the file states may be those of another size.
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return None
    shapes = _shapes(model.graph)
    counts = [_of_node(node, shapes) for node in model.graph.node]
    total = None if None in counts else sum(filter(None, counts))
    return total if total is not None and total <= MAX_COUNT else None


def _shapes(graph: Any) -> dict[str, Shape]:
    """Shapes of all tensors that are known in full, by name."""
    found = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in dims):
            found[value.name] = tuple(dim.dim_value for dim in dims)
    return found


def _of_node(node: Any, shapes: dict[str, Shape]) -> int | None:
    """Multiply-adds of one operator; None where they cannot be told."""
    if node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type not in COUNTED:
        inner = (attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
        return None if node.op_type in UNCOUNTED or any(inner) else 0
    count, places = COUNTED[node.op_type]
    names = [*(node.input[place] for place in places), node.output[0]]
    if any(name not in shapes for name in names):
        return None
    a, b, output = (shapes[name] for name in names)
    return count(a, b, output, {option.name: option.i for option in node.attribute})


def _convolution(_: Shape, weight: Shape, output: Shape, __: dict[str, int]) -> int:
    return math.prod(output) * math.prod(weight[1:])


def _transposed(given: Shape, weight: Shape, _: Shape, __: dict[str, int]) -> int:
    """Count on the input's size: zeros between its values are not multiplied."""
    return math.prod(given) * math.prod(weight[1:])


def _product(a: Shape, _: Shape, output: Shape, options: dict[str, int]) -> int:
    return math.prod(output) * a[-2 if options.get("transA") else -1]


COUNTED: dict[str, tuple[Callable[[Shape, Shape, Shape, dict[str, int]], int], Shape]] = {
    "Conv": (_convolution, (0, 1)),
    "ConvInteger": (_convolution, (0, 1)),
    "QLinearConv": (_convolution, (0, 3)),
    "ConvTranspose": (_transposed, (0, 1)),
    "Gemm": (_product, (0, 1)),
    "MatMul": (_product, (0, 1)),
    "MatMulInteger": (_product, (0, 1)),
    "QLinearMatMul": (_product, (0, 3)),
}
"""Operators that are counted: how, and which two inputs are multiplied."""
UNCOUNTED = ("Attention", "DeformConv", "Einsum", "GRU", "LSTM", "RNN")
"""Operators that multiply and are not counted."""
