"""What GIMP's progress bar says during a run. Cancel needs nothing here: GIMP then ends this process."""

from __future__ import annotations

import time

from gi.repository import Gimp

from . import client
from .i18n import _

PAUSE = 0.1  # seconds between two updates; each is a round trip to GIMP


class Telling:
    """Tells GIMP how far the run is."""

    def __init__(self) -> None:
        self._pace: client.Progress | None = None
        self._told = 0.0
        Gimp.progress_init(_("Neural Upscale x2"))

    def starting(self, waited: float) -> None:
        """Say that the server is being started, for `waited` seconds so far."""
        Gimp.progress_set_text(_("Starting the model server… {seconds} s").format(seconds=int(waited)))
        Gimp.progress_pulse()

    def sending(self) -> None:
        """Say that the pixels are on their way."""
        Gimp.progress_set_text(_("Waiting for the first pixels…"))
        Gimp.progress_update(0.0)

    def received(self, done: int, promised: int) -> None:
        """Say that `done` of `promised` bytes are here."""
        if self._pace is None:
            self._pace = client.Progress()
        if time.monotonic() - self._told < PAUSE and done < promised:
            return
        self._told = time.monotonic()
        Gimp.progress_set_text(_("Neural Upscale x2: {pace}").format(pace=self._pace.text(done, promised)))
        Gimp.progress_update(done / promised)

    def done(self) -> None:
        """End the progress bar."""
        Gimp.progress_end()
