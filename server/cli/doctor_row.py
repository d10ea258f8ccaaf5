"""One line of the doctor's table. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

OK, NOTE, FAIL = "ok", "note", "fail"


@dataclass(frozen=True)
class Row:
    """What was looked at, and what was found.

    Attributes:
        subject: what was looked at, a few words.
        state: OK, NOTE (works, but worth knowing) or FAIL.
        found: what is there, one line.
        remedy: what to do; never empty where the state is FAIL.
    """

    subject: str
    state: str
    found: str
    remedy: str = ""
