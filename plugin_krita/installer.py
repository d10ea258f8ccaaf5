"""Puts the plug-in into every Krita of the user, switches it on, and takes it away again."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from server.plugins.install import InstallError, Surroundings, client_files
from server.plugins.targets import Plugin, Target

from .kritarc import with_plugin, without_plugin
from .places import KritaPlace, find_places, named_place

NAME = "neural_upscale"
HERE = Path(__file__).parent
RECORD = f"pykrita/{NAME}/install.json"
BY_HAND = "switch it on in Krita: Settings → Configure Krita → Python Plugin Manager → Neural Upscale x2"
NONE_FOUND = "No Krita was found; start it once, or name its pykrita folder: neural-upscale install krita --to FOLDER"


def plugin_files() -> dict[str, Path]:
    """Give the plug-in's files: name relative to Krita's resource folder → the file here."""
    own = {each.name: each for each in sorted((HERE / NAME).iterdir()) if each.suffix in (".py", ".html")}
    files = {f"pykrita/{NAME}/{name}": each for name, each in (own | client_files()).items()}
    files[f"pykrita/{NAME}.desktop"] = HERE / f"{NAME}.desktop"
    files[f"actions/{NAME}.action"] = HERE / f"{NAME}.action"
    return files


def install(to: Path | None = None, dry_run: bool = False, around: Surroundings | None = None) -> list[str]:
    """Install the plug-in.

    Args:
        to: Krita's `pykrita` folder (or the resource folder above it); None for every Krita found.
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
    return Plugin(plugin_files(), RECORD, NONE_FOUND)


def _targets(to: Path | None, around: Surroundings | None) -> list[Target]:
    around = around or Surroundings.here()
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
        before = at.settings.read_text(encoding="utf-8") if at.settings.exists() else ""
        after = with_plugin(before, NAME) if on else without_plugin(before, NAME)
        if after != before:
            at.settings.parent.mkdir(parents=True, exist_ok=True)
            sibling = at.settings.with_name(at.settings.name + ".new")
            sibling.write_text(after, encoding="utf-8")
            sibling.replace(at.settings)
    except (OSError, UnicodeDecodeError) as fault:
        raise InstallError(f"{at.settings} cannot be changed ({fault}); {BY_HAND}.") from fault
    return True
