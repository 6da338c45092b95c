"""Evaluation protocols: what exactly a PSNR or SSIM means, as named, versioned objects.

The same two pictures differ by more than a decibel from one convention to the next, so a number is
never stored or shown without its protocol. Each protocol names the script it follows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mirnet.errors import InvalidRequest
from mirnet.images.picture import to_eight_bits, to_unit

from .likeness import MIN_SIDE_PX, luma, psnr
from .similarity import ssim, ssim_volume

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Full-range luma of ITU-R BT.601, OpenCV's grey."""


@dataclass(frozen=True)
class Score:
    """What a protocol makes of a pair of pictures."""

    psnr_db: float
    """Peak signal-to-noise ratio in decibels; infinite for equal pictures."""
    ssim: float
    """Structural similarity, 1 for equal pictures."""


@dataclass(frozen=True)
class Protocol:
    """The exact meaning of a number."""

    id: str
    """Short name, used on the command line and in stored runs."""
    version: int
    """Raised whenever a change moves a number."""
    title: str
    """For a list."""
    meaning: str
    """Colour space, rounding, cropping, kind of SSIM, in a sentence or two."""
    follows: str
    """The script or paper whose convention it is."""
    measure: Callable[[np.ndarray, np.ndarray, int], Score]
    """Restored and target, as `score` takes them, and the scale, to a score."""
    scaled: bool = False
    """Whether the scale of super-resolution matters."""

    @property
    def name(self) -> str:
        """Id and version, as runs store it."""
        return f"{self.id}/{self.version}"

    def score(self, restored: np.ndarray, target: np.ndarray, scale: int = 1) -> Score:
        """Score one picture.

        Args:
            restored: (H, W, 3) uint8, uint16, or float in [0, 1]; floats are clipped.
            target: The same shape.
            scale: Factor of super-resolution; 1 for other tasks.

        Raises:
            InvalidRequest: The shapes differ, the scale is missing, or a picture is too small.
        """
        if restored.shape != target.shape:
            raise InvalidRequest(
                f"The restored picture has {restored.shape[1]} x {restored.shape[0]} pixels and "
                f"the target {target.shape[1]} x {target.shape[0]}: they must be the same size."
            )
        if self.scaled and scale not in (2, 3, 4):
            raise InvalidRequest(f"Protocol {self.id} needs the scale: 2, 3 or 4.")
        return self.measure(restored, target, scale)


def _unit(pixels: np.ndarray) -> np.ndarray:
    unit = to_unit(pixels)
    return unit if pixels.dtype.kind == "u" else np.clip(unit, 0, 1, out=unit)


def _score(restored: np.ndarray, target: np.ndarray, peak: float) -> Score:
    similarity = ssim(restored, target, peak)
    if similarity is None:
        raise InvalidRequest(
            f"SSIM's window of {MIN_SIDE_PX} x {MIN_SIDE_PX} pixels does not fit into "
            f"the {restored.shape[1]} x {restored.shape[0]} pixels that are scored: give larger "
            "pictures."
        )
    return Score(psnr(restored, target, peak), similarity)


def _rgb(restored: np.ndarray, target: np.ndarray, scale: int) -> Score:
    return _score(_unit(restored), _unit(target), 1)


def _rgb_volume(restored: np.ndarray, target: np.ndarray, scale: int) -> Score:
    restored, target = _unit(restored), _unit(target)
    return Score(psnr(restored, target, 1), ssim_volume(restored, target, 1))


def _grey_mean(restored: np.ndarray, target: np.ndarray, scale: int) -> Score:
    restored, target = _unit(restored), _unit(target)
    return _score(match_grey_mean(restored, target), target, 1)


def match_grey_mean(restored: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Scale a picture so that its mean grey is the target's, clipped to [0, 1] ("GT-mean").

    KinD, LLFlow and diffusion papers score low-light results so; it forgives a wrong brightness.

    Args:
        restored: (H, W, 3) floats in [0, 1].
        target: The same shape.
    """
    import cv2

    wanted, grey = (
        float(np.dot(cv2.mean(pixels)[:3], LUMA_WEIGHTS)) for pixels in (target, restored)
    )
    scaled = restored * (wanted / max(grey, 1e-6))
    return np.clip(scaled, 0, 1, out=scaled)


def _luma_score(restored: np.ndarray, target: np.ndarray, crop: slice) -> Score:
    y, x = (luma(to_eight_bits(picture[crop, crop]))[..., None] for picture in (restored, target))
    return _score(y, x, 255)


def _luma_realsr(restored: np.ndarray, target: np.ndarray, scale: int) -> Score:
    return _luma_score(restored, target, slice(scale - 1, -scale))


def _luma_classic(restored: np.ndarray, target: np.ndarray, scale: int) -> Score:
    return _luma_score(restored, target, slice(scale, -scale))


PROTOCOLS: dict[str, Protocol] = {
    protocol.id: protocol
    for protocol in (
        Protocol(
            "rgb",
            1,
            "RGB, float",
            "PSNR over all RGB values in [0, 1], clipped, not rounded, nothing cropped; SSIM as "
            "the mean over the channels (11 x 11 Gaussian window, valid positions).",
            "MIRNet test_denoising_sidd.py and test_enhancement.py (PSNR; they compute no SSIM)",
            _rgb,
        ),
        Protocol(
            "matlab-rgb-3d",
            1,
            "RGB, MATLAB's 3-D SSIM",
            "PSNR over all RGB values in [0, 1], clipped, not rounded, nothing cropped; SSIM with "
            "an 11 x 11 x 11 Gaussian over rows, columns and channels, edges replicated.",
            "MIRNet-v2 evaluate_sidd.m and evaluate_PSNR_SSIM.m (MATLAB psnr and ssim)",
            _rgb_volume,
        ),
        Protocol(
            "y-crop",
            1,
            "Luma, RealSR crop",
            "Luma Y of BT.601 (limited range) of 8-bit pictures, rounded to 8 bits; scale - 1 "
            "pixels cropped at top and left, scale at bottom and right; SSIM of Wang et al. (valid "
            "positions).",
            "MIRNet-v2 Super_Resolution/evaluate_PSNR_SSIM.m",
            _luma_realsr,
            scaled=True,
        ),
        Protocol(
            "y-sr",
            1,
            "Luma, classic super-resolution",
            "Luma Y of BT.601 (limited range) of 8-bit pictures, rounded to 8 bits; scale pixels "
            "cropped at every edge; SSIM of Wang et al. (valid positions).",
            "Set5, Set14, BSD100 and Urban100 since SRCNN and VDSR",
            _luma_classic,
            scaled=True,
        ),
        Protocol(
            "gt-mean",
            1,
            "RGB after matching the target's mean grey",
            "As rgb, but the result is first scaled so that its mean grey (BT.601) is the "
            "target's: it forgives a wrong brightness and is not comparable with other protocols.",
            "KinD, LLFlow; --GT_mean of Retinexformer",
            _grey_mean,
        ),
    )
}


def get_protocol(protocol_id: str) -> Protocol:
    """Look a protocol up.

    Raises:
        InvalidRequest: No protocol has this id.
    """
    if protocol_id not in PROTOCOLS:
        raise InvalidRequest(
            f"There is no protocol {protocol_id!r}: choose one of {', '.join(PROTOCOLS)}."
        )
    return PROTOCOLS[protocol_id]
