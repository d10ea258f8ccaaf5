"""What a request asks for, read from its query string; the raw route's is read before its body, and only then."""

from __future__ import annotations

import math
import urllib.parse
from dataclasses import dataclass

from server.client.protocol import DEPTHS, LAYOUTS, TRANSFERS, PixelFormat, Size
from server.errors import TooLarge, WrongLength, WrongParameter
from server.pipeline.model_names import AUTO, LONGEST_NAME, is_model_name

REQUIRED = ("width", "height", "layout", "depth")
OPTIONAL = ("transfer", "model", "detail")
PARAMETERS = "neural_upscale.parameters"  # where the WSGI environment has those of the raw route
MOST_DIGITS = 9


@dataclass(frozen=True)
class UpscaleParameters:
    """The query of `POST /v1/upscale`."""

    size: Size
    pixel_format: PixelFormat
    model: str
    detail: float | None


def parse_upscale(query: str, max_pixels: int) -> UpscaleParameters:
    """Read and check the query of the raw route.

    Args:
        query: the part after "?", still encoded.
        max_pixels: largest picture.

    Returns:
        Parameters that are consistent and within the limit.

    Raises:
        TooLarge: more pixels than the limit.
    """
    given = parse_query(query, REQUIRED + OPTIONAL, REQUIRED)
    size = Size(_extent(given, "width"), _extent(given, "height"))
    layout = _one_of(given, "layout", tuple(LAYOUTS))
    depth = _one_of(given, "depth", tuple(DEPTHS))
    transfer = _one_of({"transfer": TRANSFERS[0]} | given, "transfer", TRANSFERS)
    if size.width * size.height > max_pixels:
        raise TooLarge(
            f"The picture has {size.width}×{size.height} = {size.width * size.height / 1e6:.1f} megapixels; this "
            f"server takes up to {max_pixels / 1e6:g}; send a part, or start it with a larger --max-megapixels."
        )
    model, detail = parse_model(given)
    return UpscaleParameters(size, PixelFormat(layout, depth, transfer), model, detail)


def parse_model(given: dict[str, str]) -> tuple[str, float | None]:
    """Read `model` (default "auto") and `detail` (default None)."""
    model = given.get("model", AUTO)
    if not is_model_name(model):
        raise WrongParameter(f"model is {model[:LONGEST_NAME]!r}; expected a name from /v1/models, not a path.")
    if "detail" not in given:
        return model, None
    try:
        detail = float(given["detail"])
    except ValueError:
        detail = math.nan
    if not 0.0 <= detail <= 1.0:
        raise WrongParameter(f"detail is {given['detail'][:40]!r}; expected a number in 0…1; leave it out for default.")
    return model, detail


def parse_query(query: str, allowed: tuple[str, ...], required: tuple[str, ...] = ()) -> dict[str, str]:
    """Split a query string; every name once, none unknown, none missing.

    Args:
        query: percent-encoded NAME=VALUE&…
        allowed: the names that may come.
        required: those of them that must.

    Returns:
        Name → value, decoded.

    Raises:
        WrongParameter: a rule is broken.
    """
    try:
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError:
        raise WrongParameter(
            f"The query {query[:80]!r} cannot be read; expected NAME=VALUE&…, percent-encoded."
        ) from None
    given = dict(pairs)
    unknown = sorted(set(given) - set(allowed))
    missing = [name for name in required if name not in given]
    if unknown or missing or len(pairs) != len(given):
        fault = (
            f"unknown: {unknown[0][:40]!r}" if unknown else f"missing: {missing[0]}" if missing else "one came twice"
        )
        raise WrongParameter(
            f"The parameters do not fit ({fault}); expected {', '.join(allowed) or 'none'}, each once."
        )
    return given


def check_length(content_length: int | None, parameters: UpscaleParameters) -> None:
    """Compare a body's announced length with what its parameters ask for.

    Args:
        content_length: bytes, as announced; None where nothing was.
        parameters: size and format of the picture.

    Raises:
        WrongLength: they differ.
    """
    size, pixel_format = parameters.size, parameters.pixel_format
    expected = pixel_format.byte_count(size)
    if content_length != expected:
        raise WrongLength(
            f"The body has {content_length} bytes; {size.width}×{size.height} {pixel_format.layout} "
            f"{pixel_format.depth} needs {expected}; send whole rows without padding."
        )


def _extent(given: dict[str, str], name: str) -> int:
    text = given[name]
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS and int(text) > 0):
        raise WrongParameter(f"{name} is {text[:40]!r}; expected a whole number of pixels, 1 or more.")
    return int(text)


def _one_of(given: dict[str, str], name: str, allowed: tuple[str, ...]) -> str:
    if given[name] not in allowed:
        raise WrongParameter(f"{name} is {given[name][:40]!r}; expected one of {', '.join(allowed)}.")
    return given[name]
