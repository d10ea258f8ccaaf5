"""The doctor on sound and on broken set-ups: what is wrong is named, and so is what to do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin_gimp import installer as gimp_installer
from plugin_krita import installer as krita_installer
from server.cli.doctor.command import as_json, as_table
from server.cli.doctor.machine import _engine_row, _found_row, _memory_row, machine_rows
from server.cli.doctor.plugins import plugin_rows
from server.cli.doctor.rows import FAIL, NOTE, OK, Row
from server.cli.doctor.server import server_rows
from server.device.devices import found_devices
from server.plugins.install import Surroundings
from tests.doctor.console import console
from tests.hosts.model_server import ModelServer, make_models, serving


def named(rows: list[Row], start: str) -> Row:
    """Return the first row whose subject starts so."""
    return next(row for row in rows if row.subject.startswith(start))


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime file's path in a folder of this test."""
    path = tmp_path / "state" / "runtime.json"
    monkeypatch.setenv("NEURAL_UPSCALE_RUNTIME", str(path))
    return path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Surroundings:
    """A made-up user with a GIMP and a Krita that have been started once."""
    (tmp_path / ".config" / "GIMP" / "3.0").mkdir(parents=True)
    (tmp_path / ".local" / "share" / "krita").mkdir(parents=True)
    return Surroundings(tmp_path, "linux", {"PATH": ""})


@pytest.fixture
def installed(home: Surroundings) -> Surroundings:
    gimp_installer.install(around=home)
    krita_installer.install(around=home)
    return home


def gimp_folder(home: Surroundings) -> Path:
    return home.home / ".config" / "GIMP" / "3.0" / "plug-ins" / gimp_installer.FOLDER


def test_a_sound_machine_has_python_torch_memory_weights_and_a_device_that_passed(tmp_path: Path) -> None:
    make_models(tmp_path)
    rows = machine_rows([tmp_path])
    assert [row.state for row in rows if row.state == FAIL] == []
    assert {row.subject for row in rows} >= {"Python", "torch", "free memory", "weights fixed-faithful"}
    assert all(f"{each['device']} ({each['name']})" in named(rows, "all devices").found for each in found_devices())
    assert "self-test passed in float32" in named(rows, "device").found or "16" in named(rows, "device").found
    assert named(rows, "engine").found.startswith(("winograd", "torch, because"))
    assert len(named(rows, "weights fixed-detailed").found.split("sha256 ")[1].split(",")[0]) == 16


def test_a_card_that_torch_cannot_use_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.device.devices.unused_card", lambda: "There is an NVIDIA card.")
    assert (_found_row().state, _found_row().remedy) == (NOTE, "There is an NVIDIA card.")


def test_without_the_fast_kernel_the_remedy_suits_every_system() -> None:
    row = _engine_row({"running": {}, "on_torch": {"compact@0.5": "there is no C++ compiler; install one"}})
    assert row.state == NOTE
    assert "the wheel for this system" in row.remedy  # on Windows nothing is compiled


def test_a_weights_file_that_was_cut_or_altered_fails_and_says_which(tmp_path: Path) -> None:
    make_models(tmp_path)
    cut, altered = tmp_path / "fixed-detailed.safetensors", tmp_path / "fixed-faithful.safetensors"
    cut.write_bytes(cut.read_bytes()[:-10])
    spoiled = bytearray(altered.read_bytes())
    spoiled[-5] ^= 0xFF
    altered.write_bytes(spoiled)
    rows = machine_rows([tmp_path])
    for path in (cut, altered):
        row = named(rows, f"weights {path.stem}")
        assert row.state == FAIL
        assert str(path) in row.found
        assert "copy the file again" in row.remedy


def test_no_weights_at_all_fails(tmp_path: Path) -> None:
    rows = machine_rows([tmp_path])
    assert named(rows, "weights").state == FAIL
    assert named(rows, "device").state == FAIL


def test_little_memory_is_noted() -> None:
    assert _memory_row(100 << 20).state == NOTE
    assert _memory_row(8 << 30).state == OK
    assert _memory_row(None).state == OK


def test_no_server_is_no_fault(runtime: Path) -> None:
    rows = server_rows()
    assert named(rows, "server").state == NOTE
    assert "neural-upscale serve" in named(rows, "server").remedy
    assert [row for row in rows if row.state == FAIL] == []


def test_a_running_server_is_named_with_its_device(running: ModelServer, runtime: Path) -> None:
    announce(running, runtime)
    row = named(server_rows(), "server")
    assert row.state == OK
    assert running.url in row.found


def announce(running: ModelServer, runtime: Path) -> Path:
    runtime.parent.mkdir(mode=0o700)
    return running.announce(runtime.parent)


def test_a_runtime_file_that_others_may_read_fails(running: ModelServer, runtime: Path) -> None:
    announce(running, runtime).chmod(0o644)
    row = named(server_rows(), "runtime file")
    assert row.state == FAIL
    assert "0644" in row.found
    assert f'rm "{runtime}"' in row.remedy


def test_a_state_folder_that_others_may_write_fails(runtime: Path) -> None:
    runtime.parent.mkdir()
    runtime.parent.chmod(0o777)
    row = named(server_rows(), "state folder")
    assert (row.state, row.remedy) == (FAIL, f'chmod 700 "{runtime.parent}"')


def test_a_runtime_file_of_a_dead_server_fails(runtime: Path) -> None:
    write(runtime, url="http://127.0.0.1:9", token="x" * 32, pid=1, version="0")
    row = named(server_rows(), "server")
    assert row.state == FAIL
    assert "nobody answers" in row.found
    assert f'rm "{runtime}"' in row.remedy


def test_a_wrong_token_fails(running: ModelServer, runtime: Path) -> None:
    write(runtime, url=running.url, token="x" * 32, pid=0, version="0")
    row = named(server_rows(), "server")
    assert row.state == FAIL
    assert "token" in row.found


def test_a_server_of_another_version_fails(
    running: ModelServer, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(runtime, url=running.url, token=running.token, pid=running.process.pid, version="0")
    monkeypatch.setattr("server.cli.doctor.server.version", lambda: "99")
    row = named(server_rows(), "server")
    assert row.state == FAIL
    assert "neural-upscale stop" in row.remedy


def write(path: Path, **told: object) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(told), encoding="utf-8")


def test_a_missing_serving_command_fails(monkeypatch: pytest.MonkeyPatch, runtime: Path) -> None:
    monkeypatch.setattr("server.cli.doctor.server.server_command", lambda: ["/nowhere/neural-upscale", "serve"])
    assert named(server_rows(), "serving command").state == FAIL


def test_no_editor_is_no_fault(tmp_path: Path) -> None:
    rows = plugin_rows(Surroundings(tmp_path, "linux", {"PATH": ""}))
    assert [(row.subject, row.state) for row in rows] == [("GIMP 3", NOTE), ("Krita 5 or 6", NOTE)]


def test_an_editor_without_the_plugin_fails_and_says_how_to_install_it(home: Surroundings) -> None:
    for row, editor in zip(plugin_rows(home), ("gimp", "krita"), strict=True):
        assert row.state == FAIL
        assert f"neural-upscale install {editor}" in row.remedy


def test_an_installed_plugin_is_sound(installed: Surroundings) -> None:
    assert [row.state for row in plugin_rows(installed)] == [OK, OK]


def test_a_plugin_without_its_run_bit_fails(installed: Surroundings) -> None:
    (gimp_folder(installed) / gimp_installer.PROGRAM).chmod(0o644)
    row = plugin_rows(installed)[0]
    assert row.state == FAIL
    assert "no run bit" in row.found


def test_a_plugin_without_its_client_fails(installed: Surroundings) -> None:
    next(gimp_folder(installed).rglob("client/api.py")).unlink()
    assert "client/api.py is missing" in plugin_rows(installed)[0].found


def test_a_plugin_with_an_altered_file_fails(installed: Surroundings) -> None:
    next(gimp_folder(installed).rglob("client/connection.py")).write_text("# empty\n", encoding="utf-8")
    assert "client/connection.py is not the package's" in plugin_rows(installed)[0].found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "0.0.1"}, "is version 0.0.1"),
        ({"command": ["/nowhere/neural-upscale", "serve"]}, "/nowhere/neural-upscale cannot be run"),
        ({"command": []}, "cannot be read"),
    ],
)
def test_a_record_of_another_installation_fails(installed: Surroundings, change: dict[str, object], said: str) -> None:
    record = gimp_folder(installed) / "install.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | change), encoding="utf-8")
    row = plugin_rows(installed)[0]
    assert row.state == FAIL
    assert said in row.found


def test_a_plugin_that_krita_has_switched_off_fails(installed: Surroundings) -> None:
    settings = installed.home / ".config" / "kritarc"
    settings.write_text(settings.read_text().replace("=true", "=false"), encoding="utf-8")
    assert "switched off" in plugin_rows(installed)[1].found


def test_every_failing_row_says_what_to_do(home: Surroundings, tmp_path: Path, runtime: Path) -> None:
    write(runtime, url="http://127.0.0.1:9", token="x" * 32, pid=1, version="0")
    rows = [*machine_rows([tmp_path / "none"]), *server_rows(), *plugin_rows(home)]
    failing = [row for row in rows if row.state == FAIL]
    assert len(failing) >= 4
    assert [row.subject for row in failing if not row.remedy] == []


def test_the_table_keeps_commands_and_paths_in_one_piece() -> None:
    long = "/a" * 80
    text = as_table([Row("thing", FAIL, f"{long} is wrong", f"rm {long}"), Row("other", OK, "fine")])
    assert text.count(long) == 2
    assert "1 of 2 rows fail" in text


def test_json_says_ok_only_when_nothing_fails() -> None:
    assert json.loads(as_json([Row("a", OK, "b"), Row("c", NOTE, "d", "e")]))["ok"] is True
    told = json.loads(as_json([Row("a", FAIL, "b", "c")]))
    assert told["ok"] is False
    assert told["rows"] == [{"subject": "a", "state": "fail", "found": "b", "remedy": "c"}]


def test_the_command_exits_with_1_when_a_row_fails_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".config" / "GIMP" / "3.0").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    done: subprocess.CompletedProcess[str] = console(tmp_path, "doctor", "--json")
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["ok"] is False
    gimp = next(row for row in told["rows"] if row["subject"].startswith("GIMP"))
    assert gimp["state"] == "fail"
    assert sorted(tmp_path.rglob("*")) == before
