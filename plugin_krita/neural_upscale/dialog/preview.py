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
from ..server import shield_from_broken_pipes
from ..settings import Settings
from ..source import Source, bounds_of, in_own_space, take_patch, to_send, wanted_of
from .widgets import THUMBNAIL, DividedView, Thumbnail

NO_SERVER = "The model server is not running yet; it will be started when you choose OK."


@dataclass(frozen=True)
class Request:
    """One patch to enlarge with one model; `pixels` as `source.format` says."""

    source: Source
    settings: Settings
    pixels: bytes | bytearray = field(repr=False)


class Preview(QtWidgets.QWidget):
    """The patch with its divider above, the thumbnail below."""

    used = QtCore.pyqtSignal(object)  # the client.Chosen of what is shown
    _answered = QtCore.pyqtSignal(object, object, object)
    _failed = QtCore.pyqtSignal(object, str)

    def __init__(self, document: Any, node: Any, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._document, self._node = document, node
        self._settings = Settings()
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
        self._ask(Request(source, self._settings, to_send(source)))

    def choose(self, settings: Settings) -> None:
        """Show the patch with this model, detail and cleanup."""
        changed = replace(settings, output=self._settings.output) != self._settings  # the output is not seen here
        self._settings = replace(settings, output=self._settings.output)
        if self._request is not None and changed:
            self._ask(replace(self._request, settings=self._settings))

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
                self._answered.emit(request, *_enlarged(request, cancel))
            except client.Cancelled:
                pass  # a newer request is on its way
            except client.NoServer:
                self._failed.emit(request, NO_SERVER)
            except Exception as fault:  # noqa: BLE001 (shown as a sentence)
                self._failed.emit(request, str(log.as_upscale_error(fault)))

    def _show_after(self, request: Request, answer: bytearray, chosen: client.Chosen) -> None:
        if request is self._request:
            self.used.emit(chosen)
            own = in_own_space(request.source, answer)
            self.view.show_after(_picture(request.source, own))

    def _show_fault(self, request: Request, sentence: str) -> None:
        if request is self._request:
            self.view.show_note(sentence)


def _enlarged(request: Request, cancel: client.Cancel) -> tuple[bytearray, client.Chosen]:
    runtime = server.running()
    if runtime is None:
        raise client.NoServer(NO_SERVER)
    source, settings = request.source, request.settings
    chosen: list[client.Chosen] = []
    answer = client.upscale(
        runtime, request.pixels, source.region.size, source.format, model=settings.model, detail=settings.detail,
        cleanup=settings.cleanup, samples=source.samples, on_chosen=chosen.append, cancel=cancel,
    )  # fmt: skip
    return answer, chosen[-1]


def _picture(source: Source, enlarged: bytes | bytearray) -> QtGui.QImage:
    """Return the patch (`source.wanted` ×2) out of the enlarged `source.region`, as a picture for the screen."""
    patch = client.cut(enlarged, source.region.doubled(), source.wanted.doubled(), source.space.bytes_per_pixel)
    return scratch.picture(patch, source.wanted.size.enlarged(), source.space)
