"""Evaluation protocols: named, versioned definitions of how a PSNR or SSIM is computed.

The same two pictures differ by more than a decibel from one convention to the next, so a number is
never stored or shown without its protocol. Each protocol names the script it follows, converts a
pair of pictures (depth, luma, crop) and applies every metric that takes such pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mirnet.errors import InvalidRequest
from mirnet.images.picture import to_eight_bits

from .conversions import (
    EQUAL_WEIGHTS,
    LUMA_WEIGHTS,
    SWAPPED_WEIGHTS,
    clipped_unit,
    cropped_luma,
    mean_grey,
    scaled_to_mean,
)
from .registry import (
    METRICS,
    OPTIONAL,
    SSIM_GREY_UNIFORM,
    SSIM_ROUNDED,
    SSIM_VOLUME,
    Metric,
    metrics_in,
)

MAX_SCALE = 8
"""Largest factor of super-resolution that pictures are scored at."""

Pictures = tuple[np.ndarray, np.ndarray]
"""Restored picture and target, (H, W, C) of one shape."""


@dataclass(frozen=True)
class Protocol:
    """Definition of how scores are computed."""

    id: str
    """Short name, used on the command line and in stored runs."""
    version: int
    """Version, increased by every change that affects a score."""
    title: str
    """Display name."""
    meaning: str
    """Colour space, rounding, cropping, kind of SSIM, in a sentence or two."""
    follows: str
    """The script or paper whose convention it is."""
    convert: Callable[[np.ndarray, np.ndarray, int], Pictures]
    """Maps (restored, target, scale) to the pictures that metrics take."""
    peak: float
    """Largest possible value of converted pictures: 1 for floats, 255 for 8 bits."""
    colour: bool = True
    """Whether converted pictures are RGB; else they are luma."""
    scaled: bool = False
    """Whether the scale of super-resolution matters."""
    variants: tuple[Metric, ...] = ()
    """Metrics that replace those of the registry with the same key."""
    optional: tuple[Metric, ...] = ()
    """Metrics of `OPTIONAL` that it computes too; they are left out of pictures too small for
    them."""

    @property
    def name(self) -> str:
        """Id and version, as stored in runs."""
        return f"{self.id}/{self.version}"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Metrics that the protocol computes, in the registry's order."""
        variants = {metric.key: metric for metric in self.variants}
        chosen = (variants.get(key, metric) for key, metric in METRICS.items())
        usual = (metric for metric in chosen if self.colour or not metric.needs_colour)
        return (*usual, *self.optional)

    def score(
        self,
        restored: np.ndarray,
        target: np.ndarray | None,
        scale: int = 1,
        *,
        skip_small: bool = False,
    ) -> dict[str, float]:
        """Score one picture.

        Args:
            restored: (H, W, 3) uint8, uint16, or float in [0, 1]; floats are clipped.
            target: The clean picture, of the same shape; its depth may differ. None computes the
                metrics that need no reference.
            scale: Factor of super-resolution; 1 for other tasks.
            skip_small: Leave out metrics whose window does not fit, instead of raising.

        Returns:
            Scores by key of the metric; PSNR is infinite for equal pictures.

        Raises:
            InvalidRequest: The shapes differ, the scale is missing, or a picture is too small.
        """
        reference = restored if target is None else target
        if restored.shape != reference.shape:
            raise InvalidRequest(
                f"The restored picture has {_size(restored)} pixels and the target "
                f"{_size(reference)}: they must be the same size."
            )
        if self.scaled and not 2 <= scale <= MAX_SCALE:
            raise InvalidRequest(f"Protocol {self.id} needs the scale: 2 to {MAX_SCALE}.")
        first, second = self.convert(restored, reference, scale)
        if first.size == 0:
            raise InvalidRequest(
                f"A picture of {_size(restored)} pixels leaves nothing to compare once its edges "
                "are cropped: give a larger one."
            )
        scores: dict[str, float] = {}
        for metric in self.metrics:
            if target is None and metric.needs_reference:
                continue
            if min(first.shape[:2]) < metric.min_side_px:
                if skip_small or metric in self.optional:
                    continue
                raise InvalidRequest(
                    f"{metric.title} needs {metric.min_side_px} x {metric.min_side_px} pixels, "
                    f"which does not fit into the {_size(first)} that are scored: give larger "
                    "pictures."
                )
            pictures = (first, second) if metric.needs_reference else (first,)
            value = metric.function(*pictures, self.peak)
            if value is not None:
                scores[metric.key] = value
        return scores


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"


def _unit(restored: np.ndarray, target: np.ndarray, scale: int) -> Pictures:
    return clipped_unit(restored), clipped_unit(target)


def _eight_bits(restored: np.ndarray, target: np.ndarray, scale: int) -> Pictures:
    return to_eight_bits(restored), to_eight_bits(target)


def _grey_mean(restored: np.ndarray, target: np.ndarray, scale: int) -> Pictures:
    restored, target = clipped_unit(restored), clipped_unit(target)
    means = (mean_grey(pixels, LUMA_WEIGHTS) for pixels in (target, restored))
    return scaled_to_mean(restored, *means), target


def _grey_mean_retinexformer(restored: np.ndarray, target: np.ndarray, scale: int) -> Pictures:
    restored, target = clipped_unit(restored), clipped_unit(target)
    means = (mean_grey(pixels, SWAPPED_WEIGHTS) for pixels in (target, restored))
    return scaled_to_mean(restored, *means), target


def _grey_mean_llflow(restored: np.ndarray, target: np.ndarray, scale: int) -> Pictures:
    unit = clipped_unit(restored)
    wanted = mean_grey(clipped_unit(target), SWAPPED_WEIGHTS)
    scaled = scaled_to_mean(unit, wanted, mean_grey(unit, EQUAL_WEIGHTS))
    return (255 * scaled).astype(np.uint8), to_eight_bits(target)  # truncated, as the script does


def _luma_realsr(restored: np.ndarray, target: np.ndarray, scale: int) -> Pictures:
    edge = slice(scale - 1, -scale)
    return cropped_luma(restored, edge), cropped_luma(target, edge)


def _luma_classic(restored: np.ndarray, target: np.ndarray, scale: int) -> Pictures:
    edge = slice(scale, -scale)
    return cropped_luma(restored, edge), cropped_luma(target, edge)


RGB_8BIT = Protocol(
    "rgb-8bit",
    1,
    "RGB, 8 bits",
    "PSNR over all RGB values, SSIM as the mean over the three channels (11 x 11 Gaussian window, "
    "sigma 1.5); 8-bit values, no cropping.",
    "NTIRE challenges and most restoration papers, which score 8-bit files",
    _eight_bits,
    255,
)
"""Protocol of the Restore page and the model cards for denoising and enhancement."""

PERCEPTUAL = Protocol(
    "perceptual",
    1,
    "RGB, 8 bits, closer to the eye",
    "PSNR and SSIM of rgb-8bit, and on the same 8-bit pictures MS-SSIM, GMSD of the grey ones, the "
    "mean colour difference CIEDE2000, FLIP at 67 pixels per degree, and SSIMULACRA 2.1.",
    "the papers of these metrics; no restoration paper's script has them all",
    _eight_bits,
    255,
    optional=tuple(OPTIONAL.values()),
)
"""Protocol with every optional metric, offered beside a benchmark's own."""

LUMA_CLASSIC = Protocol(
    "y-sr",
    1,
    "Luma, classic super-resolution",
    "Luma Y of BT.601 (limited range) of 8-bit pictures, rounded to 8 bits; scale pixels "
    "cropped at every edge; SSIM of Wang et al. (valid positions).",
    "Set5, Set14, BSD100 and Urban100 since SRCNN and VDSR",
    _luma_classic,
    255,
    colour=False,
    scaled=True,
)
"""Protocol for super-resolution from bicubic reductions."""

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
            _unit,
            1,
        ),
        RGB_8BIT,
        PERCEPTUAL,
        Protocol(
            "matlab-rgb-3d",
            1,
            "RGB, MATLAB's 3-D SSIM",
            "PSNR over all RGB values in [0, 1], clipped, not rounded, nothing cropped; SSIM with "
            "an 11 x 11 x 11 Gaussian over rows, columns and channels, edges replicated.",
            "MIRNet-v2 evaluate_sidd.m (MATLAB psnr and ssim)",
            _unit,
            1,
            variants=(SSIM_VOLUME,),
        ),
        Protocol(
            "matlab-8bit-3d",
            1,
            "RGB, 8 bits, MATLAB's 3-D SSIM",
            "PSNR over all RGB values of 8-bit pictures, nothing cropped; SSIM with an 11 x 11 x "
            "11 Gaussian over rows, columns and channels, edges replicated.",
            "MIRNet-v2 Enhancement/evaluate_PSNR_SSIM.m (MATLAB psnr and ssim of PNG files)",
            _eight_bits,
            255,
            variants=(SSIM_VOLUME,),
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
            255,
            colour=False,
            scaled=True,
        ),
        LUMA_CLASSIC,
        Protocol(
            "gt-mean",
            1,
            "RGB after matching the target's mean grey",
            "As rgb, but the result is first scaled so that its mean grey (BT.601) is the "
            "target's: it forgives a wrong brightness and is not comparable with other protocols.",
            "the idea of KinD; no public script weighs the channels so: see the next two",
            _grey_mean,
            1,
        ),
        Protocol(
            "gt-mean-retinexformer",
            1,
            "RGB after Retinexformer's GT-mean",
            "As rgb, but the result is first scaled so that its mean grey is the target's, with "
            "the weights of red and blue exchanged; SSIM of both after rounding to 8 bits.",
            "Retinexformer Enhancement/test_from_dataset.py --GT_mean",
            _grey_mean_retinexformer,
            1,
            variants=(SSIM_ROUNDED,),
        ),
        Protocol(
            "gt-mean-llflow",
            1,
            "RGB after LLFlow's GT-mean",
            "The result is first scaled by the target's mean grey (red and blue exchanged) over "
            "its own plain mean and truncated to 8 bits; PSNR over all RGB values; SSIM of the "
            "grey pictures with a uniform 7 x 7 window.",
            "LLFlow code/test.py and Measure.py",
            _grey_mean_llflow,
            255,
            variants=(SSIM_GREY_UNIFORM,),
        ),
    )
}
"""Every protocol by id, in the order of lists."""


def get_protocol(protocol_id: str) -> Protocol:
    """Look up a protocol by id.

    Raises:
        InvalidRequest: No protocol has this id.
    """
    if protocol_id not in PROTOCOLS:
        raise InvalidRequest(
            f"There is no protocol {protocol_id!r}: choose one of {', '.join(PROTOCOLS)}."
        )
    return PROTOCOLS[protocol_id]


def shown_metrics(name: str) -> list[Metric]:
    """Metrics to show for scores under a protocol: those of every protocol, and its optional ones.

    Args:
        name: Name with or without its version; an unknown one has no optional metrics.
    """
    protocol = PROTOCOLS.get(name.partition("/")[0])
    return metrics_in({metric.key for metric in protocol.optional} if protocol else ())
