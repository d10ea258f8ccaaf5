"""The preview: takes a patch of the layer, shows it as Krita enlarges it, asks the server for the same, shows both.

Pixels are read and pictures made on the main thread (Krita's own calls); the server is asked in a thread, for the
latest request only. No server is started for a preview.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import Any

from .. import client, log, server
from ..host import documents, scratch
from ..host.qt import QtCore, QtGui, QtWidgets
from ..layers import bounds_of
from ..pixels.exchange import in_own_space, to_send
from ..server import shield_from_broken_pipes
from ..source import Source, take_patch, wanted_of
from .widgets import THUMBNAIL, DividedView, Thumbnail

NO_SERVER = "The model server is not running yet; it will be started when you choose OK."


@dataclass(frozen=True)
class Request:
    """One patch to enlarge with one model; `pixels` as `source.format` says."""

    source: Source
    model: str
    detail: float | None
    pixels: bytes | bytearray = field(repr=False)


class Preview(QtWidgets.QWidget):
    """The patch with its divider above, the thumbnail below."""

    _answered = QtCore.pyqtSignal(object, object)
    _failed = QtCore.pyqtSignal(object, str)

    def __init__(self, document: Any, node: Any, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._document, self._node = document, node
        self._model, self._detail = "auto", None  # type: tuple[str, float | None]
        canvas = documents.canvas(document)
        size = client.fitted(canvas.size, THUMBNAIL)
        self.view = DividedView()
        self.thumbnail = Thumbnail(document.thumbnail(size.width, size.height), canvas)
        self.thumbnail.picked.connect(self._look_at_picked)
        rows = QtWidgets.QVBoxLayout(self)
        rows.addWidget(self.view)
        rows.addWidget(self.thumbnail, 0, QtCore.Qt.AlignmentFlag.AlignHCenter)
        self._answered.connect(self._show_after)
        self._failed.connect(self._show_fault)
        self._asker: client.LatestOnly[Request] = client.LatestOnly(self._ask_server)
        self._request: Request | None = None
        self.look_at(*wanted_of(document, node).centre)

    def look_at(self, column: int, row: int) -> None:
        """Show the patch about that pixel of the canvas."""
        patch = client.patch_about((column, row), bounds_of(self._document, self._node))
        source = take_patch(self._document, self._node, patch)
        self.thumbnail.show_patch(patch)
        enlarged = scratch.enlarge(source.pixels, source.region.size, source.space)
        self.view.show_before(_picture(source, enlarged))
        self._ask(Request(source, self._model, self._detail, to_send(source)))

    def choose(self, model: str, detail: float | None) -> None:
        """Show the patch with this model and detail."""
        self._model, self._detail = model, detail
        if self._request is not None and (self._request.model, self._request.detail) != (model, detail):
            self._ask(replace(self._request, model=model, detail=detail))

    def end(self) -> None:
        """Ask no more; returns at once."""
        self._asker.end()

    def _look_at_picked(self, column: int, row: int) -> None:
        try:
            self.look_at(column, row)
        except Exception as fault:  # noqa: BLE001 (shown as a sentence)
            self.view.show_note(str(log.as_upscale_error(fault)))

    def _ask(self, request: Request) -> None:
        self._request = request
        self.view.show_note("…")
        self._asker.ask(request)

    def _ask_server(self, request: Request, cancel: client.Cancel) -> None:
        """Ask for a request (in the asker's thread, which must never raise)."""
        shield_from_broken_pipes()
        with contextlib.suppress(RuntimeError):  # the dialog was closed meanwhile
            try:
                self._answered.emit(request, _enlarged(request, cancel))
            except client.Cancelled:
                pass  # a newer request is on its way
            except client.NoServer:
                self._failed.emit(request, NO_SERVER)
            except Exception as fault:  # noqa: BLE001 (shown as a sentence)
                self._failed.emit(request, str(log.as_upscale_error(fault)))

    def _show_after(self, request: Request, answer: bytearray) -> None:
        if request is self._request:
            own = in_own_space(request.source, request.pixels, answer)
            self.view.show_after(_picture(request.source, own))

    def _show_fault(self, request: Request, sentence: str) -> None:
        if request is self._request:
            self.view.show_note(sentence)


def _enlarged(request: Request, cancel: client.Cancel) -> bytearray:
    runtime = server.running()
    if runtime is None:
        raise client.NoServer(NO_SERVER)
    size, pixel_format = request.source.region.size, request.source.format
    return client.upscale(
        runtime, request.pixels, size, pixel_format, model=request.model, detail=request.detail, cancel=cancel
    )


def _picture(source: Source, enlarged: bytes | bytearray) -> QtGui.QImage:
    """Return the patch (`source.wanted` ×2) out of the enlarged `source.region`, as a picture for the screen."""
    patch = client.cut(enlarged, source.region.doubled(), source.wanted.doubled(), source.space.bytes_per_pixel)
    return scratch.picture(patch, source.wanted.size.enlarged(), source.space)
