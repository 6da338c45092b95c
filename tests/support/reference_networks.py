"""Checkpoints of the reference networks, drawn from their names as the parity recipe says."""

import json
import zlib

import torch

from tests.support.paths import ROOT

PARITY = ROOT / "tests/mirnet/models/parity"


BINOMIAL = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
GOLDEN = json.loads((PARITY / "golden.json").read_text())


def seeded_checkpoint(variant: str) -> dict[str, torch.Tensor]:
    """Make seeded weights in the authors' file layout (ties repeated, buffers present)."""
    spec = GOLDEN[variant]
    tensors = {}
    for name, shape in spec["shapes"].items():
        if name in spec["buffers"]:
            tensors[name] = BINOMIAL.expand(shape).clone()
            continue
        first = spec["tied"].get(name, name)
        generator = torch.Generator().manual_seed(zlib.crc32(first.encode()))
        r = torch.randn(shape, generator=generator)
        if len(shape) == 1:
            tensors[name] = 0.25 + 0.05 * r
        else:
            tensors[name] = r * (1 / max(r[0].numel(), 1)) ** 0.5
    return tensors
