"""What the page at `/` needs beside the protocol: itself, recent log lines, plug-ins as zips. Knows flask, no torch."""

from __future__ import annotations

import importlib
import json
import mimetypes
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response

from server.errors import NoSuchRoute

EDITORS = ("gimp", "krita")
STATIC_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def add_routes(app: Flask, recent_lines: Callable[[], Iterable[str]]) -> None:
    """Add `/`, `/v1/log` and `/v1/plugins/EDITOR`; flask itself serves `/static/`.

    Args:
        app: the application; its static folder holds the page's files.
        recent_lines: gives the log's last lines, each a JSON object.
    """
    for suffix, kind in STATIC_TYPES.items():  # whatever Windows' registry has for them
        mimetypes.add_type(kind, suffix)
    app.add_url_rule("/", "page", lambda: app.send_static_file("index.html"))
    app.add_url_rule("/v1/log", "log", lambda: _log(recent_lines))
    app.add_url_rule("/v1/plugins/<editor>", "plugins", _plugin)


def _log(recent_lines: Callable[[], Iterable[str]]) -> dict[str, Any]:
    return {"lines": [json.loads(line) for line in list(recent_lines())]}


def _plugin(editor: str) -> Response:
    if editor not in EDITORS:
        raise NoSuchRoute(f"There is no plug-in for {editor[:40]!r}; expected one of {', '.join(EDITORS)}.")
    archive = importlib.import_module(f"plugin_{editor}.archive")
    response = Response(archive.contents(for_this_machine=True), mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="neural-upscale-{editor}.zip"'
    return response
