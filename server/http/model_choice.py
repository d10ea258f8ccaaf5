"""What a request asked for, and the model that it gets: `cleanup` is estimated where it said nothing of it."""

from __future__ import annotations

from typing import Any

from flask import request

from server.client.protocol import Size
from server.errors import MalformedRequest
from server.http.parameters import PARAMETERS, AskedModel, UpscaleParameters
from server.pipeline.model_key import ModelKey
from server.pipeline.model_names import header_value
from server.pipeline.model_store import ModelStore
from server.pipeline.upscale import Picture
from server.pixels.cleanup import estimate_cleanup


def checked_parameters() -> UpscaleParameters:
    """Return what the checks before the body have read from the query of the request under way."""
    parameters: UpscaleParameters | None = request.environ[PARAMETERS]
    if parameters is None:  # flask takes //v1/upscale for the same path, the checks do not
        raise MalformedRequest(f"The path is not spelled as expected; send {request.method} {request.url_rule}.")
    return parameters


def choose_model(store: ModelStore, asked: AskedModel, picture: Picture) -> ModelKey:
    """Choose the generator for a picture, of which a few rows are read where its cleanup is to be estimated."""
    cleanup = asked.cleanup
    if cleanup is None and store.has_cleanup(asked.name):
        cleanup = estimate_cleanup(picture.read_rows, picture.size, picture.pixel_format)
    return store.resolve(asked.name, asked.detail, cleanup)


def headers_of(key: ModelKey) -> dict[str, str]:
    """Return the headers that tell a client what was chosen."""
    chosen = {"X-Detail": key.detail, "X-Cleanup": key.cleanup}
    return {"X-Model": header_value(key.name)} | {
        name: f"{value:g}" for name, value in chosen.items() if value is not None
    }


def log_fields(key: ModelKey, size: Size) -> dict[str, Any]:
    """Return what the log tells of a picture."""
    return {**key.chosen, "width": size.width, "height": size.height}
