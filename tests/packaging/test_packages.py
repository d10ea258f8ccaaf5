"""Wheel, sdist and zips as they are published: what is in them, and that they work away from the checkout."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

from tests.hosts.model_server import make_models
from tests.import_graph import PACKAGES, ROOT

ENTRY = "neural_upscale_cli.py"
SOURCES = [*PACKAGES, ENTRY, "pyproject.toml", "setup.py", "README.md"]
NOT_PUBLISHED = ("tests/", ".ci/", "__pycache__")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build sdist and wheel as `make dist` does, from a copy, because setuptools writes beside the sources."""
    copy, target = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.new", ".*"))
        else:
            shutil.copy(source, copy)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return target


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


def expected_files() -> set[str]:
    """Return every file of the packages, as the checkout has them."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    names = (path.relative_to(ROOT).as_posix() for path in found)
    return {ENTRY} | {name for name in names if "__pycache__" not in name and not Path(name).name.startswith(".")}


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == expected_files()
    assert {
        "server/http/static/index.html",
        "plugin_gimp/neural-upscale.py",
        "plugin_krita/neural_upscale.desktop",
    } <= inside
    assert [name for name in names if name.startswith(NOT_PUBLISHED) or "__pycache__" in name] == []


def test_the_wheel_holds_the_shipped_weights(wheel: Path) -> None:
    shipped = {path.name for path in (ROOT / "weights").glob("*.safetensors")}
    if not shipped:
        pytest.skip("no weights are shipped yet")
    inside = {Path(name).name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("weights/")}
    assert shipped <= inside


@pytest.mark.slow
@pytest.mark.timeout(1800)  # the first time, Zig builds a C++ runtime as well
@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="another platform's wheel")
def test_a_platforms_wheel_runs_winograd_without_a_compiler_and_records_what_it_holds(
    wheel: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ziglang", reason="there is no Zig to compile for other platforms: pip install ziglang")
    from tests.packaging.platform_wheels import PLATFORMS, platform_wheel

    made = platform_wheel(Path(shutil.copy(wheel, tmp_path)), PLATFORMS[0])
    assert made.name == wheel.name.replace("-any", "-manylinux_2_28_x86_64")
    with zipfile.ZipFile(made) as archive:
        archive.extractall(tmp_path / "installed")
        _check_record(archive)
        (about,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
    assert "Root-Is-Purelib: false" in about
    assert "Tag: py3-none-manylinux_2_28_x86_64" in about
    code = "from server.device.winograd.network import load_kernel; print(load_kernel()._name)"
    environment = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(tmp_path / "installed")}
    command = [sys.executable, "-c", code]
    told = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    assert Path(told.stdout.strip()).parent == tmp_path / "installed" / "weights" / "winograd" / "prebuilt"


def _check_record(wheel: zipfile.ZipFile) -> None:
    """Hold what a wheel says of its files against these."""
    (record,) = (name for name in wheel.namelist() if name.endswith(".dist-info/RECORD"))
    listed = {line.rsplit(",", 2)[0]: line.rsplit(",", 2)[1:] for line in wheel.read(record).decode().splitlines()}
    assert set(listed) == set(wheel.namelist())
    for name, (digest, size) in listed.items():
        if name != record:
            content = wheel.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            assert (digest, int(size)) == (f"sha256={expected}", len(content)), name


def test_the_sdist_holds_what_the_wheel_is_built_from(built: Path, wheel: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert expected_files() <= names
    assert {"pyproject.toml", "setup.py", "README.md"} <= names


def test_the_wheel_says_which_pythons_and_extras_it_has_and_needs_no_torch_on_intel_macs(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()
    assert "Requires-Python: >=3.10" in metadata
    needed = [
        Requirement(line.partition(": ")[2]) for line in metadata.splitlines() if line.startswith("Requires-Dist")
    ]
    (torch,) = (each for each in needed if each.name == "torch")
    assert torch.marker is not None
    assert not torch.marker.evaluate({"sys_platform": "darwin", "platform_machine": "x86_64"})
    assert torch.marker.evaluate({"sys_platform": "darwin", "platform_machine": "arm64"})
    extras = {line.split()[1] for line in metadata.splitlines() if line.startswith("Provides-Extra:")}
    assert {"onnx", "trainer", "models", "codecs", "heic", "vulkan", "cluster", "dev"} <= extras


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel in it; gives its folder of programs.

    What the package depends on (torch alone takes hundreds of megabytes) is lent by the environment of the tests: it
    comes after the fresh one's own on the search path, so that the package itself can only be the wheel's.
    """
    folder = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, timeout=120)
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True, timeout=30,
    ).stdout.strip()  # fmt: skip
    Path(own, "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A folder that holds a `server.py` and the like, and the environment of a user with a home of their own."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in (*PACKAGES, "torch"):
        (folder / f"{name}.py").write_text("raise SystemExit('the wrong module')\n", encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "PYTHON", "NEURAL_"))}
    return folder, {**kept, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def stopped_at_end(tmp_path: Path) -> Iterator[None]:
    """End the server that a command may have started."""
    yield
    runtime = tmp_path / ".local" / "state" / "neural-upscale" / "runtime.json"
    if runtime.exists():
        os.kill(json.loads(runtime.read_text())["pid"], signal.SIGTERM)
        for _ in range(200):
            if not runtime.exists():
                return
            time.sleep(0.1)
        pytest.fail("the server did not end")


def test_the_installed_wheel_upscales_from_a_folder_that_holds_a_server_py(
    clean: Path, elsewhere: tuple[Path, dict[str, str]], tmp_path: Path, stopped_at_end: None
) -> None:
    folder, environment = elsewhere
    weights = tmp_path / ".local" / "share" / "neural-upscale" / "weights"
    weights.mkdir(parents=True)
    make_models(weights)
    Image.effect_noise((40, 30), 50).convert("RGB").save(folder / "photo.png")
    command = [clean / "neural-upscale", "photo.png", "--model", "fixed-faithful"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    log = tmp_path / ".local" / "state" / "neural-upscale" / "server.log"
    assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")
    with Image.open(folder / "photo-x2.png") as result:
        assert result.size == (80, 60)


def test_the_installed_modules_are_the_wheels(clean: Path, elsewhere: tuple[Path, dict[str, str]]) -> None:
    folder, environment = elsewhere
    script = "import weights, server, trainer, plugin_gimp, plugin_krita as p; print(weights.__file__, p.__file__)"
    done = subprocess.run(
        [clean / "python", "-I", "-c", script],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert all(str(clean.parent) in each for each in done.stdout.split()), done.stdout


@pytest.mark.parametrize("editor", ["gimp", "krita"])
def test_the_installed_wheel_installs_and_removes_the_plugins(
    clean: Path, elsewhere: tuple[Path, dict[str, str]], tmp_path: Path, editor: str
) -> None:
    folder, environment = elsewhere
    target = tmp_path / {"gimp": "plug-ins", "krita": "pykrita"}[editor]
    target.mkdir()
    for verb in ("install", "install"):  # twice: it is the same then
        command = [clean / "neural-upscale", verb, editor, "--to", target]
        subprocess.run(command, cwd=folder, env=environment, check=True, timeout=60)
    record = json.loads(next(target.rglob("install.json")).read_text())
    assert record["command"][0] == str(clean / "neural-upscale")
    assert next(target.rglob("client/api.py")).read_bytes() == (ROOT / "server" / "client" / "api.py").read_bytes()
    remove = [clean / "neural-upscale", "uninstall", editor, "--to", target]
    subprocess.run(remove, cwd=folder, env=environment, check=True, timeout=60)
    assert [path for path in target.rglob("*") if path.is_file()] == []


def test_the_zips_hold_the_plugin_the_client_and_gimps_run_bit() -> None:
    from plugin_gimp import archive as gimp
    from plugin_krita import archive as krita

    packed = zipfile.ZipFile(io.BytesIO(gimp.contents()))
    program = packed.getinfo("neural-upscale/neural-upscale.py")
    assert stat.S_IMODE(program.external_attr >> 16) == 0o755
    assert (
        packed.read("neural-upscale/neural_upscale/client/api.py")
        == (ROOT / "server" / "client" / "api.py").read_bytes()
    )
    packed = zipfile.ZipFile(io.BytesIO(krita.contents()))
    assert {"neural_upscale/", "neural_upscale.desktop", "neural_upscale/client/api.py"} <= set(packed.namelist())
    assert gimp.contents() == gimp.contents()


def test_a_published_zip_says_nothing_of_this_machine() -> None:
    from plugin_gimp import archive as gimp
    from plugin_krita import archive as krita

    for contents in (gimp.contents(), krita.contents()):
        packed = zipfile.ZipFile(io.BytesIO(contents))
        assert not any(name.endswith("install.json") for name in packed.namelist())
        assert not any(str(ROOT).encode() in packed.read(name) for name in packed.namelist())


def other_pythons() -> dict[str, str]:
    """Return the Pythons 3.10 to 3.13 of this machine: version → program."""
    found = {}
    for minor in range(10, 14):
        programs = [
            shutil.which(f"python3.{minor}"),
            *map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")),
        ]
        for program in filter(None, programs):
            asked = subprocess.run(
                [program, "-c", "import sys; print(sys.version_info[1])"], capture_output=True, text=True, check=False
            )
            if asked.returncode == 0 and asked.stdout.strip() == str(minor):
                found[f"3.{minor}"] = program
                break
    return found


PYTHONS = other_pythons()


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_what_needs_no_other_package_runs_on_every_supported_python(version: str, tmp_path: Path) -> None:
    """The client (in the editors' Pythons), the command line and both installers; and all else at least compiles."""
    if version not in PYTHONS:
        pytest.skip(f"no Python {version} on this machine")
    script = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
for path in pathlib.Path(sys.argv[1]).glob("[swtp]*/**/*.py"):
    compile(path.read_text(encoding="utf-8"), str(path), "exec")
import server.client, server.cli, server.cli.subcommands, server.cli.open_page
from plugin_gimp import archive, installer
from plugin_krita import archive as other_archive, installer as other
target = pathlib.Path(sys.argv[2])
print(installer.install(target / "plug-ins"), other.install(target / "pykrita"), len(archive.contents()))
"""
    command = [PYTHONS[version], "-W", "error", "-c", script, str(ROOT), str(tmp_path)]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
