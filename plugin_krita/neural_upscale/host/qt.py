"""The only place that knows which Qt binding Krita carries: PyQt5 (Krita 5) or PyQt6 (Krita 6)."""

from __future__ import annotations

try:
    from PyQt5 import QtCore, QtGui, QtWidgets
except ImportError:
    from PyQt6 import QtCore, QtGui, QtWidgets

__all__ = ["QtCore", "QtGui", "QtWidgets", "borrowed", "execute"]


def execute(loop_or_dialog: QtCore.QObject) -> int:
    """Run an event loop or a modal dialog until it ends; PyQt5 before 5.15 knows only `exec_`."""
    run = getattr(loop_or_dialog, "exec", None) or loop_or_dialog.exec_
    return int(run() or 0)


def borrowed(data: bytes | bytearray) -> QtCore.QByteArray:
    """Wrap bytes for a call into Qt without copying them; they must outlive the call."""
    try:
        return QtCore.QByteArray.fromRawData(data)
    except (AttributeError, TypeError):  # PyQt6 has no such thing
        return QtCore.QByteArray(data)
