"""12 megapixels: how long the window is held up, by which of Krita's calls, and how much of it is our own."""

import os
import sys
import time
from collections import defaultdict
from pathlib import Path

from inside import QtCore, add_layer, answer, choose, close, parameters, shown

HELD = 0.05  # seconds between two events from which on a window is held up
LOOPS = ("exec", "exec_")  # these run the window's events


class Watch:
    """Measures, while it is on, the gaps between a timer's ticks, and what of them passes in Qt's and Krita's calls."""

    def __init__(self):
        self._gaps, self._calls, self._begun = [], [], []
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def __enter__(self):
        self._start = self._last = time.monotonic()
        self._timer.start(5)
        sys.setprofile(self._look)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)
        self._tick()
        self._timer.stop()

    def _tick(self):
        now = time.monotonic()
        if now - self._last > HELD:
            self._gaps.append((self._last, now))
        self._last = now

    def _look(self, _frame, event, function):
        if event == "c_call":
            self._begun.append(time.monotonic())
        elif event in ("c_return", "c_exception") and self._begun:
            begun, ended = self._begun.pop(), time.monotonic()
            if ended - begun > 0.01 and function.__name__ not in LOOPS:
                self._calls.append((function.__name__, begun, ended))

    def told(self):
        """Seconds: on the clock, held up in all and at once, of that outside of the calls; each call's share of it."""
        held = {"held": 0.0, "longest": 0.0, "ours": 0.0}
        shares = defaultdict(float)
        for begun, ended in self._gaps:
            inside = 0.0
            for name, first, last in self._calls:
                share = max(0.0, min(ended, last) - max(begun, first))
                shares[name] += share
                inside += share
            held["held"] += ended - begun
            held["longest"] = max(held["longest"], ended - begun)
            held["ours"] += ended - begun - inside
        return {
            "seconds": self._last - self._start,
            **held,
            "calls": {name: round(each, 2) for name, each in shares.items()},
        }


def memory():
    """The most that Krita's process has had resident so far, bytes."""
    line = next(each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def steps():
    import neural_upscale

    width, height = parameters()["size"]
    for output in parameters()["outputs"]:
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
