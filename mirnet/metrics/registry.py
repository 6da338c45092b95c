"""Metrics of restored pictures: each a `Metric` with everything that tables and plots need.

To add a metric, write its function and one entry of `METRICS` below. Every protocol whose pictures
it takes then computes it, and runs, leaderboards, exports, plots and the page show it. An entry of
`OPTIONAL` is computed by those protocols that name it, and shown for runs that have it.
"""

import math
from collections.abc import Callable, Container
from dataclasses import dataclass, replace

import numpy as np

from mirnet.errors import InvalidRequest

from .perceptual import MS_SSIM_SIDE_PX, ciede2000, flip, gmsd, ms_ssim
from .ssimulacra import MIN_SIDE_PX as SSIMULACRA_SIDE_PX
from .ssimulacra import ssimulacra2
from .structural_similarity import WINDOW_PX, ssim, ssim_grey_uniform, ssim_rounded, ssim_volume

PAPER_DECIMALS = 3
"""Decimals of papers where a metric has more; a further one is shown only where it was printed."""


@dataclass(frozen=True)
class Metric:
    """A metric of one picture, compared with a reference or alone."""

    key: str
    """Column name in run documents, tables and CSV files; ends in `_db` for decibels."""
    title: str
    """Display name."""
    unit: str
    """Unit, or "" for a pure number."""
    higher_is_better: bool
    """Direction: False for errors and distances."""
    decimals: int
    """Decimals in tables, as in papers of the field."""
    function: Callable[..., float | None]
    """Maps (restored, reference, peak) to the value, or (restored, peak) without a reference.

    Pictures are (H, W, C) arrays of one shape and type with values from 0 to `peak`.
    """
    source: str
    """Paper or script that defines the metric."""
    reference_value: float
    """Value of the reference implementation for `reference_pair(*reference_size)` with peak 1."""
    needs_reference: bool = True
    """Whether the metric needs a clean picture."""
    needs_colour: bool = False
    """Whether the metric takes RGB only, not luma."""
    max_value: float = math.inf
    """Largest mean over photos that a table can hold; a larger one is a typing error."""
    min_side_px: int = 1
    """Shortest accepted side of a picture, in pixels."""
    reference_size: tuple[int, int] = (48, 64)
    """Height and width of the pair that `reference_value` belongs to."""
    perceptual: bool = False
    """Whether the metric models what people see, and not distances of values or structures."""

    @property
    def stem(self) -> str:
        """Prefix of derived columns such as `psnr_low`: the key without its unit."""
        return self.key.removesuffix("_db")

    @property
    def label(self) -> str:
        """Title with the unit, for an axis or a column: "PSNR (dB)"."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def better(self) -> str:
        """Direction of better values: "higher" or "lower"."""
        return "higher" if self.higher_is_better else "lower"

    @property
    def axis_label(self) -> str:
        """Title with the unit for an axis; metrics where lower is better say so."""
        return self.label if self.higher_is_better else f"{self.label}, lower is better"

    def number(self, value: float, sign: str = "") -> str:
        """Round a value for a table, without its unit; "–" for none.

        Args:
            value: A score, or a difference of two.
            sign: "+" to show the sign of a difference.

        >>> METRICS["psnr_db"].number(31.4159), METRICS["psnr_db"].number(math.nan)
        ('31.42', '–')
        """
        return f"{value:{sign}.{self.decimals}f}" if math.isfinite(value) else _words(value)

    def text(self, value: float, sign: str = "") -> str:
        """Round a value for a sentence, with its unit; "identical" for an infinite score.

        >>> METRICS["psnr_db"].text(31.4159), METRICS["ssim"].text(0.87654)
        ('31.42 dB', '0.8765')
        """
        if math.isinf(value) and not sign:
            return "identical"
        unit = f" {self.unit}" if self.unit and math.isfinite(value) else ""
        return self.number(value, sign) + unit

    def as_published(self, value: float) -> str:
        """Round a number of a paper for a table: without a last zero that nobody printed.

        >>> METRICS["psnr_db"].as_published(24.1), METRICS["ssim"].as_published(0.583)
        ('24.10', '0.583')
        >>> METRICS["ssim"].as_published(0.8163)
        '0.8163'
        """
        text = self.number(value)
        for _ in range(self.decimals - PAPER_DECIMALS):
            text = text.removesuffix("0")
        return text

    def gain(self, value: float, baseline: float) -> float:
        """Improvement over a baseline's value: positive is better for every metric."""
        return value - baseline if self.higher_is_better else baseline - value


def _words(value: float) -> str:
    return "–" if math.isnan(value) else "∞" if value > 0 else "-∞"


def psnr(restored: np.ndarray, reference: np.ndarray, peak: float = 255) -> float:
    """Peak signal-to-noise ratio, 10 log10(peak² / MSE) over all values, in decibels.

    Args:
        restored: (H, W, C) uint8, uint16 or floating point.
        reference: The same shape and type.
        peak: Largest possible value: 255 for 8 bits, 1 for floats.

    Returns:
        Decibels; infinite for equal pictures.

    >>> zeros = np.zeros((2, 2, 3), np.uint8)
    >>> round(psnr(zeros, zeros + 1), 2), psnr(zeros, zeros)
    (48.13, inf)
    """
    import cv2

    squares = cv2.norm(restored, reference, cv2.NORM_L2SQR)
    if squares == 0:
        return math.inf
    return 10 * math.log10(peak**2 * restored.size / squares)


def reference_pair(height: int = 48, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Compute a degraded and a clean picture: (H, W, 3) float64 in [0, 1], the same every time.

    `Metric.reference_value` belongs to this pair, so a metric can be checked without files.
    """
    y, x, channel = np.indices((height, width, 3))
    clean = 40 + (3 * x + 2 * y + 30 * channel) % 176
    restored = np.clip(clean + (7 * x + 11 * y + 5 * channel) % 33 - 16, 0, 255)
    return restored / 255, clean / 255


PSNR = Metric(
    key="psnr_db",
    title="PSNR",
    unit="dB",
    higher_is_better=True,
    decimals=2,
    function=psnr,
    source="ITU-T J.340; scikit-image peak_signal_noise_ratio",
    reference_value=28.552088028014126,
    max_value=100.0,
)
"""Peak signal-to-noise ratio."""

SSIM = Metric(
    key="ssim",
    title="SSIM",
    unit="",
    higher_is_better=True,
    decimals=4,
    function=ssim,
    source="Wang et al., IEEE TIP 2004, ssim_index.m; scikit-image structural_similarity",
    reference_value=0.6382380107255011,
    max_value=1.0,
    min_side_px=WINDOW_PX,
)
"""Structural similarity, 11 x 11 Gaussian window, mean over channels and valid positions."""

SSIM_VOLUME = replace(
    SSIM,
    function=ssim_volume,
    source="MATLAB ssim of an H x W x 3 array, as in MIRNet-v2 evaluate_sidd.m",
    reference_value=0.9519073931184217,
    needs_colour=True,
    min_side_px=1,
)
"""Structural similarity with a 3-D window over channels too; a variant, so not in `METRICS`."""

SSIM_ROUNDED = replace(
    SSIM,
    function=ssim_rounded,
    source="Retinexformer calculate_ssim of img_as_ubyte pictures",
    reference_value=0.6382380107255008,
)
"""SSIM that rounds both pictures to 8 bits first, for protocols without rounding."""

SSIM_GREY_UNIFORM = replace(
    SSIM,
    function=ssim_grey_uniform,
    source="LLFlow Measure.py: scikit-image structural_similarity of grey pictures, its defaults",
    reference_value=0.8177445869905484,
    needs_colour=True,
    min_side_px=7,
)
"""SSIM of grey pictures with a uniform 7 x 7 window."""

METRICS: dict[str, Metric] = {metric.key: metric for metric in (PSNR, SSIM)}
"""Metrics of every protocol by key, in the order of columns; rankings use the first."""

MS_SSIM = Metric(
    key="ms_ssim",
    title="MS-SSIM",
    unit="",
    higher_is_better=True,
    decimals=4,
    function=ms_ssim,
    source="Wang et al., Asilomar 2003; pytorch-msssim",
    reference_value=0.9703152259381639,
    max_value=1.0,
    needs_colour=True,
    min_side_px=MS_SSIM_SIDE_PX,
    reference_size=(192, 208),
)
"""Multi-scale structural similarity, mean over channels."""

GMSD = Metric(
    key="gmsd",
    title="GMSD",
    unit="",
    higher_is_better=False,
    decimals=4,
    function=gmsd,
    source="Xue et al., IEEE TIP 2014; piq",
    reference_value=0.0038344312328791813,
    needs_colour=True,
    min_side_px=8,
    reference_size=(192, 208),
)
"""Gradient magnitude similarity deviation of grey pictures."""

CIEDE2000 = Metric(
    key="delta_e",
    title="CIEDE2000",
    unit="",
    higher_is_better=False,
    decimals=2,
    function=ciede2000,
    source="Sharma et al., Color Research and Application 2005; scikit-image",
    reference_value=4.846830401250795,
    needs_colour=True,
    reference_size=(192, 208),
)
"""Mean colour difference."""

FLIP = Metric(
    key="flip",
    title="FLIP",
    unit="",
    higher_is_better=False,
    decimals=4,
    function=flip,
    source="Andersson et al., HPG 2020; flip_evaluator 1.7",
    reference_value=0.04841175302863121,
    needs_colour=True,
    perceptual=True,
    reference_size=(192, 208),
)
"""Mean difference seen where two pictures alternate, at 67 pixels per degree."""

SSIMULACRA2 = Metric(
    key="ssimulacra2",
    title="SSIMULACRA 2.1",
    unit="",
    higher_is_better=True,
    decimals=2,
    max_value=100.0,
    function=ssimulacra2,
    source="Sneyers, Cloudinary 2023; ssimulacra2 of libjxl 0.11.2",
    reference_value=69.61167206891645,
    needs_colour=True,
    perceptual=True,
    min_side_px=SSIMULACRA_SIDE_PX,
    reference_size=(192, 208),
)
"""Visibility of errors, at most 100; libjxl's single precision gives 69.6056 for the pair."""

OPTIONAL: dict[str, Metric] = {
    metric.key: metric for metric in (MS_SSIM, GMSD, CIEDE2000, FLIP, SSIMULACRA2)
}
"""Metrics that only protocols that name them compute, by key."""


def metrics_in(keys: Container[str]) -> list[Metric]:
    """Metrics to show for a table or row: those of every protocol, and optional ones in `keys`.

    Args:
        keys: Columns of a table of scores, or keys of a row's scores.
    """
    return [*METRICS.values(), *(metric for key, metric in OPTIONAL.items() if key in keys)]


def get_metric(key: str) -> Metric:
    """Look up a metric by key, optional or not.

    Raises:
        InvalidRequest: No metric has this key.
    """
    known = METRICS | OPTIONAL
    if key not in known:
        raise InvalidRequest(f"Unknown metric {key[:80]!r}: choose one of {', '.join(known)}.")
    return known[key]
