"""What Windows and macOS do otherwise, emulated here: what they lack is taken away, what they have is made up."""

from __future__ import annotations

import ast
import errno
import itertools
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from server import client
from server.cli import stop
from server.cli.doctor import rows
from server.cli.doctor.machine import _python_row, _weights_rows, machine_rows
from server.cli.doctor.server import _folder_row, server_rows
from server.cli.install import command as install
from server.cli.upscale.batch import Order, plan
from server.client import connection, records, start
from server.client.files import RETRIES, rename, write_file
from server.cluster.actor import RemoteEngine
from server.http.connections import MOST_WITHOUT_POLL, CrowdedServer, most_connections
from server.pipeline.model_store import ModelStore
from server.plugins.install import server_command, store_python
from server.runtime_file import write_runtime
from server.settings import Settings, cache_folder, user_weights_folder
from tests.hosts.model_server import ModelServer, serving
from tests.import_graph import PACKAGES
from tests.server.in_process import save_compact
from trainer import folders
from trainer.data.slicing import pool
from trainer.data.slicing.cutting import SlicingConfig
from trainer.data.slicing.slicer import list_files
from weights.atomic import atomic_write

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("systems")) as running:
        yield running


class Held(PermissionError):
    """What Windows raises for a file that another program has open; there it is an attribute of every OSError."""

    winerror = 32


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A file that another program lets go of at the third attempt."""
    attempts, real = [0], Path.replace

    def replace(self: Path, target: Path) -> Path:
        attempts[0] += 1
        if attempts[0] < 3:
            raise Held(errno.EACCES, "The process cannot access the file because it is being used by another process")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    return attempts


def test_a_file_that_is_open_elsewhere_is_replaced_when_it_is_let_go(held: list[int], tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    write_file(tmp_path / "a", b"new")
    assert ((tmp_path / "a").read_bytes(), held) == (b"new", [3])
    held[0] = 0
    with atomic_write(tmp_path / "a") as sibling:
        sibling.write_bytes(b"newer")
    assert ((tmp_path / "a").read_bytes(), held) == (b"newer", [3])


def test_a_file_that_stays_open_elsewhere_is_an_error_and_keeps_its_contents(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    attempts = []

    def replace(self: Path, target: Path) -> Path:
        attempts.append(target)
        raise Held(errno.EACCES, "in use")

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr("server.client.files.RETRY_AFTER", 0)
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(PermissionError):
        rename(tmp_path / "b", tmp_path / "a")
    assert (len(attempts), (tmp_path / "a").read_bytes()) == (RETRIES + 1, b"old")


def test_every_file_is_replaced_by_a_helper_that_waits() -> None:
    helpers = {ROOT / "server" / "client" / "files.py", ROOT / "weights" / "atomic.py"}
    rotating = ROOT / "server" / "standard_streams.py"  # which goes on at once, with another way
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    calls = [
        (path, node.func.attr, [*node.args, *node.keywords])
        for path in {*sources} - helpers - {rotating}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    assert len(calls) > 1000
    # A text's `replace` takes two arguments.
    assert [path for path, name, told in calls if name == "rename" or (name == "replace" and len(told) == 1)] == []


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no checkout of git")
def test_a_checkout_has_the_same_line_ends_on_every_system() -> None:
    listed = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kinds = {tuple(line.split("\t")[0].split()) for line in listed.splitlines()}
    assert {kind[2:] for kind in kinds} == {("attr/text=auto", "eol=lf")}
    assert {kind[0] for kind in kinds} <= {"i/lf", "i/none", "i/-text"}


def test_what_is_to_be_typed_is_quoted_as_every_shell_knows_it() -> None:
    """The shell of Windows knows no single quotes, and that of macOS takes bare brackets for a pattern."""
    told = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    told += [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
    extras = [
        each for path in told for each in re.findall(r".neural-upscale\[.*?\].", path.read_text(encoding="utf-8"))
    ]
    assert len(extras) > 5
    assert [each for each in extras if not each[0] == each[-1] == '"'] == []


def test_the_command_runs_our_server_beside_another_ones_server_py(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "server.py").write_text("print('foreign')")
    python = sys.executable
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))  # no program lies beside it
    command = [python, *server_command()[1:]]
    told = subprocess.run([*command, "--help"], capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60)
    assert "--idle-exit" in told.stdout
    assert "foreign" not in told.stdout


def test_a_log_without_append_mode_is_continued_at_its_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("a long line of before\n")
    monkeypatch.setattr(os, "O_APPEND", 0)  # Windows does not hand it on to another process
    started = start._start([sys.executable, "-c", "print('hello', flush=True)"], tmp_path / "runtime.json", log)
    started.wait(30)
    assert log.read_text() == "a long line of before\nhello\n"


def test_no_window_opens_for_a_server_and_none_for_what_it_runs() -> None:
    code = (
        "import subprocess; subprocess.CREATE_NO_WINDOW, subprocess.CREATE_NEW_PROCESS_GROUP = 0x08000000, 0x200; "
        "from server.client import start; print(hex(start.WITHOUT_CONSOLE))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert told.stdout.strip() == "0x8000200"


def test_a_server_is_started_with_what_keeps_its_window_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(start, "WITHOUT_CONSOLE", 0x8000200)
    with pytest.raises(ValueError, match="creationflags is only supported on Windows"):
        start._start([sys.executable, "-c", ""], tmp_path / "runtime.json", tmp_path / "server.log")


def test_the_address_is_taken_exclusively_where_a_reusable_one_can_be_taken_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    class Recorded:
        def setsockopt(self, *option: int) -> None:
            asked.append(option)

    listening = CrowdedServer.__new__(CrowdedServer)
    listening.socket = Recorded()
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", -5, raising=False)
    listening.set_reuse_addr()
    assert asked == [(socket.SOL_SOCKET, -5, 1)]


def test_without_poll_no_more_connections_are_kept_than_select_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "poll")
    assert most_connections(10_000) <= MOST_WITHOUT_POLL
    assert most_connections(20) == 20


def test_a_server_without_poll_serves_and_ends_by_itself(tmp_path: Path) -> None:
    code = (
        "import os, select, sys; del select.poll; os.kill = None; "  # os.kill of oneself is TerminateProcess on Windows
        "from server.serve import main; sys.exit(main(['--port', '0', '--idle-exit', '0.5']))"
    )
    runtime = tmp_path / "runtime.json"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT, check=False,
        env={**os.environ, client.RUNTIME_VARIABLE: str(runtime)},
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "unused, ending" in told.stderr
    assert '"ended"' in told.stderr
    assert not runtime.exists()


def test_ctrl_break_and_a_closed_console_window_end_the_server_in_order(tmp_path: Path) -> None:
    code = (
        "import signal, sys; signal.SIGBREAK = signal.SIGUSR1; "
        "from server.serve import main; sys.exit(main(['--port', '0']))"
    )
    runtime = tmp_path / "runtime.json"
    started = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        env={**os.environ, client.RUNTIME_VARIABLE: str(runtime)},
    )  # fmt: skip
    with started:
        assert started.stdout is not None
        assert "serves at" in "".join(itertools.takewhile(lambda line: "Its page" not in line, started.stdout))
        assert runtime.exists()
        started.send_signal(signal.SIGUSR1)
        told = started.stdout.read()
    assert started.returncode == 0, told
    assert '"ended"' in told
    assert not runtime.exists()


def test_windows_gets_no_more_slicing_processes_than_it_can_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Recorded(ThreadPoolExecutor):
        def __init__(self, workers: int, **_options: object) -> None:
            asked.append(workers)
            super().__init__(1)

    monkeypatch.setattr(pool, "ProcessPoolExecutor", Recorded)
    monkeypatch.setattr(pool, "cut_photo", lambda *_: None)
    for platform in ("win32", "linux"):
        monkeypatch.setattr(pool.sys, "platform", platform)
        list(pool.local_pool(100)([(Path("a"), Path("b"))] * 2, SlicingConfig()))
    assert asked == [pool.MOST_ON_WINDOWS, 100]


@pytest.mark.parametrize(("machine", "remedy"), [("x86_64", "a server elsewhere"), ("arm64", "install")])
def test_who_cannot_have_torch_is_told_so(machine: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # its import fails
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: machine)
    row = machine_rows([])[1]
    assert (row.subject, row.state) == ("torch", rows.FAIL)
    assert remedy in row.remedy


@pytest.mark.parametrize(("platform", "command"), [("win32", "del"), ("linux", "rm"), ("darwin", "rm")])
def test_the_doctors_remedies_are_commands_of_the_system(
    platform: str, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runtime = tmp_path / "runtime.json"
    monkeypatch.setenv(client.RUNTIME_VARIABLE, str(runtime))
    write_runtime(runtime, client.Runtime("http://127.0.0.1:1", "token", os.getpid(), "1"))
    monkeypatch.setattr(sys, "platform", platform)
    assert f'{command} "{runtime}"' in " ".join(row.remedy for row in server_rows())


@pytest.mark.parametrize(("platform", "command"), [("win32", "takeown /F"), ("linux", "sudo chown $USER")])
def test_a_state_folder_of_somebody_else_is_given_back_by_a_command_of_the_system(
    platform: str, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its path is quoted: that of macOS has a space."""
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert _folder_row(tmp_path).remedy.endswith(f'{command} "{tmp_path}"')


@pytest.mark.parametrize("fault", [ConnectionAbortedError, ConnectionResetError, BrokenPipeError])
def test_a_refusal_is_read_after_an_aborted_upload(fault: type[OSError]) -> None:
    class Aborted:
        sock: Aborted

        def sendall(self, _piece: object) -> None:
            raise fault(10053, "aborted by the software in your host machine")

        def __getattr__(self, _name: str) -> object:
            return lambda *_, **__: None

    aborted = Aborted()
    aborted.sock = aborted
    connection._send(aborted, "POST", "/v1/upscale", {}, memoryview(b"pixels"))  # type: ignore[arg-type]


def test_the_page_is_served_with_its_types_whatever_the_registry_says(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import mimetypes; mimetypes.init(); mimetypes.add_type('text/plain', '.js'); "
        "mimetypes.add_type('application/x-css', '.css'); from flask import Flask; from server.http import page; "
        "app = Flask('server.http'); page.add_routes(app, list); "
        "print([app.test_client().get('/static/' + name).mimetype for name in ('page.js', 'page.css', 'icon.svg')])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert told.stdout.strip() == "['text/javascript', 'text/css', 'image/svg+xml']"


def test_wildcards_that_no_shell_expanded_are_expanded(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "._a.jpg", "c.png", "[1].jpg"):
        (tmp_path / name).touch()
    named = [task.source.name for task in plan(Order([tmp_path / "*.jpg"], None)).tasks]
    assert named == ["[1].jpg", "a.jpg", "b.jpg"]
    assert [task.source.name for task in plan(Order([tmp_path / "[1].jpg"], None)).tasks] == ["[1].jpg"]


def test_the_forks_that_macos_puts_beside_pictures_are_no_pictures(tmp_path: Path) -> None:
    for name in ("IMG.JPG", "._IMG.JPG", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / ".Trashes").mkdir()
    (tmp_path / ".Trashes" / "old.jpg").touch()
    from trainer.metrics.pictures import picture_files

    assert [task.source.name for task in plan(Order([tmp_path], None)).tasks] == ["IMG.JPG"]
    assert [path.name for path in picture_files(tmp_path)] == ["IMG.JPG"]
    assert [path.name for path in list_files(tmp_path)] == ["IMG.JPG"]


def test_the_forks_beside_weights_files_are_no_models(tmp_path: Path) -> None:
    save_compact(tmp_path, "own")
    (tmp_path / "._own.safetensors").write_bytes(b"a fork of macOS")
    assert [each["name"] for each in ModelStore([tmp_path]).describe()["models"]] == ["own"]
    assert [row.subject for row in _weights_rows([tmp_path])] == ["weights own"]


def test_the_program_is_found_where_an_editor_has_replaced_the_search_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / ".local" / "bin" / "neural-upscale"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert start.installation_beside(tmp_path / "none.json").command[0] == str(program)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_server_and_trainer_share_one_cache_folder(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NEURAL_UPSCALE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert folders.cache_folder(platform=platform) == cache_folder().parent
    assert Settings(cache=cache_folder()).native == folders.cache_folder(platform=platform) / "native"


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_worker_keeps_what_it_is_sent_away_from_the_users_weights(
    platform: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where cache and data are one folder, as on Windows, it would remove the user's old files."""
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", platform)
    worker = RemoteEngine("cpu", "auto", 1, torch.get_num_threads())
    assert worker._folder != user_weights_folder()


def test_the_store_python_is_told_and_another_is_not() -> None:
    apps = r"C:\Users\me\AppData\Local\Microsoft\WindowsApps\python.exe"
    assert "python.org" in store_python(apps, "")
    assert "python.org" in store_python("C:\\venv\\python.exe", r"C:\Program Files\WindowsApps\PythonSoftware")
    assert store_python("/usr/bin/python3", "/usr") == ""


def test_install_and_doctor_refuse_the_store_python(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    refusal = store_python(r"C:\Users\me\AppData\Local\Microsoft\WindowsApps\python.exe", "")
    monkeypatch.setattr("server.plugins.install.store_python", lambda: refusal)
    monkeypatch.setattr("server.cli.doctor.machine.store_python", lambda: refusal)
    assert install.install(["gimp", "--to", str(tmp_path)]) == 1
    assert refusal in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    row = _python_row()
    assert (row.state, row.remedy) == (rows.FAIL, refusal)


def test_stop_ends_the_server_and_says_when_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path) as running:
        monkeypatch.setenv(client.RUNTIME_VARIABLE, str(running.runtime))
        assert stop.main([]) == 0
        assert "has ended" in capsys.readouterr().out
        running.process.wait(10)
        assert not running.runtime.exists()
        assert stop.main([]) == 0
        assert capsys.readouterr().out == "No server runs.\n"


def test_stop_leaves_another_process_of_that_id_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = tmp_path / "runtime.json"
    write_file(runtime, b'{"url": "http://127.0.0.1:9", "token": "xxxxxxxxxxxxxxxxxx", "pid": %d}' % os.getpid(), 0o600)
    monkeypatch.setenv(client.RUNTIME_VARIABLE, str(runtime))
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("ended a stranger"))
    assert stop.main([]) == 0
    assert "No server runs" in capsys.readouterr().out


def test_a_preview_sends_nothing_to_whoever_has_taken_a_dead_servers_port(server: ModelServer) -> None:
    stranger = client.Runtime(server.url, "the token of a server that has ended", pid=1)
    with pytest.raises(client.UntrustedServer, match="nothing was sent"):
        client.upscale(stranger, bytes(3), client.Size(1, 1), client.PixelFormat("RGB", "u8"))


def test_a_rotated_log_that_cannot_be_renamed_is_begun_anew_from_its_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = (
        "import os, sys; from pathlib import Path; from server import standard_streams as s\n"
        "def held(*_): raise PermissionError\n"
        "Path.replace = held; s.LARGEST_LOG = 3; log = Path(sys.argv[1])\n"
        "os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 2)\n"
        "s.write_error('first\\n', log); s.write_error('ab\\n', log)"
    )
    log = tmp_path / "server.log"
    subprocess.run([sys.executable, "-c", code, str(log)], cwd=ROOT, check=True, timeout=60)
    assert log.read_bytes() == b"ab\n"


def test_every_system_has_its_own_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    found = {}
    for platform in ("linux", "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        found[platform] = records.state_folder({}).relative_to(tmp_path).as_posix()
    assert found == {
        "linux": ".local/state/neural-upscale",
        "darwin": "Library/Application Support/neural-upscale",
        "win32": "AppData/Local/neural-upscale",
    }


def test_uninstalling_everything_ends_the_server_and_leaves_only_the_users_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (client.RUNTIME_VARIABLE, "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    weights = tmp_path / ".local/share/neural-upscale/weights/own.safetensors"
    cache = tmp_path / ".cache/neural-upscale"
    native = cache / "native/winograd.so"
    names = ("vgg19-dcbb9e9d.safetensors", "vgg16-397923af.pth.part", "worker-weights/a.safetensors")
    foreign = tmp_path / ".local/state/other/server.log"
    for path in (weights, native, foreign, *(cache / name for name in names)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    command = [sys.executable, str(ROOT / "neural_upscale_cli.py")]
    runtime = client.find_or_start([*command, "serve", *start.START_OPTIONS])

    def uninstall(*flags: str) -> str:
        return subprocess.run(
            [*command, "uninstall", *flags], capture_output=True, text=True, check=True, timeout=60
        ).stdout

    assert f"would remove {native.parent}." in uninstall("--dry-run")
    assert native.exists()
    assert client.is_healthy(runtime)
    assert "has ended" in uninstall()
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {weights, foreign}
