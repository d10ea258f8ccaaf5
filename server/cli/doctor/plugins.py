"""The doctor's look at the editors, by what the installers of both plug-ins know of their folders."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from server.cli.doctor.rows import FAIL, NOTE, OK, Row
from server.installed import version
from server.plugins.install import RECORD, Surroundings


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
