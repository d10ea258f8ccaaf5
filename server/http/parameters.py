"""What a request asks for, read from its query string; the raw route's is read before its body, and only then."""

from __future__ import annotations

import math
import urllib.parse
from dataclasses import dataclass

from server.client.protocol import DEPTHS, LAYOUTS, SCALE, TRANSFERS, PixelFormat, Size
from server.client.sampling import sampled_regions
from server.client.sizing import LEAST_FACTOR, MOST_FACTOR, can_become
from server.errors import TooLarge, WrongLength, WrongParameter
from server.pipeline.model_names import AUTO, LONGEST_NAME, is_model_name

REQUIRED = ("width", "height", "layout", "depth")
RESULT = ("out_width", "out_height")
OPTIONAL = ("transfer", "model", "detail", "cleanup", *RESULT)
SAMPLED = ("transfer", "model")  # what else `POST /v1/cleanup` may have
PARAMETERS = "neural_upscale.parameters"  # where the WSGI environment has those of a route for raw pixels
MOST_DIGITS = 9


@dataclass(frozen=True)
class AskedModel:
    """A model's name and a place between its files; None for its own detail, and for the picture's cleanup."""

    name: str
    detail: float | None
    cleanup: float | None


@dataclass(frozen=True)
class UpscaleParameters:
    """The query of `POST /v1/upscale`, or of `POST /v1/cleanup`, whose size is the whole picture's."""

    size: Size
    pixel_format: PixelFormat
    model: AskedModel
    result: Size


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
    parameters = _parse_picture(parse_query(query, REQUIRED + OPTIONAL, REQUIRED))
    check_pixels(parameters.size, parameters.result, max_pixels)
    return parameters


def check_pixels(size: Size, result: Size, max_pixels: int) -> None:
    """Refuse what is too large before anything is computed.

    Args:
        size: the picture's.
        result: the result's.
        max_pixels: of the picture; of the result four times as many, as the largest picture has at ×2.

    Raises:
        TooLarge: more pixels than the limit.
    """
    for name, of, most in (("picture", size, max_pixels), ("result", result, SCALE**2 * max_pixels)):
        if of.width * of.height > most:
            raise TooLarge(
                f"The {name} has {of.width}×{of.height} = {of.width * of.height / 1e6:.1f} megapixels; this server "
                f"takes up to {most / 1e6:g}; send a part, or start it with a larger --max-megapixels."
            )


def parse_result(given: dict[str, str], size: Size) -> Size:
    """Read `out_width` and `out_height`, by default twice the picture's; of one alone, the other keeps the shape.

    Args:
        given: the parameters.
        size: the picture's.

    Returns:
        The size of the result.

    Raises:
        WrongParameter: the picture cannot become so large or so small, or its shape would change.
    """
    known = {name: _extent(given, name) for name in RESULT if name in given}
    width, height = known.get("out_width"), known.get("out_height")
    if width is None and height is None:
        return size.enlarged()
    if height is None and width is not None:
        result = Size(width, size.enlarged(width / size.width).height)
    elif width is None and height is not None:
        result = Size(size.enlarged(height / size.height).width, height)
    else:
        result = Size(width or 0, height or 0)
    if not can_become(size, result):
        raise WrongParameter(
            f"{' and '.join(known)} make {result.width}×{result.height} of {size.width}×{size.height}; expected "
            f"×{LEAST_FACTOR} to ×{MOST_FACTOR} of the same shape, up to one pixel; choose another size."
        )
    return result


def parse_sampled(query: str) -> UpscaleParameters:
    """Read and check the query of `POST /v1/cleanup`; the picture may be of any size, for only samples of it come."""
    return _parse_picture(parse_query(query, REQUIRED + SAMPLED, REQUIRED))


def _parse_picture(given: dict[str, str]) -> UpscaleParameters:
    size = Size(_extent(given, "width"), _extent(given, "height"))
    layout = _one_of(given, "layout", tuple(LAYOUTS))
    depth = _one_of(given, "depth", tuple(DEPTHS))
    transfer = _one_of({"transfer": TRANSFERS[0]} | given, "transfer", TRANSFERS)
    return UpscaleParameters(size, PixelFormat(layout, depth, transfer), parse_model(given), parse_result(given, size))


def parse_model(given: dict[str, str]) -> AskedModel:
    """Read `model` (default "auto"), `detail` and `cleanup` (default None)."""
    model = given.get("model", AUTO)
    if not is_model_name(model):
        raise WrongParameter(f"model is {model[:LONGEST_NAME]!r}; expected a name from /v1/models, not a path.")
    return AskedModel(model, _share(given, "detail"), _share(given, "cleanup"))


def parse_scaled(given: dict[str, str], size: Size) -> Size:
    """Read `scale`, for whoever does not know the picture's size, or else what `parse_result` reads."""
    if "scale" not in given:
        return parse_result(given, size)
    try:
        factor = float(given["scale"])
    except ValueError:
        factor = math.nan
    if not LEAST_FACTOR <= factor <= MOST_FACTOR or set(RESULT) & set(given):
        raise WrongParameter(
            f"scale is {given['scale'][:40]!r}; expected a number from {LEAST_FACTOR} to {MOST_FACTOR}, "
            f"without {' or '.join(RESULT)}; leave it out for {SCALE}."
        )
    return size.enlarged(factor)


def _share(given: dict[str, str], name: str) -> float | None:
    if name not in given:
        return None
    try:
        value = float(given[name])
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise WrongParameter(f"{name} is {given[name][:40]!r}; expected a number in 0…1; leave it out for default.")
    return value


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


def check_samples_length(content_length: int | None, parameters: UpscaleParameters) -> None:
    """Compare a body's announced length with that of a picture's samples.

    Args:
        content_length: bytes, as announced; None where nothing was.
        parameters: size and format of the picture.

    Raises:
        WrongLength: they differ.
    """
    regions = sampled_regions(parameters.size)
    expected = len(regions) * parameters.pixel_format.byte_count(regions[0].size)
    if content_length != expected:
        raise WrongLength(
            f"The body has {content_length} bytes; {len(regions)} samples of {regions[0].width}×{regions[0].height} "
            f"pixels need {expected}; send them one after the other, without padding."
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
