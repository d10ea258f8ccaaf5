"""`neural-upscale` as a process: names, formats, failures, exit codes, and a server that it starts itself."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from server import client
from tests.hosts.model_server import ModelServer
from tests.server.in_process import photo_like, save_compact

PROGRAM = [sys.executable, "-c", "import sys; from server.cli import main; sys.exit(main())"]


def run(runtime: Path, *words: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(runtime), "PYTHONPATH": str(Path(__file__).parents[2]),
             **environment},
    )  # fmt: skip


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray((photo_like(30, 40) * 255).round().astype(np.uint8)).save(path)
    return path


def test_the_result_lies_beside_the_input_and_equals_the_raw_route(model_server: ModelServer, photo: Path) -> None:
    done = run(model_server.runtime, photo.name, "--model", "fixed", "--detail", "0.5", folder=photo.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "photo-x2.png"
    picture = np.asarray(Image.open(photo))
    raw = model_server.upscale(picture.tobytes(), 40, 30, "RGB", "u8", model="fixed", detail=0.5)
    assert np.asarray(Image.open(photo.with_name("photo-x2.png"))).tobytes() == raw


def test_v_tells_what_each_picture_got_and_the_cleanup_asked_for_is_used(
    model_server: ModelServer, photo: Path
) -> None:
    pixels = np.asarray(Image.open(photo))
    quiet = run(model_server.runtime, photo, "-o", "quiet.png", "--model", "whole", folder=photo.parent)
    assert quiet.stderr == ""
    told = run(
        model_server.runtime, photo, "-o", "told.png", "--model", "whole", "--cleanup", "0.8", "-v", folder=photo.parent
    )  # fmt: skip
    assert told.stderr.strip() == f"neural-upscale: {photo}: whole, detail 0.5, cleanup 0.75"
    raw = model_server.upscale(pixels.tobytes(), 40, 30, "RGB", "u8", model="whole", cleanup=0.75)
    assert np.asarray(Image.open(photo.with_name("told.png"))).tobytes() == raw


def test_the_output_names_file_and_format(model_server: ModelServer, photo: Path) -> None:
    done = run(model_server.runtime, photo, "-o", "out/result.jpg", folder=photo.parent)
    assert done.returncode == 0, done.stderr
    with Image.open(photo.parent / "out" / "result.jpg") as result:
        assert result.size == (80, 60)
        assert result.format == "JPEG"
        assert {layer[1:3] for layer in getattr(result, "layer", [])} == {(1, 1)}  # 4:4:4


def test_nothing_is_replaced_without_overwrite(model_server: ModelServer, photo: Path) -> None:
    target = photo.with_name("photo-x2.png")
    target.write_bytes(b"mine")
    refused = run(model_server.runtime, photo, folder=photo.parent)
    assert refused.returncode == 1
    assert "--overwrite" in refused.stderr
    assert target.read_bytes() == b"mine"
    assert run(model_server.runtime, photo, "--overwrite", folder=photo.parent).returncode == 0
    with Image.open(target) as result:
        assert result.size == (80, 60)


def test_a_folder_goes_on_after_a_failure_and_sums_up(model_server: ModelServer, photo: Path, tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    photo.rename(inside / "good.png")
    (inside / "bad.jpg").write_bytes(b"no picture")
    (inside / "notes.txt").write_text("not looked at")
    done = run(model_server.runtime, inside, "-o", tmp_path / "out", folder=tmp_path)
    assert done.returncode == 1
    assert "bad.jpg cannot be read as an image" in done.stderr
    assert "1 of 2 pictures enlarged." in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]


def test_files_and_folders_go_on_without_what_is_missing_or_of_another_kind(
    model_server: ModelServer, photo: Path, tmp_path: Path
) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "inner.png").write_bytes(photo.read_bytes())
    (tmp_path / "drawing.bmp").write_bytes(b"BM")
    done = run(model_server.runtime, photo, "missing.png", "drawing.bmp", inside, "--model", "fixed", folder=tmp_path)
    assert done.returncode == 1
    assert "There is no file missing.png" in done.stderr
    assert "drawing-x2.bmp ends in '.bmp'" in done.stderr
    assert "2 of 4 pictures enlarged." in done.stderr
    assert (tmp_path / "photo-x2.png").exists()
    assert (inside / "inner-x2.png").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_in_a_terminal_a_bar_shows_the_progress(model_server: ModelServer, photo: Path) -> None:
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    os.set_blocking(ours, False)
    done = subprocess.run(
        [*PROGRAM, str(photo), "--model", "fixed"], stdout=subprocess.PIPE, stderr=theirs, timeout=120, check=False,
        env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(model_server.runtime),
             "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    shown = os.read(ours, 1 << 16).decode()
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 0, shown
    assert "photo.png" in shown
    assert "%|" in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["missing.png"], "There is no file missing.png"),
        (["photo.png", "-o", "x.bmp"], "ends in '.bmp'"),
        (["photo.png", "-o", "photo.png", "--overwrite"], "would replace it"),
        (["photo.png", "--model", "nothing"], "There is no model 'nothing'"),
        (["photo.png", "--model", "../x"], "not a path"),
        (["photo.png", "--model", "slow", "--detail", "0.5"], "takes no detail"),
        (["photo.png", "--model", "fixed", "--cleanup", "0.5"], "no usable fixed-clean file"),
        (["empty"], "no PNG, JPEG, TIFF or WebP"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_writes_nothing(
    model_server: ModelServer, photo: Path, words: list[str], sentence: str
) -> None:
    (photo.parent / "empty").mkdir()
    before = photo.read_bytes()
    done = run(model_server.runtime, *words, folder=photo.parent)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert photo.read_bytes() == before
    assert sorted(path.name for path in photo.parent.iterdir()) == ["empty", "photo.png"]


def test_wrong_usage_exits_with_2(photo: Path) -> None:
    for words in ([], ["photo.png", "--detail", "2"], ["photo.png", "--cleanup", "-0.1"], ["--nonsense"], ["install"]):
        assert run(photo, *words, folder=photo.parent).returncode == 2


def test_without_a_word_everything_that_can_be_done_is_listed(photo: Path) -> None:
    told = run(photo, folder=photo.parent).stderr
    assert "sub-commands" in told
    assert "doctor" in told


def test_the_version_is_told(photo: Path) -> None:
    assert re.fullmatch(r"neural-upscale \d+\.\d+\.\d+\n", run(photo, "--version", folder=photo.parent).stdout)


def test_a_sub_command_wins_over_a_file_of_its_name(model_server: ModelServer, photo: Path) -> None:
    photo.rename(photo.with_name("models"))
    listed = run(model_server.runtime, "models", folder=photo.parent)
    assert "fixed" in listed.stdout
    assert run(model_server.runtime, "./models", "-o", "x.png", folder=photo.parent).returncode == 0
    assert (photo.parent / "x.png").exists()


def test_help_is_quick_and_loads_nothing_heavy(photo: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", *PROGRAM[1:], "--help"], capture_output=True, text=True, timeout=60,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert told.returncode == 0
    for heavy in ("torch", "numpy", "flask", "PIL"):
        assert f" {heavy}\n" not in told.stderr


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Path]:
    """Give a runtime file that nobody wrote yet; ends whatever server wrote it."""
    runtime = tmp_path / "state" / "runtime.json"
    yield runtime
    try:
        os.kill(client.read_runtime(runtime).pid, 15)
    except client.ClientError:
        return
    for _ in range(100):
        if not runtime.exists():
            return
        time.sleep(0.1)


def test_without_a_server_one_is_started_and_a_second_run_uses_it(tmp_path: Path, photo: Path, started: Path) -> None:
    data = tmp_path / "data"
    (data / "neural-upscale" / "weights").mkdir(parents=True)
    save_compact(data / "neural-upscale" / "weights", "own-faithful")
    first = run(started, photo, "--model", "own", folder=tmp_path, XDG_DATA_HOME=str(data))
    assert first.returncode == 0, first.stderr
    pid = client.read_runtime(started).pid
    assert run(started, photo, "-o", "b.png", folder=tmp_path).returncode == 0
    assert client.read_runtime(started).pid == pid


def test_when_the_server_was_killed_a_new_one_takes_over(tmp_path: Path, photo: Path, started: Path) -> None:
    data = tmp_path / "data"
    (data / "neural-upscale" / "weights").mkdir(parents=True)
    save_compact(data / "neural-upscale" / "weights", "own-faithful")
    assert run(started, photo, "--model", "own", folder=tmp_path, XDG_DATA_HOME=str(data)).returncode == 0
    os.kill(client.read_runtime(started).pid, 9)
    again = run(started, photo, "--model", "own", "-o", "b.png", folder=tmp_path, XDG_DATA_HOME=str(data))
    assert again.returncode == 0, again.stderr
