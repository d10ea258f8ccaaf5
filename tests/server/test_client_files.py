"""Files are there whole, or not at all; what others may not read they may not read for a moment either."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

import pytest

from server.client.files import replacing, write_file


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    write_file(path, b"old")
    with contextlib.suppress(RuntimeError), replacing(path) as file:
        file.write(b"half of the new")
        raise RuntimeError("made up by the test")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_taken_name_is_not_replaced_unless_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError), replacing(path, replace=False) as file:
        file.write(b"theirs")
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_rights_hold_while_the_file_is_written_and_afterwards_whatever_the_mask(tmp_path: Path) -> None:
    path, before = tmp_path / "secret.txt", os.umask(0o022)
    try:
        with replacing(path, mode=0o600) as file:
            (sibling,) = tmp_path.iterdir()
            assert stat.S_IMODE(sibling.stat().st_mode) == 0o600
            file.write(b"secret")
        write_file(tmp_path / "program", b"", 0o775)
        write_file(tmp_path / "plain", b"")
    finally:
        os.umask(before)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    assert modes == {"secret.txt": 0o600, "program": 0o775, "plain": 0o644}
