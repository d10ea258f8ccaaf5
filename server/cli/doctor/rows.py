"""A row of the doctor's table."""

from __future__ import annotations

from dataclasses import dataclass

OK, NOTE, FAIL = "ok", "note", "fail"
REINSTALL = "install the package again, as it was installed: uv tool install, pipx install, or make run"


@dataclass(frozen=True)
class Row:
    """What was looked at, and what was found."""

    subject: str  # what was looked at, a few words
    state: str  # OK, NOTE (works, but worth knowing) or FAIL
    found: str  # what is there, one line
    remedy: str = ""  # what to do; never empty where the state is FAIL
