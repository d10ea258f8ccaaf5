"""Slices a folder of photos into a set of patches: in parallel, restartable, split by photo."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from trainer.data.patch_set import FORMAT, MANIFEST, SPLITS, PatchSet, patch_path, read_manifest
from trainer.data.slicing.cutting import RECORD, SlicingConfig
from trainer.data.slicing.pool import Pool, local_pool
from trainer.errors import SlicingError
from weights.atomic import atomic_write, rename

PARTS = ".parts"
Report = Callable[[int, int], None]


def slice_photos(
    photos: Path,
    out: Path,
    config: SlicingConfig | None = None,
    *,
    processes: int = 1,
    pool: Pool | None = None,
    seed: int = 0,
    validation_share: float = 0.03,
    report: Report | None = None,
) -> PatchSet:
    """Cut every photo below a folder into 256 × 256 patches.

    The same call after an interruption goes on where it stopped; after the end it loads what is there. A broken
    manifest in `out` raises PatchSetError.

    Args:
        photos: a folder; all files below it are tried, hidden ones excepted.
        out: the folder for the patches.
        config: what to cut; the defaults where None.
        processes: how many photos are cut at once, each in a process of its own.
        pool: who cuts instead; the patches are the same.
        seed: decides, with each photo's content, which photos validate.
        validation_share: share of the photos, 0…1, that validate instead of train; at least one does.
        report: called with (photos done, photos in all) as the work goes on.

    Returns:
        The finished set.

    Raises:
        SlicingError: no photo is usable, `out` holds something else, or it cannot be written.
    """
    config = config or SlicingConfig()
    files = list_files(photos)
    sizes = {file.relative_to(photos).as_posix(): file.stat().st_size for file in files}
    settings = json.loads(json.dumps(asdict(config) | {"seed": seed, "validation_share": validation_share}))
    job = {"format": FORMAT, "settings": settings, "files": sizes}
    try:
        if _is_finished(out, job):
            return PatchSet.load(out)
        _cut_all(photos, sizes, out, config, pool or local_pool(processes), report or _no_report)
        _number(out, job, seed, validation_share)
    except OSError as error:
        raise SlicingError(
            f"{out} cannot be written ({error.strerror or error}); make room or choose another folder, "
            "then run the same command: it goes on where it stopped"
        ) from error
    return PatchSet.load(out)


def slice_with_progress(
    photos: Path,
    out: Path,
    config: SlicingConfig,
    *,
    processes: int,
    pool: Pool | None = None,
    seed: int,
    validation_share: float,
) -> PatchSet:
    """Call `slice_photos` with a progress bar on the terminal.

    Args:
        photos: See `slice_photos`.
        out: See `slice_photos`.
        config: See `slice_photos`.
        processes: See `slice_photos`.
        pool: See `slice_photos`.
        seed: See `slice_photos`.
        validation_share: See `slice_photos`.

    Returns:
        The finished set.
    """
    with tqdm(unit="photo", desc="slice", mininterval=1) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return slice_photos(
            photos,
            out,
            config,
            processes=processes,
            pool=pool,
            seed=seed,
            validation_share=validation_share,
            report=report,
        )


def list_files(photos: Path) -> list[Path]:
    """All files below a folder, hidden ones excepted, in a fixed order.

    Args:
        photos: the folder.

    Returns:
        The files, sorted by their path below the folder.

    Raises:
        SlicingError: it is no folder, or holds no file.
    """
    if not photos.is_dir():
        raise SlicingError(f"{photos} is no folder; name a folder of photos")
    files = [
        path
        for path in photos.rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(photos).parts) and path.is_file()
    ]
    if not files:
        raise SlicingError(f"{photos} holds no files; name a folder with photos (JPEG, PNG, TIFF, WebP …)")
    return sorted(files, key=lambda path: path.relative_to(photos).as_posix())


def _no_report(_done: int, _total: int) -> None:
    """Report no progress."""


def _is_finished(out: Path, job: dict[str, Any]) -> bool:
    manifest = read_manifest(out)
    if manifest is not None:
        _check_same_job(out, manifest, job)
    return manifest is not None


def _check_same_job(out: Path, manifest: dict[str, Any], job: dict[str, Any]) -> None:
    # a setting that came later than the patches is not compared
    settings = {name: value for name, value in job["settings"].items() if name in manifest["settings"]}
    job = job | {"settings": settings}
    if any(manifest[key] != job[key] for key in job):
        what = "settings" if manifest["settings"] != settings else "photos"
        raise SlicingError(f"{out} holds patches of other {what}; delete it or choose another folder for the patches")


def _part(out: Path, name: str, config: SlicingConfig, size: int) -> Path:
    """A photo's own folder: another file, file size or config never meets what an earlier run left."""
    key = json.dumps([name, size, asdict(config)])
    return out / PARTS / hashlib.sha256(key.encode()).hexdigest()[:24]


def _cut_all(photos: Path, sizes: dict[str, int], out: Path, config: SlicingConfig, pool: Pool, report: Report) -> None:
    jobs = [(photos / name, _part(out, name, config, size)) for name, size in sizes.items()]
    _write_json(out / PARTS / "parts.json", [[name, part.name] for name, (_, part) in zip(sizes, jobs, strict=True)])
    if (out / PARTS / "numbering.json").exists():
        return  # everything is cut; a killed run was already moving patches into their places
    todo = [(path, part) for path, part in jobs if not (part / RECORD).is_file()]
    done = len(jobs) - len(todo)
    report(done, len(jobs))
    for _ in pool(todo, config):
        done += 1
        report(done, len(jobs))


def _number(out: Path, job: dict[str, Any], seed: int, validation_share: float) -> None:
    """Number the kept patches and move them into place, by a plan on disk, so that it can be carried out twice."""
    plan_file = out / PARTS / "numbering.json"
    if plan_file.is_file():
        plan = json.loads(plan_file.read_text(encoding="utf-8"))
        _check_same_job(out, plan["manifest"], job)
    else:
        plan = _plan(out, job, seed, validation_share)
        _write_json(plan_file, plan)
    for source, target in plan["moves"]:
        destination = out / target
        destination.parent.mkdir(parents=True, exist_ok=True)
        if (out / PARTS / source).exists():
            rename(out / PARTS / source, destination)
    _write_json(out / MANIFEST, plan["manifest"])
    shutil.rmtree(out / PARTS)


def _plan(out: Path, job: dict[str, Any], seed: int, validation_share: float) -> dict[str, Any]:
    names = json.loads((out / PARTS / "parts.json").read_text(encoding="utf-8"))
    records = {name: (part, json.loads((out / PARTS / part / RECORD).read_text("utf-8"))) for name, part in names}
    skipped = {name: record["skipped"] for name, (_, record) in records.items() if "skipped" in record}
    usable = {name: entry for name, entry in records.items() if name not in skipped}
    if not usable:
        first = next(iter(skipped.items()))
        raise SlicingError(
            f"none of the {len(records)} files gave a patch (the first, {first[0]}: {first[1]}); "
            "photos of at least 256 × 256 px are needed, or --flat-below and --blurred-below lowered"
        )
    splits = split_photos({record["content_hash"] for _, record in usable.values()}, seed, validation_share)
    counts = dict.fromkeys(SPLITS, 0)
    seen: set[str] = set()
    moves: list[tuple[str, str]] = []
    listed: dict[str, Any] = {}
    digest = hashlib.sha256()
    # validation first: a patch that both splits hold stays out of what the generator learns from
    for name, (part, record) in sorted(usable.items(), key=lambda item: splits[item[1][1]["content_hash"]] == "train"):
        split = splits[record["content_hash"]]
        kept = []
        for index, patch in enumerate(record["patches"]):
            # flat patches do not validate: on the flattest any generator is perfect
            if patch["hash"] in seen or (patch["fault"] and split == "validation"):
                continue
            seen.add(patch["hash"])
            digest.update(f"{split} {patch['hash']}\n".encode())
            moves.append((f"{part}/{index}.png", patch_path(Path(), split, counts[split]).as_posix()))
            kept.append({"number": counts[split], "reduction": patch["reduction"]})
            counts[split] += 1
        listed[name] = record | {"split": split, "patches": kept, "duplicates": len(record["patches"]) - len(kept)}
    manifest = job | {"hash": digest.hexdigest(), "counts": counts, "photos": listed, "skipped": skipped}
    return {"moves": moves, "manifest": manifest}


def split_photos(content_hashes: set[str], seed: int, validation_share: float) -> dict[str, str]:
    """Decide for each photo, by its content alone, whether it trains or validates.

    Args:
        content_hashes: the photos.
        seed: another seed draws other photos.
        validation_share: 0…1; with two photos or more, each split gets at least one; a single photo trains.

    Returns:
        "train" or "validation" for each hash.
    """
    draws = {
        item: int.from_bytes(hashlib.sha256(f"{seed} {item}".encode()).digest()[:8], "big") / 2**64
        for item in content_hashes
    }
    splits = {item: "validation" if draw < validation_share else "train" for item, draw in draws.items()}
    ordered = sorted(draws, key=lambda item: draws[item])
    splits[ordered[0]] = "validation"
    splits[ordered[-1]] = "train"  # a photo that is alone trains
    return splits


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as sibling:
        sibling.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
