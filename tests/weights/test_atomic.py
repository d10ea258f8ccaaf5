"""Files are replaced whole or not at all, whatever happens in the middle."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from weights.atomic import atomic_write


def test_a_complete_file_takes_the_old_one_s_place(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    for content in ("old", "new"):
        with atomic_write(file) as sibling:
            assert sibling.parent == file.parent  # a rename is atomic within one disk only
            assert not sibling.exists()
            sibling.write_text(content, encoding="utf-8")
        assert file.read_text(encoding="utf-8") == content
    assert list(tmp_path.iterdir()) == [file]


def _write_half(file: Path, fault: BaseException) -> None:
    with atomic_write(file) as sibling:
        sibling.write_bytes(b"ne")
        raise fault


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), RuntimeError("no"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path: Path, fault: BaseException) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    with pytest.raises(type(fault)):
        _write_half(file, fault)
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_nothing_written_is_an_error_and_the_old_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    with pytest.raises(OSError, match="No such file"), atomic_write(file):
        pass
    assert file.read_bytes() == b"old"


def test_the_content_is_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    seen: list[tuple[int, bytes]] = []
    flush = os.fsync

    def noted(descriptor: int) -> None:
        flush(descriptor)
        seen.append((os.fstat(descriptor).st_size, file.read_bytes()))

    monkeypatch.setattr(os, "fsync", noted)
    with atomic_write(file) as sibling:
        sibling.write_bytes(b"newer")
    assert seen == [(5, b"old")]
    assert file.read_bytes() == b"newer"


def _write_and_wait(file: Path) -> None:
    with atomic_write(file) as sibling:
        sibling.write_bytes(b"ne")
        time.sleep(600)


def test_a_killed_process_leaves_the_old_file_and_is_in_nobody_s_way(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    child = multiprocessing.get_context("spawn").Process(target=_write_and_wait, args=(file,), daemon=True)
    child.start()
    assert child.pid is not None
    left = tmp_path / f".a.bin.{child.pid}"
    deadline = time.monotonic() + 60
    while not left.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with atomic_write(file) as sibling:  # at the same time, in another process
        sibling.write_bytes(b"ours")
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert file.read_bytes() == b"ours"
    assert sorted(tmp_path.iterdir()) == [left, file]
