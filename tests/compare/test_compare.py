"""`neural-upscale compare` against the real server: the strip's pixels are what the command line gives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from server.cli.compare.columns import enlarge_part
from server.cli.compare.picture import GAP, LABEL, busiest_part, corners, shown, strip
from server.client import Region
from server.images.photo import Photo
from tests.hosts.model_server import ModelServer, serving

COMMAND = Path(sys.executable).with_name("neural-upscale")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A flat picture with a busy part right of the middle."""
    pixels = np.full((300, 500, 3), 120, np.uint8)
    pixels[40:280, 170:490] = np.random.default_rng(3).integers(0, 255, (240, 320, 3))
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def command(server: ModelServer, photo: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NEURAL_UPSCALE_RUNTIME": str(server.announce(photo.parent))}
    return subprocess.run(
        [COMMAND, *words], env=environment, cwd=photo.parent, capture_output=True, text=True, timeout=120, check=False
    )


def pixels_of(path: Path, frame: int = 0) -> np.ndarray:
    with Image.open(path) as image:
        image.seek(frame)
        return np.asarray(image.convert("RGB")).astype(int)


def test_the_strip_shows_bicubic_faithful_and_detailed_as_the_command_line_gives_them(
    running: ModelServer, photo: Path
) -> None:
    done = command(running, photo, "compare", "photo.png", "--model", "fixed")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["photo-compare.png", "photo-compare.webp"]
    drawn = pixels_of(photo.with_name("photo-compare.png"))
    width, height = 640, 480
    assert drawn.shape == (2 * (LABEL + height + GAP), GAP + 3 * (width + GAP), 3)
    for column, detail in ((1, "0"), (2, "1")):
        target = f"detail-{detail}.png"
        command(running, photo, "photo.png", "-o", target, "--model", "fixed", "--detail", detail)
        expected = pixels_of(photo.with_name(target))[80:560, 340:980]
        left = GAP + column * (width + GAP)
        found = drawn[LABEL : LABEL + height, left : left + width]
        assert np.abs(found - expected).max() <= 1
    bicubic = Image.open(photo)
    with bicubic:
        large = np.asarray(bicubic.resize((1000, 600), Image.Resampling.BICUBIC)).astype(int)[80:560, 340:980]
    assert np.array_equal(drawn[LABEL : LABEL + height, GAP : GAP + width], large)


def test_the_animation_alternates_two_frames_once_a_second(running: ModelServer, photo: Path) -> None:
    command(running, photo, "compare", "photo.png", "--model", "fixed", "-o", "out.png")
    with Image.open(photo.with_name("out.webp")) as animation:
        assert (animation.n_frames, animation.size) == (2, (640, 480 + LABEL))  # type: ignore[attr-defined]
        assert animation.info["loop"] == 0
        animation.seek(1)
        animation.load()
        assert animation.info["duration"] == 1000
    assert np.abs(pixels_of(photo.with_name("out.webp"), 0) - pixels_of(photo.with_name("out.webp"), 1)).mean() > 1


def test_several_models_stand_beside_each_other_with_their_times(running: ModelServer, photo: Path) -> None:
    words = ["--model", "fixed-faithful", "--model", "compact", "--model", "fixed-faithful", "--size", "100,80"]
    done = command(running, photo, "compare", "photo.png", "--at", "180,60", *words)
    assert done.returncode == 0, done.stderr
    drawn = pixels_of(photo.with_name("photo-compare.png"))
    width, height = 200, 160
    assert drawn.shape == (2 * (LABEL + height + GAP), GAP + 3 * (width + GAP), 3)
    command(running, photo, "photo.png", "-o", "whole.png", "--model", "compact")
    expected = pixels_of(photo.with_name("whole.png"))[120:280, 360:560]
    left = GAP + 2 * (width + GAP)
    assert np.abs(drawn[LABEL : LABEL + height, left : left + width] - expected).max() <= 1
    with Image.open(photo.with_name("photo-compare.webp")) as animation:
        assert animation.n_frames == 3  # type: ignore[attr-defined]


def test_the_label_of_one_among_several_ends_in_its_seconds(
    running: ModelServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NEURAL_UPSCALE_RUNTIME", str(running.announce(tmp_path)))
    photo = Image.new("RGB", (90, 60), (200, 90, 10))
    found = enlarge_part(photo, Region(10, 10, 40, 30), ["fixed", "fixed-faithful"])
    assert [label for label, _ in found.columns[:1]] == ["bicubic"]
    assert re.fullmatch(r"fixed, detail 0\.5, \d+\.\d\d s", found.columns[1][0])
    assert re.fullmatch(r"fixed-faithful, \d+\.\d\d s", found.columns[2][0])
    assert {picture.size for _, picture in found.columns} == {(80, 60)}
    assert found.frames == found.columns


def test_the_size_of_the_patch_can_be_chosen(running: ModelServer, photo: Path) -> None:
    words = ["compare", "photo.png", "--model", "fixed", "--at", "200,100", "--size", "60,40"]
    assert command(running, photo, *words).returncode == 0
    assert pixels_of(photo.with_name("photo-compare.png")).shape[:2] == (2 * (LABEL + 80 + GAP), GAP + 3 * (120 + GAP))


def test_a_single_file_gives_two_columns_and_a_small_photo_a_small_strip(running: ModelServer, tmp_path: Path) -> None:
    Image.new("L", (30, 20), 90).save(tmp_path / "small.png")
    done = command(running, tmp_path / "small.png", "compare", "small.png", "--model", "fixed-faithful", "--at", "5,5")
    assert done.returncode == 0, done.stderr
    assert pixels_of(tmp_path / "small-compare.png").shape == (2 * (LABEL + 40 + GAP), GAP + 2 * (60 + GAP), 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.png"], "There is no file nothing.png"),
        (["photo.png", "--at", "left"], "expected two whole numbers"),
        (["photo.png", "--at", "9000,1"], "stay inside"),
        (["photo.png", "--model", "unknown"], "usable are"),
        (["photo.png", "-o", "out.gif"], "ends in .png"),
    ],
)
def test_a_wrong_order_gets_a_sentence_and_writes_nothing(
    running: ModelServer, photo: Path, words: list[str], said: str
) -> None:
    done = command(running, photo, "compare", *words)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in photo.parent.iterdir() if path.suffix in (".png", ".webp")] == ["photo.png"]


def test_results_that_are_there_are_replaced_only_when_told(running: ModelServer, photo: Path) -> None:
    target = photo.with_name("photo-compare.webp")
    target.write_bytes(b"mine")
    done = command(running, photo, "compare", "photo.png", "--model", "fixed")
    assert (done.returncode, target.read_bytes()) == (1, b"mine")
    assert "--overwrite" in done.stderr
    assert command(running, photo, "compare", "photo.png", "--model", "fixed", "--overwrite").returncode == 0
    assert target.read_bytes() != b"mine"


def test_the_busiest_part_is_found() -> None:
    pixels = np.zeros((100, 200), np.uint8)
    pixels[60:80, 130:160:2] = 255
    part = busiest_part(Image.fromarray(pixels), 40, 30)
    assert part.intersected(Region(130, 60, 29, 20)) == Region(130, 60, 29, 20)
    whole = busiest_part(Image.fromarray(pixels), 200, 100)
    assert corners(whole) == (0, 0, 200, 100)


def test_the_surroundings_of_a_part_go_as_far_as_the_picture() -> None:
    around = Region(10, 5, 20, 20).grown(16).intersected(Region(0, 0, 100, 50))
    assert corners(around) == (0, 0, 46, 41)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.full((2, 2, 1), 100, np.uint8), (100, 100, 100)),
        (np.full((2, 2, 3), 65535, np.uint16), (255, 255, 255)),
        (np.full((2, 2, 4), (200, 100, 0, 0), np.uint8), (128, 128, 128)),
        (np.full((2, 2, 2), (2.0, 1.0), np.float32), (255, 255, 255)),
    ],
)
def test_every_layout_and_depth_is_shown(samples: np.ndarray, expected: tuple[int, int, int]) -> None:
    assert shown(Photo(samples)).getpixel((0, 0)) == expected


def test_a_profile_is_honoured() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert shown(Photo(np.full((1, 1, 3), 77, np.uint8), icc=profile)).getpixel((0, 0)) == (77, 77, 77)
    assert shown(Photo(np.full((1, 1, 3), 77, np.uint8), icc=b"broken")).getpixel((0, 0)) == (77, 77, 77)


def test_the_lower_row_is_the_middle_three_times_as_large() -> None:
    picture = Image.new("RGB", (90, 60))
    picture.putpixel((45, 30), (250, 1, 1))
    drawn = np.asarray(strip([("one", picture), ("two", picture)]))
    below = drawn[2 * LABEL + 60 + GAP : 2 * LABEL + 120 + GAP, GAP : GAP + 90]
    assert (below == (250, 1, 1)).all(-1).sum() == 9
