"""Builds networks from tensors, whose shapes give all sizes, and saves them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from mirnet.errors import CheckpointRejected, MIRNetError
from mirnet.files import write_file
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2

from .checkpoints import brief, read_checkpoint

MAX_BLOCKS = 256
"""Largest number of groups, and of blocks in a group; published networks have 3 or 4, and 2."""


def load_weights(path: str | Path) -> MIRNet | MIRNetV2:
    """Load a weights file of MIRNet or MIRNet-v2, ours or the authors'.

    Args:
        path: See `read_checkpoint`.

    Returns:
        The network in evaluation mode on the CPU; `forward` takes and returns (B, 3, H, W) float32,
        not clamped.

    Raises:
        CheckpointRejected: See `read_checkpoint` and `build_model`.
    """
    return build_model(read_checkpoint(path), Path(path).name)


def build_model(tensors: Mapping[str, Tensor], name: str = "The file") -> MIRNet | MIRNetV2:
    """Build the network whose tensors (with our names) are given.

    Args:
        tensors: Result of `read_checkpoint`.

    Returns:
        `MIRNet` or `MIRNetV2` in evaluation mode, every tensor loaded.

    Raises:
        CheckpointRejected: A tensor is missing, left over or of another shape.
    """
    architecture, config = infer_config(tensors)
    try:
        with torch.device("meta"):
            planned = architecture(**config).state_dict()
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError, MIRNetError) as error:
        raise CheckpointRejected(
            f"{name} looks like {architecture.__name__}, but no such network can be built "
            f"({brief(error)}): it was made by another variant of the network."
        ) from error
    expected = {key: value.shape for key, value in planned.items()}
    missing = sorted(expected.keys() - tensors.keys())
    extra = sorted(tensors.keys() - expected.keys())
    wrong = [key for key in expected.keys() & tensors.keys() if expected[key] != tensors[key].shape]
    if missing or extra or wrong:
        parts = [
            f"{len(keys)} {what} (such as {keys[0]!r})"
            for keys, what in (
                (missing, "tensors missing"),
                (extra, "tensors too many"),
                (sorted(wrong), "tensors of another shape"),
            )
            if keys
        ]
        raise CheckpointRejected(
            f"{name} looks like {architecture.__name__} with {config['features']} features but has "
            f"{' and '.join(parts)}: it was made by another variant of the network."
        )
    model = architecture(**config)
    model.load_state_dict(dict(tensors), strict=True)
    if model.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.eval().requires_grad_(False)


def infer_config(tensors: Mapping[str, Tensor]) -> tuple[type[MIRNet] | type[MIRNetV2], dict]:
    """Infer architecture and sizes from the shapes of tensors with our names.

    Returns:
        The class, and the keyword arguments that build it.

    Raises:
        CheckpointRejected: The tensors fit neither MIRNet nor MIRNet-v2.
    """
    try:
        features, channels = tensors["conv_in.weight"].shape[:2]
        groups = 1 + max(_indices(tensors, r"groups\.(\d+)\..*"))
        blocks = 1 + max(_indices(tensors, r"groups\.\d+\.blocks\.(\d+)\..*"))
        if max(groups, blocks) > MAX_BLOCKS or groups * blocks > len(tensors) or not features:
            raise ValueError(f"{groups} groups of {blocks} blocks with {features} features")
        if "attention_slope" in tensors:
            sizes = {"features": features, "groups": groups, "blocks": blocks}
            return MIRNet, {**sizes, "unshuffle": round((channels / 3) ** 0.5)}
        block = "groups.{}.blocks.0.context_{}.conv1.weight"
        exposure = "exposure.hidden.weight" in tensors
        # 3, 4 or 6 planes times a square: each number of channels is only one of them.
        unshuffle = round((channels / (6 if exposure else 3)) ** 0.5)
        noise_level = not exposure and channels != 3 * unshuffle**2
        if noise_level:
            unshuffle = round((channels / 4) ** 0.5)
        widths = [tensors[block.format(0, stream)].shape[0] for stream in ("top", "mid", "bot")]
        conv_groups = [features // tensors[block.format(g, "top")].shape[1] for g in range(groups)]
        config = {
            "features": features,
            "blocks": blocks,
            "channel_factor": _channel_factor(*widths),
            "conv_groups": conv_groups,
            "unshuffle": unshuffle,
            "exposure": exposure,
            "colour": "exposure.colours.weight" in tensors,
            "levels": "exposure.levels.weight" in tensors,
            "noise_level": noise_level,
        }
        return MIRNetV2, config
    except (KeyError, ValueError, IndexError, ZeroDivisionError) as error:
        some = ", ".join(sorted(tensors)[:3])
        raise CheckpointRejected(
            f"These weights fit neither MIRNet nor MIRNet-v2 (their first tensors are {some}): "
            "choose a checkpoint of one of the two."
        ) from error


def _indices(tensors: Mapping[str, Tensor], pattern: str) -> set[int]:
    matches = (re.fullmatch(pattern, name) for name in tensors)
    return {int(match.group(1)) for match in matches if match}


def _channel_factor(n: int, n1: int, n2: int) -> float:
    """Find the factor that truncates to these widths; the paper's 1.5 where it fits."""
    for factor in (1.5, n1 / n, n2 / n1, (n1 + 0.5) / n):
        if int(n * factor) == n1 and int(n1 * factor) == n2:
            return factor
    raise ValueError(f"no channel factor gives widths {n}, {n1}, {n2}")


STEP_NOTE = "training_step"
"""Note in the header of weights that were kept during a training: steps over all cycles."""


def save_weights(model: nn.Module, path: str | Path, metadata: Mapping[str, str] = {}) -> Path:  # noqa: B006
    """Write a network as safetensors with our names, replacing the file in one step.

    The same weights and notes give the same bytes, and so the same hash.

    Args:
        path: File to write; its folder must exist.
        metadata: Text notes for the header, beside 'architecture' and 'config'.

    Returns:
        The path.
    """
    path = Path(path)
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    architecture, config = infer_config(tensors)
    notes = {"architecture": architecture.__name__, "config": json.dumps(config), **metadata}
    write_file(path, _in_order(save(tensors, metadata=notes)))
    return path


def _in_order(file: bytes) -> bytes:
    """Sort the notes in the header of a safetensors file; the library's order is random."""
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + file[8 + length :]


def count_parameters(model: nn.Module) -> int:
    """Number of learned parameters, shared tensors counted once."""
    return sum(parameter.numel() for parameter in model.parameters())
