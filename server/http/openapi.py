"""The description of the protocol that `GET /openapi.json` gives (OpenAPI 3.1)."""

from __future__ import annotations

from typing import Any

from server import errors
from server.client.protocol import DEPTHS, LAYOUTS, PROTOCOL_VERSION, SCALE, TRANSFERS
from server.client.sizing import LEAST_FACTOR, MOST_FACTOR
from server.http.file_route import MEDIA_TYPES
from server.http.parameters import MOST_DIGITS, RESULT
from server.pixels.cleanup import VALUES

Json = dict[str, Any]
BINARY: Json = {"type": "string", "format": "binary"}
MODEL: Json = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,100}$", "default": "auto"}
SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}  # of detail and of cleanup
ALWAYS = (errors.ForeignHost, errors.NotAuthorized, errors.WrongParameter, errors.InternalFault)
MODELS = (errors.UnknownModel, errors.BrokenModel)
ENLARGING = (*ALWAYS, *MODELS, errors.LengthRequired, errors.TooLarge, errors.Busy)


def describe(max_pixels: int) -> Json:
    """Return the document.

    Args:
        max_pixels: the server's limit.

    Returns:
        A JSON object.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Neural Upscale",
            "version": str(PROTOCOL_VERSION),
            "description": "Enlarges pictures. Every error is a JSON object: error, message, request_id.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{"token": []}],
        "paths": {
            "/v1/upscale": {"post": _raw(max_pixels)},
            "/v1/upscale/file": {"post": _file()},
            "/v1/cleanup": {"post": _cleanup()},
            "/v1/models": {"get": _get("models", "The models, the default one, and files that cannot be used.")},
            "/v1/status": {"get": _get("status", "Devices, what is loaded, memory, queue, limits.")},
            "/v1/log": {"get": _get("log", "The log's last lines.")},
            "/v1/plugins/{editor}": {"get": _plugin()},
            "/openapi.json": {"get": _get("openapi", "This document.")},
            "/metrics": {"get": _text("metrics", "Counters in Prometheus' text format.", errors.NotAuthorized)},
            "/healthz": {"get": _healthz()},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error", "message", "request_id"],
                    "properties": {name: {"type": "string"} for name in ("error", "message", "request_id")},
                }
            },
        },
    }


def _healthz() -> Json:
    challenge: Json = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    text = "neural-upscale; after a challenge, a space and the HMAC-SHA256 under the token, in hexadecimal digits, of"
    return {
        **_text("healthz", f"{text} 'neural-upscale ' and the challenge.", errors.WrongParameter),
        "parameters": [_parameter("challenge", challenge)],
        "security": [],
    }


def _raw(max_pixels: int) -> Json:
    side: Json = {"type": "integer", "minimum": 1, "maximum": max_pixels}
    return {
        "operationId": "upscale",
        "summary": "Raw pixels in, raw pixels of the enlarged picture out, band after band.",
        "description": "Rows from top to bottom, no padding, samples little-endian; the answer has the same format.",
        "parameters": [
            *_picture(side), _parameter("model", MODEL), _parameter("detail", SHARE), _parameter("cleanup", SHARE),
            *_result(),
        ],
        "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": BINARY}}},
        "responses": _responses("application/octet-stream", BINARY, *ENLARGING),
    }  # fmt: skip


def _cleanup() -> Json:
    side: Json = {"type": "integer", "minimum": 1, "maximum": 10**MOST_DIGITS - 1}
    answer: Json = {
        "type": "object",
        "required": ["cleanup"],
        "properties": {"cleanup": {"enum": [*VALUES, None]}},
    }
    return {
        "operationId": "estimateCleanup",
        "summary": "The automatic cleanup of a whole picture, from squares of it; null where the model has none.",
        "description": "The body holds the squares one after the other; server/client/sampling.py says where they lie.",
        "parameters": [*_picture(side), _parameter("model", MODEL)],
        "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": BINARY}}},
        "responses": _responses("application/json", answer, *ALWAYS, *MODELS, errors.LengthRequired),
    }


def _picture(side: Json) -> list[Json]:
    return [
        _parameter("width", side, required=True),
        _parameter("height", side, required=True),
        _parameter("layout", {"enum": list(LAYOUTS)}, required=True),
        _parameter("depth", {"enum": list(DEPTHS)}, required=True),
        _parameter("transfer", {"enum": list(TRANSFERS), "default": TRANSFERS[0]}),
    ]


def _result() -> list[Json]:
    return [_parameter(name, {"type": "integer", "minimum": 1, "maximum": 10**MOST_DIGITS - 1}) for name in RESULT]


def _file() -> Json:
    kinds = [kind.lower() for kind in MEDIA_TYPES]
    responses = _responses("image/png", BINARY, *ENLARGING, errors.NotAnImage)
    responses["200"]["content"] = {media: {"schema": BINARY} for media in MEDIA_TYPES.values()}
    return {
        "operationId": "upscaleFile",
        "summary": "An image file in, an image file out; one at a time, up to 64 megapixels.",
        "parameters": [
            _parameter("model", MODEL), _parameter("detail", SHARE), _parameter("cleanup", SHARE),
            _parameter("format", {"enum": kinds}), *_result(),
            _parameter("scale", {"type": "number", "minimum": LEAST_FACTOR, "maximum": MOST_FACTOR, "default": SCALE}),
        ],
        "requestBody": {
            "required": True,
            "content": {media: {"schema": BINARY} for media in ("application/octet-stream", *MEDIA_TYPES.values())},
        },
        "responses": responses,
    }  # fmt: skip


def _get(name: str, summary: str) -> Json:
    return {
        "operationId": name,
        "summary": summary,
        "responses": _responses("application/json", {"type": "object"}, *ALWAYS),
    }


def _plugin() -> Json:
    editor: Json = {"name": "editor", "in": "path", "required": True, "schema": {"enum": ["gimp", "krita"]}}
    return {
        "operationId": "plugin",
        "summary": "An editor's plug-in, set up for this machine, as a zip.",
        "parameters": [editor],
        "responses": _responses("application/zip", BINARY, *ALWAYS, errors.NoSuchRoute),
    }


def _text(name: str, summary: str, *refusals: type[errors.ServerError]) -> Json:
    responses = _responses("text/plain", {"type": "string"}, errors.ForeignHost, errors.WrongParameter, *refusals)
    return {"operationId": name, "summary": summary, "responses": responses}


def _parameter(name: str, schema: Json, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _responses(media: str, schema: Json, *refusals: type[errors.ServerError]) -> Json:
    found: Json = {"200": {"description": "Done.", "content": {media: {"schema": schema}}}}
    for status in sorted({refusal.status for refusal in refusals}):
        names = sorted(refusal.name for refusal in refusals if refusal.status == status)
        found[str(status)] = {
            "description": ", ".join(names),
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    return found
