"""Starting with the session: files that systemd and the desktops read, and nothing else touched."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from server.cli.install.autostart import OURS, SERVICE, SESSION, Autostart, _desktop_entry, _unit
from server.plugins.install import InstallError, Surroundings
from tests.doctor.console import console

EACH = pytest.mark.parametrize("way", [SERVICE, SESSION], ids=["service", "autostart"])


@pytest.fixture
def home(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path, "linux", {})


def files(home: Surroundings) -> list[str]:
    return sorted(str(path.relative_to(home.home)) for path in home.home.rglob("*") if not path.is_dir())


@EACH
def test_installing_twice_is_as_once_and_removing_leaves_nothing(way: Autostart, home: Surroundings) -> None:
    way.install(around=home)
    once = files(home)
    said = way.install(around=home)
    assert files(home) == once
    assert "starts with your next session" in said[0]
    assert "neural-upscale" in (home.home / once[0]).read_text()
    way.uninstall(around=home)
    assert files(home) == []
    assert way.uninstall(around=home) == [f"{way.kind}: not installed."]


@EACH
def test_a_dry_run_writes_nothing(way: Autostart, home: Surroundings) -> None:
    assert "would write" in way.install(dry_run=True, around=home)[0]
    assert files(home) == []
    way.install(around=home)
    before = files(home)
    assert "would remove" in way.uninstall(dry_run=True, around=home)[0]
    assert files(home) == before


@EACH
def test_a_file_of_the_users_own_is_left_alone(way: Autostart, home: Surroundings) -> None:
    path = home.home / ".config" / way.folder / way.file
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    for action in (way.install, way.uninstall):
        with pytest.raises(InstallError, match="not written by neural-upscale"):
            action(around=home)
    assert path.read_text() == "mine"


@EACH
def test_other_systems_get_a_sentence(way: Autostart, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="this is darwin"):
        way.install(around=Surroundings(tmp_path, "darwin", {}))


def test_the_unit_is_enabled_by_the_link_that_systemd_reads_at_login(home: Surroundings) -> None:
    SERVICE.install(around=home)
    folder = home.home / ".config" / "systemd" / "user"
    link = folder / "default.target.wants" / "neural-upscale.service"
    assert link.resolve() == folder / "neural-upscale.service"


def test_systemd_accepts_the_unit(home: Surroundings) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    SERVICE.install(around=home)
    unit = home.home / ".config" / "systemd" / "user" / "neural-upscale.service"
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "neural-upscale" not in done.stderr, done.stderr


def test_words_with_spaces_and_signs_stay_whole() -> None:
    command = ["/home/some one/50% $x/neural-upscale", "serve"]
    assert 'ExecStart="/home/some one/50%% $$x/neural-upscale" "serve"\n' in _unit(command)
    assert 'Exec="/home/some one/50%% \\\\$x/neural-upscale" "serve"\n' in _desktop_entry(command)
    assert _unit(command).startswith(OURS)


def test_the_command_line_installs_and_removes_everything(tmp_path: Path) -> None:
    (tmp_path / ".config" / "GIMP" / "3.0").mkdir(parents=True)
    for what in ("gimp", "service", "autostart"):
        done = console(tmp_path, "install", what)
        assert done.returncode == 0, done.stderr
    assert len(files(Surroundings(tmp_path, "linux"))) > 5
    said = console(tmp_path, "uninstall")
    assert said.returncode == 0, said.stderr
    assert files(Surroundings(tmp_path, "linux")) == []
    assert "No Krita was found, so there is no plug-in to remove." in said.stdout
    assert "service: removed" in said.stdout
