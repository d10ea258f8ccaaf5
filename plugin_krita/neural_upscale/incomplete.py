"""What the menu entries and `upscale()` do when files of the plug-in are missing: say so, and what to run."""

from __future__ import annotations

import re
from typing import Any

from krita import Extension, Krita

from .errors import UpscaleError
from .menu import ASK, MENU, REPEAT
from .qt import QtWidgets

REMEDY = "install the plug-in again: neural-upscale install krita"


class NeuralUpscale(Extension):
    """The same entries; each tells what is missing."""

    reason = ""

    def setup(self) -> None:
        """Do nothing."""

    def createActions(self, window: Any) -> None:  # noqa: N802 (Krita's name)
        """Add the entries to a window's menu."""
        for entry in (ASK, REPEAT):
            window.createAction(*entry, MENU).triggered.connect(self._tell)

    def _tell(self) -> None:
        window = Krita.instance().activeWindow()
        QtWidgets.QMessageBox.warning(window.qwindow() if window else None, "Neural Upscale x2", self.reason)


def what_is_missing(fault: ImportError) -> None:
    """Note the reason, as a sentence."""
    found = re.search(r"'(?:\w+\.)*(\w+)'", str(fault))  # the module that Python names first
    missing = f"{found.group(1)} is missing or damaged" if found else str(fault)
    NeuralUpscale.reason = f"Neural Upscale is not completely installed ({missing}); {REMEDY}"


def upscale(*_: Any, **__: Any) -> Any:
    """Raise UpscaleError with the reason."""
    raise UpscaleError(NeuralUpscale.reason)


def help() -> None:  # noqa: A001 (its public name)
    """Print the reason."""
    print(NeuralUpscale.reason)  # noqa: T201
