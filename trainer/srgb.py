"""The sRGB curve (IEC 61966-2-1), for arrays of numpy and tensors of torch alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # the processes that slice photos start without torch
    from torch import Tensor

Values = TypeVar("Values", npt.NDArray[np.float64], "Tensor")
_DARKEST_POWER = 0.0031308  # linear light below which the curve is a straight line


def srgb_to_linear(displayed: Values) -> Values:
    """Decode to linear light.

    Args:
        displayed: Any shape, 0…1.

    Returns:
        The same shape, 0…1.
    """
    dark = displayed <= 0.04045
    return dark * (displayed / 12.92) + ~dark * (((displayed + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: Values) -> Values:
    """Encode for display.

    Args:
        light: Any shape, 0…1.

    Returns:
        The same shape, 0…1.
    """
    dark = light <= _DARKEST_POWER
    # the floor keeps the gradient of the branch that is not used finite, because 0 × infinity is NaN
    power = 1.055 * light.clip(_DARKEST_POWER) ** (1 / 2.4) - 0.055
    return dark * (light * 12.92) + ~dark * power
