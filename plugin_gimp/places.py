"""Where GIMP 3 keeps a user's plug-ins, for each way in which it can be installed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from server.plugins.install import Surroundings

FIRST_VERSION = "3.0"
VERSION = re.compile(r"3\.\d+")
PROGRAMS = ("gimp-3.2", "gimp-3.0", "gimp-3", "gimp")  # the newest first
FLATPAKS = ("org.gimp.GIMP",)
MAC_PROGRAMS = "Contents/MacOS/gimp*"
MAC_APPS = ("GIMP.app", "GIMP-3.0.app")


@dataclass(frozen=True)
class GimpPlace:
    """One GIMP of the user."""

    kind: str  # its version and how it was installed, for the user to read
    plug_ins: Path  # the folder in which each plug-in has a folder of its own; it need not exist yet


def find_places(around: Surroundings) -> list[GimpPlace]:
    """Find every GIMP 3 of the user; an AppImage uses the same folders as a native one.

    A GIMP that was never started has no folder yet: where its program is found, the folder of the version in the
    program's name is named, else that of GIMP 3.0.

    Args:
        around: home folder, platform and environment.

    Returns:
        The places, without repetition.
    """
    found: dict[Path, GimpPlace] = {}
    for kind, folder, version in _candidates(around):
        places = _versions(kind, folder)
        if not places and version:
            places = [GimpPlace(f"{version}, {kind}", folder / version / "plug-ins")]
        for place in places:
            found.setdefault(place.plug_ins.resolve(), place)
    return list(found.values())


def _candidates(around: Surroundings) -> Iterator[tuple[str, Path, str]]:
    """Yield each way to install GIMP: its name, the folder that holds one folder a version, its version if here."""
    named = around.environment.get("GIMP3_DIRECTORY")
    if named:
        yield "GIMP3_DIRECTORY", Path(named), ""
    if around.platform == "win32":
        for_all = around.folder("PROGRAMFILES", "Program Files") / "GIMP 3" / "bin"
        own = around.folder("LOCALAPPDATA", "AppData", "Local") / "Programs" / "GIMP 3" / "bin"
        roaming = around.folder("APPDATA", "AppData", "Roaming") / "GIMP"
        yield "Windows", roaming, _version_of_programs([*for_all.glob("gimp-3*.exe"), *own.glob("gimp-3*.exe")])
        packages = around.folder("LOCALAPPDATA", "AppData", "Local") / "Packages"
        for package in sorted(packages.glob("GIMP*_*")):
            yield "Microsoft Store", package / "LocalCache" / "Roaming" / "GIMP", FIRST_VERSION
        return
    if around.platform == "darwin":
        support = around.home / "Library" / "Application Support" / "GIMP"
        applications = (Path("/Applications"), around.home / "Applications")
        programs = [each for folder in applications for app in MAC_APPS for each in (folder / app).glob(MAC_PROGRAMS)]
        yield "macOS", support, _version_of_programs(programs)
        return
    yield "native or AppImage", around.folder("XDG_CONFIG_HOME", ".config") / "GIMP", _version_of_program(around)
    for name in FLATPAKS:
        data = around.home / ".var" / "app" / name
        yield "Flatpak", data / "config" / "GIMP", _if(data.is_dir())
    snap = around.home / "snap" / "gimp"
    yield "Snap", snap / "current" / ".config" / "GIMP", _if((snap / "current").is_dir())


def _versions(kind: str, folder: Path) -> list[GimpPlace]:
    """Return the places below a folder that holds one folder a version; GIMP3_DIRECTORY is such a folder itself."""
    if kind == "GIMP3_DIRECTORY":
        return [GimpPlace(f"3, {kind}", folder / "plug-ins")]
    if not folder.is_dir():
        return []
    versions = sorted(each.name for each in folder.iterdir() if each.is_dir() and VERSION.fullmatch(each.name))
    return [GimpPlace(f"{version}, {kind}", folder / version / "plug-ins") for version in versions]


def _if(is_here: bool) -> str:
    """Return the version to install for where a GIMP is here and does not tell its own; empty where none is."""
    return FIRST_VERSION if is_here else ""


def _version_of_programs(programs: Iterable[Path]) -> str:
    """Return the newest version that programs are named after; the first of GIMP 3 where none tells, "" without any."""
    names = [each.name for each in programs]
    versions = [found.group() for name in names if (found := VERSION.search(name))]
    return max(versions, key=lambda version: int(version.partition(".")[2]), default=_if(bool(names)))


def _version_of_program(around: Surroundings) -> str:
    """Return the version of the native GIMP 3 on the PATH; a plain `gimp` may be GIMP 2, unless it leads to a 3."""
    program = around.program(*PROGRAMS)
    if program is None:
        return ""
    for name in (program.name, program.resolve().name):
        named = VERSION.search(name)
        if named:
            return named.group()
    return _if("gimp-3" in (program.name, program.resolve().name))
