"""Real GIMP and real Krita for tests: a Debian system that `recipe.sh` builds once, outside the repository.

A test asks for the fixture `editor_host` (import it in the conftest.py of the folder) and runs commands in the system.
Where that is impossible the test is skipped with the reason, except with CI=true, where it fails. HOSTS_SUITE names
another system than Debian stable's; those change from week to week, so that they may be missing in CI too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

RECIPE = Path(__file__).with_name("recipe.sh")
BUILD_SECONDS = 900
STABLE = "trixie"  # its editors must be there in CI
SUITE = os.environ.get("HOSTS_SUITE") or STABLE
CACHE = Path(os.environ.get("HOSTS_CACHE") or Path.home() / ".cache" / "neural-upscale" / "editor-hosts")


def absent(reason: str) -> NoReturn:
    """Skip the running test for `reason`, or fail it where the editors may not be missing (CI=true)."""
    if os.environ.get("CI") == "true" and SUITE == STABLE:
        pytest.fail(f"{reason} (with CI=true the editors must be there)")
    pytest.skip(reason)


def obstacle() -> str:
    """Return why this machine cannot run the editors; empty when it can."""
    if not sys.platform.startswith("linux"):
        return f"the editors are run in a Debian chroot, and this is {sys.platform}"
    if os.geteuid() != 0:
        return "the chroot with GIMP and Krita needs root; run the tests as root to include them"
    if shutil.which("unshare") is None or shutil.which("chroot") is None:
        return "unshare and chroot (util-linux, coreutils) are not installed"
    probe = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        return "this root may not mount (CAP_SYS_ADMIN is missing)"
    if shutil.which("mmdebstrap") is None and shutil.which("apt-get") is None:
        return "neither mmdebstrap nor apt-get is here to build the chroot with"
    return ""


@dataclass(frozen=True)
class Outcome:
    """What a command in the editors' system did: its exit status and what it wrote."""

    code: int
    output: str
    errors: str

    def must_succeed(self) -> Outcome:
        """Return self; fail the test, with all that was written, when the exit status is not 0."""
        if self.code != 0:
            pytest.fail(f"exit status {self.code}\n--- stdout\n{self.output}\n--- stderr\n{self.errors[-6000:]}")
        return self


@dataclass(frozen=True)
class EditorHost:
    """The built system. Its network is this machine's; everything else that a command sees is its own."""

    recipe: Path = RECIPE

    def run(
        self,
        work: Path,
        command: Sequence[str],
        *,
        screen: bool = False,
        timeout: float = 120,
        variables: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Run `command` with the folder `work` as /job (and as the working place for all its files).

        Args:
            work: a folder of this machine; the command may write into it, and all files there belong to root.
            command: program and arguments as seen inside.
            screen: give it an X server (DISPLAY) and a window manager.
            timeout: seconds until everything in the namespace is killed and the test fails.
            variables: environment variables for the command, beside HOME, PATH, LC_ALL, LANG and XDG_RUNTIME_DIR.

        Returns:
            The outcome; the status is the command's own.
        """
        given = dict(variables or {})
        environment = {**os.environ, **given, "HOSTS_PASS": " ".join(given)}
        process = subprocess.Popen(
            [str(self.recipe), "screen" if screen else "run", str(work), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            errors="replace",
        )
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()  # unshare --kill-child takes the whole namespace with it
            output, errors = process.communicate()
            written = f"--- stdout\n{output}\n--- stderr\n{errors[-6000:]}"
            pytest.fail(f"{command[0]} was not done after {timeout} s\n{written}")
        return Outcome(process.returncode, output, errors)


def build() -> EditorHost:
    """Build the system, or reuse it. Skips or fails the test where it cannot be had."""
    if reason := obstacle():
        absent(reason)
    try:
        built = subprocess.run(
            [str(RECIPE), "build"], capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        absent(f"the editors' system {SUITE} was not built within {BUILD_SECONDS} s")
    if built.returncode != 0:
        absent(f"the editors' system {SUITE} could not be built: {built.stderr.strip()[-800:]}")
    return EditorHost()


@pytest.fixture(scope="session")
def editor_host() -> EditorHost:
    """The system with the editors, built when needed (1 to 3 minutes, once per machine)."""
    return build()
