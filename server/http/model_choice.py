"""The model that a request gets: what it asked for, with `cleanup` estimated where it said nothing of it."""

from __future__ import annotations

from typing import Any

from server.client.protocol import Size
from server.http.parameters import AskedModel
from server.pipeline.model_store import ModelKey
from server.pipeline.upscale import Picture
from server.pixels.cleanup import estimate_cleanup
from server.service import Service


def choose_model(service: Service, asked: AskedModel, picture: Picture) -> ModelKey:
    """Choose the generator for a picture, and what runs it; a few of the picture's rows are read where it must be."""
    cleanup = asked.cleanup
    if cleanup is None and service.store.has_cleanup(asked.name):
        cleanup = estimate_cleanup(picture.read_rows, picture.size, picture.pixel_format)
    return service.prefer(service.store.resolve(asked.name, asked.detail, cleanup), picture.size)


def headers_of(key: ModelKey) -> dict[str, str]:
    """Return the headers that tell a client what was chosen."""
    chosen = {"X-Detail": key.detail, "X-Cleanup": key.cleanup}
    return {"X-Model": key.name} | {name: f"{value:g}" for name, value in chosen.items() if value is not None}


def log_fields(key: ModelKey, size: Size) -> dict[str, Any]:
    """Return what the log tells of a picture."""
    told = {"model": key.name, "detail": key.detail, "width": size.width, "height": size.height}
    return told if key.cleanup is None else told | {"cleanup": key.cleanup}
