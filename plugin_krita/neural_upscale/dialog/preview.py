"""The preview: takes a patch of the layer, shows it as Krita enlarges it, asks the server for the same, shows both.

Pixels are read and pictures made on the main thread (Krita's own calls); the server is asked in a thread, for the
latest request only.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

from .. import client, log
from ..client import Region, Size
from ..host import documents, scratch
from ..host.qt import QtCore, QtGui, QtWidgets
from ..i18n import _
from ..layers import bounds_of
from ..pixels.exchange import in_own_space, to_send
from ..server import shield_from_broken_pipes
from ..settings import Settings
from ..source import Source, take_patch, wanted_of
from .widgets import THUMBNAIL, DividedView, Thumbnail

PAUSE = 60  # milliseconds in which several moves or sizes become one look
PATIENCE = 500  # milliseconds without an answer, after which the preview says that it waits


@dataclass(frozen=True)
class Request:
    """One patch to enlarge with one model; `pixels` as `source.format` says."""

    source: Source
    settings: Settings
    pixels: bytes | bytearray = field(repr=False)
    runtime: client.Runtime


class Preview(QtCore.QObject):
    """Looks after the two pictures `view` and `thumbnail`, which the dialog lays out."""

    # what is shown: its client.Chosen, the seconds for a pixel that the server computed
    answered = QtCore.pyqtSignal(object, float)
    _answered = QtCore.pyqtSignal(object, object, object, float)
    _failed = QtCore.pyqtSignal(object, str)

    def __init__(self, document: Any, node: Any, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self._document, self._node = document, node
        self._settings, self._factor = Settings(), float(client.SCALE)
        self._runtime: client.Runtime | None = None
        self._request: Request | None = None
        self._shown: Request | None = None
        self._patch: Source | None = None
        self._looking = False
        self._centre = wanted_of(document, node).centre
        self.view = DividedView()
        self.view.resized.connect(self._look_soon)
        canvas = documents.canvas(document)
        self.thumbnail = Thumbnail(_thumbnail(document, parent.devicePixelRatioF()), canvas)
        self.thumbnail.picked.connect(self._pick)
        self._answered.connect(self._show_after)
        self._failed.connect(self._show_fault)
        self._asker: client.LatestOnly[Request] = client.LatestOnly(self._ask_server)
        self._soon = QtCore.QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._look)
        self._late = QtCore.QTimer(self)
        self._late.setSingleShot(True)
        self._late.timeout.connect(lambda: self.view.show_note(_("Enlarging…"), busy=True))

    def choose(self, settings: Settings, factor: float) -> None:
        """Show the patch with this model, detail and clean-up, so many times as large."""
        settings = Settings(settings.model, settings.detail, cleanup=settings.cleanup)  # the rest is not seen here
        if factor != self._factor:
            self._settings, self._factor = settings, factor
            self._look_soon()
        elif settings != self._settings:
            self._settings = settings
            self._ask()

    def zoom(self, factor: int) -> None:
        """Show each pixel of the result as so many of the screen's."""
        self.view.zoom = factor
        self._look_soon()

    def use_server(self, runtime: client.Runtime) -> None:
        """Ask this server from now on."""
        self._runtime = runtime
        self._ask()

    def say(self, sentence: str, busy: bool) -> None:
        """Show in place of the network's patch why there is none yet."""
        if self._runtime is None:
            self.view.show_note(sentence, busy)

    def end(self) -> None:
        """Ask no more; returns at once."""
        self._soon.stop()
        self._late.stop()
        self._asker.end()

    def _pick(self, column: int, row: int) -> None:
        self._centre = column, row
        self.thumbnail.show_patch(self._patch_about(bounds_of(self._document, self._node)))
        self._look_soon()

    def _look_soon(self) -> None:
        self._soon.start(PAUSE)

    def settled(self) -> bool:
        """Return whether the patch is shown that was asked for last, from both sides."""
        return not self._looking and not self._soon.isActive() and self._shown is self._request is not None

    def _look(self) -> None:
        if self._looking:  # Krita runs events while it scales: a newer wish has come in the middle of the last one
            self._look_soon()
            return
        self._looking = True
        try:
            self._show_patch()
        finally:
            self._looking = False

    def _show_patch(self) -> None:
        try:
            bounds = bounds_of(self._document, self._node)
            patch = self._patch_about(bounds)
            source = take_patch(self._document, self._node, patch, patch.size.enlarged(self._factor))
            enlarged = scratch.enlarge_part(
                source.pixels, source.region, source.space, source.enlargement, source.target
            )
            self.view.show_before(scratch.picture(enlarged, source.target.size, source.space))
        except Exception as fault:  # noqa: BLE001 (shown as a sentence)
            self.view.show_note(str(log.as_upscale_error(fault)))
            return
        self._centre = patch.centre
        self.thumbnail.show_patch(patch)
        self._patch, self._request = source, None
        self._ask()

    def _patch_about(self, bounds: Region) -> Region:
        """Return the part of `bounds` whose result fills the view, pushed inside."""
        room = self.view.room()
        size = Size(*(math.ceil(side / self._factor) for side in (room.width, room.height)))
        return client.patch_about(self._centre, bounds, size)

    def _ask(self) -> None:
        """Ask for the patch by the settings, as soon as there are a server and a patch."""
        if self._runtime is None or self._patch is None:
            return
        known = self._request
        if known is None or known.source is not self._patch:
            pixels = to_send(self._patch)
            self._request = Request(self._patch, self._settings, pixels, self._runtime)
        else:
            self._request = replace(known, settings=self._settings, runtime=self._runtime)
        self._late.start(PATIENCE)
        self._asker.ask(self._request)

    def _ask_server(self, request: Request, cancel: client.Cancel) -> None:
        """Ask for a request (in the asker's thread, which must never raise)."""
        shield_from_broken_pipes()
        with contextlib.suppress(RuntimeError):  # the dialog was closed meanwhile
            try:
                begun, source = time.monotonic(), request.source
                answer, chosen = _enlarged(request, cancel)
                pixels = client.computed_pixels(source.region.size, source.asked.size)
                seconds = (time.monotonic() - begun) / pixels
                self._answered.emit(request, answer, chosen, seconds)
            except client.Cancelled:
                pass  # a newer request is on its way
            except Exception as fault:  # noqa: BLE001 (shown as a sentence)
                self._failed.emit(request, str(log.as_upscale_error(fault)))

    def _show_after(self, request: Request, answer: bytearray, chosen: client.Chosen, seconds: float) -> None:
        if request is self._request:
            self._late.stop()
            self._shown = request
            self.answered.emit(chosen, seconds)
            own = in_own_space(request.source, request.pixels, answer)
            self.view.show_after(_picture(request.source, own))

    def _show_fault(self, request: Request, sentence: str) -> None:
        if request is self._request:
            self._late.stop()
            self.view.show_note(sentence)


def _thumbnail(document: Any, ratio: float) -> QtGui.QImage:
    room = Size(int(THUMBNAIL.width * ratio), int(THUMBNAIL.height * ratio))
    size = client.fitted(documents.canvas(document).size, room)
    picture = document.thumbnail(size.width, size.height)
    picture.setDevicePixelRatio(ratio)
    return picture


def _enlarged(request: Request, cancel: client.Cancel) -> tuple[bytearray, client.Chosen]:
    source, settings = request.source, request.settings
    chosen: list[client.Chosen] = []
    answer = client.upscale(
        request.runtime, request.pixels, source.region.size, source.format,
        client.Options(settings.model, settings.detail, settings.cleanup, source.asked.size), samples=source.samples,
        on_chosen=chosen.append, cancel=cancel,
    )  # fmt: skip
    return answer, chosen[-1]


def _picture(source: Source, enlarged: bytes | bytearray) -> QtGui.QImage:
    """Return the patch (`source.target`) out of pixels of `source.asked`, as a picture for the screen."""
    patch = client.cut(enlarged, source.asked, source.target, source.space.bytes_per_pixel)
    return scratch.picture(patch, source.target.size, source.space)
