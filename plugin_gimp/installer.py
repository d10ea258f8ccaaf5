"""Puts the plug-in into every GIMP 3 of the user, and takes it away again."""

from __future__ import annotations

from pathlib import Path

from server.plugin_install import RECORD, Surroundings, client_files, place, take_away

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
    own = sorted((HERE / PACKAGE).glob("*.py"))
    files = {f"{FOLDER}/{PACKAGE}/{each.name}": each for each in [*own, *client_files()]}
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
    told = []
    for each in _places(to, around):
        target = each.plug_ins / FOLDER
        if dry_run:
            told.append(f"GIMP ({each.kind}): would install into {target}.")
            continue
        place(each.plug_ins, plugin_files(), f"{FOLDER}/{RECORD}", executable=[f"{FOLDER}/{PROGRAM}"])
        told.append(f"GIMP ({each.kind}): installed into {target}; restart GIMP, then Filters → Neural Upscale x2….")
    return told or [NONE_FOUND]


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
    told = []
    for each in _places(to, around):
        target = each.plug_ins / FOLDER
        if not (target / RECORD).exists():
            told.append(f"GIMP ({each.kind}): not installed in {each.plug_ins}.")
        elif dry_run:
            told.append(f"GIMP ({each.kind}): would remove {target}.")
        else:
            take_away(each.plug_ins, f"{FOLDER}/{RECORD}")
            told.append(f"GIMP ({each.kind}): removed from {each.plug_ins}.")
    return told or [NONE_FOUND]


def _places(to: Path | None, around: Surroundings | None) -> list[GimpPlace]:
    if to is not None:
        return [GimpPlace("3, named folder", Path(to).expanduser().absolute())]
    return find_places(around or Surroundings.here())
