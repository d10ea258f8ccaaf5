"""Conversion to sRGB by a picture's own colour profile. Pillow only."""

from __future__ import annotations

import io

from PIL import Image, ImageCms


def to_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """Convert a picture to sRGB.

    Args:
        image: of a mode that the profile is for: RGB or CMYK.
        icc: the profile.

    Returns:
        A picture of mode RGB; None where the profile cannot be used.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
