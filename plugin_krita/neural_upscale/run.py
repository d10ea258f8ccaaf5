"""One upscale from the chosen layer to the placed result; asynchronous, on the main thread except for the worker."""

from __future__ import annotations

from typing import Any

from . import client, log, server
from .errors import Cancelled, UpscaleError
from .host import documents, views
from .host.qt import QtCore, QtWidgets
from .i18n import _
from .pixels import plan
from .placing import Placed, place
from .progress import ProgressPanel
from .server import Worker
from .settings import Settings
from .source import take

WATCH_EVERY = 300  # milliseconds between looks at whether the document is still open


class Run(QtCore.QObject):
    """Takes the layer, has it enlarged, places the result; then emits `ended` with `placed` or `error` set."""

    ended = QtCore.pyqtSignal()

    def __init__(self, document: Any, node: Any, settings: Settings) -> None:
        super().__init__()
        self.placed: Placed | None = None
        self.error: UpscaleError | None = None
        self._reason = _("Cancelled; the document is as it was.")
        self._plan = plan.make(take(document, node), settings)
        self._worker = Worker(self._work, self)
        self._worker.finished.connect(self._arrived)
        self._panel = ProgressPanel(self._plan.source.name, views.main_window())
        self._panel.cancelled.connect(self.cancel)
        self._worker.waiting.connect(self._panel.show_waiting)
        self._worker.progressed.connect(self._panel.show_progress)
        self._watch = QtCore.QTimer(self)
        self._watch.timeout.connect(self._look_at_document)

    def start(self) -> None:
        """Begin; returns at once."""
        QtWidgets.QApplication.instance().aboutToQuit.connect(self._worker.stop)
        self._panel.show()
        self._watch.start(WATCH_EVERY)
        self._worker.start()

    def cancel(self, reason: str = "") -> None:
        """End the server's work; `ended` follows."""
        self._reason = reason or self._reason
        self._panel.show_cancelling()
        self._worker.cancelling.cancel()

    def _work(self, worker: Worker) -> bytes | bytearray:
        """Find or start the server, send, receive (in the thread, so Krita is not touched)."""
        source, settings = self._plan.source, self._plan.settings
        runtime = client.connect(server.RECORD, worker.waiting.emit, worker.cancelling)
        answer = client.upscale(
            runtime, self._plan.sent, source.region.size, source.format,
            client.Options(settings.model, settings.detail, settings.cleanup), samples=source.samples,
            on_progress=worker.progressed.emit, cancel=worker.cancelling,
        )  # fmt: skip
        return plan.finish(self._plan, answer) if source.is_direct else answer

    def _look_at_document(self) -> None:
        if not documents.is_open(self._plan.source.document):
            self.cancel(_("The document was closed, so the work was cancelled."))

    def _arrived(self) -> None:
        self._watch.stop()
        self._panel.close()
        QtWidgets.QApplication.instance().aboutToQuit.disconnect(self._worker.stop)
        try:
            self.placed = self._place()
        except Exception as fault:  # noqa: BLE001 (the one funnel: every fault becomes a sentence)
            self.error = log.as_upscale_error(fault, server.log_of_server())
        self.ended.emit()

    def _place(self) -> Placed:
        if self._worker.cancelling.cancelled or isinstance(self._worker.fault, client.Cancelled):
            raise Cancelled(self._reason)
        if self._worker.fault is not None:
            raise self._worker.fault
        answer, source = self._worker.result, self._plan.source
        assert isinstance(answer, (bytes, bytearray))
        pixels = answer if source.is_direct else plan.finish(self._plan, answer)
        return place(source, self._plan.settings.output, pixels)
