"""12 megapixels: how long the window is held up, by which of Krita's calls, and how much of it is our own."""

import os
import sys
import time
from collections import defaultdict
from pathlib import Path

from inside import add_layer, answer, choose, close, shown, wishes
from PyQt5.QtCore import Qt, QTimer

HELD = 0.05  # seconds between two events from which on a window is held up
LOOPS = ("exec", "exec_")  # these run the window's events


class Watch:
    """Measures, while it is on, the gaps between a timer's ticks and the time in each call into Qt and Krita."""

    def __init__(self):
        self.gaps, self.calls, self._begun = [], defaultdict(list), []
        self._last = time.monotonic()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def __enter__(self):
        self.begun = self._last = time.monotonic()
        self._timer.start(5)
        sys.setprofile(self._look)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)
        self.seconds = time.monotonic() - self.begun
        self._tick()
        self._timer.stop()

    def _tick(self):
        now = time.monotonic()
        if now - self._last > HELD:
            self.gaps.append(now - self._last)
        self._last = now

    def _look(self, _frame, event, function):
        if event == "c_call":
            self._begun.append(time.monotonic())
        elif event in ("c_return", "c_exception") and self._begun:
            spent = time.monotonic() - self._begun.pop()
            if spent > 0.01 and function.__name__ not in LOOPS:
                self.calls[function.__name__].append(spent)

    def told(self):
        krita = sum(map(sum, self.calls.values()))
        calls = {name: round(sum(spent), 3) for name, spent in self.calls.items()}
        held = sum(self.gaps)
        return {"seconds": self.seconds, "held": held, "longest": max(self.gaps, default=0), "ours": held - krita,
                "gaps": [round(each, 3) for each in self.gaps], "calls": calls}  # fmt: skip


def memory():
    """The most that Krita's process has had resident so far, bytes."""
    line = next(each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def steps():
    import neural_upscale

    width, height = wishes()["size"]
    for output in wishes()["outputs"]:
        document = yield from shown(width, height)
        node = add_layer(document, "photo", os.urandom(4 * width * height), (0, 0, width, height))
        yield from choose(document, node)
        yield 1
        before = memory()
        with Watch() as watch:
            made = neural_upscale.upscale(output=output)
        answer(**{output: {**watch.told(), "memory": [before, memory()]}})
        if output == "new":
            close(made)
        close(document)
        yield 1
