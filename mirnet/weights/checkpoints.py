"""Weights files: open them safely, understand foreign names, build the network they fit.

A file is safetensors or a PyTorch archive, only ever opened with `weights_only=True`. Names may be
ours or those of the authors' released checkpoints (Zamir et al.); `_AUTHORS_V1` and
`_AUTHORS_V2` are the one place where the latter are known. Architecture and sizes are read off the
tensors, so no configuration has to be trusted.
"""

import json
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from mirnet.errors import CheckpointRejected, MIRNetError
from mirnet.files import write_file
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2

MAX_FILE_BYTES = 2 * 2**30
"""Largest file, packed or unpacked, that is opened."""
MAX_TENSORS = 20_000
"""Tensors of a file; the authors' largest network has about three thousand."""
MAX_BLOCKS = 256
"""Residual groups, or blocks of one; the published networks have 3 to 4 groups of 2."""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""What weights may be stored as."""
WRAPPERS = ("state_dict", "params_ema", "params", "model_state_dict")
"""Keys under which training scripts store the weights of the network."""

_BLOCK = r"body\.(\d+)\.body\.(\d+)\."
_GROUP_END = (r"body\.(\d+)\.body\.\d+\.weight", r"groups.\1.conv_out.weight")
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
        r"SA\.spatial\.conv": "where",
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


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Open a weights file safely and give its tensors our names.

    Args:
        path: A .safetensors file, or a PyTorch file (.pth, .pt, .ckpt) that holds a plain dict of
            tensors or one under 'state_dict', 'params' or 'model_state_dict', with or without
            'module.' prefixes.

    Returns:
        Float32 tensors by our names; tied copies of the authors' files are checked and merged.

    Raises:
        CheckpointRejected: Missing, unsafe, damaged, too large, or not a network of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointRejected(f"There is no weights file {path.name!r}: check the path.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise CheckpointRejected(
            f"{path.name} has {path.stat().st_size / 2**30:.1f} GB, more than the limit of "
            f"{MAX_FILE_BYTES / 2**30:.0f} GB: it is no weights file of MIRNet or MIRNet-v2."
        )
    with path.open("rb") as file:
        head = file.read(16)
    # A safetensors file opens with the length of its JSON header and then '{'.
    raw = _read_safetensors(path) if head[8:9] == b"{" else _read_torch(path)
    tensors = _plain_tensors(raw, path.name)
    return _our_names(tensors, path.name)


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise CheckpointRejected(
            f"{path.name} is damaged or cut off ({_brief(error)}): download or copy it again."
        ) from error


def _read_torch(path: Path) -> Mapping[str, Any]:
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(item.file_size for item in archive.infolist())
        except zipfile.BadZipFile as error:
            raise CheckpointRejected(
                f"{path.name} is damaged or cut off: download or copy it again."
            ) from error
        if unpacked > MAX_FILE_BYTES:
            raise CheckpointRejected(
                f"{path.name} unpacks to {unpacked / 2**30:.1f} GB, more than the limit of "
                f"{MAX_FILE_BYTES / 2**30:.0f} GB: it is no weights file of MIRNet or MIRNet-v2."
            )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if re.search(r"Unsupported (global|class)|Trying to (call|instantiate)", str(error)):
            raise CheckpointRejected(
                f"{path.name} holds Python objects beside its tensors, which could run code, so it "
                "was not opened: ask its source for a safetensors file or a plain state_dict."
            ) from error
        raise CheckpointRejected(
            f"{path.name} is neither a safetensors nor a PyTorch weights file, or it is damaged: "
            "choose another file or download it again."
        ) from error
    except Exception as error:
        raise CheckpointRejected(
            f"{path.name} cannot be read as weights ({_brief(error)}): choose another file or "
            "download it again."
        ) from error
    if not isinstance(content, Mapping):
        raise CheckpointRejected(
            f"{path.name} holds a {type(content).__name__} where a dictionary of tensors belongs: "
            "save the network's state_dict()."
        )
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            return content[wrapper]
    return content


def _plain_tensors(raw: Mapping[str, Any], filename: str) -> dict[str, Tensor]:
    """Strip 'module.' prefixes; refuse what is not a finite float tensor."""
    if len(raw) > MAX_TENSORS:
        raise CheckpointRejected(
            f"{filename} has {len(raw):,} entries: it is no weights file of MIRNet or MIRNet-v2."
        )
    tensors: dict[str, Tensor] = {}
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
        # One number that is said to be a billion (stride 0), or none at all (device "meta").
        if (
            value.device.type != "cpu"
            or value.numel() * value.element_size() > value.untyped_storage().nbytes()
        ):
            raise CheckpointRejected(
                f"{filename} says that {name[:60]!r} has {value.numel():,} numbers, and does not "
                "hold them: save the network's state_dict() on the CPU."
            )
        value = value.to(torch.float32)
        if not torch.isfinite(value).all():
            raise CheckpointRejected(
                f"{filename} has values that are not numbers in {name[:60]!r}: the training that "
                "made it diverged, or the file is damaged."
            )
        tensors[name.removeprefix("module.")] = value
    if not tensors:
        raise CheckpointRejected(f"{filename} holds no tensors: choose another file.")
    return tensors


def _our_names(tensors: dict[str, Tensor], filename: str) -> dict[str, Tensor]:
    """Translate the authors' names; leave ours alone."""
    if not any(name.startswith("body.") for name in tensors):
        return tensors
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


def _check_binomial(value: Tensor, name: str, filename: str) -> None:
    row = torch.tensor([1.0, 2.0, 1.0])
    expected = torch.outer(row, row) / 16
    if value.shape[-2:] != (3, 3) or not torch.allclose(value, expected.expand_as(value)):
        raise CheckpointRejected(
            f"{filename} has another downsampling filter in {name!r} than the binomial one of "
            "MIRNet: it was made by another variant of the network."
        )


def infer_config(tensors: Mapping[str, Tensor]) -> tuple[type[MIRNet] | type[MIRNetV2], dict]:
    """Read architecture and sizes off tensors with our names.

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
        widths = [tensors[block.format(0, stream)].shape[0] for stream in ("top", "mid", "bot")]
        conv_groups = [features // tensors[block.format(g, "top")].shape[1] for g in range(groups)]
        config = {
            "features": features,
            "blocks": blocks,
            "channel_factor": _channel_factor(*widths),
            "conv_groups": conv_groups,
            "unshuffle": round((channels / (6 if exposure else 3)) ** 0.5),
            "exposure": exposure,
            "colour": "exposure.colours.weight" in tensors,
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
    """The factor that truncates to these widths; the paper's 1.5 where it does."""
    for factor in (1.5, n1 / n, n2 / n1, (n1 + 0.5) / n):
        if int(n * factor) == n1 and int(n1 * factor) == n2:
            return factor
    raise ValueError(f"no channel factor gives widths {n}, {n1}, {n2}")


def build_model(tensors: Mapping[str, Tensor], name: str = "The file") -> MIRNet | MIRNetV2:
    """Build the network that tensors with our names belong to.

    Args:
        tensors: As `read_checkpoint` returns them.
        name: What to call the file in an error.

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
            f"({_brief(error)}): it was made by another variant of the network."
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


def save_weights(model: nn.Module, path: str | Path, metadata: Mapping[str, str] = {}) -> Path:  # noqa: B006
    """Write a network as safetensors with our names, replacing the file in one step.

    The same weights and notes give the same bytes, so that a hash can tell them.

    Args:
        model: `MIRNet` or `MIRNetV2`.
        path: Where to; the folder must exist.
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
    """A safetensors file with the notes of its header sorted: the library's order is by chance."""
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + file[8 + length :]


def count_parameters(model: nn.Module) -> int:
    """Numbers a network learns, shared tensors counted once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _brief(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:120] or type(error).__name__
