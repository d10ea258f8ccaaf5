"""Installs a plug-in into each folder of an editor and removes it again, reported in sentences. Knows no editor.

Standard library only; not copied beside the plug-ins (it runs in the package's own Python).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .install import Surroundings, place, take_away


@dataclass(frozen=True)
class Target:
    """One place that a plug-in goes to."""

    editor: str  # the editor and how it was installed, for the user to read
    root: Path  # the folder that the plug-in's names are relative to
    folder: Path  # where the plug-in is, for the user to read
    switch: Callable[[bool], str]  # switches the plug-in on (True) or off; what it returns goes on with the sentence


@dataclass(frozen=True)
class Plugin:
    """What is installed, and where."""

    files: Callable[[], Mapping[str, Path]]  # returns the name relative to a target's root → the file here
    record: str  # relative name of the installation record
    # returns the places for a folder that the user named, or for None those of every editor found
    targets: Callable[[Path | None, Surroundings], Sequence[Target]]
    none_found: str  # the sentence for a user without such an editor: what was not found; what to do
    executable: Sequence[str] = ()  # those of the names that get the run bit

    def install(self, to: Path | None = None, dry_run: bool = False, around: Surroundings | None = None) -> list[str]:
        """Install into every target; the same when done twice.

        Args:
            to: a folder of one editor's plug-ins; None for those of every editor found.
            dry_run: only say what would be done.
            around: the machine; None for this one.

        Returns:
            One sentence for each target, or that there is none.

        Raises:
            InstallError: a folder cannot be written.
        """
        report = []
        for each in self.targets(to, around or Surroundings.here()):
            if dry_run:
                report.append(f"{each.editor}: would install into {each.folder}.")
                continue
            place(each.root, self.files(), self.record, executable=self.executable)
            report.append(f"{each.editor}: installed into {each.folder}{each.switch(True)}.")
        return report or [self.none_found]

    def uninstall(self, to: Path | None = None, dry_run: bool = False, around: Surroundings | None = None) -> list[str]:
        """Remove exactly what `install` put there.

        Args:
            to: as for `install`.
            dry_run: only say what would be done.
            around: as for `install`.

        Returns:
            One sentence for each target, or that there is none.

        Raises:
            InstallError: something cannot be removed.
        """
        report = []
        for each in self.targets(to, around or Surroundings.here()):
            if not (each.root / self.record).exists():
                report.append(f"{each.editor}: not installed in {each.folder}.")
            elif dry_run:
                report.append(f"{each.editor}: would be removed from {each.folder}.")
            else:
                take_away(each.root, self.record)
                report.append(f"{each.editor}: removed from {each.folder}{each.switch(False)}.")
        return report or [f"{self.none_found.partition(';')[0]}, so there is no plug-in to remove."]
