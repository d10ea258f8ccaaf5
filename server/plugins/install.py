"""What the installers of the GIMP and of the Krita plug-in share: surroundings, copying, the record, removing.

Standard library only; not copied beside the plug-ins (it runs in the package's own Python). Knows no editor.

    InstallError            a plug-in could not be installed or removed; the text is a sentence for the user
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..client.files import write_file
from ..client.records import log_path, runtime_path
from ..client.start import START_OPTIONS
from ..installed import version

RECORD = "install.json"


class InstallError(Exception):
    """A plug-in could not be installed or removed; `str()` is a sentence for the user."""


@dataclass(frozen=True)
class Surroundings:
    """The machine as an installer sees it; tests make up their own."""

    home: Path  # the user's home folder
    platform: str  # as `sys.platform` names it: linux, darwin, win32
    environment: Mapping[str, str] = field(default_factory=dict)  # the environment variables

    @classmethod
    def here(cls) -> Surroundings:
        """Return the surroundings of this machine."""
        return cls(Path.home(), sys.platform, dict(os.environ))

    def folder(self, variable: str, *otherwise: str) -> Path:
        """Return the folder that an environment variable names, else one below the home folder."""
        named = self.environment.get(variable)
        return Path(named) if named else self.home.joinpath(*otherwise)

    def program(self, *names: str) -> Path | None:
        """Return the first of these programs that is on the PATH."""
        for name in names:
            found = shutil.which(name, path=self.environment.get("PATH", ""))
            if found:
                return Path(found)
        return None


def package_files(package: Path) -> dict[str, Path]:
    """Return the files of the package that an editor loads, and of the client, which is copied whole into it.

    Args:
        package: the plug-in's package in this installation.

    Returns:
        The name relative to the package, with forward slashes → the file here.
    """
    own = [each for each in sorted(package.rglob("*")) if each.suffix in (".py", ".html", ".mo")]
    client = Path(__file__).parents[1] / "client"
    return {each.relative_to(package).as_posix(): each for each in own} | {
        f"{client.name}/{each.name}": each for each in sorted(client.glob("*.py"))
    }


def server_command() -> list[str]:
    """Return the absolute command that serves, from the Python that runs this."""
    name = "neural-upscale.exe" if sys.platform == "win32" else "neural-upscale"
    # Not resolved: a virtual environment's python is a link, and only the link knows the environment.
    script = Path(sys.executable).with_name(name)
    if script.exists():
        return [str(script), "serve"]
    # By its path: -m would run a server.py of the folder that the process starts in.
    return [sys.executable, str(Path(__file__).parents[2] / "neural_upscale_cli.py"), "serve"]


def store_python(executable: str = sys.executable, base: str = sys.base_prefix) -> str:
    """Return why the Python of the Microsoft Store will not do, with the remedy; empty where this is another one.

    Args:
        executable: as `sys.executable`.
        base: as `sys.base_prefix`, which tells it for virtual environments.

    Returns:
        A sentence, or nothing.
    """
    if "WindowsApps" not in executable and "WindowsApps" not in base:
        return ""
    return (
        f"{executable} is the Microsoft Store's Python, which keeps what it writes below AppData to itself, so that no "
        "editor would find the plug-in or the server; install Neural Upscale with uv, or with Python from python.org."
    )


def record_of(names: Iterable[str]) -> bytes:
    """Return an installation record: how to start the server, where its files are, and what was installed.

    Args:
        names: the installed files, relative to the plug-ins folder.

    Returns:
        JSON, UTF-8, as the client's `read_installation` reads it.
    """
    record = {
        "command": [*server_command(), *START_OPTIONS],
        "runtime": str(runtime_path().absolute()),
        "log": str(log_path().absolute()),
        "version": version(),
        "files": sorted(names),
    }
    return (json.dumps(record, indent=2) + "\n").encode("utf-8")


def place(root: Path, sources: Mapping[str, Path], record: str, *, executable: Iterable[str] = ()) -> None:
    """Copy a plug-in's files into an editor's folder and write the record; both replace what was there.

    Files of an earlier installation that this one no longer has are removed, or Python would import stale modules.

    Args:
        root: the folder that the names in `sources` and `record` are relative to; made where it is missing.
        sources: relative name, with forward slashes → the file to copy.
        record: relative name of the record, whose folder is the one that the plug-in reads it from.
        executable: those of the names that get the run bit.

    Raises:
        InstallError: a file or folder could not be written.
    """
    runnable = set(executable)
    try:
        stale = set(_recorded(root, record)) - {root / name for name in sources}
    except InstallError:
        stale = set()  # an unreadable record is replaced by a good one
    try:
        for name, source in sources.items():
            _write(root / name, source.read_bytes(), 0o755 if name in runnable else 0o644)
        _write(root / record, record_of(sources), 0o644)
        _remove(stale, root)
    except OSError as fault:
        raise InstallError(
            f"{root} cannot be written ({fault}); check its rights, or name another with --to."
        ) from fault


def take_away(root: Path, record: str) -> bool:
    """Remove exactly what `place` put there, and folders that are empty then.

    Args:
        root: as for `place`.
        record: as for `place`.

    Returns:
        False when there is no record, so that nothing was done.

    Raises:
        InstallError: the record is unreadable, or a file cannot be removed.
    """
    if not (root / record).exists():
        return False
    installed = _recorded(root, record)
    try:
        _remove([*installed, root / record], root)
    except OSError as fault:
        raise InstallError(f"{root} cannot be cleared ({fault}); check its rights.") from fault
    return True


def _recorded(root: Path, record: str) -> list[Path]:
    """Return the files that a record lists, all of them below `root`; none where there is no record."""
    path = root / record
    try:
        names = [Path(name) for name in json.loads(path.read_text(encoding="utf-8"))["files"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise InstallError(f"{path} is no record of an installation ({fault!r}); remove its folder by hand.") from fault
    return [root / name for name in names if ".." not in name.parts and not name.is_absolute()]


def _remove(files: Iterable[Path], root: Path) -> None:
    """Remove files, and the folders below `root` that are empty then."""
    files = list(files)
    for each in files:
        each.unlink(missing_ok=True)
    for folder in sorted({each.parent for each in files}, key=lambda folder: -len(folder.parts)):
        _drop_folder(folder, root)


def _write(path: Path, contents: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, contents, mode)


def _drop_folder(folder: Path, root: Path) -> None:
    """Remove a folder below `root` if only compiled Python is left in it, and its parents likewise."""
    while folder != root and root in folder.parents:
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
        try:
            folder.rmdir()
        except OSError:
            return  # something of the user's is in it
        folder = folder.parent
