"""Slicing: what is cut, what is left out, who validates, and what a killed run leaves behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainer.conftest import deep_png
from trainer.cli.main import main
from trainer.data.patch_set import MANIFEST, PatchSet
from trainer.data.slicing.cutting import SlicingConfig, fine_detail
from trainer.data.slicing.slicer import PARTS, slice_photos, split_photos
from trainer.errors import PatchSetError, SlicingError

KEEP_ALL = SlicingConfig(flat_below=0, blurred_below=0)


def _noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _save(folder: Path, name: str, pixels: np.ndarray, **options: object) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name, **options)


def _read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_worked_example_by_hand(tmp_path: Path) -> None:
    # 600 × 530: 2 × 2 patches at full size, margins (600-512)/2 = 44 and (530-512)/2 = 9; at half size (300 × 265) one
    # patch with margins 22 and 4; a quarter (150 × 132) is too small
    pixels = _noise(530, 600)
    _save(tmp_path / "photos", "a.png", pixels)
    _save(tmp_path / "photos", "b.png", _noise(256, 256, seed=1))
    patches = slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL)
    entry = patches.manifest["photos"]["a.png"]
    files = getattr(patches, entry["split"])
    assert [patch["reduction"] for patch in entry["patches"]] == [1, 1, 1, 1, 2]
    first = entry["patches"][0]["number"]
    for number, (top, left) in enumerate([(9, 44), (9, 300), (265, 44), (265, 300)]):
        np.testing.assert_array_equal(_read(files[first + number]), pixels[top : top + 256, left : left + 256])
    assert len(patches.train) + len(patches.validation) == 6
    assert {len(patches.train), len(patches.validation)} == {5, 1}


def test_reduction_is_made_in_linear_light(tmp_path: Path) -> None:
    board = np.zeros((512, 512, 3), dtype=np.uint8)
    board[0::2, 0::2] = board[1::2, 1::2] = 255
    board[0, :2] = 0  # one pixel less, so that the patches differ
    _save(tmp_path / "photos", "board.png", board)
    patches = slice_photos(tmp_path / "photos", tmp_path / "out", SlicingConfig((2,), flat_below=0, blurred_below=0))
    half = _read(patches.train[0])
    assert half[100, 100].tolist() == [188, 188, 188]  # sRGB of half the light; a mean of the stored values gives 128


@pytest.mark.parametrize(
    ("pixels", "fault"),
    [
        (np.full((256, 256, 3), 77, dtype=np.uint8), "flat"),
        (np.repeat(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 256, 0), 3, 2), "blurred"),
    ],
    ids=["flat", "blurred"],
)
def test_flat_and_blurred_patches_are_left_out(tmp_path: Path, pixels: np.ndarray, fault: str) -> None:
    _save(tmp_path / "photos", "good.png", _noise(256, 256))
    _save(tmp_path / "photos", "bad.png", pixels)
    patches = slice_photos(tmp_path / "photos", tmp_path / "out")
    assert fault in patches.manifest["skipped"]["bad.png"]


def test_a_share_of_the_flat_patches_is_kept_to_train_on_but_not_to_validate(tmp_path: Path) -> None:
    gentle = np.random.default_rng(3).integers(100, 104, (2560, 2560, 1), dtype=np.uint8).repeat(3, 2)  # flat
    for number in range(2):
        gentle[:256, :256] = _noise(256, 256, seed=number)
        _save(tmp_path / "photos", f"{number}.png", gentle)
    counts = {}
    for share in (0.0, 0.2, 1.0):
        config = SlicingConfig((1,), flat_share=share)
        patches = slice_photos(tmp_path / "photos", tmp_path / f"{share}", config)
        counts[share] = (len(patches.train), len(patches.validation))
    assert (counts[0.0], counts[1.0]) == ((1, 1), (100, 1))
    assert 8 < counts[0.2][0] < 36  # of 99, by their content
    assert counts[0.2][1] == 1


def test_noise_is_told_by_camera_and_a_reduction_proposed_for_the_noisy_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    photo = np.asarray(Image.fromarray(_noise(12, 16)).resize((640, 480), Image.Resampling.BICUBIC), dtype=float)
    for camera, sigma in (("QUIET", 0.5), ("LOUD 7", 5.0)):
        for number in range(2):
            exif = Image.Exif()
            exif[0x0110] = camera
            noisy = np.clip(photo + random.normal(0, sigma, photo.shape[:2])[..., None], 0, 255).round()
            _save(tmp_path / "photos", f"{camera}{number}.png", noisy.astype(np.uint8), exif=exif)
    assert main(["slice", str(tmp_path / "photos"), "--out", str(tmp_path / "out"), "--processes", "1"]) == 0
    header, *lines, proposal, _ = capsys.readouterr().out.splitlines()[-5:]
    rows = [line.split(maxsplit=2) for line in lines]
    assert header.split() == ["noise", "of", "255", "photos", "camera"]
    assert [(row[1], row[2]) for row in rows] == [("2", "LOUD 7"), ("2", "QUIET")]
    assert float(rows[0][0]) == pytest.approx(5.0, abs=0.5)
    assert float(rows[1][0]) < 1
    assert proposal.endswith('--reduce "LOUD 7=2"')


def test_a_setting_that_came_later_does_not_refuse_patches_of_before(tmp_path: Path) -> None:
    _save(tmp_path / "photos", "a.png", _noise(256, 256))
    patches = slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL)
    del patches.manifest["settings"]["flat_share"]
    (tmp_path / "out" / MANIFEST).write_text(json.dumps(patches.manifest), encoding="utf-8")
    assert slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL).hash == patches.hash
    with pytest.raises(SlicingError, match="other settings"):
        slice_photos(tmp_path / "photos", tmp_path / "out")


def test_fine_detail_is_the_deviation_within_two_by_two_cells() -> None:
    luma = np.random.default_rng(1).integers(0, 256, (8, 6), dtype=np.uint8)
    cells = luma.astype(float).reshape(4, 2, 3, 2)
    expected = np.sqrt(np.mean((cells - cells.mean(axis=(1, 3), keepdims=True)) ** 2))
    assert fine_detail(luma) == pytest.approx(expected, rel=1e-6)


def test_sixteen_bit_colour_png_is_cut_like_the_same_photo_of_eight_bits(tmp_path: Path) -> None:
    pixels = _noise(256, 300)
    _save(tmp_path / "photos", "eight.png", pixels)
    (tmp_path / "photos" / "sixteen.png").write_bytes(deep_png(pixels.astype(np.uint16) * 257))
    _save(tmp_path / "photos", "other.png", _noise(256, 256, seed=1))
    patches = slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL)
    assert patches.manifest["skipped"] == {}
    eight, sixteen = (patches.manifest["photos"][f"{name}.png"] for name in ("eight", "sixteen"))
    assert eight["content_hash"] == sixteen["content_hash"]
    assert [len(entry["patches"]) for entry in (eight, sixteen)] == [1, 0]  # the same patch, kept once
    assert sixteen["duplicates"] == 1


def test_duplicates_are_kept_once_and_never_in_both_splits(tmp_path: Path) -> None:
    pixels = _noise(256, 512)
    _save(tmp_path / "photos", "a.png", pixels)
    _save(tmp_path / "photos", "copy.png", pixels, compress_level=1)  # other bytes, same photo
    wide = np.concatenate([pixels[:, :256], _noise(256, 256, seed=5)], axis=1)  # another photo, half of it the same
    _save(tmp_path / "photos", "half.png", wide)
    patches = slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL)
    everything = [_read(path).tobytes() for path in patches.train + patches.validation]
    assert len(everything) == len(set(everything)) == 3


def test_no_photo_is_in_both_splits_and_each_split_has_one(tmp_path: Path) -> None:
    for seed in range(12):
        _save(tmp_path / "photos", f"deep/{seed}.png", _noise(256, 512, seed))
    patches = slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL, validation_share=0.3)
    splits = {name: entry["split"] for name, entry in patches.manifest["photos"].items()}
    assert set(splits.values()) == {"train", "validation"}
    owners = {}
    for name, entry in patches.manifest["photos"].items():
        for patch in entry["patches"]:
            owners[entry["split"], patch["number"]] = name
    assert len(owners) == 24
    assert len(patches.train) == 2 * list(splits.values()).count("train")


def test_split_depends_on_content_and_seed_alone() -> None:
    hashes = {f"{number:064x}" for number in range(4000)}
    splits = split_photos(hashes, seed=1, validation_share=0.03)
    share = list(splits.values()).count("validation") / len(splits)
    assert 0.02 < share < 0.04
    fewer = split_photos(set(sorted(hashes)[:2000]), seed=1, validation_share=0.03)
    assert sum(fewer[item] != splits[item] for item in fewer) <= 2  # the smallest and largest draw may be moved
    assert splits != split_photos(hashes, seed=2, validation_share=0.03)


def test_several_processes_give_the_same_set_as_one(tmp_path: Path) -> None:
    for seed in range(5):
        _save(tmp_path / "photos", f"{seed}.png", _noise(520, 520, seed))
    alone = slice_photos(tmp_path / "photos", tmp_path / "one", KEEP_ALL)
    together = slice_photos(tmp_path / "photos", tmp_path / "two", KEEP_ALL, processes=2)
    assert alone.hash == together.hash
    assert [path.read_bytes() for path in alone.train] == [path.read_bytes() for path in together.train]


def test_patches_lie_a_thousand_to_a_folder(tmp_path: Path) -> None:
    _save(tmp_path / "photos", "a.png", _noise(256 + 31, 256 + 33))
    _save(tmp_path / "photos", "b.png", _noise(256, 256, seed=1))
    config = SlicingConfig((1,), stride=1, flat_below=0, blurred_below=0)
    patches = slice_photos(tmp_path / "photos", tmp_path / "out", config)
    larger = max(patches.train, patches.validation, key=len)
    assert len(larger) == 32 * 34
    assert larger[999].parent.name == "000"
    assert larger[1000].parts[-2:] == ("001", "001000.png")
    assert all(path.is_file() for path in larger)


def test_cameras_named_by_the_user_are_reduced_first(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110] = "Noisy 3000"
    Image.fromarray(_noise(512, 512)).save(tmp_path / "n.png", exif=exif)
    photos = tmp_path / "photos"
    photos.mkdir()
    (tmp_path / "n.png").rename(photos / "n.png")
    config = SlicingConfig(flat_below=0, blurred_below=0, camera_reductions=(("Noisy 3000", 2),))
    patches = slice_photos(photos, tmp_path / "out", config)
    assert [patch["reduction"] for patch in patches.manifest["photos"]["n.png"]["patches"]] == [2]


def test_a_second_call_loads_what_is_there_and_other_settings_are_refused(tmp_path: Path) -> None:
    _save(tmp_path / "photos", "a.png", _noise(256, 512))
    first = slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL)
    stamp = first.train[0].stat().st_mtime_ns
    again = slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL)
    assert again == first
    assert again.train[0].stat().st_mtime_ns == stamp
    with pytest.raises(SlicingError, match="other settings"):
        slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL, seed=4)
    _save(tmp_path / "photos", "b.png", _noise(256, 256))
    with pytest.raises(SlicingError, match="other photos"):
        slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL)


def _slice_in_child(photos: Path, out: Path) -> None:
    slice_photos(photos, out, KEEP_ALL)


def test_killed_and_restarted_loses_nothing(tmp_path: Path) -> None:
    for seed in range(12):
        _save(tmp_path / "photos", f"{seed:02d}.png", _noise(1100, 1100, seed))
    child = multiprocessing.get_context("spawn").Process(
        target=_slice_in_child, args=(tmp_path / "photos", tmp_path / "out")
    )
    child.start()
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out" / PARTS).glob("*/record.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    done = list((tmp_path / "out" / PARTS).glob("*/record.json"))
    stamps = {path: path.stat().st_mtime_ns for path in done}
    assert 0 < len(done) < 12
    seen: list[tuple[int, int]] = []
    resumed = slice_photos(
        tmp_path / "photos", tmp_path / "out", KEEP_ALL, report=lambda *progress: seen.append(progress)
    )
    assert stamps  # what was complete was not cut again: the count starts above zero
    assert seen[0] == (len(done), 12)
    whole = slice_photos(tmp_path / "photos", tmp_path / "fresh", KEEP_ALL)
    assert resumed.hash == whole.hash
    assert [p.read_bytes() for p in resumed.train] == [p.read_bytes() for p in whole.train]
    assert not (tmp_path / "out" / PARTS).exists()


def test_killed_while_numbering_is_completed_by_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        _save(tmp_path / "photos", f"{seed}.png", _noise(512, 512, seed))
    moved = []
    replace = Path.replace

    def stop_after_five(self: Path, target: Path) -> Path:
        if self.suffix == ".png":
            moved.append(self)
            if len(moved) == 5:
                raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stop_after_five)
    with pytest.raises(KeyboardInterrupt):
        slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL)
    monkeypatch.undo()
    with pytest.raises(SlicingError, match="other settings"):
        slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL, seed=7)
    resumed = slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL)
    whole = slice_photos(tmp_path / "photos", tmp_path / "fresh", KEEP_ALL)
    assert resumed.hash == whole.hash
    assert [p.read_bytes() for p in resumed.train] == [p.read_bytes() for p in whole.train]


def test_an_empty_folder_and_no_folder_are_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SlicingError, match="is no folder"):
        slice_photos(tmp_path / "none", tmp_path / "out")
    (tmp_path / "photos").mkdir()
    with pytest.raises(SlicingError, match="holds no files"):
        slice_photos(tmp_path / "photos", tmp_path / "out")


def test_photos_all_too_small_are_told_in_a_sentence(tmp_path: Path) -> None:
    _save(tmp_path / "photos", "small.png", _noise(200, 900))
    with pytest.raises(SlicingError, match="900 × 200 px: smaller than 256 px"):
        slice_photos(tmp_path / "photos", tmp_path / "out")


def test_a_full_disk_is_told_in_a_sentence_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        _save(tmp_path / "photos", f"{seed}.png", _noise(512, 512, seed))
    write, written = Path.write_bytes, []

    def full(self: Path, content: bytes) -> int:
        written.append(self)
        if len(written) > 7:
            raise OSError(28, "No space left on device")
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SlicingError, match=r"No space left on device\); make room"):
        slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL)
    monkeypatch.undo()
    seen: list[tuple[int, int]] = []
    slice_photos(tmp_path / "photos", tmp_path / "out", KEEP_ALL, report=lambda *progress: seen.append(progress))
    assert seen[0] == (1, 3)


def test_a_folder_without_or_with_a_foreign_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PatchSetError, match="holds no finished patches"):
        PatchSet.load(tmp_path)
    (tmp_path / MANIFEST).write_text("{", encoding="utf-8")
    with pytest.raises(PatchSetError, match="cannot be read"):
        PatchSet.load(tmp_path)
    (tmp_path / MANIFEST).write_text(json.dumps({"format": "x"}), encoding="utf-8")
    with pytest.raises(PatchSetError, match="has format 'x'"):
        PatchSet.load(tmp_path)
