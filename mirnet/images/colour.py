"""Colour profiles: which fit a picture, and conversion to sRGB through LittleCMS."""

import io
import struct

from PIL import Image, ImageCms


def usable_profile(icc_profile: object, grey: bool) -> bytes | None:
    """Keep a colour profile only if it opens and is made for grey or RGB samples, as asked."""
    if not isinstance(icc_profile, bytes) or not icc_profile:
        return None
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None
    # Colour space of the data, from the header: ICC.1:2022, section 7.2.6.
    return icc_profile if icc_profile[16:20] == (b"GRAY" if grey else b"RGB ") else None


def to_srgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """Turn a CMYK, Lab or grey image into sRGB, through its profile where that is usable.

    Relative colorimetric with black point compensation, as photo editors do.

    Returns:
        The RGB image and its profile. CMYK without a usable profile is inverted plainly, and then
        the profile is None.
    """
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        if image.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc or b""))
        converted = ImageCms.profileToProfile(
            image,
            source,
            srgb,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB"), None
    profile = bytearray(srgb.tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # creation date: same bytes each time
    return (converted or image), bytes(profile)
