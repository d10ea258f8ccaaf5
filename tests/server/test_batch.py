"""Folders in folders, names that are taken, pipes and several pictures at once."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from server.cli.upscale.batch import Order, plan
from server.cli.upscale.jobs import Room, in_order
from server.client.sizing import Target
from tests.hosts.model_server import ModelServer
from tests.server.file_kinds import jpeg, picture, psd
from tests.server.test_command_line import PROGRAM, run

ROOT = Path(__file__).parents[2]


def put(folder: Path, *names: str, contents: bytes | None = None) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg() if contents is None else contents)


def targets(folder: Path, **given: object) -> dict[str, str]:
    """Return where each picture's result goes, both below a folder."""
    order = {"files": [folder], "output": None, "recursive": True} | given
    return {
        task.source.relative_to(folder).as_posix(): task.target.relative_to(folder).as_posix()
        for task in plan(Order(**order)).tasks  # type: ignore[arg-type]
    }


# Folders in folders


def test_folders_in_folders_are_searched_on_request_only_and_keep_their_structure(
    model_server: ModelServer, tmp_path: Path
) -> None:
    put(tmp_path / "in", "z.jpg", "a/b/y.jpg", "a/x.psd", ".hidden/no.jpg", "a/.no.jpg")
    put(tmp_path / "in", "a/x.psd", contents=psd(picture()))
    done = run(model_server.runtime, "in", "-r", "-o", "out", "--model", "fixed", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["out/z.jpg", "out/a/x.png", "out/a/b/y.jpg"]
    assert done.stderr.endswith("3 enlarged, 2 skipped: 2 hidden\n")
    assert all((tmp_path / name).is_file() for name in done.stdout.split())
    assert targets(tmp_path / "in", recursive=False) == {"z.jpg": "z-x2.jpg"}
    assert targets(tmp_path / "in") == {"z.jpg": "z-x2.jpg", "a/x.psd": "a/x-x2.png", "a/b/y.jpg": "a/b/y-x2.jpg"}


@pytest.mark.parametrize("inside", [True, False])
def test_the_results_of_an_earlier_run_are_not_enlarged_again(tmp_path: Path, inside: bool) -> None:
    put(tmp_path, "a.jpg", "b/c.jpg")
    output = tmp_path / "b" / "large" if inside else None
    first = plan(Order([tmp_path], output, recursive=True))
    for task in first.tasks:
        put(tmp_path, task.target.relative_to(tmp_path).as_posix())
    again = plan(Order([tmp_path], output, recursive=True))
    assert again.tasks == first.tasks
    assert again.summary(0) == "2 enlarged, 2 skipped: 2 results of before"


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_links_to_folders_are_not_followed_so_that_no_search_is_endless(tmp_path: Path) -> None:
    put(tmp_path, "in/a/b/c.jpg", "elsewhere/d.jpg")
    for link, to in (("in/a/b/up", "../.."), ("in/self", "."), ("in/other", "../elsewhere")):
        (tmp_path / link).symlink_to(to)
    batch = plan(Order([tmp_path / "in"], None, recursive=True))
    assert [task.source.name for task in batch.tasks] == ["c.jpg"]
    assert batch.summary(0) == "1 enlarged, 3 skipped: 3 linked folders"
    (tmp_path / "named").symlink_to("in")
    assert targets(tmp_path / "named") == {"a/b/c.jpg": "a/b/c-x2.jpg"}


def test_hundreds_of_folders_in_one_another_are_searched(tmp_path: Path) -> None:
    before, deep = Path.cwd(), "d/" * 400
    put(tmp_path, "top.jpg", f"{deep}bottom.jpg")
    os.chdir(tmp_path)
    try:
        assert [task.source.name for task in plan(Order([Path()], None, recursive=True)).tasks] == [
            "top.jpg", "bottom.jpg",
        ]  # fmt: skip
    finally:
        os.chdir(before)


# Names


def test_the_format_asked_for_is_what_names_end_in(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpeg", "c.psd", "d.png")
    assert targets(tmp_path, kind="JPEG") == {
        "a.jpg": "a-x2.jpg", "b.jpeg": "b-x2.jpeg", "c.psd": "c-x2.jpg", "d.png": "d-x2.jpg",
    }  # fmt: skip


def test_names_that_are_taken_get_a_number_on_request(model_server: ModelServer, tmp_path: Path) -> None:
    put(tmp_path, "a/same.jpg", "b/same.jpg", "c/same.jpg", "out/same-2.jpg")
    words = ["a", "b", "c", "-o", "out", "--model", "fixed", "--number"]
    done = run(model_server.runtime, *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["out/same.jpg", "out/same-3.jpg", "out/same-4.jpg"]
    assert (tmp_path / "out" / "same-2.jpg").read_bytes() == jpeg()
    sized = [run(model_server.runtime, "a/same.jpg", "--width", "80", *words[5:], folder=tmp_path) for _ in range(2)]
    assert [each.stdout.strip() for each in sized] == ["a/same-80x57.jpg", "a/same-80x57-2.jpg"]
    put(tmp_path / "a", "same-x2-2.jpg")
    assert targets(tmp_path / "a") == {"same.jpg": "same-x2.jpg"}  # numbered ones are results of before


def test_two_results_of_one_size_and_name_are_numbered_in_their_order(tmp_path: Path) -> None:
    put(tmp_path, "a/same.jpg", "b/same.jpg")
    order = Order([tmp_path / "a", tmp_path / "b"], tmp_path / "out", size=Target("width", 80), number=True)
    assert [(task.target.name, task.number) for task in plan(order).tasks] == [("same.jpg", 1), ("same.jpg", 2)]


# Pipes


def piped(server: ModelServer, *words: str, given: bytes, folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*PROGRAM, *words, "--model", "fixed"], cwd=folder, input=given, capture_output=True, timeout=120,
        env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(server.runtime), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.parametrize(("words", "kind"), [
    (["-"], "JPEG"), (["-", "-o", "-", "--format", "tiff"], "TIFF"), (["it.psd", "-o", "-"], "PNG"),
])  # fmt: skip
def test_a_picture_goes_through_pipes_and_words_go_to_standard_error(
    model_server: ModelServer, tmp_path: Path, words: list[str], kind: str
) -> None:
    put(tmp_path, "it.psd", contents=psd(picture()))
    done = piped(model_server, *words, "-v", given=jpeg(), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert (image.format, image.size) == (kind, (112, 80))
    assert b"fixed, detail" in done.stderr
    assert (b"PSD is only read; the result is a PNG." in done.stderr) == (kind == "PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["it.psd"]


def test_standard_input_goes_into_a_file_whose_name_is_printed(model_server: ModelServer, tmp_path: Path) -> None:
    done = piped(model_server, "-", "-o", "new/it.png", given=jpeg(), folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"new/it.png\n", b"")
    with Image.open(tmp_path / "new" / "it.png") as image:
        assert image.size == (112, 80)


@pytest.mark.parametrize(("words", "given", "code", "sentence"), [
    (["-"], b"", 1, "standard input: Nothing came from standard input; expected a picture."),
    (["-"], b"text", 1, "standard input: standard input cannot be read as an image"),
    (["-", "-o", "new/"], b"", 1, "new is a folder, but standard input has no name"),
    (["-", "-o", "x.png", "--format", "jpeg"], b"", 1, "--format is JPEG, but x.png is PNG"),
    (["missing.png", "-o", "-"], b"", 1, "There is no file missing.png; expected one picture"),
    (["-", "it.png"], b"", 2, "2 names came with -; expected one picture"),
])  # fmt: skip
def test_what_no_pipe_can_take_is_one_sentence(
    model_server: ModelServer, tmp_path: Path, words: list[str], given: bytes, code: int, sentence: str
) -> None:
    done = piped(model_server, *words, given=given, folder=tmp_path)
    assert done.returncode == code
    assert sentence in done.stderr.decode()
    assert done.stdout == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("words", [["it.jpg", "-o", "-"], ["-", "-o", "x.png"]])
def test_no_picture_goes_to_or_comes_from_a_terminal(
    model_server: ModelServer, tmp_path: Path, words: list[str]
) -> None:
    import pty

    put(tmp_path, "it.jpg")
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*PROGRAM, *words], cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, timeout=60, text=True,
        check=False,
        env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(model_server.runtime), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 1
    assert "terminal" in done.stderr


# Several at once


def test_pictures_under_way_at_once_are_told_in_their_order(model_server: ModelServer, tmp_path: Path) -> None:
    for number in range(6):
        put(tmp_path / "in", f"{number}.jpg", contents=jpeg(picture(200 - 30 * number, 120)))
    put(tmp_path / "in", "3.png", contents=b"no picture")
    done = run(model_server.runtime, "in", "-o", "out", "--model", "fixed", "--jobs", "4", folder=tmp_path)
    assert done.returncode == 1
    assert done.stdout.split() == [f"out/{number}.jpg" for number in range(6)]
    assert done.stderr.count("3.png cannot be read as an image") == 1
    assert done.stderr.endswith("6 enlarged, 1 failed\n")
    for number in range(6):
        with Image.open(tmp_path / "out" / f"{number}.jpg") as image:
            assert image.size == (240, 2 * (200 - 30 * number))


def test_at_most_so_many_are_under_way_and_outcomes_come_in_order() -> None:
    under_way, most, lock = 0, 0, threading.Lock()

    def work(item: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02 * (item % 3))
        with lock:
            under_way -= 1
        if item == 5:
            raise ValueError(item)
        return item

    outcomes = list(in_order(work, range(12), 3, lambda: None))
    assert [outcome.exception() or outcome.result() for outcome in outcomes][:5] == [0, 1, 2, 3, 4]
    assert isinstance(outcomes[5].exception(), ValueError)
    assert most == 3


def test_pictures_that_memory_cannot_hold_together_wait_for_one_another() -> None:
    room, order = Room(200), []

    def take(amount: int, name: str) -> None:
        with room.of(amount):
            order.append(name)
            time.sleep(0.1)
            order.append(f"{name} ends")

    threads = [threading.Thread(target=take, args=each) for each in ((60, "a"), (500, "large"), (30, "b"))]
    for thread in threads:
        thread.start()
        time.sleep(0.03)
    for thread in threads:
        thread.join()
    assert order.index("large") > max(order.index("a ends"), order.index("b ends"))
    assert order.index("b") < order.index("a ends")


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_ctrl_c_ends_all_that_is_under_way_and_leaves_no_half_files(model_server: ModelServer, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 65536, (1500, 1500, 3), dtype=np.uint16)
    file = io.BytesIO()
    import tifffile

    tifffile.imwrite(file, noise, photometric="rgb")
    put(tmp_path / "in", *(f"{number}.tif" for number in range(6)), contents=file.getvalue())
    process = subprocess.Popen(
        [*PROGRAM, "in", "-o", "out", "--format", "png", "--model", "fixed", "--jobs", "3"], cwd=tmp_path,
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(model_server.runtime), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob(".*.png*")) and time.monotonic() < deadline:  # one is being encoded
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    begun = time.monotonic()
    told, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "Stopped.\n"
    assert time.monotonic() - begun < 5
    assert {f"out/{path.name}" for path in (tmp_path / "out").iterdir()} == set(told.split())
    with pytest.raises(ProcessLookupError):  # the processes that decode have ended as well
        os.killpg(process.pid, 0)
