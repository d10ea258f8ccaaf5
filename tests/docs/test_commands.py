"""Every command that README and docs show is run, as it stands there, by a user with a home of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.docs.test_documents import DOCUMENTS
from tests.hosts.model_server import ModelServer, serving
from tests.import_graph import ROOT

PROGRAMS = ("make", "neural-upscale", "python", "curl", "ray", "torchrun")
# Commands that other tests run, because they need more than a photo and a server: pattern → the test.
ELSEWHERE = {
    r"python -m trainer run ": "tests/trainer/test_run.py",
    r"python -m trainer slice .*--workers ray": "tests/cluster/test_slicing.py",
    r"neural-upscale serve .*--trusted-host": "tests/cluster/test_remote.py",
    r"(neural-upscale serve .*--workers ray|ray start)": "tests/cluster/test_serving.py",
    r"torchrun": "tests/cluster/test_elastic.py",
    r"neural-upscale (convert|photo.jpg --model 4x-Name)": "tests/server/test_convert.py",
    r"make run$": "tests/docs/test_make.py",
}
# Documents whose Python only an editor can run: document → the test.
PYTHON_ELSEWHERE = {"krita.md": "tests/krita/test_documented.py"}
SECONDS = 240  # a whole cluster of Ray's takes the better part of a minute to start


@dataclass(frozen=True)
class Shown:
    """A command in a document."""

    document: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}: {self.text}"


def shown_commands() -> list[Shown]:
    """Return the commands in fenced blocks marked sh, and those indented by four spaces; without their comments."""
    found = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        fenced = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        indented = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        lines = [line for block in fenced for line in block.splitlines()]
        lines += [line[4:] for line in indented.splitlines() if line.startswith("    ")]
        for line in re.sub(r" *\\\n *", " ", "\n".join(lines)).splitlines():
            command = re.sub(r"(^|\s+)#.*", "", line).rstrip()
            if command.split(" ", 1)[0] in PROGRAMS:
                found.append(Shown(path.name, command))
    return found


def elsewhere(command: str) -> str:
    return next((test for pattern, test in ELSEWHERE.items() if re.match(pattern, command)), "")


HERE = [each for each in shown_commands() if not elsewhere(each.text)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with a photo and a folder of photos; the editors have been started once."""
    pixels = np.random.default_rng(5).integers(0, 255, (30, 40, 3), np.uint8)
    (tmp_path / "photos").mkdir()
    for name in ("photo.jpg", "photos/one.jpg", "photos/two.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / ".config" / "GIMP" / "3.0").mkdir(parents=True)
    (tmp_path / ".local" / "share" / "krita").mkdir(parents=True)
    return tmp_path


def run(command: str, folder: Path, server: ModelServer) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "GIMP", "MAKE"))}
    environment = {
        **kept,
        "HOME": str(folder),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        # `uninstall` ends the server, which further commands need.
        "NEURAL_UPSCALE_RUNTIME": str(folder / "none" if "uninstall" in command else server.announce(folder)),
        "TOKEN": server.token,
        "BROWSER": "echo %s",
    }
    command = command.replace("http://127.0.0.1:8765", server.url)
    where = ROOT if command.startswith("python -m tests.") else folder  # the tests are not installed
    words, pipe = ["bash", "-c", command], subprocess.PIPE
    with subprocess.Popen(
        words, cwd=where, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as started:
        try:
            output, errors = started.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGTERM)  # with whatever it has started
            raise
    return subprocess.CompletedProcess(words, started.returncode, output, errors)


@pytest.mark.parametrize("shown", HERE, ids=str)
def test_a_command_in_the_documents_works(shown: Shown, folder: Path, running: ModelServer) -> None:
    if shown.text.startswith("curl") and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = shown.text
    if command.startswith("make"):
        # Only what it would do: `make test` runs this very test.
        command = f"cd '{ROOT}' && {command.replace('make', 'make -n', 1)}"
    if command.startswith("python -m tests.benchmarks."):
        # Measurements of minutes; that they start, and have the flags, is what is held here.
        command = f"cd '{ROOT}' && {command} --help"
    if command.startswith("neural-upscale doctor"):
        shutil.copytree(running.log.parent / "weights", folder / ".local/share/neural-upscale/weights")
        run("neural-upscale install gimp && neural-upscale install krita", folder, running)
    if command.startswith("python -m trainer evaluate"):
        command = ready_to_measure(command, folder)
    if command.startswith("python -m trainer export"):
        command = naming_shipped_weights(command)
    done = run(command, folder, running)
    assert done.returncode == 0, done.stdout + done.stderr


def naming_shipped_weights(command: str) -> str:
    """Return a command that names the shipped pair by its whole path: it does not run in the project's folder."""
    for name in ("compact-faithful", "compact-detailed"):
        command = command.replace(f"weights/{name}.safetensors", f"'{ROOT}/weights/{name}.safetensors'")
    return command


def ready_to_measure(command: str, folder: Path) -> str:
    """Bring what the documents' reader has: weights, a benchmark, and networks that would be fetched."""
    perceptual = ROOT.parent / "shared" / "perceptual"
    if "--niqe-model" in command and not perceptual.is_dir():
        pytest.skip("../shared/perceptual is not here")
    (folder / "B100").mkdir()
    shutil.copy(ROOT / "docs" / "images" / "photo.jpg", folder / "B100")
    command = naming_shipped_weights(command)
    if "--niqe-model" in command:
        shutil.copy(perceptual / "niqe_pris_params.npz", folder)
    network = next(perceptual.glob("squeezenet*"), None)
    return command.replace(
        "--feature-network squeezenet", f"--feature-network squeezenet --feature-weights '{network}'"
    )


def test_the_documents_show_commands_of_every_kind() -> None:
    texts = [each.text for each in shown_commands()]
    for program in ("make", "neural-upscale", "python", "curl"):
        assert any(text.startswith(program) for text in texts), program


def test_commands_that_run_elsewhere_do_so() -> None:
    named = [*ELSEWHERE.values(), *PYTHON_ELSEWHERE.values()]
    assert [test for test in named if not (ROOT / test).exists()] == []


def test_what_the_readme_promises_of_results_holds(folder: Path, running: ModelServer) -> None:
    assert run("neural-upscale photo.jpg && neural-upscale photos -o large", folder, running).returncode == 0
    written = [folder / "photo-x2.jpg", folder / "large" / "one.jpg", folder / "large" / "two.png"]
    for path in written:
        with Image.open(path) as image:
            assert image.size == (80, 60)


def test_python_in_the_documents_runs(folder: Path, running: ModelServer) -> None:
    """The blocks marked python, with the shipped weights where there are some, else with a file of the tests."""
    shipped = sorted((ROOT / "weights").glob("*.safetensors"))
    source = shipped[0] if shipped else next((running.log.parent / "weights").glob("*.safetensors"))
    (folder / "weights").mkdir()
    shutil.copy(source, folder / "weights" / "compact-faithful.safetensors")
    for path in [each for each in DOCUMENTS if each.name not in PYTHON_ELSEWHERE]:
        for block in re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            if "import neural_upscale" in block:  # for an editor's own Python; tests/krita runs these
                continue
            (folder / "block.py").write_text(block, encoding="utf-8")
            done = run(f"'{sys.executable}' -P block.py || '{sys.executable}' -I block.py", folder, running)
            assert done.returncode == 0, f"{path.name}: {done.stderr}"


def test_open_hands_the_browser_a_private_file_and_not_the_token(folder: Path, running: ModelServer) -> None:
    done = run("neural-upscale open", folder, running)
    assert done.returncode == 0, done.stderr
    assert running.token not in done.stdout + done.stderr
    assert "open.html" in done.stdout


def test_doctor_json_of_a_sound_set_up_says_ok(folder: Path, running: ModelServer) -> None:
    done = run(
        "neural-upscale install gimp && neural-upscale install krita && neural-upscale doctor --json", folder, running
    )
    told = json.loads(done.stdout[done.stdout.index("{") :])
    failing = [
        row for row in told["rows"] if row["state"] == "fail" and not row["subject"].startswith(("weights", "device"))
    ]
    assert failing == []


def test_make_dist_makes_what_it_says(tmp_path: Path) -> None:
    said = subprocess.run(
        ["make", "-n", "dist"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    ).stdout
    for name in ("gimp", "krita"):
        command = next(line for line in said.splitlines() if f"plugin_{name}.archive" in line)
        target = tmp_path / f"{name}.zip"
        words = [sys.executable, *command.split()[1:-1], str(target)]
        subprocess.run(words, cwd=ROOT, check=True, timeout=60)
        assert zipfile.ZipFile(target).testzip() is None
