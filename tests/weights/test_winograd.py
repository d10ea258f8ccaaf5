"""C++ built on this machine: once, kept where nobody else may write, anew when what it is made of changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from weights import BuildFailed, ForeignFolder, NoCompiler
from weights.winograd import building, compiler, library

SOURCE = '#include "answer.hpp"\nextern "C" int answer() { return ANSWER; }\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    if compiler() is None:
        pytest.skip("there is no C++ compiler")
    (tmp_path / "answer.hpp").write_text("#define ANSWER 1\n", encoding="utf-8")
    (tmp_path / "answer.cpp").write_text(SOURCE, encoding="utf-8")
    return tmp_path / "answer.cpp"


def test_what_was_compiled_is_kept_and_not_run_where_others_may_write(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "native"
    assert library(source, folder).answer() == 1
    (built,) = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(building, "_compile", lambda *_: pytest.fail("compiled again"))
    library(source, folder)
    folder.chmod(0o777)
    with pytest.raises(ForeignFolder, match="write"):
        library(source, folder)
    assert list(folder.iterdir()) == [built]


def test_a_header_that_changed_is_built_anew(source: Path, tmp_path: Path) -> None:
    assert library(source, tmp_path / "native").answer() == 1
    (tmp_path / "answer.hpp").write_text("#define ANSWER 2\n", encoding="utf-8")
    assert library(source, tmp_path / "native").answer() == 2


def test_a_shared_header_that_changed_is_built_anew(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "answer.hpp").rename(shared / "answer.hpp")
    monkeypatch.setattr(building, "SHARED", shared)
    assert library(source, tmp_path / "native").answer() == 1
    (shared / "answer.hpp").write_text("#define ANSWER 2\n", encoding="utf-8")
    assert library(source, tmp_path / "native").answer() == 2


def test_a_compiler_that_fails_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    source.write_text("this is no C++", encoding="utf-8")
    with pytest.raises(BuildFailed, match="fails"):
        library(source, tmp_path / "native")
    assert not list((tmp_path / "native").iterdir())


def test_a_missing_compiler_is_named(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoCompiler, match="no C\\+\\+ compiler"):
        library(source, tmp_path / "native")
