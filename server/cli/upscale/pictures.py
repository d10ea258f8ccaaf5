"""Which pictures the files and folders of a command name."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from server.errors import WrongParameter
from server.images.files import FORMATS, READ_ONLY

# What results' names end in.
FACTOR, PIXELS = re.compile(r"-x[1-8](\.\d+)?(-\d+)?$"), re.compile(r"-\d+x\d+(-\d+)?$")
RESULT, NO_PICTURE, HIDDEN, LINKED = "results of before", "no picture", "hidden", "linked folders"
ENDINGS = (*FORMATS, *READ_ONLY)


@dataclass(frozen=True)
class Picture:
    """A file, and the folder that it lies in below the folder that was named."""

    path: Path
    below: Path = Path()


@dataclass
class Search:
    """What was found."""

    recursive: bool  # whether folders in folders are searched, too
    output: Path | None  # whose pictures are results of before where it lies in a folder that is searched
    pictures: dict[Path, Picture] = field(default_factory=dict)  # in order, each once
    faults: list[str] = field(default_factory=list)  # a sentence for each thing that cannot be searched
    skipped: Counter[str] = field(default_factory=Counter)  # how many are left out of the folders, by the reason
    of_folders: bool = False  # whether folders were named

    def add(self, given: Path) -> None:
        """Add a file, or the pictures of a folder: its own first, then those of each folder in it."""
        try:
            if given.is_dir():
                self._add_folder(given)
            else:
                self.pictures |= {path: Picture(path) for path in _matching(given) if path not in self.pictures}
        except (WrongParameter, OSError) as fault:
            self.faults.append(str(fault))

    def _add_folder(self, given: Path) -> None:
        self.of_folders = True
        output = self.output if self.output is not None and self.output.is_dir() else None
        folders = [(given, Path())]
        while folders:
            folder, below = folders.pop()
            try:
                inside = sorted(folder.iterdir())
            except OSError as fault:
                self.faults.append(str(fault))
                continue
            further = []
            for each in inside:
                try:
                    if self._goes_on(each, below, output):
                        further.append((each, below / each.name))
                except OSError as fault:  # a folder whose names can be read, and nothing more
                    self.faults.append(str(fault))
            folders += reversed(further)
        self.skipped = +self.skipped  # without zeros

    def _goes_on(self, path: Path, below: Path, output: Path | None) -> bool:
        """Add a picture, or count what is left out; return whether it is a folder that is to be searched."""
        reason = self._reason(path)
        if reason is not None:
            self.skipped[reason] += 1
        elif not path.is_dir():
            self.pictures.setdefault(path, Picture(path, below))
        elif self.recursive and output is not None and path.samefile(output):
            self.skipped[RESULT] += sum(each.suffix.lower() in ENDINGS for each in path.rglob("*"))
        else:
            return self.recursive
        return False

    def _reason(self, path: Path) -> str | None:
        """Return why something in a folder is left out; None where it is not."""
        if path.name.startswith("."):
            return HIDDEN
        if path.is_dir():
            return LINKED if self.recursive and _is_link(path) else None
        if path.suffix.lower() not in ENDINGS or not path.is_file():
            return NO_PICTURE
        return RESULT if _is_result(path) else None


def _is_link(folder: Path) -> bool:
    """Return whether a folder lies elsewhere: one that leads to where it lies would be searched for ever."""
    if sys.platform != "win32":
        is_link = folder.is_symlink()
    else:  # where junctions are no symbolic links
        is_link = os.path.realpath(folder) != str(Path(os.path.realpath(folder.parent), folder.name))
    return is_link


def _matching(given: Path) -> list[Path]:
    """Return a file, or those that a pattern fits: the shells of Windows leave * and ? to the program."""
    if given.is_file():
        return [given]
    if given.exists():
        raise WrongParameter(f"{given} is a pipe or a device; expected a file; give its contents to standard input.")
    matching = sorted(given.parent.glob(re.sub(r"\*+", "*", given.name)))  # glob itself refuses ** within a name
    found = [each for each in matching if each.is_file() and not each.name.startswith(".")]
    if not found:
        raise WrongParameter(f"There is no file {given}; check its name.")
    return found


def _is_result(path: Path) -> bool:
    """Return whether a file is named as a result; of those that end in pixels, only if what it was made of is there."""
    if FACTOR.search(path.stem):
        return True
    source, found = PIXELS.subn("", path.stem)
    return bool(found) and any(path.with_name(source + ending).exists() for ending in (path.suffix, *ENDINGS))
