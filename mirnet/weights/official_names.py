"""Maps tensor names of the authors' released checkpoints (Zamir et al.) to ours.

Only this module knows their names and older ones of ours.
"""

import re

import torch
from torch import Tensor

from mirnet.errors import CheckpointRejected

_BLOCK = r"body\.(\d+)\.body\.(\d+)\."
_GROUP_END = (r"body\.(\d+)\.body\.\d+\.weight", r"groups.\1.conv_out.weight")
_OLDER = re.compile(r"(attend\.\d)\.where\.")
"""Pattern of a `DualAttention` tensor in older files of our own."""
_RESIZE = {
    "down": {
        "top.0": "conv1",
        "top.1": "act1",
        "top.2": "conv2",
        "top.3": "act2",
        "top.5": "widen",
        "bot.1": "shortcut",
    },
    "up": {
        "top.0": "conv1",
        "top.1": "act1",
        "top.2": "expand",
        "top.3": "act2",
        "top.4": "narrow",
        "bot.1": "shortcut",
    },
}


def to_our_names(tensors: dict[str, Tensor], filename: str) -> dict[str, Tensor]:
    """Translate the authors' names, and older names of ours, to our current ones.

    Tied copies in their files are checked and merged, their constant filters checked and dropped.

    Args:
        tensors: Tensors by their name in the file, without prefixes.

    Raises:
        CheckpointRejected: The tensors belong to neither network, or to an unsupported variant.
    """
    if not any(name.startswith("body.") for name in tensors):
        return {_OLDER.sub(r"\1.spatial_conv.", name): value for name, value in tensors.items()}
    if "conv_in.weight" not in tensors:
        raise CheckpointRejected(
            f"{filename} has no tensor 'conv_in.weight': it is neither MIRNet nor MIRNet-v2."
        )
    is_v2 = any(".dau_top." in name for name in tensors)
    rules = [
        (re.compile(pattern), replacement)
        for pattern, replacement in (
            _authors_v2() if is_v2 else _authors_v1(tensors["conv_in.weight"].shape[0])
        )
    ]
    translated: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name.endswith(".filt"):
            _check_binomial(value, name, filename)
            continue
        ours = name
        for pattern, replacement in rules:
            if match := pattern.fullmatch(name):
                ours = match.expand(replacement)
                break
        if ours in translated and not torch.equal(translated[ours], value):
            raise CheckpointRejected(
                f"{filename} stores two different values for {name!r}, which MIRNet shares between "
                "its columns: it was made by another variant of the network."
            )
        translated[ours] = value
    return translated


def _authors_v1(features: int) -> list[tuple[str, str]]:
    """Rules (pattern, replacement) from the authors' MIRNet names to ours, for C = `features`."""
    here = r"groups.\1.blocks.\2."
    rules = [
        _GROUP_END,
        (_BLOCK + r"conv_out\.weight", here + "conv_out.weight"),
        # The column index (third number) is dropped: both columns are one module.
        (_BLOCK + r"blocks\.(\d)\.\d\.body\.1\.weight", "attention_slope"),
    ]
    for theirs, ours in {
        r"body\.0": "conv1",
        r"body\.2": "conv2",
        r"SA\.spatial\.conv": "spatial_conv",
        r"CA\.conv_du\.0": "squeeze",
        r"CA\.conv_du\.2": "excite",
        r"conv1x1": "merge",
    }.items():
        rules.append(
            (_BLOCK + rf"blocks\.(\d)\.\d\.{theirs}\.weight", here + rf"attend.\3.{ours}.weight")
        )
    for theirs, ours in {
        r"conv_du\.0": "squeeze",
        r"conv_du\.1": "activate",
        r"fcs\.(\d)": r"score.\4",
    }.items():
        rules.append(
            (
                _BLOCK + rf"selective_kernel\.(\d)\.{theirs}\.weight",
                here + rf"fuse.\3.{ours}.weight",
            )
        )
    single = {
        f"down.{features}_2": "down_0to1",
        f"down.{2 * features}_2": "down_1to2",
        f"up.{2 * features}_2": "up_1to0",
        f"up.{4 * features}_2": "up_2to1",
        "last_up.1": "last_up_1to0",
    }
    double = {
        f"down.{features}_4": "down_0to2",
        f"up.{4 * features}_4": "up_2to0",
        "last_up.2": "last_up_2to0",
    }
    for theirs, ours in (single | double).items():
        stage, place = (r"(\d)", r".\3") if theirs in double else ("0", "")
        for inner, name in _RESIZE["down" if "down" in ours else "up"].items():
            pattern = _BLOCK + re.escape(theirs) + rf"\.body\.{stage}\.{re.escape(inner)}\.weight"
            rules.append((pattern, f"{here}{ours}{place}.{name}.weight"))
    return rules


def _authors_v2() -> list[tuple[str, str]]:
    """Rules (pattern, replacement) from the authors' MIRNet-v2 names to ours."""
    here = r"groups.\1.blocks.\2."
    inner = {
        "body.0": "conv1",
        "body.2": "conv2",
        "gcnet.conv_mask": "attend",
        "gcnet.channel_add_conv.0": "context1",
        "gcnet.channel_add_conv.2": "context2",
    }
    names = {
        f"dau_{stream}.{theirs}": f"context_{stream}.{ours}"
        for stream in ("top", "mid", "bot")
        for theirs, ours in inner.items()
    }
    for stream in ("top", "mid"):
        names[f"skff_{stream}.conv_du.0"] = f"fuse_{stream}.squeeze"
        for k in (0, 1):
            names[f"skff_{stream}.fcs.{k}"] = f"fuse_{stream}.score.{k}"
    names |= {
        "down2.body.0.bot.1": "down_mid.project",
        "down4.0.body.0.bot.1": "down_bot.0.project",
        "down4.1.body.0.bot.1": "down_bot.1.project",
        "up32_1.body.0.bot.0": "up_bot1.project",
        "up32_2.body.0.bot.0": "up_bot2.project",
        "up21_1.body.0.bot.0": "up_mid1.project",
        "up21_2.body.0.bot.0": "up_mid2.project",
        "conv_out": "conv_out",
    }
    rules = [
        (_BLOCK + re.escape(theirs) + r"\.weight", f"{here}{ours}.weight")
        for theirs, ours in names.items()
    ]
    return [_GROUP_END, *rules]


def _check_binomial(value: Tensor, name: str, filename: str) -> None:
    row = torch.tensor([1.0, 2.0, 1.0])
    expected = torch.outer(row, row) / 16
    if value.shape[-2:] != (3, 3) or not torch.allclose(value, expected.expand_as(value)):
        raise CheckpointRejected(
            f"{filename} has another downsampling filter in {name!r} than the binomial one of "
            "MIRNet: it was made by another variant of the network."
        )
