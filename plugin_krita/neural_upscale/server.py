"""Finds the server, and talks to it in a thread, so that Krita's window never waits for it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

from . import client
from .host.qt import QtCore

RECORD = Path(__file__).with_name("install.json")  # the installer's


def log_of_server() -> Path | None:
    """Return the path of the log of servers that this plug-in starts; None when the record cannot be used."""
    try:
        return client.installation_beside(RECORD).log
    except client.ClientError:
        return None


def running() -> client.Runtime | None:
    """Return the server if it runs; start none."""
    try:
        return client.running_server(RECORD)
    except client.ClientError:
        return None


class Worker(QtCore.QThread):
    """Runs `work` in a thread; afterwards either `result` or `fault` is set.

    `work` gets this worker: it may emit `waiting` (seconds waited for a server that starts) and `progressed` (bytes
    received, bytes promised), and hands `cancelling` to the client.
    """

    waiting = QtCore.pyqtSignal(float)
    progressed = QtCore.pyqtSignal(object, object)

    def __init__(self, work: Callable[[Worker], object], parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._work = work
        self.cancelling = client.Cancel()
        self.result: object = None
        self.fault: BaseException | None = None

    def run(self) -> None:
        """Do the work (in the thread)."""
        shield_from_broken_pipes()
        try:
            self.result = self._work(self)
        except BaseException as fault:  # noqa: BLE001 (handed to whoever waits for the thread)
            self.fault = fault

    def stop(self, seconds: float = 3.0) -> None:
        """Cancel, and wait until the thread has ended."""
        self.cancelling.cancel()
        self.wait(int(seconds * 1000))


def shield_from_broken_pipes() -> None:
    """Block SIGPIPE in this thread: Krita's Python leaves it deadly, so a server that hangs up would end Krita."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
