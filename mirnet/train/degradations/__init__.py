"""Seeded degradations of photographs in torch, for training and for examples.

All functions work on batches (B, 3, H, W) float32 in [0, 1], on the device of the generator that
they draw from. None of them synchronises with the device or reads a value back, so that a GPU stays
busy and a step can be captured as a graph.

- `light`: sRGB, linear light, saturation and tone curves
- `draws`: random numbers for each picture of a batch
- `filters`: Gaussian blur, antialiased bicubic resampling, rounding to 8 bits
- `mosaic`: Bayer filters of all patterns, and demosaicking
- `camera`: sensor noise and its processing in cameras
- `jpeg`: JPEG compression
- `registry`: pairs of each kind of damage, by name in a training recipe
"""

from .registry import DEGRADATIONS, CleanBatch, Degradation

__all__ = ["DEGRADATIONS", "CleanBatch", "Degradation"]
