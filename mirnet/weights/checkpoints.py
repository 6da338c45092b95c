"""Safe reading of weights files: safetensors, or PyTorch archives with `weights_only=True`.

Names may be ours or the authors' (`mirnet.weights.official_names`); `mirnet.weights.networks` makes
the network that the tensors fit.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mirnet.errors import CheckpointRejected

from . import foreign_files
from .official_names import to_our_names

MAX_TENSORS = 20_000
"""Largest number of tensors in a file; the authors' largest network has about 3000."""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Accepted types of stored weights."""
FIRST_LAYER = "conv_in.weight"
"""Name of a tensor that every network has, under our names and the authors'."""
BOOKKEEPING = re.compile(
    r"(.*\.)?(total_ops|total_params|n_averaged|num_updates|decay|initted|step)"
)
"""Pattern of counters that thop, weight averaging and EMA add to the tensors of a network."""
AVERAGED = re.compile(r"ema|(?<![a-z])(swa|avg|averaged?|shadow)(?![a-z])", re.IGNORECASE)
"""Pattern in the place of a network whose weights are averaged over the training."""
HELPER = re.compile(
    r"(?<![^._])(net_?d|d|disc|discriminator|critic|teacher|loss|losses|criterion|metrics?"
    r"|perceptual|vgg\d*|lpips|psnr|ssim)[._]",
    re.IGNORECASE,
)
"""Word in the place of a network that only helped to train: a loss, metric or opponent."""
WRAPPERS = ("state_dict", "params_ema", "params", "model_state_dict")
"""Keys under which training scripts usually store the weights of their network."""
MAX_DEPTH = 6
"""Largest depth of nested mappings that are searched for a network."""


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Open a weights file safely and give its tensors our names.

    Args:
        path: A .safetensors file, or a PyTorch file (.pth, .pt, .ckpt) with a dict of tensors, also
            inside others ('state_dict', 'params', 'generator') and under prefixes ('module.',
            'model.', '_orig_mod.'), beside other networks and counters. Averaged weights (EMA) are
            taken before others.

    Returns:
        Float32 tensors by our names; tied copies of the authors' files are checked and merged.

    Raises:
        CheckpointRejected: Missing, unsafe, damaged, too large, or not a network of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointRejected(f"There is no weights file {path.name!r}: check the path.")
    if path.stat().st_size > foreign_files.MAX_FILE_BYTES:
        raise CheckpointRejected(
            f"{path.name} has {path.stat().st_size / 2**30:.1f} GB, more than the limit of "
            f"{foreign_files.MAX_FILE_BYTES / 2**30:.0f} GB: it is no weights file of MIRNet or "
            "MIRNet-v2."
        )
    foreign_files.check_kind(path)
    with path.open("rb") as file:
        head = file.read(16)
    # A safetensors file opens with the length of its JSON header and then '{'.
    is_ours = head[8:9] == b"{" or path.suffix == ".safetensors"
    raw = _read_safetensors(path) if is_ours else foreign_files.read_torch(path)
    tensors = _plain_tensors(_network_in(raw, path.name), path.name)
    return to_our_names(tensors, path.name)


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise foreign_files.damaged(path) from error


def _network_in(content: Mapping[str, Any], filename: str) -> Mapping[str, Any]:
    """Find the tensors of one network, and strip the common prefix of their names.

    Returns:
        Tensors by name; the whole content if no first layer is found, for the error message.
    """
    found: list[tuple[str, Mapping[str, Any], str]] = []

    def search(part: Mapping[str, Any], path: str, depth: int) -> None:
        if len(part) > MAX_TENSORS:
            raise CheckpointRejected(
                f"{filename} has {len(part):,} entries: it is no weights file of MIRNet or "
                "MIRNet-v2."
            )
        for name, value in part.items():
            if not isinstance(name, str):
                continue
            prefix = name.removesuffix(FIRST_LAYER)
            if isinstance(value, Tensor) and prefix != name and prefix[-1:] in ("", "."):
                found.append((path + prefix, part, prefix))
            elif isinstance(value, Mapping) and depth < MAX_DEPTH:
                search(value, f"{path}{name}.", depth + 1)

    search(content, "", 1)
    if not found:
        parts = (content.get(name) for name in WRAPPERS)
        return next((part for part in parts if isinstance(part, Mapping)), content)
    _, part, prefix = min(
        found,
        key=lambda place: (
            _is_of_helper(place[0]),
            AVERAGED.search(place[0]) is None,
        ),
    )
    tensors = {
        name[len(prefix) :] if isinstance(name, str) else name: value
        for name, value in part.items()
        if not isinstance(name, str)
        or (name.startswith(prefix) and not BOOKKEEPING.fullmatch(name))
    }
    return {
        name: value
        for name, value in tensors.items()
        if not isinstance(name, str) or not _is_of_helper(name)
    }


def _is_of_helper(name: str) -> bool:
    """Whether a tensor's name, or a place with its dot, belongs to a network of `HELPER`."""
    place, dot, _ = name.rpartition(".")
    return HELPER.search(place + dot) is not None


def _plain_tensors(raw: Mapping[str, Any], filename: str) -> dict[str, Tensor]:
    """Convert tensors to float32.

    Raises:
        CheckpointRejected: A value is not a tensor of finite floats.
    """
    if len(raw) > MAX_TENSORS:
        raise CheckpointRejected(
            f"{filename} has {len(raw):,} entries: it is no weights file of MIRNet or MIRNet-v2."
        )
    for name, value in raw.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointRejected(
                f"{filename} has an entry {str(name)[:60]!r} that is no tensor: save the network's "
                "state_dict() alone."
            )
        if value.dtype not in FLOATS or value.layout != torch.strided:
            raise CheckpointRejected(
                f"{filename} stores {name[:60]!r} as {value.dtype}: weights must be float tensors."
            )
        # A huge shape over one stored number (stride 0), or over no data (device "meta").
        if (
            value.device.type != "cpu"
            or value.numel() * value.element_size() > value.untyped_storage().nbytes()
        ):
            raise CheckpointRejected(
                f"{filename} says that {name[:60]!r} has {value.numel():,} numbers, and does not "
                "hold them: save the network's state_dict() on the CPU."
            )
    _check_memory(list(raw.values()), filename)
    tensors: dict[str, Tensor] = {}
    converted: dict[tuple, Tensor] = {}
    for name, value in raw.items():
        place = _place(value)
        if place not in converted:  # tied tensors are one, before and after
            converted[place] = value.to(torch.float32)
            if not torch.isfinite(converted[place]).all():
                raise CheckpointRejected(
                    f"{filename} has values that are not numbers in {name[:60]!r}: the training "
                    "that made it diverged, or the file is damaged."
                )
        value = converted[place]
        tensors[name] = value
    if not tensors:
        raise CheckpointRejected(f"{filename} holds no tensors: choose another file.")
    return tensors


def _place(value: Tensor) -> tuple:
    """Memory that a strided tensor shows: equal for tied tensors, of which a file has one."""
    return (
        value.untyped_storage().data_ptr(), value.storage_offset(), value.shape, value.stride(),
        value.dtype,
    )  # fmt: skip


def _check_memory(values: list[Tensor], filename: str) -> None:
    """Refuse tensors that would need far more memory than the file has, before any is converted.

    Raises:
        CheckpointRejected: Different tensors lie on one storage that is too small for them, or all
            of them would be too large as float32.
    """
    places = {_place(value): value for value in values}
    shown: Counter[int] = Counter()
    stored: dict[int, int] = {}
    for value in places.values():
        storage = value.untyped_storage()
        shown[storage.data_ptr()] += value.numel() * value.element_size()
        stored[storage.data_ptr()] = storage.nbytes()
    if any(count > stored[storage] for storage, count in shown.items()):
        raise CheckpointRejected(
            f"{filename} has tensors that lie over each other and would need more memory than the "
            "file has: save a clone of each tensor of the network's state_dict()."
        )
    needed = 4 * sum(value.numel() for value in places.values())
    if needed > foreign_files.MAX_FILE_BYTES:
        raise CheckpointRejected(
            f"{filename} would need {needed / 2**30:.1f} GB as float32, more than the limit of "
            f"{foreign_files.MAX_FILE_BYTES / 2**30:.0f} GB: it is no weights file of MIRNet or "
            "MIRNet-v2."
        )


def brief(error: Exception) -> str:
    """First line of an exception's message, at most 120 characters, or its class name."""
    return str(error).strip().split("\n")[0][:120] or type(error).__name__
