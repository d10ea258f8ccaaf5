"""`POST /v1/upscale/file`: an encoded image in, an encoded image out; for curl and the page. One at a time.

Holds one whole result in memory, which the raw route never does: hence the lower limit.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

import numpy as np
from flask import Response, g, request

from server.errors import Busy, LengthRequired, NotAnImage, WrongParameter
from server.http.model_choice import choose_model, headers_of, log_fields
from server.http.parameters import RESULT, AskedModel, check_pixels, parse_model, parse_query, parse_scaled
from server.images.decoder import Decoder
from server.images.files import EXPECTED, START, kind_of, write_photo
from server.images.limits import check_result
from server.images.photo import Photo
from server.pipeline.composition import enlarged_bands
from server.pipeline.upscale import Picture
from server.service import Service

MOST_PIXELS = 64_000_000
PARAMETERS = ("model", "detail", "cleanup", "format", "scale", *RESULT)
MEDIA_TYPES = {
    "PNG": "image/png", "JPEG": "image/jpeg", "TIFF": "image/tiff", "WEBP": "image/webp", "AVIF": "image/avif",
    "JXL": "image/jxl",
}  # fmt: skip


class FileRoute:
    """The route with its one place."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._place = threading.Semaphore()
        self.progress: float | None = None  # of the file at work, 0…1

    def __call__(self) -> Response:
        """Answer one request."""
        given = parse_query(request.query_string.decode("latin-1"), PARAMETERS)
        asked = parse_model(given)
        if not request.content_length:
            raise LengthRequired("The request has no body; expected an image file with its Content-Length; send one.")
        if not self._place.acquire(blocking=False):
            raise Busy("Another file is being enlarged, and this route takes one at a time; try again soon.")
        try:
            return self._enlarge(given, asked)
        finally:
            self.progress = None
            self._place.release()

    def _enlarge(self, given: dict[str, str], asked: AskedModel) -> Response:
        store = self._service.store
        store.resolve(asked.name, asked.detail, asked.cleanup)  # what is refused is refused before the file is decoded
        is_gone = request.environ.get("waitress.client_disconnected", lambda: False)
        kind, photo = self._read(given.get("format"), is_gone)
        size = photo.size
        result_size = parse_scaled(given, size)
        check_pixels(size, result_size, min(MOST_PIXELS, self._service.settings.max_pixels))
        check_result(result_size, kind, photo.pixel_format.bytes_per_pixel)
        picture = Picture(size, photo.pixel_format, lambda first, last: photo.samples[first:last])
        key = choose_model(store, asked, picture)
        g.logged = log_fields(key, size)
        result = np.empty((result_size.height, result_size.width, photo.samples.shape[2]), photo.samples.dtype)
        filled = 0
        with self._service.queue.open(is_gone) as job:
            for band in enlarged_bands(picture, result_size, job, key, store.following(key)):
                result[filled : filled + len(band)] = band
                filled += len(band)
                self.progress = filled / len(result)
        photo.samples = result
        encoded = io.BytesIO()
        notices = write_photo(photo, encoded, kind)
        self._service.metrics.pixels.inc(size.width * size.height)
        headers = headers_of(key) | {"X-Size": f"{result_size.width}x{result_size.height}"}
        if notices:
            headers["X-Notices"] = " ".join(notices).encode("ascii", "replace").decode()
        return Response(encoded.getvalue(), mimetype=MEDIA_TYPES[kind], headers=headers)

    def _read(self, wanted: str | None, is_gone: Callable[[], bool]) -> tuple[str, Photo]:
        """Read the body; return the format of the answer, and the photo."""
        contents = request.environ["wsgi.input"].read()
        kind, limit = _kind(wanted, contents), min(MOST_PIXELS, self._service.settings.max_pixels)
        with Decoder() as decoder:
            return kind, decoder.read(contents, "The file", limit, is_gone=is_gone)


def _kind(wanted: str | None, contents: bytes) -> str:
    came = kind_of(contents[:START])
    if came is None:
        raise NotAnImage(f"The body is no image file that can be read; expected {EXPECTED}, as it is on disk.")
    if wanted is None:
        return came if came in MEDIA_TYPES else "PNG"  # the others are read only
    if wanted.upper() not in MEDIA_TYPES:
        expected = ", ".join(MEDIA_TYPES).lower()
        raise WrongParameter(f"format is {wanted[:20]!r}; expected one of {expected}; leave it out to keep it.")
    return wanted.upper()
