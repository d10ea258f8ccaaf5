"""Starting the server with the user's session, for those who want it: a systemd user unit, or a desktop's autostart.

Only files are written: enabling a unit is a link that systemd reads at the next login. Linux; standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from server.client.files import write_file
from server.plugins.install import InstallError, Surroundings, server_command

NAME = "neural-upscale"
OURS = "# Written by neural-upscale install; removed by neural-upscale uninstall."


@dataclass(frozen=True)
class Autostart:
    """One way to start with the session."""

    kind: str  # as the command line calls it
    folder: str  # below the user's configuration folder
    file: str  # name of the file in it
    link: str  # where else a link to the file is needed, below `folder`; empty for none
    text: Callable[[list[str]], str]  # gives the file's contents for a command
    now: str  # what to type to start without logging in again
    stop: str  # what to type to end what runs

    def install(self, to: Path | None = None, dry_run: bool = False, around: Surroundings | None = None) -> list[str]:
        """Write the file, and the link that enables it; the same when done twice.

        Args:
            to: another folder than the usual one.
            dry_run: only say what would be done.
            around: the machine; None for this one.

        Returns:
            One sentence for each thing that was done.

        Raises:
            InstallError: not Linux, a file that is not ours is there, or it cannot be written.
        """
        path = self._path(to, around)
        self._check(path)
        if dry_run:
            return [f"{self.kind}: would write {path}."]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, self.text(server_command()).encode())
            if self.link:
                link = path.parent / self.link
                link.parent.mkdir(parents=True, exist_ok=True)
                link.unlink(missing_ok=True)
                link.symlink_to(path)
        except OSError as fault:
            raise InstallError(f"{path} cannot be written ({fault}); check its rights.") from fault
        return [f"{self.kind}: the server starts with your next session ({path}); now: {self.now}"]

    def uninstall(self, to: Path | None = None, dry_run: bool = False, around: Surroundings | None = None) -> list[str]:
        """Remove the file and the link.

        Args:
            to: as for `install`.
            dry_run: only say what would be done.
            around: as for `install`.

        Returns:
            One sentence for each thing that was done.

        Raises:
            InstallError: the file there is not ours, or cannot be removed.
        """
        path = self._path(to, around)
        if not path.exists():
            return [f"{self.kind}: not installed."]
        self._check(path)
        if dry_run:
            return [f"{self.kind}: would remove {path}."]
        try:
            if self.link:
                (path.parent / self.link).unlink(missing_ok=True)
            path.unlink()
        except OSError as fault:
            raise InstallError(f"{path} cannot be removed ({fault}); check its rights.") from fault
        return [f"{self.kind}: removed {path}; a server that runs is ended by: {self.stop}"]

    def _path(self, to: Path | None, around: Surroundings | None) -> Path:
        around = around or Surroundings.here()
        if not around.platform.startswith("linux"):
            raise InstallError(
                f"{self.kind} is for Linux, and this is {around.platform}; the plug-ins start the server."
            )
        return (to or around.folder("XDG_CONFIG_HOME", ".config") / self.folder).absolute() / self.file

    def _check(self, path: Path) -> None:
        try:
            foreign = path.exists() and OURS not in path.read_text(encoding="utf-8", errors="replace")
        except OSError as fault:
            raise InstallError(f"{path} cannot be read ({fault}); check its rights.") from fault
        if foreign:
            raise InstallError(f"{path} was not written by neural-upscale; move it away first.")


def _unit(command: list[str]) -> str:
    # In a unit, % begins a specifier and $ a variable; quotes keep spaces together.
    words = " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") + '"'
                     for word in command)  # fmt: skip
    return (
        f"{OURS}\n[Unit]\nDescription=Neural Upscale model server\n\n"
        f"[Service]\nExecStart={words}\nRestart=on-failure\nRestartSec=5\nNice=5\n\n[Install]\nWantedBy=default.target\n"
    )


def _desktop_entry(command: list[str]) -> str:
    # The specification wants \, ", $ and ` escaped within quotes, then \ once more, as in every string; % is %%.
    escaped = ["".join(f"\\{letter}" if letter in '\\"$`' else letter for letter in word) for word in command]
    words = " ".join(f'"{word}"' for word in escaped).replace("\\", "\\\\").replace("%", "%%")
    return (
        f"{OURS}\n[Desktop Entry]\nType=Application\nName=Neural Upscale server\n"
        f"Comment=Model server of the GIMP and Krita plug-ins\nExec={words}\nTerminal=false\nNoDisplay=true\n"
    )


SERVICE = Autostart(
    "service", "systemd/user", f"{NAME}.service", f"default.target.wants/{NAME}.service", _unit,
    f"systemctl --user daemon-reload && systemctl --user start {NAME}", f"systemctl --user stop {NAME}",
)  # fmt: skip
SESSION = Autostart(
    "autostart", "autostart", f"{NAME}.desktop", "", _desktop_entry, f"{NAME} serve", f"its process id: {NAME} doctor"
)
