"""A profile for real GIMP with the plug-in installed in it, and scripts run in its Python batch interpreter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plugin_gimp.installer import install
from tests.hosts.editor_host import CACHE, SUITE, EditorHost, Outcome

INSIDE = Path(__file__).with_name("inside.py")
ASKED = CACHE / f"{SUITE}-pluginrc"  # what GIMP's own plug-ins told it, which saves a fresh profile many seconds
GIMPRC = """(config-version "3.0.4")
(show-welcome-dialog no)
(check-updates no)
(color-profile-policy keep)
(metadata-rotation-policy keep)
(save-session-info no)
(restore-session no)
"""


@dataclass(frozen=True)
class GimpSession:
    """GIMP in a folder of its own, which it sees as /job; what scripts answer and keep lies there."""

    host: EditorHost
    work: Path
    preferences: str = GIMPRC

    @classmethod
    def fresh(cls, host: EditorHost, work: Path, preferences: str = "") -> GimpSession:
        """Make a profile and install the plug-in into it, as a user would with `install gimp --to`."""
        install(to=work / "gimp" / "plug-ins")
        return cls.of(host, work, preferences)

    @classmethod
    def of(cls, host: EditorHost, work: Path, preferences: str = "") -> GimpSession:
        """Return a session for a profile into which the plug-in came in another way; with more lines of gimprc."""
        if SUITE == "krita6":
            pytest.skip("the editors' system krita6 has no GIMP")
        if ASKED.exists():
            shutil.copy(ASKED, work / "gimp" / "pluginrc")
        return cls(host, work, GIMPRC + preferences)

    def run(
        self, script: str, *, screen: bool = False, timeout: float = 400, variables: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Run a Python script in GIMP; it fails when the script raises.

        Args:
            script: the source; `inside.py` has run before it.
            screen: with GIMP's window, under an X server.
            timeout: seconds.
            variables: further environment variables.

        Returns:
            What the script answered.
        """
        self.start(script, screen=screen, timeout=timeout, variables=variables).must_succeed()
        answers = self.work / "answers.json"
        told: dict[str, Any] = json.loads(answers.read_text()) if answers.exists() else {}
        return told

    def start(
        self, script: str, *, screen: bool = False, timeout: float = 400, variables: Mapping[str, str] | None = None
    ) -> Outcome:
        """Do the same, but give GIMP's own outcome (64: the script raised)."""
        (self.work / "answers.json").unlink(missing_ok=True)
        shutil.copy(INSIDE, self.work / "inside.py")
        (self.work / "script.py").write_text(script, encoding="utf-8")
        load = "exec(open('/job/inside.py').read()); exec(open('/job/script.py').read())"
        return self.command(
            ["gimp" if screen else "gimp-console", "-d", *(["-s"] if screen else ["-i"]), "--quit",
             "--batch-interpreter=python-fu-eval", "-b", load],
            screen=screen, timeout=timeout, variables=variables,
        )  # fmt: skip

    def command(
        self,
        command: list[str],
        *,
        screen: bool = False,
        timeout: float = 400,
        variables: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Run any command with this profile."""
        profile = self.work / "gimp"
        (profile / "gimprc").write_text(self.preferences)  # GIMP writes it anew at each end
        given = {"GIMP3_DIRECTORY": "/job/gimp", "NEURAL_UPSCALE_RUNTIME": "/job/runtime.json", **(variables or {})}
        outcome = self.host.run(self.work, command, screen=screen, timeout=timeout, variables=given)
        asked = profile / "pluginrc"
        if asked.exists() and not ASKED.exists():
            ASKED.write_bytes(asked.read_bytes())
        return outcome

    def kept(self, name: str) -> bytes:
        """Return a file that a script kept."""
        return (self.work / name).read_bytes()
