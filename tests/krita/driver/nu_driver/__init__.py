"""For tests only: runs the script that $NU_SCRIPT names once Krita is ready, and ends Krita with an exit status.

The script's generator `steps()` yields seconds to let Krita's own event loop run. Status: 0, 1 when the script raised,
3 when Krita never became ready.
"""

import os
import sys
import time
import traceback
from pathlib import Path

from krita import Extension, Krita
from PyQt5.QtCore import QTimer

PATIENCE = 90


class Driver(Extension):
    def __init__(self, parent):
        super().__init__(parent)
        self.born = time.monotonic()
        self.timer = None
        self.steps = None

    def setup(self):
        pass

    def createActions(self, window):  # noqa: N802
        if self.timer is None and os.environ.get("NU_SCRIPT"):
            self.timer = QTimer()
            self.timer.timeout.connect(self.advance)
            self.timer.start(100)

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

    def end(self, code):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


Krita.instance().addExtension(Driver(Krita.instance()))
