"""`neural-upscale doctor`: look at everything that can go wrong, and say what to do about it. Changes nothing.

The editors' rows are made here, by what the installers of both plug-ins know of the editors' folders.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from server.cli.doctor.checks import FAIL, NOTE, OK, Row, machine_rows, server_rows
from server.installed import version
from server.plugins.install import RECORD, Surroundings

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


@dataclass(frozen=True)
class Place:
    """An editor of the user, and what its plug-in should look like there."""

    editor: str  # "gimp" or "krita", as `neural-upscale install` calls it
    subject: str  # the row's subject, as "GIMP 3.0, Flatpak"
    root: Path  # the folder that the names below are relative to
    record: str  # name of the installer's record
    files: Mapping[str, Path]  # name → the file that should be there, byte for byte
    program: str = ""  # the name that needs the run bit; empty for none
    switched_on: bool | None = None  # whether the editor's settings have it on; None where there is no such switch


def plugin_rows(around: Surroundings | None = None) -> list[Row]:
    """Return one row for each editor found; a row that says so where there is none.

    Args:
        around: the machine; None for this one.

    Returns:
        The rows.
    """
    around = around or Surroundings.here()
    rows = []
    for name, places in (("GIMP 3", list(_gimps(around))), ("Krita 5 or 6", list(_kritas(around)))):
        editor = name.split()[0]
        remedy = f"install {editor} and start it once, then: neural-upscale install {editor.lower()}"
        rows += [check(place) for place in places] or [Row(name, NOTE, "none found", remedy)]
    return rows


def _gimps(around: Surroundings) -> Iterator[Place]:
    from plugin_gimp import installer, places

    record = f"{installer.FOLDER}/{RECORD}"
    program = f"{installer.FOLDER}/{installer.PROGRAM}"
    for each in places.find_places(around):
        yield Place("gimp", f"GIMP {each.kind}", each.plug_ins, record, installer.plugin_files(), program)


def _kritas(around: Surroundings) -> Iterator[Place]:
    from plugin_krita import installer, places

    for each in places.find_places(around):
        switched_on = None if each.settings is None else _is_on(each.settings, f"enable_{installer.NAME}=true")
        files = installer.plugin_files()
        subject = f"Krita {each.kind}"
        yield Place("krita", subject, each.resources, installer.RECORD, files, switched_on=switched_on)


def _is_on(settings: Path, switch: str) -> bool:
    try:
        lines = settings.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return switch in (line.strip() for line in lines)


def check(place: Place) -> Row:
    """Look at the plug-in in one editor.

    Args:
        place: the editor.

    Returns:
        A row that names the first thing that is wrong.
    """
    repair = f"neural-upscale install {place.editor}, then restart {place.subject.split()[0]}"
    if not (place.root / place.record).exists():
        return Row(place.subject, FAIL, f"the plug-in is not installed in {place.root}", repair)
    fault = _fault(place)
    if fault:
        return Row(place.subject, FAIL, f"{fault} (in {place.root})", repair)
    return Row(place.subject, OK, f"plug-in {version()} in {place.root}")


def _fault(place: Place) -> str:
    try:
        record = json.loads((place.root / place.record).read_text(encoding="utf-8"))
        installed, command = str(record["version"]), str(record["command"][0])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as fault:
        return f"the record {place.record} cannot be read: {fault!r}"
    if installed != version():
        return f"the plug-in is version {installed}, the package {version()}"
    missing = [name for name in place.files if not (place.root / name).is_file()]
    if missing:
        return f"{missing[0]} is missing" + (f", and {len(missing) - 1} more" if len(missing) > 1 else "")
    changed = [name for name, source in place.files.items() if (place.root / name).read_bytes() != source.read_bytes()]
    if changed:
        return f"{changed[0]} is not the package's" + (f", nor {len(changed) - 1} more" if len(changed) > 1 else "")
    if os.name == "posix" and place.program and not os.access(place.root / place.program, os.X_OK):
        return f"{place.program} has no run bit, so that the editor ignores it"
    if shutil.which(command) is None:
        return f"the recorded command {command} cannot be run"
    return "the plug-in is switched off in the editor's settings" if place.switched_on is False else ""
