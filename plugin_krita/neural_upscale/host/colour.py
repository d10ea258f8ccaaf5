"""Krita's colour spaces in the protocol's words: which pixels can be sent as they are, and how. No Qt, no Krita."""

from __future__ import annotations

from dataclasses import dataclass

from .. import client

CHANNELS = {"RGBA": 4, "GRAYA": 2, "CMYKA": 5, "LABA": 4, "XYZA": 4, "YCbCrA": 4, "A": 1}
DEPTHS = {"U8": "u8", "U16": "u16", "F16": "f16", "F32": "f32"}
MIDDLE_GREY_IF_LINEAR = 0.7354  # the sRGB curve at a linear 0.5
CURVE_TOLERANCE = 0.03


@dataclass(frozen=True)
class ColourSpace:
    """Krita's names for a layer's model, depth and profile, for example RGBA, U16, sRGB-elle-V2-g10.icc."""

    model: str
    depth: str
    profile: str

    @property
    def bytes_per_pixel(self) -> int:
        """Return the bytes of one pixel; 0 for a model that this plug-in does not know."""
        return CHANNELS.get(self.model, 0) * client.DEPTHS.get(DEPTHS.get(self.depth, ""), 0)

    @property
    def words(self) -> tuple[str, str, str]:
        """Return the three names in the order in which Krita's functions take them."""
        return self.model, self.depth, self.profile

    def __str__(self) -> str:
        return f"{self.model} {self.depth} ({self.profile})"


# Where CMYK, Lab, XYZ and YCbCr go and come back from: in float, Krita's conversions keep what lies outside of sRGB.
EXCHANGE = ColourSpace("RGBA", "F32", "sRGB-elle-V2-srgbtrc.icc")


def is_linear(middle_grey: float) -> bool:
    """Return whether a profile is linear in light, by what its value 0.5 becomes on the sRGB curve (0…1).

    A gamma of 1.8 gives 0.57, the sRGB curve 0.5, L* 0.47: nothing in use lies near a linear profile's 0.735.
    """
    return abs(middle_grey - MIDDLE_GREY_IF_LINEAR) < CURVE_TOLERANCE


def direct_format(space: ColourSpace, linear: bool) -> client.PixelFormat | None:
    """Return the format in which a layer's own pixels can be sent; None when they must be converted first.

    Krita keeps integer colours as blue, green, red, alpha and float ones as red, green, blue, alpha.
    """
    depth = DEPTHS.get(space.depth)
    if depth is None or space.model not in ("RGBA", "GRAYA"):
        return None
    layout = space.model if space.model == "GRAYA" or depth in ("f16", "f32") else "BGRA"
    return client.PixelFormat(layout, depth, "linear" if linear else "perceptual")
