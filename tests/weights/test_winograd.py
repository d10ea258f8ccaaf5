"""Our C++: as it came with the package, or built here, once, kept where nobody else may write, anew when it changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from weights import BuildFailed, ForeignFolder, NoCompiler
from weights.winograd import building, compiler, library, prebuilt

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


@pytest.fixture
def brought_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the package has libraries, one for each level, on a processor of level 3."""
    found = compiler()
    if found is None:
        pytest.skip("there is no C++ compiler")
    folder = tmp_path / "prebuilt"
    folder.mkdir()
    source = tmp_path / "library.cpp"
    source.write_text(
        'extern "C" int native_level() { return 3; }\nextern "C" int answer() { return ANSWER; }\n', encoding="utf-8"
    )
    for level in (1, *prebuilt.LEVELS):
        library = folder / prebuilt.file_name(level, prebuilt.SUFFIXES.get(sys.platform, ".so"))
        command = [found, "-shared", "-fPIC", f"-DANSWER={10 * level}", str(source), "-o", str(library)]
        subprocess.run(command, check=True, timeout=60)
    monkeypatch.setattr(prebuilt, "FOLDER", folder)
    return folder


def test_the_packages_own_library_comes_first_and_needs_no_compiler(
    brought_along: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert library(source, tmp_path / "native").answer() == 30  # the best that this processor runs
    assert not (tmp_path / "native").exists()
    (brought_along / prebuilt.file_name(3, ".so")).unlink()
    assert library(source, tmp_path / "native").answer() == 10


@pytest.mark.parametrize(("held_to", "level"), [("AVX2", 3), ("AVX2_VNNI", 3), ("AVX512_CORE", 4), ("", 4)])
def test_the_level_is_no_higher_than_what_onednn_is_held_to(
    held_to: str, level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", held_to)
    assert prebuilt.highest_level() == level


def test_a_library_that_cannot_be_loaded_is_replaced_by_one_built_here_or_named(
    brought_along: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in brought_along.iterdir():
        path.write_bytes(b"for another machine")
    assert library(source, tmp_path / "native").answer() == 1
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(BuildFailed, match="library of the package cannot be loaded here"):
        library(source, tmp_path / "native")


@pytest.mark.parametrize(("code", "expected"), [(0, True), (2, False)])
def test_macs_stub_of_a_compiler_is_called_only_where_apples_tools_are_there(
    code: int, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        asked.append(command)
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(building.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(building.subprocess, "run", run)
    assert (compiler() is not None) is expected
    assert all(command == ["/usr/bin/xcode-select", "--print-path"] for command in asked)
    monkeypatch.setattr(building.shutil, "which", lambda name: f"/opt/homebrew/bin/{name}")
    assert compiler() == "/opt/homebrew/bin/c++"
