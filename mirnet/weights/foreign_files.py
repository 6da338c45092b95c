"""Opens PyTorch files without running code, and names files that are no weights.

PyTorch's `weights_only` reader builds tensors and plain containers and refuses every other class.
Trainings also store NumPy numbers and arrays, paths, times and arguments: `_PLAIN_DATA` maps these
names to stand-ins of ours, so that no foreign constructor runs.
"""

import math
import pickle
import re
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.serialization import safe_globals

from mirnet.errors import CheckpointRejected
from mirnet.images.formats import ARCHIVES, FORMATS, HEAD_BYTES, identify

MAX_FILE_BYTES = 2 * 2**30
"""Largest file that is opened, in bytes, packed or unpacked."""
_AGAIN = "download or copy it again"
_CHOOSE = "choose a .safetensors file, or a .pth file that PyTorch wrote"
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.")
"""Pattern of the name of one of several files that make up one set of weights."""
_KINDS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"version https://git-lfs", "a Git LFS pointer and not the weights themselves",
     "run `git lfs pull`, or download the file from its page"),
    (0, b"\x89HDF", "a file of Keras (HDF5)", _CHOOSE),
    (0, b"GGUF", "a GGUF file", _CHOOSE),
    (4, b"TFL3", "a file of TensorFlow Lite", _CHOOSE),
    (0, b"\x93NUMPY", "a single NumPy array", _CHOOSE),
    *(
        (0, bytes((8, version, 18)), "an ONNX or TensorFlow graph", _CHOOSE)
        for version in range(1, 20)
    ),
)  # fmt: skip
"""Offset, bytes, kind and way out of files that are often taken for weights."""

_OBJECTS = re.compile(
    "unsupported (global|class)|trying to (call|instantiate)|can only (create|build)",
    re.IGNORECASE,
)
"""Pattern of torch's messages about a file with other objects than tensors and plain data."""


def read_torch(path: Path) -> Mapping[str, Any]:
    """Open a PyTorch file with a dictionary in it; nothing in the file is executed.

    Returns:
        The dictionary, with NumPy arrays as tensors, also in dictionaries inside it.

    Raises:
        CheckpointRejected: The file is unsafe, damaged, too large, or holds no dictionary.
    """
    _check_archive(path)
    try:
        with _loading, safe_globals(list(_PLAIN_DATA)):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the reader raises nearly every type for damaged bytes
        if _OBJECTS.search(str(error)):
            raise CheckpointRejected(
                f"{path.name} holds Python objects beside its tensors, which could run code, so it "
                "was not opened: ask its source for a safetensors file or a plain state_dict."
            ) from error
        if isinstance(error, pickle.UnpicklingError) and not zipfile.is_zipfile(path):
            raise CheckpointRejected(
                f"{path.name} is neither a safetensors nor a PyTorch weights file, or it is "
                f"damaged: {_CHOOSE}."
            ) from error
        raise damaged(path) from error
    if not isinstance(content, Mapping):
        raise CheckpointRejected(
            f"{path.name} holds {_of_type(content)} where a dictionary of tensors belongs: "
            "save the network's state_dict()."
        )
    return _with_tensors(content)


def _of_type(content: object) -> str:
    """Name of a value's type with its article, such as "a list" or "an int"."""
    name = type(content).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def damaged(path: Path) -> CheckpointRejected:
    """Make the error for a file that is half-written, cut off or changed on its way."""
    return CheckpointRejected(f"{path.name} is damaged or cut off: {_AGAIN}.")


def check_kind(path: Path) -> None:
    """Refuse a file that is no weights file by its first bytes or its name.

    Raises:
        CheckpointRejected: The file is a pointer, page, text, picture, archive, shard or index,
            is empty, or is of another framework.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = _kind(head, path.name)
    if found is not None:
        raise CheckpointRejected(f"{path.name} is {found[0]}: {found[1]}.")


def _kind(head: bytes, name: str) -> tuple[str, str] | None:
    """Kind of a file that is no weights file, and the way out; None if it may be one."""
    if not head:
        return "empty (0 bytes)", _AGAIN
    if not any(head):
        return "a file of zeros, as downloads that were broken off leave it", _AGAIN
    shard = _SHARD.search(name)
    if shard and int(shard[2]) > 1:
        return (
            f"part {int(shard[1])} of {int(shard[2])} of weights that lie in several files",
            "load them together and save the network's state_dict() as one file",
        )
    if head[8:9] == b"{" and not any(head[5:8]):  # safetensors: a length, then JSON
        return None
    for offset, magic, kind, way in _KINDS:
        if head[offset : offset + len(magic)] == magic:
            return kind, way
    if b'"weight_map"' in head or name.endswith(".index.json"):
        return (
            "the index of weights that lie in several files",
            "load them together and save the network's state_dict() as one file",
        )
    kind = identify(head)
    if kind in ("", "a ZIP archive"):  # PyTorch's files are ZIP archives
        return None
    if kind in ARCHIVES:
        return kind, "unpack it first"
    if kind == "a web page":
        way = "open its address in a browser, where it may ask for a sign-in, and save the file"
        return f"{kind} and not weights", way
    if kind in FORMATS or kind == "GIF":
        kind = f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind} picture"
    return kind, _CHOOSE


def _check_archive(path: Path) -> None:
    """Look into the table of contents of a ZIP file, as PyTorch writes it.

    Raises:
        CheckpointRejected: The archive is cut off, holds no PyTorch file, or unpacks to too much.
    """
    with path.open("rb") as file:
        starts_as_archive = file.read(2) == b"PK"
    if not starts_as_archive:
        return
    try:
        with zipfile.ZipFile(path) as archive:
            items = archive.infolist()
    except NotImplementedError as error:  # an extension of the format that Python does not know
        raise CheckpointRejected(
            f"{path.name} is a ZIP archive of a newer kind ({error}): unpack it first."
        ) from error
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise damaged(path) from error
    unpacked = sum(item.file_size for item in items)
    if unpacked > MAX_FILE_BYTES:
        raise CheckpointRejected(
            f"{path.name} unpacks to {unpacked / 2**30:.1f} GB, more than the limit of "
            f"{MAX_FILE_BYTES / 2**30:.0f} GB: it is no weights file of MIRNet or MIRNet-v2."
        )
    names = [item.filename for item in items]
    if any(name.endswith("/constants.pkl") for name in names):
        raise CheckpointRejected(
            f"{path.name} is a TorchScript program, which could run code, so it was not opened: "
            "save the network's state_dict()."
        )
    if any(name.count("/") == 1 and name.endswith("/data.pkl") for name in names):
        return
    if names and all(name.endswith(".npy") for name in names):
        raise CheckpointRejected(f"{path.name} is an archive of NumPy arrays: {_CHOOSE}.")
    raise CheckpointRejected(
        f"{path.name} is a ZIP archive of other files and no weights file itself: unpack it first."
    )


def _with_tensors(content: Mapping[Any, Any], depth: int = 4) -> dict[Any, Any]:
    """Replace NumPy arrays by tensors, also in the dictionaries inside."""
    return {
        name: value.tensor
        if isinstance(value, _Array)
        else _with_tensors(value, depth - 1)
        if isinstance(value, Mapping) and depth > 1
        else value
        for name, value in content.items()
    }


class _Ignored:
    """Stand-in for a value that is no tensor, such as a time, a path or a NumPy number."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _DType:
    """Stand-in for `numpy.dtype`."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code, self.order = str(code), "="

    def __setstate__(self, state: Any) -> None:
        self.order = str(state[1])


class _Array:
    """Stand-in for `numpy.ndarray`; `tensor` is None if it holds anything but numbers."""

    tensor: torch.Tensor | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, columns_first, data = state
        if not isinstance(dtype, _DType) or not re.fullmatch("[fiub][1248]", dtype.code):
            return
        order = dtype.order if dtype.order in "<>" else "="
        kind = np.dtype(order + dtype.code)
        if not isinstance(data, bytes) or math.prod(shape) * kind.itemsize != len(data):
            raise pickle.UnpicklingError("an array that is not what it says")
        array = np.frombuffer(data, kind).reshape(shape, order="F" if columns_first else "C")
        if kind.kind == "f":
            self.tensor = torch.from_numpy(array.astype(kind.newbyteorder("=")))


def _empty_array(*_: Any) -> _Array:
    """Stand-in for `numpy._core.multiarray._reconstruct`, which allocates what it is told."""
    return _Array()


_loading = threading.Lock()
"""Held while a file is read: PyTorch's list of allowed names is one for the process."""
_PLAIN_DATA: tuple[tuple[Any, str], ...] = (
    (_DType, "numpy.dtype"),
    (_Array, "numpy.ndarray"),
    *((_empty_array, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((_Ignored, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *(
        (_Ignored, name)
        for name in (
            "argparse.Namespace",
            "types.SimpleNamespace",
            "datetime.datetime",
            "datetime.timedelta",
            *(
                f"pathlib.{kind}Path"
                for kind in ("", "Posix", "Windows", "PurePosix", "PureWindows")
            ),
        )
    ),
)
"""Stand-ins of ours by the names that files may hold."""
