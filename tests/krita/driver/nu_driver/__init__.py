"""For tests only: runs the script that $NU_SCRIPT names once Krita is ready, and ends Krita with an exit status.

The script's generator `steps()` yields seconds to let Krita's own event loop run. Status: 0, 1 when the script raised
or a modal box stopped one of its steps, 3 when Krita never became ready.
"""

import os
import sys
import time
import traceback
from pathlib import Path

from krita import Extension, Krita

try:
    from PyQt5.QtCore import QTimer
    from PyQt5.QtWidgets import QApplication, QLabel
except ImportError:  # Krita 6
    from PyQt6.QtCore import QTimer
    from PyQt6.QtWidgets import QApplication, QLabel

PATIENCE = 90
BOX_PATIENCE = 10  # seconds that one box may stop one step


class Driver(Extension):
    def __init__(self, parent):
        super().__init__(parent)
        self.born = time.monotonic()
        self.timer = self.watch = None
        self.steps = None
        self.stopped = None  # the box that stops the step under way, and since when

    def setup(self):
        pass

    def createActions(self, window):  # noqa: N802
        if self.timer is None and os.environ.get("NU_SCRIPT"):
            self.timer, self.watch = QTimer(), QTimer()
            self.timer.timeout.connect(self.advance)
            self.watch.timeout.connect(self.look_for_a_box)
            self.timer.start(100)
            self.watch.start(500)

    def is_ready(self):
        window = Krita.instance().activeWindow()
        if window is None or time.monotonic() - self.born < 1:
            return False
        if os.environ.get("NU_DOCUMENT") != "yes":
            return True
        document = Krita.instance().activeDocument()
        return document is not None and document.activeNode() is not None

    def advance(self):
        if self.steps is None and not self.is_ready():
            if time.monotonic() - self.born > PATIENCE:
                self.say_what_the_box_says(QApplication.activeModalWidget())
                self.end(3)
            return
        self.timer.stop()  # a script may run event loops of its own
        try:
            if self.steps is None:
                script = Path(os.environ["NU_SCRIPT"])
                sys.path.insert(0, str(script.parent))
                names = {"__name__": "script", "__file__": str(script)}
                exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), names)
                self.steps = names["steps"]()
            wait = next(self.steps)
            self.timer.start(int(1000 * (wait or 0.1)))
        except StopIteration:
            self.end(0)
        except BaseException:  # noqa: BLE001 (told by the exit status)
            traceback.print_exc()
            self.end(1)

    def look_for_a_box(self):
        """End Krita when the step under way has been stopped by the same modal box for too long."""
        box = QApplication.activeModalWidget()
        if box is None or self.timer.isActive():  # between two steps the timer waits: then no step is stopped
            self.stopped = None
        elif self.stopped is None or self.stopped[0] is not box:
            self.stopped = box, time.monotonic()
        elif time.monotonic() - self.stopped[1] > BOX_PATIENCE:
            self.say_what_the_box_says(box)
            self.end(1)

    def say_what_the_box_says(self, box):
        if box is not None:
            texts = [label.text() for label in box.findChildren(QLabel) if label.text()]
            print(f"A modal box stopped the script: {box.windowTitle()}: {' '.join(texts)}", file=sys.stderr)

    def end(self, code):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


Krita.instance().addExtension(Driver(Krita.instance()))
