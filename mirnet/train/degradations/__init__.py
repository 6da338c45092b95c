"""How photographs go wrong: seeded degradations in torch, for training and for examples.

All functions work on batches (B, 3, H, W) float32 in [0, 1], on the device of the generator that
they draw from. None of them waits for the device or looks at a value, so that a GPU is kept busy
and a step can be captured as a graph.

- `light`: sRGB, linear light, saturation and tone curves
- `draws`: random numbers for each picture of a batch
- `filters`: Gaussian blur, antialiased bicubic resampling, rounding to 8 bits
- `mosaic`: Bayer filters of all patterns, and demosaicking
- `camera`: sensor noise and what cameras make of it
- `jpeg`: JPEG compression
- `tasks`: the pairs that training recipes ask for
"""

from .tasks import DEGRADATIONS, Degradation

__all__ = ["DEGRADATIONS", "Degradation"]
