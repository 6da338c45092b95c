"""SSIMULACRA 2.1: how visible the errors of a compressed or restored picture are.

Sneyers (Cloudinary), 2022, updated in April 2023; written after `tools/ssimulacra2.cc` of libjxl
(BSD 3-clause), whose program computed the values that the tests compare with. Both pictures go to
the colour space XYB at six scales. At each scale and channel three error maps (structure, edges
added, edges lost) are averaged in two ways, and the 108 averages are weighted and summed.
"""

import functools
import math

import numpy as np

SCALES = 6
"""Scales from 1:1 to 1:32; each averages 2x2 pixels of the finer one in linear light."""
MIN_SIDE_PX = 7 * 2 ** (SCALES - 2) + 1
"""Shortest side of a picture that has all six scales: its fifth has 8 pixels left. libjxl scores
smaller pictures too, but hands weights to maps that they were not fitted to."""
SIGMA_PX = 1.5
"""Standard deviation of the blur in pixels."""
RADIUS_PX = round(3.2795 * SIGMA_PX + 0.2546)
"""Distance in pixels at which the blur reaches zero (Charalampidis 2016, equation 57)."""
STRUCTURE_CONSTANT = 0.0009
"""C2 of SSIM, for values up to 1."""
ABSORBANCE = np.array(
    [
        (0.30, 1 - 0.30 - 0.078, 0.078),
        (0.23, 1 - 0.23 - 0.078, 0.078),
        (0.24342268924547819, 0.20476744424496821, 1 - 0.24342268924547819 - 0.20476744424496821),
    ]
)
"""Matrix from linear R, G and B to the light that each kind of cone absorbs, as in JPEG XL."""
ABSORBANCE_BIAS = 0.0037930732552754493
"""Light added before the cube root is taken, which keeps it from being steep at black."""
WEIGHTS = (
    (  # X: red against green
        (0, 0.0007376606707406586, 0, 0, 0.0007793481682867309, 0),
        (
            0,
            0.0004371155730107379,
            0,
            1.1041726426657346,
            0.00066284834129271,
            0.00015231632783718752,
        ),
        (0, 0.0016406437456599754, 0, 1.8422455520539298, 11.441172603757666, 0),
        (0.0007989109436015163, 0.000176816438078653, 0, 1.8787594979546387, 10.94906990605142, 0),
        (
            0.0007289346991508072,
            0.9677937080626833,
            0,
            0.00014003424285435884,
            0.9981766977854967,
            0.00031949755934435053,
        ),
        (0.0004550992113792063, 0, 0, 0.0013648766163243398, 0, 0),
    ),
    (  # Y: luminance
        (0, 0, 0, 7.466890328078848, 0, 17.445833984131262),
        (0.0006235601634041466, 0, 0, 6.683678146179332, 0.00037724407979611296, 1.027889937768264),
        (225.20515300849274, 0, 0, 19.213238186143016, 0.0011401524586618361, 0.001237755635509985),
        (176.39317598450694, 0, 0, 24.43300999870476, 0.28520802612117757, 0.0004485436923833408),
        (0, 0, 0, 34.77906344483772, 44.835625328877896, 0),
        (0, 0, 0, 0, 0, 0),
    ),
    (  # B - Y: blue against yellow
        (0, 0.0008680556573291698, 0, 0, 0, 0),
        (0, 0.0005313191874358747, 0, 0.00016533814161379112, 0, 0),
        (0, 0, 0, 0.0004179171803251336, 0.0017290828234722833, 0),
        (0.0020827005846636437, 0, 0, 8.826982764996862, 23.19243343998926, 0),
        (
            95.1080498811086,
            0.9863978034400682,
            0.9834382792465353,
            0.0012286405048278493,
            171.2667255897307,
            0.9807858872435379,
        ),
        (0, 0, 0, 0.0005130064588990679, 0, 0.00010854057858411537),
    ),
)
"""Weights by channel and scale, finest first: of the means of the three maps, then of their
4-norms."""


def ssimulacra2(picture: np.ndarray, original: np.ndarray, peak: float = 255) -> float | None:
    """SSIMULACRA 2.1 of sRGB pictures: 100 for equal ones, 90 for differences that one hardly sees.

    About 70 is high, 50 medium and 30 low quality; the worst pictures fall below 0 without a limit.

    Args:
        picture: (H, W, 3) sRGB of any type.
        original: The same shape.
        peak: Largest possible value.

    Returns:
        At most 100, or None where a side is shorter than `MIN_SIDE_PX`.
    """
    if min(picture.shape[:2]) < MIN_SIDE_PX:
        return None
    x, y = (_linear_light(pixels, peak) for pixels in (picture, original))
    total = 0.0
    for scale in range(SCALES):
        if scale:
            x, y = _halved(x), _halved(y)
        for channel, given, reference in zip(WEIGHTS, _xyb(x), _xyb(y), strict=True):
            averages = _averages(given, reference)
            total += math.fsum(w * a for w, a in zip(channel[scale], averages, strict=True))
    total *= 0.9562382616834844
    error = 2.326765642916932 * total - 0.020884521182843837 * total**2
    error += 6.248496625763138e-05 * total**3
    return 100 - 10 * max(error, 0) ** 0.6276336467831387


def _linear_light(pixels: np.ndarray, peak: float) -> np.ndarray:
    """Linear light of sRGB values, (H, W, 3) float64 in [0, 1]."""
    value = pixels.astype(np.float64) / peak
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _halved(light: np.ndarray) -> np.ndarray:
    """Averages of 2x2 pixels; an odd side's last pixels are taken twice."""
    height, width = light.shape[:2]
    even = np.pad(light, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def _xyb(light: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Planes X, Y and B - Y of linear light, each moved and scaled to about 0 to 1."""
    import cv2

    cones = np.cbrt(cv2.transform(light, ABSORBANCE) + ABSORBANCE_BIAS)
    long, middle, short = np.moveaxis(cones - ABSORBANCE_BIAS ** (1 / 3), 2, 0)
    luminance = (long + middle) / 2
    return (long - middle) * 7 + 0.42, luminance + 0.01, short - luminance + 0.55


@functools.cache
def _taps() -> np.ndarray:
    """Weights of the blur at distances -4 to 4: a sum of three cosines that is near a Gaussian.

    libjxl computes the same filter recursively (Charalampidis, "Recursive implementation of the
    Gaussian filter using truncated cosine functions", IEEE TSP 2016, equations 37 to 55).
    """
    order = np.array([1, 3, 5])
    omega = order * math.pi / (2 * RADIUS_PX)
    p = np.array([1, -1, 1]) / np.tan(omega / 2)
    r = np.array([1, -1, 1]) * p**2 / np.sin(omega)
    rho = np.exp(-0.5 * (SIGMA_PX * omega) ** 2) / RADIUS_PX
    zeta = np.cross(p, r)[:2] / np.cross(p, r)[2]
    known = [1, RADIUS_PX**2 - SIGMA_PX**2, zeta @ rho[:2] + rho[2]]
    beta = np.linalg.solve(np.array([p, r, [*zeta, 1]]), known)
    distance = np.arange(1 - RADIUS_PX, RADIUS_PX)
    return (beta[:, None] * np.cos(omega[:, None] * distance)).sum(0)


def _blurred(plane: np.ndarray) -> np.ndarray:
    """Blur with zeros beyond the edges."""
    import cv2

    return cv2.sepFilter2D(plane, -1, _taps(), _taps(), borderType=cv2.BORDER_CONSTANT)


def _averages(given: np.ndarray, reference: np.ndarray) -> list[float]:
    """Means of the maps of structure, edges added and edges lost, then their 4-norms."""
    mean_x, mean_y = _blurred(given), _blurred(reference)
    covariance = _blurred(given * reference) - mean_x * mean_y
    variances = _blurred(given**2) - mean_x**2 + (_blurred(reference**2) - mean_y**2)
    luminance = 1 - (mean_x - mean_y) ** 2
    contrast = (2 * covariance + STRUCTURE_CONSTANT) / (variances + STRUCTURE_CONSTANT)
    edges = (1 + np.abs(given - mean_x)) / (1 + np.abs(reference - mean_y)) - 1
    maps = [np.maximum(values, 0) for values in (1 - luminance * contrast, edges, -edges)]
    means = [float(values.mean()) for values in maps]
    return means + [float(np.square(np.square(values)).mean()) ** 0.25 for values in maps]
