"""Scores on patches of held-out photographs, which choose the best step of a run."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2

from .batches import Batch, Source
from .config import Config

DEV_PAIRS = 24
"""Number of fixed dev patches that choose the best step."""


class Conditioned(nn.Module):
    """A network together with the choice of its condition, so that wrappers see one `forward`."""

    def __init__(self, network: MIRNet | MIRNetV2):
        super().__init__()
        self.network = network

    def forward(self, degraded: Tensor, thumbnails: Tensor) -> tuple[Tensor, Tensor]:
        """Restore patches (B, 3, H, W) under the condition of their whole pictures' thumbnails.

        Returns:
            The restored patches, and the inputs after the exposure curve alone, unchanged if the
            network has no curve.
        """
        # Reducing a picture removes its noise, so the level is estimated on the patch itself.
        condition = self.network.condition(degraded if self.network.window_px else thumbnails)
        return self.network(degraded, condition), self.network.base_image(degraded, condition)


def dev_pairs(config: Config, device: torch.device | str = "cpu") -> Batch:
    """The fixed patches that choose a run's best step.

    They are always drawn on the CPU, so that scores of different machines can be compared.
    """
    source = Source(config, "dev")
    batch = source.batch(DEV_PAIRS, config.data.dev_patch_px, (config.seed, 1 << 40))
    return Batch(*(tensor.to(device) for tensor in batch))


@torch.no_grad()
def evaluate(model: nn.Module, pairs: Batch) -> float:
    """Mean PSNR in dB over dev patches: RGB, clamped to [0, 1], not rounded."""
    scores = []
    for degraded, target, thumbnails in zip(*(part.split(4) for part in pairs), strict=True):
        restored = model(degraded, thumbnails)[0].clamp(0, 1)
        mse = F.mse_loss(restored, target, reduction="none").mean((1, 2, 3))
        scores.append(-10 * torch.log10(mse.clamp_min(1e-10)))
    return float(torch.cat(scores).mean())
