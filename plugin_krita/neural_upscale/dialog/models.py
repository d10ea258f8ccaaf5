"""Reaches the server for the dialog, in a thread: starts it when none runs, and asks for its models."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import Any

from .. import client, log, server
from ..host.qt import QtCore
from ..server import shield_from_broken_pipes


@dataclass(frozen=True)
class Listing:
    """The models as the server lists them."""

    default: str = ""  # the model that "auto" stands for; empty when it is not known
    # each usable model's licence by its name; a family's single files are left out
    licences: dict[str, str] = field(default_factory=dict)
    # the range and default of the detail, for the models that have it
    details: dict[str, dict[str, float]] = field(default_factory=dict)
    with_cleanup: frozenset[str] = frozenset()  # the models that have a clean-up
    faults: tuple[str, ...] = ()  # a sentence for each file that cannot be used

    @classmethod
    def of(cls, told: dict[str, Any]) -> Listing:
        """Read the server's answer."""
        usable = [each for each in told["models"] if each.get("usable", True)]
        details = {each["name"]: each["detail"] for each in usable if each.get("detail")}
        default = told.get("default") or ""
        if default in details:
            details["auto"] = details[default]
        with_cleanup = {each["name"] for each in usable if each.get("cleanup")}
        if default in with_cleanup:
            with_cleanup.add("auto")
        licences = {
            each["name"]: str(each.get("licence") or "") for each in usable if not _is_single(each["name"], details)
        }
        faults = tuple(f"{each['name']}: {each['message']}" for each in told.get("broken", ()))
        return cls(default, licences, details, frozenset(with_cleanup), faults)


def _is_single(name: str, details: dict[str, Any]) -> bool:
    """Return whether a model is one file of a family that is listed as a whole."""
    return any(name.startswith(f"{family}-") and name not in details for family in details)


class Reach(QtCore.QObject):
    """Emits `waiting` (seconds) while a server starts, then `reached` and `listed`, or `failed` with a sentence."""

    waiting = QtCore.pyqtSignal(float)
    reached = QtCore.pyqtSignal(object)
    listed = QtCore.pyqtSignal(object)
    failed = QtCore.pyqtSignal(str)

    def __init__(self, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._cancel = client.Cancel()

    def begin(self) -> None:
        """Begin; returns at once. The thread may outlive the dialog."""
        threading.Thread(target=self._work, name="models", daemon=True).start()

    def end(self) -> None:
        """Wait no longer; a server that is starting goes on."""
        self._cancel.cancel()

    def _work(self) -> None:
        shield_from_broken_pipes()
        with contextlib.suppress(RuntimeError, client.Cancelled):  # RuntimeError: the dialog was closed meanwhile
            try:
                runtime = client.connect(server.RECORD, self.waiting.emit, self._cancel)
                self.reached.emit(runtime)
                self.listed.emit(Listing.of(client.models(runtime)))
            except client.Cancelled:
                raise
            except Exception as fault:  # noqa: BLE001 (shown as a sentence)
                self.failed.emit(str(log.as_upscale_error(fault, server.log_of_server())))
