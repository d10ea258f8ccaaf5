"""The whole layer, small: a frame shows where the preview looks, and is moved by mouse and keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gimp

from .. import client
from ..client import Region
from ..i18n import _
from . import widgets

LARGEST = client.Size(160, 120)  # GTK's pixels
DIRECTIONS = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}


class Thumbnail(widgets.Picture):
    """The widget.

    Args:
        layer: GIMP's layer.
        bounds: where it lies in the image.
        chosen: called with the place in the image that the user points at.
    """

    def __init__(self, layer: Any, bounds: Region, chosen: Callable[[tuple[int, int]], None]) -> None:
        super().__init__(client.fitted(bounds.size, LARGEST), self._point, self._press, self._draw)
        self._layer, self._bounds, self._chosen = layer, bounds, chosen
        self._patch = Region(0, 0, 0, 0)
        self.set_tooltip_text(_("Click or drag to look at another place, or press the arrow keys"))

    def show_patch(self, patch: Region) -> None:
        """Show where the preview looks, in the image's coordinates."""
        self._patch = patch
        self._draw()

    def _draw(self) -> None:
        scale = self.get_scale_factor()
        wanted = client.fitted(self._bounds.size, client.Size(LARGEST.width * scale, LARGEST.height * scale))
        picture = self._layer.get_thumbnail(wanted.width, wanted.height, Gimp.PixbufTransparency.SMALL_CHECKS)
        if picture is None or self._patch.is_empty:
            return
        picture = picture.copy()
        across, down = picture.get_width() / self._bounds.width, picture.get_height() / self._bounds.height
        inside = self._patch.moved(-self._bounds.x, -self._bounds.y)
        left, top = int(inside.x * across), int(inside.y * down)
        right, bottom = max(left + 5, int(inside.right * across)), max(top + 5, int(inside.bottom * down))
        widgets.frame(picture, left, top, right, bottom)
        self.show_buffer(picture)

    def _point(self, x: float, y: float) -> None:
        self._chosen(client.pointed_at((x, y), self.room(), self._bounds))

    def _press(self, key: str) -> bool:
        if key not in DIRECTIONS:
            return False
        (x, y), (across, down) = self._patch.centre, DIRECTIONS[key]
        self._chosen((x + across * self._patch.width // 2, y + down * self._patch.height // 2))
        return True
