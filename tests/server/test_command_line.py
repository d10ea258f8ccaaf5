"""`neural-upscale` as a process: names, formats, failures, exit codes, and a server that it starts itself."""

from __future__ import annotations

import os
import re
import shlex
import shutil
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
from tests.server.file_kinds import picture, psd
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


@pytest.mark.parametrize(
    ("words", "name", "size"),
    [
        (["--scale", "3"], "photo-x3.png", (120, 90)),
        (["--scale", "2.5"], "photo-x2.5.png", (100, 75)),
        (["--width", "99"], "photo-99x74.png", (99, 74)),
        (["--height", "90"], "photo-120x90.png", (120, 90)),
        (["--width", "99", "--height", "75"], "photo-99x75.png", (99, 75)),
        (["--long-side", "160"], "photo-160x120.png", (160, 120)),
        (["--megapixels", "0.0048"], "photo-80x60.png", (80, 60)),
        (["--long-side", "160", "-o", "out/"], "out/photo.png", (160, 120)),
    ],
)
def test_the_result_has_the_size_asked_for_and_is_named_after_it(
    model_server: ModelServer, photo: Path, words: list[str], name: str, size: tuple[int, int]
) -> None:
    done = run(model_server.runtime, photo.name, "--model", "fixed", *words, folder=photo.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(Path(name))
    with Image.open(photo.parent / name) as result:
        assert result.size == size
    again = run(model_server.runtime, photo.name, "--model", "fixed", *words, folder=photo.parent)
    assert "is there already" in again.stderr


def test_a_size_that_cannot_be_is_told_before_anything_is_computed(model_server: ModelServer, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "small.png")
    Image.new("L", (4100, 4100)).save(tmp_path / "large.png")
    Image.new("L", (2100, 10)).save(tmp_path / "wide.webp")
    runs = {
        "small.png": (["--long-side", "400"], "long side 400 is ×10 of 40×30 pixels; expected ×1 to ×8"),
        "large.png": (["--scale", "8"], "32800×32800 = 1075.8 megapixels; this server takes up to 1024"),
        "wide.webp": (["--scale", "8"], "WEBP holds up to 16383"),
    }
    runtime = model_server.runtime
    for name, (words, sentence) in runs.items():
        done = run(runtime, name, "--model", "slow", *words, folder=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert sentence in done.stderr
    fitted = run(runtime, "small.png", "--width", "80", "--height", "50", folder=tmp_path)
    assert "80×50 has not the shape of 40×30 pixels; expected 80×60" in fitted.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(runs)


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
    assert "1 enlarged, 1 failed, 1 skipped: 1 no picture" in done.stderr
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
    assert "drawing.bmp: drawing.bmp cannot be read as an image" in done.stderr
    assert "2 enlarged, 2 failed" in done.stderr
    assert (tmp_path / "photo-x2.png").exists()
    assert (inside / "inner-x2.png").exists()


@pytest.mark.parametrize("kind", ["gif", "bmp", "psd"])
def test_what_is_only_read_becomes_a_png_with_a_notice(
    model_server: ModelServer, photo: Path, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    if kind == "psd":
        (folder / "drawing.psd").write_bytes(psd(picture(30, 40)))
    else:
        Image.open(photo).save(folder / f"drawing.{kind}")
    for words in ([folder / f"drawing.{kind}"], [folder, "-o", "out"]):
        done = run(model_server.runtime, *words, "--model", "fixed", folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"{kind.upper()} is only read; the result is a PNG." in done.stderr
    for result in (folder / "drawing-x2.png", tmp_path / "out" / "drawing.png"):
        with Image.open(result) as image:
            assert (image.size, image.format) == ((80, 60), "PNG")


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
        (["empty"], "no PNG, JPEG, TIFF, WebP, AVIF"),
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
    for words in (
        [],
        ["photo.png", "--detail", "2"],
        ["photo.png", "--cleanup", "-0.1"],
        ["photo.png", "--scale", "0.5"],
        ["photo.png", "--scale", "nan"],
        ["photo.png", "--width", "0"],
        ["photo.png", "--width", "80.5"],
        ["photo.png", "--megapixels", "inf"],
        ["photo.png", "--scale", "2", "--width", "80"],
        ["photo.png", "--width", "80", "--height", "60", "--megapixels", "1"],
        ["--nonsense"],
        ["install", "nothing"],
    ):
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


def test_models_are_listed_by_kind_with_scale_speed_size_licence_and_author(
    model_server: ModelServer, photo: Path
) -> None:
    lines = run(model_server.runtime, "models", folder=photo.parent).stdout.splitlines()
    assert lines[0] == "Ours"
    listed = next(number for number, line in enumerate(lines) if line.startswith("* compact "))
    assert re.search(r"×2 +(speed –|[\d.]+ MP/s) +4\.8 MB  CC-BY-SA-4\.0$", lines[listed])
    assert "by Neural Upscale · detail 0…1, default 0.5" in lines[listed + 1]
    assert lines[listed + 2].split() == [
        "of",
        "compact-faithful,",
        "compact-detailed,",
        "compact-clean,",
        "compact-clean-detailed",
    ]
    assert not any(line.startswith("  compact-faithful") for line in lines)


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
    """Return a runtime file that nobody wrote yet; ends whatever server wrote it."""
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


def test_a_folder_with_one_picture_and_a_name_with_a_slash_make_folders(
    model_server: ModelServer, photo: Path, tmp_path: Path
) -> None:
    inside = tmp_path / "photos"
    inside.mkdir()
    (inside / "photo.png").write_bytes(photo.read_bytes())
    assert run(model_server.runtime, "photos", "-o", "large", "--model", "fixed", folder=tmp_path).returncode == 0
    assert (tmp_path / "large" / "photo.png").is_file()
    assert run(model_server.runtime, "photo.png", "-o", "new/", "--model", "fixed", folder=tmp_path).returncode == 0
    assert (tmp_path / "new" / "photo.png").is_file()


def test_what_is_left_out_of_a_folder_is_counted(model_server: ModelServer, photo: Path, tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    names = ("a.png", "a-80x60.png", "b-x2.png", "c-x2.5.png", "camera-x100.png", "wall-80x60.png", "._a.png")
    for name in (*names, ".hidden.jpg", "notes.txt"):
        (inside / name).write_bytes(photo.read_bytes())
    done = run(model_server.runtime, inside, "-o", "out", "--model", "fixed", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("3 enlarged, 6 skipped: 3 results of before, 1 no picture, 2 hidden\n")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "camera-x100.png", "wall-80x60.png"}


def test_results_of_one_name_say_which_and_a_file_named_twice_is_done_once(
    model_server: ModelServer, photo: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.png").write_bytes(photo.read_bytes())
    done = run(model_server.runtime, "a", "b", "a", "-o", "out", "--model", "fixed", folder=tmp_path)
    assert done.returncode == 1
    assert "b/same.png would become out/same.png, as a/same.png does" in done.stderr
    assert "1 enlarged, 1 failed" in done.stderr
    assert (tmp_path / "out" / "same.png").is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="needs names of any bytes")
def test_a_batch_goes_on_whatever_a_file_or_its_name_is(model_server: ModelServer, photo: Path, tmp_path: Path) -> None:
    contents = photo.read_bytes()
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "z-last.png").write_bytes(contents)
    (inside / os.fsdecode(b"\xff\xfe.png")).write_bytes(contents)
    (inside / ("n" * 251 + ".png")).write_bytes(contents)
    (inside / "torn.png").write_bytes(contents[:60])
    (inside / "empty.png").touch()
    os.mkfifo(inside / "pipe.png")
    (inside / "dangling.png").symlink_to("nowhere")
    (inside / "loop.png").symlink_to("loop.png")
    words = ["in", "x" * 300 + ".png", "nothing/there.png", "x**.png", "in/pipe.png"]
    done = run(model_server.runtime, *words, "--model", "fixed", folder=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (inside / "z-last-x2.png").is_file()
    assert (inside / os.fsdecode(b"\xff\xfe-x2.png")).is_file()
    assert done.stderr.splitlines()[-1].startswith("2 enlarged, 7 failed")
    for name in ("nothing/there.png", "x**.png"):
        assert f"There is no file {name}" in done.stderr
    assert "in/pipe.png is a pipe or a device" in done.stderr
    assert "File name too long" in done.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs to become another user")
def test_a_locked_folder_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    """Decided before anything is computed; the decision alone is run as a user without rights."""
    for name in ("locked", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(b"")
    (tmp_path / "locked").chmod(0)
    shutil.copytree(tmp_path / "open", tmp_path / "several" / "1-listed")
    shutil.copytree(tmp_path / "open", tmp_path / "several" / "2-open")
    (tmp_path / "several" / "1-listed").chmod(0o444)  # its names can be read, and nothing more
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o055)
    script = (
        "import os, sys; from pathlib import Path; from server.cli.upscale.batch import Order, plan; os.setuid(65534); "
        "batch = plan(Order([Path(each) for each in sys.argv[1:]], None, recursive=True)); "
        "print([task.source.name for task in batch.tasks], batch.faults)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "locked"), str(tmp_path / "locked" / "a.png"),
         str(tmp_path / "several"), str(tmp_path / "open")],
        capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("['a.png', 'a.png'] [")
    assert told.stdout.count("Permission denied") == 3


@pytest.mark.parametrize("words", [[""], ["photo.png", "-o", ""]])
def test_an_empty_name_is_no_folder(photo: Path, words: list[str]) -> None:
    done = run(photo, *words, folder=photo.parent)
    assert done.returncode == 2
    assert "empty" in done.stderr
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_any_encoding_of_the_terminal_prints_help_and_failures(photo: Path, encoding: str) -> None:
    for words in (["--help"], ["serve", "--help"], ["серп.png"], ["models", "--json", "x"]):
        done = subprocess.run(
            [*PROGRAM, *words], capture_output=True, timeout=120, cwd=photo.parent,
            env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(__file__).parents[2]),
                 "NEURAL_UPSCALE_RUNTIME": str(photo.parent / "none.json")},
        )  # fmt: skip
        assert b"Traceback" not in done.stderr
        assert b"UnicodeEncodeError" not in done.stderr
        assert done.stdout + done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize("closing", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_no_harm(model_server: ModelServer, photo: Path, closing: str) -> None:
    command = " ".join(map(shlex.quote, [*PROGRAM, photo.name, "--model", "fixed"]))
    done = subprocess.run(
        ["sh", "-c", f"{command} {closing}"], cwd=photo.parent, timeout=120,
        env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(model_server.runtime),
             "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0
    with Image.open(photo.parent / "photo-x2.png") as result:
        assert result.size == (80, 60)


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_a_reader_that_leaves_ends_the_command_quietly(model_server: ModelServer, photo: Path) -> None:
    command = " ".join(map(shlex.quote, [*PROGRAM, "models", "--json"]))
    done = subprocess.run(
        ["sh", "-c", f"{{ {command}; echo $? >code; }} | true"], cwd=photo.parent, capture_output=True, text=True,
        timeout=120, env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(model_server.runtime),
                          "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.stderr == ""
    assert (photo.parent / "code").read_text().strip() == "141"


@pytest.mark.parametrize("word", ["--help", "models"])
@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_output_that_does_not_fit_on_the_disk_is_one_sentence(
    model_server: ModelServer, tmp_path: Path, word: str
) -> None:
    variables = {**os.environ, "NEURAL_UPSCALE_RUNTIME": str(model_server.runtime), "PYTHONUNBUFFERED": ""}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, word], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120,
            env=variables | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "neural-upscale: No space left on device.\n")


@pytest.mark.parametrize("home", ["/nonexistent/home", "/proc/1"])
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_home_that_is_missing_or_read_only_is_a_sentence(photo: Path, home: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": home, "PYTHONPATH": str(Path(__file__).parents[2])}
    if home.startswith("/nonexistent") and os.geteuid() == 0:
        environment["HOME"] = "/proc/nonexistent/home"  # where root cannot make it either
    for words in ([photo.name], ["models"], ["open", "--print"], ["serve", "--port", "0"]):
        done = subprocess.run(
            [*PROGRAM, *words], cwd=photo.parent, capture_output=True, text=True, timeout=120, env=environment
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "cannot be written" in done.stderr


def test_what_nobody_foresaw_goes_to_a_log_and_is_no_traceback(photo: Path, tmp_path: Path) -> None:
    broken = "import server.cli.upscale.files as it; it.run = lambda order: {}['nobody foresaw this']"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {broken}; from server.cli import main; sys.exit(main())", photo.name],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(tmp_path / "state" / "runtime.json"),
             "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    log = tmp_path / "state" / "command-line.log"
    assert str(log) in done.stderr
    assert "KeyError: 'nobody foresaw this'" in log.read_text()


@pytest.mark.parametrize("name", ["server.py", "weights.py", "server/__init__.py"])
def test_somebodys_module_of_our_packages_name_is_not_ours(
    model_server: ModelServer, photo: Path, tmp_path: Path, name: str
) -> None:
    """ComfyUI has a `server.py`, and people put its folder into PYTHONPATH."""
    theirs = tmp_path / "theirs"
    (theirs / name).parent.mkdir(parents=True)
    (theirs / name).write_text("raise SystemExit('this is another program')")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from neural_upscale_cli import main; sys.exit(main())", str(photo),
         "--model", "fixed"], cwd=theirs, capture_output=True, text=True, timeout=120,
        env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(model_server.runtime),
             "PYTHONPATH": os.pathsep.join([str(theirs), str(root)])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert photo.with_name("photo-x2.png").is_file()
