"""Fewer bits inside the network: bfloat16 on CPUs and GPUs that multiply it, float16 on GPUs.

Only what is computed with feature maps is reduced, by PyTorch's autocast; the exposure curve and
the sum of picture and residual stay in float32. Feature maps are channels last in memory. TF32 is
float32 whose convolutions round their factors to 10 bits, on Nvidia's GPUs from Ampere on.
"""

import functools
from typing import Any

import torch

from mirnet.models.base import RestorationNetwork

from .fused import fuse
from .shared_parameters import channels_last, copied_bytes


def missing_bf16(device: torch.device) -> str:
    """Requirement of bfloat16 that a device lacks; "" if none."""
    if device.type == "cuda":
        return "" if torch.cuda.is_bf16_supported() else "this GPU has no bfloat16"
    if device.type != "cpu":
        return "it is for CPUs and CUDA"
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # private, so looked up
    has = any(getattr(torch.cpu, name, lambda: False)() for name in names)
    return "" if has else "this CPU has neither AMX nor AVX512-BF16"


def missing_fp16(device: torch.device) -> str:
    """Requirement of float16 that a device lacks; "" if none."""
    return "" if device.type in ("cuda", "mps") else "it is for GPUs"


def missing_tf32(device: torch.device) -> str:
    """Requirement of TF32 that a device lacks; "" if none."""
    if device.type != "cuda":
        return "it is for CUDA"
    return "" if torch.cuda.get_device_capability(device) >= (8, 0) else "this GPU has no TF32"


def with_precision(model: RestorationNetwork, dtype: torch.dtype) -> RestorationNetwork:
    """Make a network that computes its residual with fewer bits.

    Args:
        dtype: `torch.bfloat16` or `torch.float16`.
    """
    reduced = channels_last(fuse(model))
    device = next(model.parameters()).device.type
    reduced.residual = torch.autocast(device, dtype)(reduced.residual)  # type: ignore[method-assign]
    return reduced


def with_tf32(model: RestorationNetwork) -> RestorationNetwork:
    """Make a network whose residual is computed by convolutions in TF32."""
    reduced = fuse(model)
    exact = reduced.residual

    @functools.wraps(exact)
    def residual(*given: Any, **named: Any) -> torch.Tensor:
        before = torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.allow_tf32 = True
        try:
            return exact(*given, **named)
        finally:
            torch.backends.cudnn.allow_tf32 = before

    reduced.residual = residual  # type: ignore[method-assign]
    return reduced


def extra_bytes(model: RestorationNetwork) -> int:
    """Memory in bytes that `with_precision` takes: autocast keeps 16-bit weights during a pass."""
    return copied_bytes(model) + sum(2 * value.numel() for value in model.parameters())
