"""Where Krita keeps its resources and settings, for each way in which it can be installed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from server.plugins.install import Surroundings

FLATPAK = ".var/app/org.kde.krita"
SNAP = "snap/krita"
STORE_PATTERN = "Packages/*Krita_*"


@dataclass(frozen=True)
class KritaPlace:
    """One Krita on this machine."""

    kind: str  # how it was installed, for the user to read
    resources: Path  # its resource folder, which holds `pykrita` and `actions`
    settings: Path | None  # its kritarc; None when only the folder was named


def find_places(around: Surroundings) -> list[KritaPlace]:
    """Find every Krita of the user; an AppImage uses the same folders as a native one.

    Args:
        around: home folder, platform and environment.

    Returns:
        The places whose Krita is there: its resource folder exists, or its program does.
    """
    systems = {"win32": _on_windows, "darwin": _on_mac}
    return [_moved(place) for place in systems.get(around.platform, _on_linux)(around)]


def _moved(place: KritaPlace) -> KritaPlace:
    """Return the place with the resource folder that the user may have chosen in Krita's settings."""
    try:
        lines = place.settings.read_text(encoding="utf-8", errors="replace").splitlines() if place.settings else []
    except OSError:
        lines = []
    chosen = [line.partition("=")[2].strip() for line in lines if line.startswith("ResourceDirectory=")]
    return replace(place, resources=Path(chosen[0])) if chosen and chosen[0] else place


def _on_mac(around: Surroundings) -> list[KritaPlace]:
    own = _in_library("macOS", around.home)
    programs = [folder / "krita.app" for folder in (Path("/Applications"), around.home / "Applications")]
    found = [own] if own.resources.is_dir() or any(each.is_dir() for each in programs) else []
    store = around.home / "Library" / "Containers" / "org.kde.krita" / "Data"
    return [*found, _in_library("App Store", store)] if store.is_dir() else found


def _in_library(kind: str, home: Path) -> KritaPlace:
    library = home / "Library"
    return KritaPlace(kind, library / "Application Support" / "krita", library / "Preferences" / "kritarc")


def _on_linux(around: Surroundings) -> list[KritaPlace]:
    native = KritaPlace(
        "native or AppImage",
        around.folder("XDG_DATA_HOME", ".local", "share") / "krita",
        around.folder("XDG_CONFIG_HOME", ".config") / "kritarc",
    )
    found = [native] if native.resources.is_dir() or around.program("krita") else []
    flatpak = around.home / FLATPAK
    if flatpak.is_dir():
        found.append(KritaPlace("Flatpak", flatpak / "data" / "krita", flatpak / "config" / "kritarc"))
    snap = around.home / SNAP / "current"
    if snap.is_dir():
        found.append(KritaPlace("Snap", snap / ".local" / "share" / "krita", snap / ".config" / "kritarc"))
    return found


def named_place(to: Path, around: Surroundings) -> KritaPlace:
    """Return the place for a folder that the user named: Krita's `pykrita` folder, or the resource folder above it."""
    resources = to if to.name == "krita" or (to.name != "pykrita" and (to / "pykrita").is_dir()) else to.parent
    known = {place.resources.absolute(): place for place in find_places(around)}
    return known.get(resources.absolute(), KritaPlace("named", resources, None))


def _on_windows(around: Surroundings) -> list[KritaPlace]:
    local = around.folder("LOCALAPPDATA", "AppData", "Local")
    plain = KritaPlace("Windows", around.folder("APPDATA", "AppData", "Roaming") / "krita", local / "kritarc")
    program = around.folder("PROGRAMFILES", "Program Files") / "Krita (x64)" / "bin" / "krita.exe"
    found = [plain] if plain.resources.is_dir() or program.exists() else []
    for package in sorted(local.glob(STORE_PATTERN)):
        cache = package / "LocalCache"
        found.append(KritaPlace("Microsoft Store", cache / "Roaming" / "krita", cache / "Local" / "kritarc"))
    return found
