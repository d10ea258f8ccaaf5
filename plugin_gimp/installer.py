"""Installs the plug-in into every GIMP 3 of the user, and removes it again."""

from __future__ import annotations

from pathlib import Path

from server.plugins.install import RECORD, Surroundings, package_files
from server.plugins.targets import Plugin, Target

from .places import GimpPlace, find_places

FOLDER = "neural-upscale"  # GIMP looks for a program named as its folder
PROGRAM = "neural-upscale.py"
PACKAGE = "neural_upscale"
HERE = Path(__file__).parent
NONE_FOUND = (
    "No GIMP 3 was found; start GIMP once, or name its plug-ins folder: neural-upscale install gimp --to FOLDER"
)


def plugin_files() -> dict[str, Path]:
    """Return the plug-in's files: name relative to the plug-ins folder → the file here."""
    files = {f"{FOLDER}/{PACKAGE}/{name}": each for name, each in package_files(HERE / PACKAGE).items()}
    files[f"{FOLDER}/{PROGRAM}"] = HERE / PROGRAM
    return files


def _targets(to: Path | None, around: Surroundings) -> list[Target]:
    places = find_places(around) if to is None else [_named(to)]
    return [Target(f"GIMP ({each.kind})", each.plug_ins, each.plug_ins / FOLDER, _how_to_go_on) for each in places]


def _named(to: Path) -> GimpPlace:
    return GimpPlace("3, named folder", Path(to).expanduser().absolute())


def _how_to_go_on(on: bool) -> str:
    return "; restart GIMP, then Filters → Neural Upscale x2…" if on else ""


PLUGIN = Plugin(plugin_files, f"{FOLDER}/{RECORD}", _targets, NONE_FOUND, executable=[f"{FOLDER}/{PROGRAM}"])
install, uninstall = PLUGIN.install, PLUGIN.uninstall
