"""`make run` and its set-up, as README's first screen promises them."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.hosts.editor_host import EditorHost
from tests.import_graph import ROOT

SET_UP = [".ci/venv", "pyproject.toml", "setup.py", "constraints.txt", "README.md"]
PATIENCE = 180  # seconds


def user(home: Path) -> dict[str, str]:
    """Return the environment of a user whose home is empty."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "NEURAL_", "GIMP"))}
    return {**kept, "HOME": str(home), "OMP_NUM_THREADS": "1", "MAKEFLAGS": ""}


@contextmanager
def make_run(home: Path, *settings: str) -> Iterator[str]:
    """Run `make run` until the server has said where its page is; gives all that was printed until then."""
    if not (ROOT / ".venv" / "bin" / "neural-upscale").exists():
        pytest.skip("the tests do not run from a .venv that make made")
    # A terminal, as a person has: only there is the page's address printed, because it holds the token.
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        ["make", "run", "PORT=0", *settings], cwd=ROOT, env=user(home), stdout=inside, stderr=inside,
        stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    os.close(inside)
    said = ""
    try:
        until = time.monotonic() + PATIENCE
        while "#token=" not in said:
            assert time.monotonic() < until, said
            if select.select([terminal], [], [], 1.0)[0]:
                said += os.read(terminal, 1 << 16).decode(errors="replace")
            assert process.poll() is None, said
        yield said
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
        os.close(terminal)


def test_make_run_installs_both_plugins_serves_and_says_what_to_do_next(tmp_path: Path) -> None:
    (tmp_path / ".config" / "GIMP" / "3.0").mkdir(parents=True)
    (tmp_path / ".local" / "share" / "krita").mkdir(parents=True)
    with make_run(tmp_path) as said:
        assert re.search(r"GIMP \(3\.0.*\): installed into", said)
        assert re.search(r"Krita .*: installed into", said)
        assert "neural-upscale uninstall" in said
        assert "Filters > Neural Upscale" in said
        page = re.search(r"http://127\.0\.0\.1:\d+/#token=\S+", said)
        assert page is not None
        assert "<title>Neural Upscale</title>" in requests.get(page.group().partition("#")[0], timeout=10).text
    installed = tmp_path / ".config" / "GIMP" / "3.0" / "plug-ins" / "neural-upscale" / "neural-upscale.py"
    assert os.access(installed, os.X_OK)
    assert not (tmp_path / ".local" / "state" / "neural-upscale" / "runtime.json").exists()


def test_make_run_goes_on_where_no_editor_is(tmp_path: Path) -> None:
    with make_run(tmp_path) as said:
        assert "No GIMP 3 was found" in said
        assert "No Krita was found" in said


def test_plugins_no_leaves_the_editors_alone(tmp_path: Path) -> None:
    (tmp_path / ".config" / "GIMP" / "3.0").mkdir(parents=True)
    with make_run(tmp_path, "PLUGINS=no") as said:
        assert "GIMP (" not in said
    assert not (tmp_path / ".config" / "GIMP" / "3.0" / "plug-ins").exists()


def test_make_alone_explains_its_targets() -> None:
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)) - {
        "help",
        "install-plugins",
    }
    assert {target for target in targets if f"make {target}" not in said} == set()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what .ci/venv needs and no .venv yet."""
    for name in SET_UP:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def set_up(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(checkout), **variables}
    return subprocess.run(
        [checkout / ".ci" / "venv"], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_python_that_does_not_fit_gets_a_sentence(checkout: Path) -> None:
    done = set_up(checkout, PYTHON="/bin/false")
    assert done.returncode == 1
    assert "PYTHON=/bin/false is no Python 3.10 or newer" in done.stderr
    assert not (checkout / ".venv").exists()


def test_no_python_at_all_gets_a_sentence(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "dirname", "cat", "cksum", "rm"):
        (programs / name).symlink_to(str(shutil.which(name)))
    done = set_up(checkout, PATH=str(programs))
    assert done.returncode == 1
    assert "No Python 3.10 or newer was found" in done.stderr


def test_an_unknown_torch_build_gets_a_sentence(checkout: Path) -> None:
    done = set_up(checkout, TORCH="gpu")
    assert done.returncode == 1
    assert "TORCH=gpu is not known" in done.stderr


def test_a_half_made_venv_is_made_anew(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python")
    done = set_up(checkout, PYTHON="/bin/false")
    assert "PYTHON=/bin/false" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.gimp
def test_debian_without_the_venv_module_is_told_the_one_line(editor_host: EditorHost, checkout: Path) -> None:
    """Debian 13 as it is, without python3-venv and without package sources: a user is told; root's try is explained."""
    checkout.chmod(0o755)
    command = ["setpriv", "--reuid=65534", "--clear-groups", "/job/.ci/venv"]
    done = editor_host.run(checkout, command)
    assert done.code == 1
    assert re.search(r"sudo apt install python3\.\d+-venv", done.errors)
    done = editor_host.run(checkout, ["/job/.ci/venv"])
    assert done.code == 1
    assert re.search(r"Installing python3\.\d+-venv", done.output)
    assert re.search(r"apt install python3\.\d+-venv", done.errors)


def test_the_constraints_pin_torch_and_the_package_takes_a_range() -> None:
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text().split()
    assert '"torch>=2.6' in (ROOT / "pyproject.toml").read_text()
    assert sys.version_info >= (3, 10)
