"""JPEG compression of batches: colour transform, 8x8 DCT, quantisation tables, and back.

ITU-T T.81 with the example tables of its annex K and the Independent JPEG Group's scale of quality,
so that a quality means what it means in libjpeg; the lossless entropy coding is left out. Rounding
within libjpeg's integer transforms is not reproduced: the results agree with libjpeg's to a mean of
a tenth of a level (see tests/mirnet/train/test_degradations.py).
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

# Tables K.1 and K.2, row by row.
_LUMINANCE = [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
]
_CHROMINANCE = [
    [17, 18, 24, 47, 99, 99, 99, 99],
    [18, 21, 26, 66, 99, 99, 99, 99],
    [24, 26, 56, 99, 99, 99, 99, 99],
    [47, 66, 99, 99, 99, 99, 99, 99],
    *[[99] * 8] * 4,
]


def _dct() -> Tensor:
    """The two-dimensional 8x8 DCT-II as one orthogonal 64x64 matrix."""
    frequency, place = torch.arange(8.0)[:, None], torch.arange(8.0)[None]
    matrix = 0.5 * torch.cos(math.pi * (2 * place + 1) * frequency / 16)
    matrix[0] /= math.sqrt(2)
    return torch.kron(matrix, matrix)


_CONSTANTS = {
    "dct": _dct(),
    "luminance": torch.tensor(_LUMINANCE).flatten().float(),
    "chrominance": torch.tensor(_CHROMINANCE).flatten().float(),
}
_on_device: dict[torch.device, dict[str, Tensor]] = {}


def _constants(device: torch.device) -> dict[str, Tensor]:
    """Matrix and tables on a device; copied there once, as a captured graph must not copy."""
    if device not in _on_device:
        _on_device[device] = {name: value.to(device) for name, value in _CONSTANTS.items()}
    return _on_device[device]


def quantisation_table(base: Tensor, quality: Tensor) -> Tensor:
    """Scale a table of annex K as libjpeg does.

    Args:
        base: (64,) the table for quality 50.
        quality: (B,) from 1 to 100.

    Returns:
        (B, 64) whole numbers from 1 to 255.
    """
    percent = torch.where(quality < 50, torch.floor(5000 / quality), 200 - 2 * quality)
    return torch.floor((base * percent[:, None] + 50) / 100).clamp(1, 255)


def _quantise(plane: Tensor, table: Tensor, dct: Tensor) -> Tensor:
    """Quantise the DCT of (B, C, H, W), values around 0; H and W divide by 8."""
    batch, channels, height, width = plane.shape
    blocks = plane.view(batch, channels, height // 8, 8, width // 8, 8)
    blocks = blocks.transpose(3, 4).reshape(batch, -1, 64)
    steps = table[:, None]  # (B, 1, 64)
    coefficients = _nearest(blocks @ dct.T / steps) * steps
    blocks = (coefficients @ dct).view(batch, channels, height // 8, width // 8, 8, 8)
    return blocks.transpose(3, 4).reshape(batch, channels, height, width)


def _nearest(x: Tensor) -> Tensor:
    """Round to the nearest whole number, halves away from zero as libjpeg does."""
    return torch.copysign(torch.floor(x.abs() + 0.5), x)


def _double(plane: Tensor) -> Tensor:
    """Double a plane as libjpeg does: three quarters of the nearer value, one of the other."""
    return F.interpolate(plane, scale_factor=2, mode="bilinear", align_corners=False)


def _halved(chroma: Tensor, table: Tensor, dct: Tensor) -> Tensor:
    """Quantise chroma at half the resolution (4:2:0), rounding where libjpeg rounds."""
    # libjpeg rounds means of four up from a half and from three quarters in turns.
    bias = torch.arange(chroma.shape[3] // 2, device=chroma.device) % 2 * 0.25 + 0.25
    small = torch.floor(F.avg_pool2d(chroma, 2) + bias)
    decoded = (_quantise(small, table, dct) + 128).round().clamp(0, 255)
    return _double(decoded).round() - 128


def compress(images: Tensor, quality: Tensor, subsampled: Tensor | bool) -> Tensor:
    """Compress and decompress pictures as JPEG.

    Args:
        images: (B, 3, H, W) in [0, 1]; rounded to 8 bits first.
        quality: (B,) JPEG quality of each picture, 1 to 100.
        subsampled: Chroma at half the resolution (4:2:0) or not (4:4:4): for all pictures, or (B,)
            booleans for each, which costs both.

    Returns:
        (B, 3, H, W), values k / 255.
    """
    height, width = images.shape[2:]
    constants = _constants(images.device)
    dct = constants["dct"]
    luma_table = quantisation_table(constants["luminance"], quality)
    chroma_table = quantisation_table(constants["chrominance"], quality)
    pixels = (images.clamp(0, 1) * 255).round()
    pixels = F.pad(pixels, (0, -width % 16, 0, -height % 16), mode="replicate")
    red, green, blue = pixels.unbind(1)
    luma = (0.299 * red + 0.587 * green + 0.114 * blue).round()
    cb = ((blue - (0.299 * red + 0.587 * green + 0.114 * blue)) / 1.772).round()
    cr = ((red - (0.299 * red + 0.587 * green + 0.114 * blue)) / 1.402).round()
    luma = (_quantise(luma[:, None] - 128, luma_table, dct) + 128).round().clamp(0, 255)
    chroma = torch.stack([cb, cr], 1)
    if isinstance(subsampled, bool):
        chroma = (_halved if subsampled else _whole)(chroma, chroma_table, dct)
    else:
        halved, whole = (f(chroma, chroma_table, dct) for f in (_halved, _whole))
        chroma = torch.where(subsampled.view(-1, 1, 1, 1), halved, whole)
    cb, cr = chroma.unbind(1)
    luma = luma[:, 0]
    decoded = torch.stack(
        [luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb], 1
    )
    return decoded[..., :height, :width].round().clamp(0, 255) / 255


def _whole(chroma: Tensor, table: Tensor, dct: Tensor) -> Tensor:
    """Quantise chroma at its full resolution (4:4:4)."""
    return _quantise(chroma, table, dct).round().clamp(-128, 127)


def jpeg(images: Tensor, share: float, quality: tuple[int, int], generator: Generator) -> Tensor:
    """Compress a random share of the pictures as JPEG, and round the others to 8 bits.

    Every other picture of a batch has chroma at half the resolution, as nearly all cameras and
    sites have it; the others have all of it.

    Args:
        images: (B, 3, H, W) in [0, 1].
        share: Probability of compression.
        quality: Lowest and highest JPEG quality.

    Returns:
        (B, 3, H, W), values k / 255.
    """
    batch, device = len(images), generator.device
    low, high = quality
    drawn = torch.randint(low, high + 1, (batch,), generator=generator, device=device).float()
    compressed_ones = torch.rand(batch, 1, 1, 1, generator=generator, device=device) < share
    compressed = torch.empty_like(images, memory_format=torch.contiguous_format)
    for parity in (0, 1):
        part = images[parity::2]
        if len(part):
            compressed[parity::2] = compress(part, drawn[parity::2], bool(parity))
    return torch.where(compressed_ones, compressed, (images.clamp(0, 1) * 255).round() / 255)
