"""The columns of a comparison: one part of a photo, enlarged by bicubic and by the server's models."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from server import client
from server.cli.compare.picture import corners
from server.errors import WrongParameter

SURROUNDINGS = 64  # pixels around the part, where the model's halo is smaller
WARM_UP = 48  # pixels, the side of what is sent first: loading a model is no part of its time
FORMAT = client.PixelFormat("RGB", "u8")
Column = tuple[str, Image.Image]  # label and picture


@dataclass(frozen=True)
class Comparison:
    """What was enlarged, in the order in which it is shown."""

    columns: list[Column]  # of the strip
    frames: list[Column]  # of the animation


def enlarge_part(photo: Image.Image, part: client.Region, names: Sequence[str]) -> Comparison:
    """Enlarge a part of a photo ×2 in every way.

    Args:
        photo: mode RGB.
        part: inside of it.
        names: of models, or "auto"; of one, the strip shows both ends of its detail; of several, each at its own
            detail, with the seconds that it took.

    Returns:
        Bicubic, and what the models make of it.

    Raises:
        WrongParameter: there is no such model, or it cannot be used.
        ClientError: the server failed.
    """
    from server.cli.upscale.upscaler import find_server

    runtime = find_server()
    around, inner = _around(part, SURROUNDINGS, photo)
    large = photo.crop(corners(around)).resize((2 * around.width, 2 * around.height), Image.Resampling.BICUBIC)
    bicubic = ("bicubic", large.crop(inner))
    ways = [_Way(runtime, photo, part, model) for model in _models(runtime, names)]
    if len(ways) > 1:
        columns = [bicubic, *(way.timed() for way in ways)]
        return Comparison(columns, columns)
    own, span = ways[0].own(), ways[0].model["detail"] or {}
    ends = [("faithful (detail 0)", 0.0), ("detailed (detail 1)", 1.0)][: 1 + bool(span.get("highest"))]
    columns = [(label, ways[0].enlarged(detail)) for label, detail in ends] if span else [own]
    return Comparison([bicubic, *columns], [bicubic, own])


def _around(part: client.Region, pixels: int, photo: Image.Image) -> tuple[client.Region, tuple[int, int, int, int]]:
    """Return a part with its surroundings, and where its enlargement lies in theirs."""
    around = part.grown(pixels).intersected(client.Region(0, 0, photo.width, photo.height))
    return around, corners(part.moved(-around.x, -around.y).doubled())


class _Way:
    """One model; its clean-up is that of the whole photo."""

    def __init__(self, runtime: client.Runtime, photo: Image.Image, part: client.Region, model: dict[str, Any]) -> None:
        self.model = model
        self._runtime, self._photo, self._part = runtime, photo, part
        self._cleanup: float | None = None
        if model["cleanup"]:
            samples = client.take_samples(self._read, client.Size(photo.width, photo.height), FORMAT)
            self._cleanup = client.estimate_cleanup(runtime, samples, model=model["name"])

    def own(self) -> Column:
        """Enlarge at the model's own detail."""
        span = self.model["detail"]
        return self.model["name"] + (f", detail {span['default']:g}" if span else ""), self.enlarged(None)

    def timed(self) -> Column:
        """Enlarge at the model's own detail, with the seconds that it took behind the label."""
        part = self._part
        self._ask(client.Region(part.x, part.y, min(WARM_UP, part.width), min(WARM_UP, part.height)), None)
        begun = time.perf_counter()
        label, picture = self.own()
        return f"{label}, {time.perf_counter() - begun:.2f} s", picture

    def enlarged(self, detail: float | None) -> Image.Image:
        """Enlarge at a detail."""
        around, inner = _around(self._part, max(SURROUNDINGS, self.model["halo"]), self._photo)
        result = self._ask(around, detail)
        large = np.frombuffer(result, np.uint8).reshape(2 * around.height, 2 * around.width, 3)
        return Image.fromarray(large).crop(inner)

    def _ask(self, region: client.Region, detail: float | None) -> bytearray:
        options = client.Options(self.model["name"], detail, self._cleanup)
        size = client.Size(region.width, region.height)
        return client.upscale(self._runtime, self._read(region), size, FORMAT, options)

    def _read(self, region: client.Region) -> bytes:
        return self._photo.crop(corners(region)).tobytes()


def _models(runtime: client.Runtime, names: Sequence[str]) -> list[dict[str, Any]]:
    listed = client.models(runtime)
    usable = {each["name"]: each for each in listed["models"] if each["usable"]}
    wanted = [listed["default"] if name == "auto" else name for name in names]
    for name, found in zip(names, wanted, strict=True):
        if found not in usable:
            known = ", ".join(usable) or "none at all"
            raise WrongParameter(f"--model is {name!r}; usable are {known}; choose one of them.")
    return [usable[name] for name in dict.fromkeys(wanted)]
