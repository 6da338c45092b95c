"""Colours by code points (ITU-T H.273), as PNG's cICP chunk and HEIC's nclx box name them.

Spaces of standard range become a profile. High dynamic range (PQ, HLG) has no profile that other
programs honour, and networks are trained on sRGB, so it is converted to sRGB by the tone curve of
ITU-R BT.2390-11, section 5.4.1, with its reference white (203 cd/m2, ITU-R BT.2408) as white.
"""

import numpy as np

from .colour import PRIMARIES, make_profile, rgb_to_xyz, srgb_decode, srgb_encode
from .picture import BAND_ROWS
from .raster import Raster

PQ, HLG = 16, 18
"""Code points of the transfer characteristics of SMPTE ST 2084 and ARIB STD-B67."""
REFERENCE_WHITE = 203.0
"""Luminance of diffuse white in cd/m2: ITU-R BT.2408."""
_HLG_PEAK = 1000.0
"""Nominal peak luminance of an HLG display in cd/m2: ITU-R BT.2100, table 5."""
_SPACES = {1: "sRGB", 9: "BT.2020", 12: "Display P3"}


def space_of(primaries: int, transfer: int) -> tuple[str, bytes | None] | None:
    """Name and profile of a space of standard range; the profile is None for sRGB itself.

    Args:
        primaries: ColourPrimaries.
        transfer: TransferCharacteristics.

    Returns:
        (name, profile); None for unknown spaces and for high dynamic range.
    """
    name = _SPACES.get(primaries)
    codes = np.linspace(0, 1, 1024)
    curves: dict[int, float | np.ndarray] = {
        1: _bt709_decode(codes), 4: 2.2, 5: 2.8, 6: _bt709_decode(codes), 8: 1.0,
        13: srgb_decode(codes), 14: _bt709_decode(codes), 15: _bt709_decode(codes),
    }  # fmt: skip
    if name is None or transfer not in curves:
        return None
    if name == "sRGB" and transfer in (1, 6, 13, 14, 15):  # browsers show these transfers as sRGB
        return name, None
    return name, make_profile(name, PRIMARIES[name], curves[transfer])


def in_space(raster: Raster, primaries: int, transfer: int, label: str) -> Raster:
    """Attach the profile of a raster's colour space, or convert high dynamic range to sRGB.

    Args:
        raster: Decoded samples, of any space.
        transfer: TransferCharacteristics.
    """
    samples = raster.samples
    if transfer in (PQ, HLG) and samples.shape[2] >= 3:
        if samples.dtype == np.uint8:
            samples = samples.astype(np.uint16) * np.uint16(257)
        colours = tone_mapped(samples[..., :3], primaries, transfer)
        name = "PQ" if transfer == PQ else "HLG"
        note = (
            f"{label} has a high dynamic range ({name}): it was brought into sRGB by the tone "
            "curve of ITU-R BT.2390."
        )
        return raster._replace(
            samples=np.concatenate([colours, samples[..., 3:]], axis=2),
            metadata=raster.metadata._replace(icc_profile=None),
            notes=(*raster.notes, note),
        )
    space = space_of(primaries, transfer)
    if space is None or samples.shape[2] < 3:
        return raster
    return raster._replace(metadata=raster.metadata._replace(icc_profile=space[1]))


def tone_mapped(samples: np.ndarray, primaries: int, transfer: int) -> np.ndarray:
    """Convert samples of high dynamic range to sRGB.

    Args:
        samples: (H, W, 3) uint16, full range (0 to 65535).
        primaries: ColourPrimaries; unknown ones are treated as BT.2020.
        transfer: `PQ` or `HLG`.

    Returns:
        (H, W, 3) uint16 in sRGB.
    """
    from_space = rgb_to_xyz(PRIMARIES[_SPACES.get(primaries, "BT.2020")])
    to_srgb = (np.linalg.inv(rgb_to_xyz(PRIMARIES["sRGB"])) @ from_space).astype(np.float32)
    codes = np.linspace(0, 1, 65536)
    light = (pq_decode(codes) if transfer == PQ else _hlg_decode(codes)).astype(np.float32)

    def luminances(band: np.ndarray) -> np.ndarray:
        linear = light[band]
        if transfer == HLG:  # opto-optical transfer: ITU-R BT.2100, table 5
            luma = np.maximum(linear @ from_space[1].astype(np.float32), 1e-6)
            linear = _HLG_PEAK * linear * (luma**0.2)[..., None]
        return linear

    tops = range(0, len(samples), BAND_ROWS)
    peak = max(float(luminances(samples[top : top + BAND_ROWS]).max()) for top in tops)
    scale = _tone_scale(max(peak, REFERENCE_WHITE))
    result = np.empty_like(samples)
    for top in tops:
        band = luminances(samples[top : top + BAND_ROWS])
        brightest = np.maximum(band.max(axis=2, keepdims=True), 1e-4)
        band = (band * np.interp(brightest, *scale)) @ to_srgb.T
        result[top : top + BAND_ROWS] = np.rint(srgb_encode(band) * 65535)
    return result


def pq_decode(code: np.ndarray) -> np.ndarray:
    """Luminance in cd/m2 of PQ code values in [0, 1] (SMPTE ST 2084)."""
    power = code ** (1 / 78.84375)
    linear = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return 10_000 * linear ** (1 / 0.1593017578125)


def pq_encode(luminance: np.ndarray) -> np.ndarray:
    """PQ code values of luminance in cd/m2 (SMPTE ST 2084)."""
    power = (np.asarray(luminance) / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg_decode(code: np.ndarray) -> np.ndarray:
    """Scene light in [0, 1] of HLG code values (ITU-R BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)


def _bt709_decode(code: np.ndarray) -> np.ndarray:
    """Linear light of BT.709 code values, both in [0, 1] (ITU-R BT.709, item 1.2)."""
    return np.where(code < 0.081, code / 4.5, ((code + 0.099) / 1.099) ** (1 / 0.45))


def _tone_scale(peak: float) -> tuple[np.ndarray, np.ndarray]:
    """Tabulate the factor that maps luminances to display light, the reference white being 1.

    Args:
        peak: Largest luminance of the picture in cd/m2, at least the reference white.

    Returns:
        Luminances in cd/m2, and the factor for each.
    """
    luminance = np.geomspace(1e-4, peak, 4096)
    top = float(pq_encode(np.array(peak)))
    code = pq_encode(luminance) / top
    most = float(pq_encode(np.array(REFERENCE_WHITE))) / top
    knee = 1.5 * most - 0.5
    if knee < 1:
        t = np.clip((code - knee) / (1 - knee), 0, 1)
        spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee)
        code = np.where(code < knee, code, spline + (3 * t**2 - 2 * t**3) * most)
    return luminance, pq_decode(code * top) / REFERENCE_WHITE / luminance
