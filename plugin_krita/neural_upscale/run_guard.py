"""Where the run under way is kept: one at a time, started from the menu or from a script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import AlreadyRunning
from .i18n import _
from .run import Run
from .settings import Settings


class RunGuard:
    """Holds the run under way and refuses a second one."""

    def __init__(self) -> None:
        self.current: Run | None = None

    def check_free(self) -> None:
        """Refuse when a run is under way.

        Raises:
            AlreadyRunning: one is.
        """
        if self.current is not None:
            text = _("An upscale is already under way; wait for it, or cancel it in its small window.")
            raise AlreadyRunning(text)

    def begin(self, document: Any, nodes: Sequence[Any], settings: Settings) -> Run:
        """Prepare a run; the caller connects to its `ended` and starts it.

        Args:
            document: Krita's document.
            nodes: the layers in it, from the bottom up.
            settings: the user's choices.

        Returns:
            The run, not started yet.

        Raises:
            AlreadyRunning: one is under way.
            UpscaleError: there is nothing to enlarge.
        """
        self.check_free()
        run = Run(document, nodes, settings)
        self.current = run
        run.ended.connect(self._clear)
        return run

    def _clear(self) -> None:
        if self.current is not None:
            self.current.deleteLater()
        self.current = None


GUARD = RunGuard()  # the plug-in's only state; Krita loads the plug-in once
