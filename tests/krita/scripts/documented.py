"""Runs a block of Python from the documents as the Scripter would: in names of its own, with a document open."""

from inside import JOB, answer, krita


def steps():
    document = krita.activeDocument()
    before = [document.width(), document.height()]
    names = {"__name__": "__main__"}
    exec(compile((JOB / "block.py").read_text(encoding="utf-8"), "block.py", "exec"), names)
    yield 0.3
    answer(before=before, size=[document.width(), document.height()], node=names["node"].name())
