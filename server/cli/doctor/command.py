"""`neural-upscale doctor`: look at everything that can go wrong, and say what to do about it. Changes nothing."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from server.cli.doctor.machine import machine_rows
from server.cli.doctor.plugins import plugin_rows
from server.cli.doctor.rows import FAIL, NOTE, OK, Row
from server.cli.doctor.server import server_rows
from server.installed import version

MARKS = {OK: "ok  ", NOTE: "note", FAIL: "FAIL"}
WIDTH = 118  # characters


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; the exit code is 1 when a row fails, else 0."""
    parser = argparse.ArgumentParser(
        prog="neural-upscale doctor", description="Looks at everything that can go wrong, and says what to do about it."
    )
    parser.add_argument("--json", action="store_true", help="machine-readable instead of a table")
    arguments = parser.parse_args(argv)
    logging.getLogger("server").addHandler(logging.NullHandler())  # the table says it all
    rows = examine()
    sys.stdout.write(as_json(rows) if arguments.json else as_table(rows))
    return 1 if any(row.state == FAIL for row in rows) else 0


def examine() -> list[Row]:
    """Look at this machine: Python, torch, device, memory, weights; server; each editor's plug-in."""
    return [*machine_rows(), *server_rows(), *plugin_rows()]


def as_json(rows: Sequence[Row]) -> str:
    """Return `{"version", "ok", "rows": [{"subject", "state", "found", "remedy"}]}`; "ok" when no row fails."""
    report = {
        "version": version(),
        "ok": all(row.state != FAIL for row in rows),
        "rows": [asdict(row) for row in rows],
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def as_table(rows: Sequence[Row]) -> str:
    """Return one line a row, the remedy below it, and a summary at the end."""
    column = max(len(row.subject) for row in rows)
    lines = []
    for row in rows:
        start = f"{MARKS[row.state]}  {row.subject:<{column}}  "
        lines += _wrapped(row.found, start, " " * len(start))
        if row.remedy:
            lines += _wrapped(row.remedy, " " * len(start) + "→ ", " " * (len(start) + 2))
    failed = sum(row.state == FAIL for row in rows)
    lines += ["", f"{failed} of {len(rows)} rows fail: see → for what to do." if failed else "All is well."]
    return "\n".join(lines) + "\n"


def _wrapped(text: str, first: str, further: str) -> list[str]:
    # Paths and commands stay in one piece, so that they can be copied.
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )
