"""Takes folders and files through a door that lets only small ones pass: parts, and what puts them together again.

Knows no torch: what it carries are files.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from trainer.errors import TravelError
from trainer.replacing import replacing

INDEX = "travel.json"
KEEP = ("average", "generator", "all")  # how much of a checkpoint travels, see `packing`
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")  # characters that not every door lets pass


def split_folder(source: Path, target: Path, part_bytes: int) -> list[Path]:
    """Spread a folder's files over sub-folders that are small enough to travel one at a time.

    Args:
        source: Its files travel, those in its sub-folders too, hidden ones excepted.
        target: Gets the folders NAME-0, NAME-1 …, each with a list of all files; earlier ones are replaced.
        part_bytes: Largest sum of the files in one folder.

    Returns:
        The new folders.

    Raises:
        TravelError: The folder is empty, or a file alone is larger than a part.
    """
    found = [path for path in sorted(source.rglob("*")) if path.is_file()]
    files = [path for path in found if not any(word.startswith(".") for word in path.relative_to(source).parts)]
    sizes = {path.relative_to(source).as_posix(): path.stat().st_size for path in files}
    if not sizes or max(sizes.values()) > part_bytes:
        raise TravelError(
            f"{source} holds {len(sizes)} files, the largest with {max(sizes.values(), default=0)} bytes; expected at "
            f"least one file, and none above {part_bytes} bytes; choose another folder or a larger --part-mib."
        )
    shares: list[list[str]] = [[]]
    for name, size in sizes.items():
        if shares[-1] and sum(sizes[other] for other in shares[-1]) + size > part_bytes:
            shares.append([])
        shares[-1].append(name)
    folders = [target / f"{source.name}-{number}" for number in range(len(shares))]
    for folder, names in zip(folders, shares, strict=True):
        shutil.rmtree(folder, ignore_errors=True)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name)
        (folder / INDEX).write_text(json.dumps(sizes), encoding="utf-8")
    return folders


def unpack(part: Path, folder: Path) -> None:
    """Put one of `split_folder`'s folders where all of them come together; doing it twice does no harm.

    Args:
        part: A folder that has travelled.
        folder: Where the files go; it is created.

    Raises:
        TravelError: `part` is none of those folders, or belongs to other files than those unpacked before.
    """
    sizes = _index(part)
    if (folder / INDEX).exists() and _index(folder) != sizes:
        raise TravelError(f"{part} belongs to other files than {folder} holds; delete {folder} or name another folder.")
    for name, size in sizes.items():
        arrived, place = part / name, folder / name
        if arrived.is_file() and not (place.is_file() and place.stat().st_size == size):
            place.parent.mkdir(parents=True, exist_ok=True)
            with replacing(place) as sibling:
                shutil.copyfile(arrived, sibling)
    with replacing(folder / INDEX) as sibling:
        sibling.write_text(json.dumps(sizes), encoding="utf-8")


def missing_files(folder: Path) -> list[str]:
    """Name what has not been unpacked yet.

    Args:
        folder: Where `unpack` puts files.

    Returns:
        Names of files that are absent or have another size.

    Raises:
        TravelError: Nothing was unpacked there.
    """
    places = {folder / name: size for name, size in _index(folder).items()}
    return [path.name for path, size in places.items() if not path.is_file() or path.stat().st_size != size]


def split_file(path: Path, target: Path, part_bytes: int, first: int = 0, count: int | None = None) -> list[Path]:
    """Cut a file into numbered parts, and write a list of them beside.

    Args:
        path: Any file.
        target: Gets NAME.000, NAME.001 … and NAME.json; it is created.
        part_bytes: Size of a part.
        first: The first part to write; the earlier ones stay behind.
        count: How many parts to write; None for all.

    Returns:
        What was written, the list last.
    """
    target.mkdir(parents=True, exist_ok=True)
    content, name = path.read_bytes(), _UNFIT.sub("-", path.name)
    starts = list(range(0, max(1, len(content)), part_bytes))
    names = [f"{name}.{number:03d}" for number in range(len(starts))]
    chosen = slice(first, None if count is None else first + count)
    for part, start in list(zip(names, starts, strict=True))[chosen]:
        (target / part).write_bytes(content[start : start + part_bytes])
    listed = {"name": path.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "parts": names}
    (target / f"{name}.json").write_text(json.dumps(listed, indent=1), encoding="utf-8")
    return [target / part for part in [*names[chosen], f"{name}.json"]]


def join_file(listing: Path, target: Path) -> Path:
    """Put a file together again.

    Args:
        listing: NAME.json, as `split_file` left it; the parts lie beside it.
        target: Folder for the file; it is created.

    Returns:
        The file.

    Raises:
        TravelError: A part is missing, or the whole has another hash.
    """
    try:
        listed: dict[str, Any] = json.loads(listing.read_text(encoding="utf-8"))
        parts = [listing.parent / Path(name).name for name in listed["parts"]]
    except (OSError, ValueError, KeyError) as error:
        raise TravelError(
            f"{listing} cannot be read ({error}); expected the list that travelled with parts."
        ) from error
    absent = [part.name for part in parts if not part.is_file()]
    if absent:
        raise TravelError(
            f"{listing} also lists {', '.join(absent)}; expected them beside it; fetch them, then repeat."
        )
    content = b"".join(part.read_bytes() for part in parts)
    if hashlib.sha256(content).hexdigest() != listed["sha256"]:
        raise TravelError(f"The parts of {listing} give {len(content)} bytes with another hash; fetch them again.")
    target.mkdir(parents=True, exist_ok=True)
    whole = target / Path(listed["name"]).name
    with replacing(whole) as sibling:
        sibling.write_bytes(content)
    return whole


def _index(folder: Path) -> dict[str, int]:
    try:
        sizes: dict[str, int] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TravelError(
            f"{folder} has no readable {INDEX} ({error}); expected a folder that `split` made; carry it whole."
        ) from error
    return sizes
