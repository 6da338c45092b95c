"""Random numbers for each picture of a batch, drawn on the device of their generator."""

import torch
from torch import Generator, Tensor


def uniform(batch: int, low: float, high: float, generator: Generator, channels: int = 1) -> Tensor:
    """Draw (batch, channels, 1, 1) values evenly between `low` and `high`."""
    shape = batch, channels, 1, 1
    return torch.rand(shape, generator=generator, device=generator.device) * (high - low) + low


def normal(shape: tuple[int, ...] | torch.Size, generator: Generator) -> Tensor:
    """Draw values of the standard normal distribution."""
    return torch.randn(shape, generator=generator, device=generator.device)


def chosen(batch: int, probability: float, generator: Generator) -> Tensor:
    """Draw (batch, 1, 1, 1) ones with this probability, else zeros."""
    return (uniform(batch, 0, 1, generator) < probability).float()


def swap_colours(
    clean: Tensor, thumbnail: Tensor, probability: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Permute red, green and blue of a random part of the photographs.

    Leaves, skies and skin have the same colours everywhere; a network trained on those alone tints
    a grey wall.

    Args:
        clean: (B, 3, H, W).
        thumbnail: (B, 3, h, w) of the same photographs; exchanged alike.
        probability: That a photograph's channels are put into a random order.
    """
    batch, device = len(clean), generator.device
    order = torch.rand(batch, 3, generator=generator, device=device).argsort(1)
    kept = torch.rand(batch, 1, generator=generator, device=device) >= probability
    order = torch.where(kept, torch.arange(3, device=device), order)
    rows = torch.arange(batch, device=device)[:, None]
    return clean[rows, order], thumbnail[rows, order]


def shift(pictures: list[Tensor], side: int, generator: Generator) -> list[Tensor]:
    """Cut squares at a random offset of 0 or 1 pixel in both directions, the same in all pictures.

    A Bayer mosaic repeats every two pixels, and so does the grid of a network with a
    pixel-unshuffle stem: patches that always begin on the same pixel of the mosaic teach the
    network where green was, and it answers with a mesh.

    Args:
        pictures: (B, C, side + 1 or more, side + 1 or more) each.

    Returns:
        (B, C, side, side) each.
    """
    device, batch = generator.device, len(pictures[0])
    offsets = torch.randint(0, 2, (2, batch, 1), generator=generator, device=device)
    rows, columns = offsets + torch.arange(side, device=device)  # (B, side) each
    which = torch.arange(batch, device=device)[:, None, None]
    cut = [p.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None]] for p in pictures]
    return [square.permute(0, 3, 1, 2) for square in cut]
