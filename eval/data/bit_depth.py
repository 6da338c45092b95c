"""Pictures of 16 bits that hold the values of fewer bits, and would be scored as nearly black."""

import numpy as np

RESULT_BITS = 8
"""Bits up to which a degraded or restored picture, which may be dark, is taken for such a one."""
TARGET_BITS = 12
"""The same of a target, which is one only if it is clipped at the highest value of those bits."""
CLIPPED = 10
"""Values at the very end of 10 or 12 bits from which on a picture is clipped there, not dark."""


def too_few_bits(pixels: np.ndarray, most: int) -> str:
    """Say what is wrong with a picture of 16 bits that holds the values of fewer.

    Args:
        pixels: (H, W, 3) of any type; all zeros are black.
        most: Bits up to which values are too few. Of more than `RESULT_BITS`, only the values of a
            clipped picture are: a dark one (night, raw) may end anywhere.

    Returns:
        End of a sentence about the picture; "" where nothing is wrong.

    >>> too_few_bits(np.full((1, 1, 3), 200, np.uint16), 8).partition(",")[0]
    'is a file of 16 bits whose values end at 200 of 65535'
    >>> too_few_bits(np.full((1, 1, 3), 256, np.uint16), 8)
    ''
    """
    if pixels.dtype != np.uint16 or not 0 < (highest := int(pixels.max())) < 2**most:
        return ""
    bits = next(bits for bits in (8, 10, 12) if highest < 2**bits)
    clipped = highest == 2**bits - 1 and np.count_nonzero(pixels == highest) >= CLIPPED
    if bits > RESULT_BITS and not clipped:
        return ""
    advice = f"multiply its values by {65535 / (2**bits - 1):.6g}."
    return (
        f"is a file of 16 bits whose values end at {highest} of 65535, as if {bits} bits had been "
        f"stored in it: {'save it with 8 bits, or ' if bits == 8 else ''}{advice}"
    )
