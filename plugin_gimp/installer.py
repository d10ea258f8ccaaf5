"""Puts the plug-in into every GIMP 3 of the user, and takes it away again."""

from __future__ import annotations

from pathlib import Path

from server.plugins.install import RECORD, Surroundings, client_files
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
    """Give the plug-in's files: name relative to the plug-ins folder → the file here."""
    own = {each.name: each for each in sorted((HERE / PACKAGE).glob("*.py"))}
    files = {f"{FOLDER}/{PACKAGE}/{name}": each for name, each in (own | client_files()).items()}
    files[f"{FOLDER}/{PROGRAM}"] = HERE / PROGRAM
    return files


def install(to: Path | None = None, dry_run: bool = False, around: Surroundings | None = None) -> list[str]:
    """Install the plug-in.

    Args:
        to: a plug-ins folder; None for those of every GIMP 3 found.
        dry_run: only say what would be done.
        around: the machine; None for this one.

    Returns:
        One sentence for each thing that was done.

    Raises:
        InstallError: a folder cannot be written.
    """
    return _plugin().install(_targets(to, around), dry_run=dry_run)


def uninstall(to: Path | None = None, dry_run: bool = False, around: Surroundings | None = None) -> list[str]:
    """Remove exactly what `install` put there.

    Args:
        to: as for `install`.
        dry_run: only say what would be done.
        around: as for `install`.

    Returns:
        One sentence for each thing that was done.

    Raises:
        InstallError: something cannot be removed.
    """
    return _plugin().uninstall(_targets(to, around), dry_run=dry_run)


def _plugin() -> Plugin:
    return Plugin(plugin_files(), f"{FOLDER}/{RECORD}", NONE_FOUND, executable=[f"{FOLDER}/{PROGRAM}"])


def _targets(to: Path | None, around: Surroundings | None) -> list[Target]:
    places = find_places(around or Surroundings.here()) if to is None else [_named(to)]
    return [Target(f"GIMP ({each.kind})", each.plug_ins, each.plug_ins / FOLDER, _how_to_go_on) for each in places]


def _named(to: Path) -> GimpPlace:
    return GimpPlace("3, named folder", Path(to).expanduser().absolute())


def _how_to_go_on(on: bool) -> str:
    return "; restart GIMP, then Filters → Neural Upscale x2…" if on else ""
