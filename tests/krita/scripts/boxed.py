"""A step that a modal box stops: nobody is there to click on it."""

from inside import QtWidgets


def steps():
    yield 0.1
    QtWidgets.QMessageBox.warning(None, "Careful", "The disk is full of birds.")
