"""Colour spaces: primaries, transfer curves, and profiles made of them."""

import struct

import numpy as np

PRIMARIES = {
    "sRGB": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), (0.3127, 0.3290)),
    "Display P3": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290)),
    "BT.2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), (0.3127, 0.3290)),
}
"""CIE 1931 xy of red, green, blue and white: IEC 61966-2-1, SMPTE EG 432-1, ITU-R BT.2020."""
_D50 = np.array([0.9642, 1.0, 0.8249])
"""White of the profile connection space: ICC.1:2022, section 6.3.4.3."""
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
"""XYZ to the cone responses in which whites are adapted: ICC.1:2022, annex E."""

Chromaticities = tuple[tuple[float, float], ...]


def rgb_to_xyz(primaries: Chromaticities) -> np.ndarray:
    """The (3, 3) matrix from linear RGB to CIE XYZ, white at Y = 1 (SMPTE RP 177).

    Args:
        primaries: xy of red, green, blue and white.

    Raises:
        ValueError: The primaries span no colours.
    """
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries if y > 0]).T
    if columns.shape != (3, 4) or abs(np.linalg.det(columns[:, :3])) < 1e-6:
        raise ValueError("primaries without colours")
    return columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3])


def srgb_decode(code: np.ndarray) -> np.ndarray:
    """Linear light of sRGB code values, both in [0, 1] (IEC 61966-2-1)."""
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def srgb_encode(light: np.ndarray) -> np.ndarray:
    """The sRGB code values of linear light, both in [0, 1] (IEC 61966-2-1)."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """The sRGB code values in [0, 1] of CIE L*a*b* relative to D50, clipped (CIE 15, 8.2.1).

    Args:
        lab: (..., 3) floats, L* from 0 to 100.
    """
    y = (lab[..., :1] + 16) / 116
    f = np.concatenate([y + lab[..., 1:2] / 500, y, y - lab[..., 2:] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _D50
    return srgb_encode(xyz @ np.linalg.inv(_rgb_to_d50(PRIMARIES["sRGB"])).T)


def _rgb_to_d50(primaries: Chromaticities) -> np.ndarray:
    """The (3, 3) matrix from linear RGB to CIE XYZ, its white adapted to D50."""
    matrix = rgb_to_xyz(primaries)
    white = matrix.sum(axis=1)
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    return np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ matrix


def make_profile(
    name: str, primaries: Chromaticities, curve: float | np.ndarray, grey: bool = False
) -> bytes:
    """Write an ICC profile of version 2 (ICC.1:2001-04) for a colour space of three primaries.

    Args:
        name: Description, ASCII.
        primaries: xy of red, green, blue and white.
        curve: Exponent from code value to linear light, or the light at evenly spaced codes.
        grey: Whether the profile is for one channel.

    Raises:
        ValueError: The primaries span no colours.
    """
    matrix = _rgb_to_d50(primaries)

    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *np.rint(values * 65536).astype(int))

    if isinstance(curve, float):
        trc = b"curv\0\0\0\0" + struct.pack(">IH", 1, min(round(curve * 256), 65535)) + b"\0\0"
    else:
        table = np.rint(np.clip(curve, 0, 1) * 65535).astype(">u2")
        trc = b"curv\0\0\0\0" + struct.pack(">I", len(table)) + table.tobytes()
    text = name.encode("ascii") + b"\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78,
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": xyz(_D50),
    }
    if grey:
        tags[b"kTRC"] = trc
    else:
        for index, colour in enumerate((b"r", b"g", b"b")):
            tags[colour + b"XYZ"] = xyz(matrix[:, index])
            tags[colour + b"TRC"] = trc
    table_bytes, body = b"", b""
    start = 132 + 12 * len(tags)
    for key, value in tags.items():
        table_bytes += key + struct.pack(">2I", start + len(body), len(value))
        body += value + b"\0" * (-len(value) % 4)
    head = struct.pack(">I4xI", start + len(body), 0x02400000) + b"mntr"
    head += (b"GRAY" if grey else b"RGB ") + b"XYZ " + struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    head += b"acsp" + b"\0" * 28 + xyz(_D50)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table_bytes + body


def profile_of_gamma(
    gamma: float | None, primaries: Chromaticities | None, grey: bool
) -> bytes | None:
    """Make the profile that the gAMA and cHRM chunks of a PNG file describe; None for sRGB.

    Args:
        gamma: Exponent from light to code value, such as 0.45455; None without a gAMA chunk.
        primaries: xy of red, green, blue and white; None without a cHRM chunk.
        grey: Whether the picture has one channel.
    """
    usual = primaries is None or np.allclose(primaries, PRIMARIES["sRGB"], atol=2e-3)
    if usual and (gamma is None or abs(gamma - 1 / 2.2) < 5e-3):
        return None
    curve: float | np.ndarray = srgb_decode(np.linspace(0, 1, 1024))
    if gamma is not None:
        if not 0.1 <= gamma <= 10:
            return None
        curve = 1 / gamma
    try:
        return make_profile("Gamma and primaries of a PNG file",
                            primaries or PRIMARIES["sRGB"], curve, grey)  # fmt: skip
    except ValueError:
        return None
