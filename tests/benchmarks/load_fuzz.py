"""Random requests and damaged image files: the server answers each of them, and its memory stays where it was."""

from __future__ import annotations

import collections
import io
import random

import numpy as np
import requests
from PIL import Image

from tests.hosts.model_server import ModelServer

NAMES = ("width", "height", "layout", "depth", "transfer", "model", "detail", "x")
VALUES = (
    "0", "1", "7", "64", "-3", "", "RGB", "RGBA", "GRAY", "u8", "f32", "linear", "fixed", "0.5", "nan", "ü",
)  # fmt: skip
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "AVIF")
MODES = ("RGB", "L", "RGBA")
MOST_GROWTH = 50e6  # bytes of resident memory


def fuzzed(server: ModelServer, count: int) -> dict[str, object]:
    """Send random requests, then damaged files, as many of either.

    Args:
        server: answers, with the model `fixed`.
        count: requests of either kind.

    Returns:
        The figures. They are right when no status is 500 or above but 503, 300 of 2000 files were decoded in spite of
        their damage, and resident memory did not grow by more than 50 MB after the first whole file.
    """
    order = random.Random(0)
    files = _files()
    for contents in files:  # what is loaded at the first use is not growth
        _send_file(server, contents)
    before = _resident(server)
    requested = collections.Counter(_send_request(server, order) for _ in range(count))
    sent = collections.Counter(_send_file(server, _damaged(order.choice(files), order)) for _ in range(count))
    grown = _resident(server) - before
    faults = sum(number for status, number in (requested + sent).items() if status >= 500 and status != 503)
    return {
        "part": "fuzzed", "requests": dict(sorted(requested.items())), "files": dict(sorted(sent.items())),
        "grown_mb": round(grown / 1e6, 1),
        "right": not faults and sent[200] * 2000 >= 300 * count and grown < MOST_GROWTH,
    }  # fmt: skip


def _resident(server: ModelServer) -> int:
    return int(server.get("/v1/status")["memory"]["resident"])


def _send_request(server: ModelServer, order: random.Random) -> int:
    query = {name: order.choice(VALUES) for name in order.sample(NAMES, order.randint(0, len(NAMES)))}
    if order.random() < 0.5:
        query |= {"width": str(order.randint(1, 9)), "height": "4", "layout": "RGB", "depth": "u8"}
    route = order.choice(("upscale", "upscale", "upscale/file", "models"))
    return _post(server, route, query, order.randbytes(order.choice((0, 12, 84, 1000))))


def _send_file(server: ModelServer, contents: bytes) -> int:
    return _post(server, "upscale/file", {"model": "fixed"}, contents)


def _post(server: ModelServer, route: str, query: dict[str, str], body: bytes) -> int:
    headers = {"Authorization": f"Bearer {server.token}"}
    return requests.post(f"{server.url}/v1/{route}", params=query, data=body, timeout=60, headers=headers).status_code


def _files() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
    made = []
    for kind in FORMATS:
        for mode in MODES if kind in ("PNG", "TIFF", "WEBP") else MODES[:1]:
            written = io.BytesIO()
            Image.fromarray(pixels).convert(mode).save(written, kind)
            made.append(written.getvalue())
    return made


def _damaged(contents: bytes, order: random.Random) -> bytes:
    """Change some bytes, cut the end off, or put a piece in twice."""
    damaged = bytearray(contents)
    way = order.randrange(4)
    if way == 0:
        del damaged[order.randrange(len(damaged)) :]
    elif way == 1:
        first, last = sorted(order.sample(range(len(damaged)), 2))
        damaged[last:last] = damaged[first:last]
    else:
        for _ in range(order.choice((1, 2, 8, 64))):
            damaged[order.randrange(len(damaged))] = order.randrange(256)
    return bytes(damaged)
