"""Installing a plug-in into each folder of an editor and removing it again, told in sentences. Knows no editor.

Standard library only; not copied beside the plug-ins (it runs in the package's own Python).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .install import place, take_away


@dataclass(frozen=True)
class Target:
    """One place that a plug-in goes to.

    Attributes:
        editor: the editor and how it was installed, for the user to read.
        root: the folder that the plug-in's names are relative to.
        folder: where the plug-in is, for the user to read.
        switch: switches the plug-in on (True) or off; what it returns goes on with the sentence.
    """

    editor: str
    root: Path
    folder: Path
    switch: Callable[[bool], str]


@dataclass(frozen=True)
class Plugin:
    """What is installed.

    Attributes:
        files: name relative to a target's root → the file here.
        record: relative name of the installation record.
        none_found: the sentence for a user without such an editor: what was not found; what to do.
        executable: those of the names that get the run bit.
    """

    files: Mapping[str, Path]
    record: str
    none_found: str
    executable: Sequence[str] = ()

    def install(self, targets: Sequence[Target], *, dry_run: bool) -> list[str]:
        """Install into every target; the same when done twice.

        Args:
            targets: where to.
            dry_run: only say what would be done.

        Returns:
            One sentence for each target, or that there is none.

        Raises:
            InstallError: a folder cannot be written.
        """
        told = []
        for each in targets:
            if dry_run:
                told.append(f"{each.editor}: would install into {each.folder}.")
                continue
            place(each.root, self.files, self.record, executable=self.executable)
            told.append(f"{each.editor}: installed into {each.folder}{each.switch(True)}.")
        return told or [self.none_found]

    def uninstall(self, targets: Sequence[Target], *, dry_run: bool) -> list[str]:
        """Remove exactly what `install` put there.

        Args:
            targets: where from.
            dry_run: only say what would be done.

        Returns:
            One sentence for each target, or that there is none.

        Raises:
            InstallError: something cannot be removed.
        """
        told = []
        for each in targets:
            if not (each.root / self.record).exists():
                told.append(f"{each.editor}: not installed in {each.folder}.")
            elif dry_run:
                told.append(f"{each.editor}: would be removed from {each.folder}.")
            else:
                take_away(each.root, self.record)
                told.append(f"{each.editor}: removed from {each.folder}{each.switch(False)}.")
        return told or [f"{self.none_found.partition(';')[0]}, so there is no plug-in to remove."]
