"""One upscale from the chosen layers to the placed result; asynchronous, on the main thread except for the worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import client, log, server, sizes
from .errors import Cancelled, UpscaleError
from .host import documents, views
from .host.qt import QtCore, QtWidgets
from .i18n import _
from .layers import each_with_picture
from .pixels import plan
from .pixels.plan import Plan
from .placing import Placed, place
from .progress import ProgressPanel
from .server import Worker
from .settings import Settings
from .source import Result, has_selection, take, wanted_of

WATCH_EVERY = 300  # milliseconds between looks at whether the document is still open


class Run(QtCore.QObject):
    """Takes the layers, has them enlarged, places the results; then emits `ended` with `placed` or `error` set."""

    ended = QtCore.pyqtSignal()

    def __init__(self, document: Any, nodes: Sequence[Any], settings: Settings) -> None:
        super().__init__()
        self.placed: Placed | None = None
        self.error: UpscaleError | None = None
        self._reason = _("Cancelled; the document is as it was.")
        self._document = document
        self._plans, self._left_out = _plans(document, nodes, settings)
        self._worker = Worker(self._work, self)
        self._worker.finished.connect(self._arrived)
        self._panel = ProgressPanel([each.source.name for each in self._plans], views.main_window())
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

    def _work(self, worker: Worker) -> list[bytes | bytearray]:
        """Find or start the server, send, receive (in the thread, so Krita is not touched)."""
        runtime = client.connect(server.RECORD, worker.waiting.emit, worker.cancelling)
        promised = sum(each.promised for each in self._plans)
        made: list[bytes | bytearray] = []
        done = 0
        for each in self._plans:
            source = each.source
            answer = client.upscale(
                runtime, each.sent, source.region.size, source.format, each.options, samples=source.samples,
                on_progress=_reporter(worker, done, promised), cancel=worker.cancelling,
            )  # fmt: skip
            done += each.promised
            made.append(plan.finish(each, answer) if source.is_direct else answer)
        return made

    def _look_at_document(self) -> None:
        if not documents.is_open(self._document):
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
        made = self._worker.result
        assert isinstance(made, list)
        results = [
            Result(each.source, pixels if each.source.is_direct else plan.finish(each, pixels))
            for each, pixels in zip(self._plans, made, strict=True)
        ]
        return place(results, self._plans[0].settings.output, self._left_out)


def _plans(document: Any, nodes: Sequence[Any], settings: Settings) -> tuple[list[Plan], tuple[str, ...]]:
    """Return a plan for each layer that has a picture, and a sentence for each other one."""
    found, left_out = each_with_picture(nodes, lambda node: (node, wanted_of(document, node)))
    places = [place for _node, place in found]
    output = settings.output
    whole = sizes.basis(documents.canvas(document), places, output, has_selection(document))
    result = sizes.result_of(settings, whole.size)
    label = sizes.label(settings, result)
    enlargements = [sizes.enlargement(whole, result, place, output) for place in places]
    taken = [take(document, node, each, label) for (node, _place), each in zip(found, enlargements, strict=True)]
    return [plan.make(source, settings) for source in taken], left_out


def _reporter(worker: Worker, before: int, promised: int) -> Callable[[int, int], None]:
    """Return what tells how far all layers have come while one is received; `before` bytes were received already."""
    return lambda received, _of_this_one: worker.progressed.emit(before + received, promised)
