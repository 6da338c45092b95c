"""Pictures of a question: two or four of one size that show the same part."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from eval.analysis.pictures import Viewport, seen_at
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.images.decode import read_image
from mirnet.images.picture import Picture, to_eight_bits
from mirnet.images.preview import shrink

from .questions import Question

MIN_SIDE_PX, MAX_SIDE_PX = 64, 1600
"""Smallest and largest side of a cut-out in pixels; requests of browsers are clipped to it."""


def question_pictures(
    stored: StoredRun, question: Question, viewport: Viewport, *, with_context: bool = False
) -> dict[str, np.ndarray]:
    """Read the pictures of a question for a screen.

    Args:
        viewport: Part to show; zoom 0 shows the whole picture, reduced if it is large.
        with_context: Whether to include input and target.

    Returns:
        (H, W, 3) uint8 pictures "a" and "b", and with context, if they are stored, "input" and
        "target". All show the same part; an input of another size (before super-resolution) is
        enlarged with its pixels as squares.

    Raises:
        InvalidRequest: A stored picture is missing or damaged.
    """
    names = {"a": question.a_sha256, "b": question.b_sha256}
    if with_context and question.degraded_sha256:
        names["input"] = question.degraded_sha256
    if with_context and question.target_sha256:
        names["target"] = question.target_sha256
    try:
        found = {name: _decoded(stored.output(sha256)) for name, sha256 in names.items()}
    except MIRNetError as error:
        raise InvalidRequest(
            "A picture of this question is missing or damaged: skip it, and tell whoever sent you "
            "the link."
        ) from error
    height, width = found["a"].shape[:2]
    viewport = _within_limits(viewport)
    return {
        name: _shown(_resized(pixels, height, width), viewport) for name, pixels in found.items()
    }


def _within_limits(viewport: Viewport) -> Viewport:
    width, height = (
        int(np.clip(side, MIN_SIDE_PX, MAX_SIDE_PX))
        for side in (viewport.width_px, viewport.height_px)
    )
    return Viewport(viewport.zoom, viewport.across, viewport.down, width, height)


def _shown(pixels: np.ndarray, viewport: Viewport) -> np.ndarray:
    return seen_at(pixels, viewport) if viewport.zoom else shrink(Picture(pixels)).pixels


@lru_cache(maxsize=4)
def _decoded(path: Path) -> np.ndarray:
    """Decode a stored picture, (H, W, 3) uint8; cacheable because files are named by content."""
    return to_eight_bits(read_image(path).pixels)


def _resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    if pixels.shape[:2] == (height, width):
        return pixels
    import cv2

    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST)
