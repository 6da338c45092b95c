"""Whether an ONNX network takes or gives values up to 255, as its own first and last steps say.

Float networks do not say what range they were trained on. One that divides its input by 255, takes
the mean colour of 8 bits off it, or multiplies or clips its output at 255, does.
"""

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

_PASSING = ("Cast", "Identity", "Transpose", "Reshape", "Pad", "Squeeze", "Unsqueeze", "Slice")
"""Operators that change no value."""
_ROUNDING = ("Round", "Floor", "Relu")
"""Operators that change none by much, or only those below zero."""
MAX_VALUES = 4
"""Values of the largest constant that is looked at: one, or one for each colour."""


class Ranges(NamedTuple):
    """What the steps at both ends of a network say."""

    takes_255: bool
    """Whether the first step makes something smaller of values up to 255."""
    gives_255: bool
    """Whether the last step makes values up to 255."""


def ranges_of(model: Any) -> Ranges:
    """Read the first and last steps of a parsed ONNX model."""
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    constants = _constants(graph)
    inputs = [value.name for value in graph.input if value.name not in stored]
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return Ranges(
        any(_divides(node, constants) for name in inputs for node in _computing(readers, name)),
        bool(graph.output) and _multiplies(_maker(makers, graph.output[0].name), constants),
    )


def _constants(graph: Any) -> dict[str, np.ndarray]:
    """Values of small stored tensors and of constant nodes, by name."""
    from onnx import numpy_helper

    tensors = [(tensor.name, tensor) for tensor in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            tensors += [(node.output[0], own.t) for own in node.attribute if own.name == "value"]
    found = {}
    for name, tensor in tensors:
        if 0 <= int(np.prod(tensor.dims or (1,))) <= MAX_VALUES:
            with contextlib.suppress(ValueError, TypeError, KeyError):  # onnxruntime refuses it
                found[name] = numpy_helper.to_array(tensor).astype(float)
    return found


def _computing(readers: Mapping[str, list[Any]], name: str) -> list[Any]:
    """Nodes that compute with a value, behind those that pass it on.

    Args:
        readers: Nodes by the names of their inputs.
    """
    found, waiting, seen = [], [name], {name}
    while waiting:
        for node in readers.get(waiting.pop(), []):
            if node.op_type not in _PASSING:
                found.append(node)
                continue
            new = [passed for passed in node.output[:1] if passed not in seen]
            seen.update(new)
            waiting += new
    return found


def _maker(makers: Mapping[str, Any], name: str) -> Any:
    """Node that computes a value, before those that pass it on; None for an input."""
    node, seen = makers.get(name), {name}
    while node is not None and node.op_type in _PASSING + _ROUNDING:
        before = node.input[0] if node.input else ""  # a damaged file's node may have none
        if not before or before in seen:
            break
        seen.add(before)
        node = makers.get(before)
    return node


def _operand(node: Any, constants: Mapping[str, np.ndarray]) -> float:
    """Largest absolute value of the constant that a node computes with; 0 where there is none."""
    values = [constants[name] for name in node.input if name in constants]
    return float(max((np.abs(value).max() for value in values if value.size), default=0))


def _divides(node: Any, constants: Mapping[str, np.ndarray]) -> bool:
    value = _operand(node, constants)
    return (
        (node.op_type == "Div" and 250 <= value <= 256)
        or (node.op_type == "Mul" and 1 / 256 <= value <= 1 / 250)
        or (node.op_type == "Sub" and 2 < value <= 256)
    )


def _multiplies(node: Any, constants: Mapping[str, np.ndarray]) -> bool:
    if node is None:
        return False
    value = _operand(node, constants)
    highest = [each.f for each in node.attribute if each.name == "max"]  # of Clip before opset 11
    return (
        (node.op_type in ("Mul", "Clip") and 250 <= value <= 256)
        or (node.op_type == "Add" and 2 < value <= 256)
        or (node.op_type == "Clip" and highest == [255.0])
    )
