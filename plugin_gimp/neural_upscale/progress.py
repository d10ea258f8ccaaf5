"""GIMP's progress bar during a run. Cancel needs no code, because GIMP then ends this process."""

from __future__ import annotations

import time

from gi.repository import Gimp

from . import client
from .i18n import _

PAUSE = 0.1  # seconds between two updates; each is a round trip to GIMP


class ProgressBar:
    """GIMP's progress bar during a run."""

    def __init__(self) -> None:
        self._progress: client.Progress | None = None
        self._updated = 0.0
        Gimp.progress_init(_("Neural Upscale"))

    def show_waiting(self, waited: float) -> None:
        """Show that a server is being started, since `waited` seconds ago."""
        Gimp.progress_set_text(_("Starting the model server… {seconds} s").format(seconds=int(waited)))
        Gimp.progress_pulse()

    def show_sending(self) -> None:
        """Show that the pixels are on their way to the server."""
        Gimp.progress_set_text(_("Waiting for the first pixels…"))
        Gimp.progress_update(0.0)

    def show_progress(self, done: int, promised: int) -> None:
        """Show that `done` of `promised` bytes have come."""
        if self._progress is None:
            self._progress = client.Progress()
        if time.monotonic() - self._updated < PAUSE and done < promised:
            return
        self._updated = time.monotonic()
        Gimp.progress_set_text(_("Neural Upscale: {progress}").format(progress=self._progress.text(done, promised)))
        Gimp.progress_update(done / promised)

    def end(self) -> None:
        """End the progress bar."""
        Gimp.progress_end()
