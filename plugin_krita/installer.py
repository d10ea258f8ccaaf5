"""Installs the plug-in into every Krita of the user, switches it on, and removes it again."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from server.client.files import write_file
from server.plugins.install import InstallError, Surroundings, package_files
from server.plugins.targets import Plugin, Target

from .kritarc import with_plugin, without_plugin
from .places import KritaPlace, find_places, named_place

NAME = "neural_upscale"
HERE = Path(__file__).parent
RECORD = f"pykrita/{NAME}/install.json"
BY_HAND = "switch it on in Krita: Settings → Configure Krita → Python Plugin Manager → Neural Upscale x2"
NONE_FOUND = "No Krita was found; start it once, or name its pykrita folder: neural-upscale install krita --to FOLDER"


def plugin_files() -> dict[str, Path]:
    """Return the plug-in's files: name relative to Krita's resource folder → the file here."""
    files = {f"pykrita/{NAME}/{name}": each for name, each in package_files(HERE / NAME).items()}
    files[f"pykrita/{NAME}.desktop"] = HERE / f"{NAME}.desktop"
    files[f"actions/{NAME}.action"] = HERE / f"{NAME}.action"
    return files


def _targets(to: Path | None, around: Surroundings) -> list[Target]:
    places = find_places(around) if to is None else [named_place(Path(to), around)]
    return [
        Target(f"Krita ({each.kind})", each.resources, each.resources / "pykrita", partial(_switched, each))
        for each in places
    ]


def _switched(at: KritaPlace, on: bool) -> str:
    """Switch the plug-in on or off, and say how the user goes on."""
    done = _switch(at, on=on)
    if not on:
        return ""
    return " and switched on; restart Krita" if done else f"; {BY_HAND}"


def _switch(at: KritaPlace, *, on: bool) -> bool:
    """Switch the plug-in on or off in kritarc; False when it is not known where that file is."""
    if at.settings is None:
        return False
    try:
        before = at.settings.read_bytes().decode("utf-8") if at.settings.exists() else ""
        after = with_plugin(before, NAME) if on else without_plugin(before, NAME)
        if after != before:
            at.settings.parent.mkdir(parents=True, exist_ok=True)
            write_file(at.settings, after.encode("utf-8"))
    except (OSError, UnicodeDecodeError) as fault:
        raise InstallError(f"{at.settings} cannot be changed ({fault}); {BY_HAND}.") from fault
    return True


PLUGIN = Plugin(plugin_files, RECORD, _targets, NONE_FOUND)
install, uninstall = PLUGIN.install, PLUGIN.uninstall
