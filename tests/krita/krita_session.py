"""Real Krita under Xvfb: a profile of its own with the plug-in installed, and scripts run inside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plugin_krita import installer
from plugin_krita.kritarc import with_plugin
from server.plugins.install import Surroundings
from tests.hosts.editor_host import EditorHost, Outcome

HERE = Path(__file__).parent
SCREENSHOTS = HERE.parent / "screenshots"
FOLDERS = {"XDG_DATA_HOME": "data", "XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache"}


@dataclass(frozen=True)
class Ended:
    """A Krita that has ended: exit status, output, and the file with what its script gave to `inside.answer()`."""

    outcome: Outcome
    answer: Path

    def answers(self) -> dict[str, Any]:
        """Return the script's answers and, as `printed`, its output; fail the test when the script failed."""
        code, errors = self.outcome.code, self.outcome.errors
        if code != 0:
            found = max(0, errors.find("Traceback"))
            pytest.fail(f"Krita ended with {code}\n{self.outcome.output[-800:]}\n{errors[found:][-1500:]}")
        told: dict[str, Any] = json.loads(self.answer.read_text(encoding="utf-8"))
        return {**told, "printed": self.outcome.output}


@dataclass(frozen=True)
class KritaSession:
    """A profile; its folder `work` is /job for Krita. The resource database is kept from run to run: it costs 8 s."""

    host: EditorHost
    work: Path

    @classmethod
    def fresh(cls, host: EditorHost, work: Path, *, plugin: bool = True) -> KritaSession:
        """Make a profile in which the plug-in is installed and switched on by its own installer."""
        session = cls(host, work)
        session.resources.mkdir(parents=True)
        if plugin:
            around = Surroundings(work, "linux", {name: str(work / folder) for name, folder in FOLDERS.items()})
            told = installer.install(around=around)
            assert len(told) == 1
            assert "switched on" in told[0]
        shutil.copytree(HERE / "driver", session.resources / "pykrita", dirs_exist_ok=True)
        session.settings.parent.mkdir(exist_ok=True)
        before = session.settings.read_text(encoding="utf-8") if session.settings.exists() else ""
        session.settings.write_text(with_plugin(before, "nu_driver"), encoding="utf-8")
        return session

    @property
    def resources(self) -> Path:
        """Return Krita's resource folder."""
        return self.work / "data" / "krita"

    @property
    def settings(self) -> Path:
        """Return its kritarc."""
        return self.work / "config" / "kritarc"

    def run(
        self,
        script: str,
        *,
        opened: str = "",
        parameters: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
        environment: str = "",
        timeout: float = 500,
    ) -> Ended:
        """Run scripts/SCRIPT.py inside Krita.

        Args:
            script: its name without ending.
            opened: a file in `work` that Krita opens first.
            parameters: what `inside.parameters()` gives the script.
            variables: further environment variables.
            environment: words for `env` in front of Krita, for example "-u LC_ALL".
            timeout: seconds.

        Returns:
            How it ended.
        """
        shutil.copytree(HERE / "scripts", self.work / "scripts", dirs_exist_ok=True)
        (self.work / "answer.json").unlink(missing_ok=True)
        (self.work / "parameters.json").write_text(json.dumps(parameters or {}), encoding="utf-8")
        given = {
            **{name: f"/job/{folder}" for name, folder in FOLDERS.items()},
            "NEURAL_UPSCALE_RUNTIME": "/job/runtime.json",
            "NU_SCRIPT": f"/job/scripts/{script}.py",
            "NU_DOCUMENT": "yes" if opened else "no",
            **(variables or {}),
        }
        krita = f"exec env {environment} krita --nosplash {f'/job/{opened}' if opened else ''}"
        outcome = self.host.run(self.work, ["sh", "-c", krita], screen=True, timeout=timeout, variables=given)
        return Ended(outcome, self.work / "answer.json")

    def keep_screenshots(self, prefix: str) -> list[Path]:
        """Move the screenshots that a script made to the folder tests/screenshots, which git ignores."""
        SCREENSHOTS.mkdir(exist_ok=True)
        return [
            Path(shutil.move(made, SCREENSHOTS / f"{prefix}-{made.name}"))
            for made in sorted((self.work / "screenshots").glob("*.png"))
        ]
