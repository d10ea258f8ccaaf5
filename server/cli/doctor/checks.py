"""The doctor's look at this machine and at the server, a row for each thing that can go wrong."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.client import (
    ClientError,
    NoServer,
    Runtime,
    UnsafeRuntimeFile,
    UntrustedServer,
    WrongAnswer,
    log_path,
    read_runtime,
    runtime_path,
    status,
)
from server.client.connection import check_health
from server.installed import version
from server.plugins.install import server_command, store_python

if TYPE_CHECKING:
    from server.pipeline.model_store import ModelStore
    from server.settings import Settings

OK, NOTE, FAIL = "ok", "note", "fail"
OLDEST_PYTHON = (3, 10)
LITTLE_MEMORY = 1 << 30  # bytes
REINSTALL = "install the package again, as it was installed: uv tool install, pipx install, or make run"
START = "start one with: neural-upscale serve (the plug-ins do so by themselves)"


@dataclass(frozen=True)
class Row:
    """What was looked at, and what was found."""

    subject: str  # what was looked at, a few words
    state: str  # OK, NOTE (works, but worth knowing) or FAIL
    found: str  # what is there, one line
    remedy: str = ""  # what to do; never empty where the state is FAIL


def machine_rows(folders: list[Path] | None = None) -> list[Row]:
    """Look at the machine; torch is imported, and a tile is enlarged.

    Args:
        folders: of weights files; None for the shipped and the user's.

    Returns:
        The rows.
    """
    if folders is None:
        from server.installed import shipped_weights
        from server.settings import user_weights_folder

        folders = [shipped_weights(), user_weights_folder()]
    rows = [_python_row(), _torch_row(), _memory_row(available_memory())]
    if rows[1].state == FAIL:
        return rows
    return [*rows, *_weights_rows(folders), *_device_rows(folders)]


def _python_row() -> Row:
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        return Row("Python", FAIL, found, "expected 3.10 or newer: install one, and the package into it")
    if reason := store_python():
        return Row("Python", FAIL, found, reason)
    return Row("Python", OK, found)


def _torch_row() -> Row:
    try:
        import torch
    except (ImportError, OSError) as fault:  # OSError: a library of its own cannot be loaded
        intel_mac = sys.platform + platform.machine() == "darwinx86_64"
        remedy = (
            "torch 2.6 and newer is not made for Macs with Intel processors: use a server elsewhere (docs/remote.md)"
        )
        return Row("torch", FAIL, f"cannot be imported: {fault}", remedy if intel_mac else REINSTALL)
    return Row("torch", OK, f"{torch.__version__}, {torch.get_num_threads()} threads on the CPU")


def available_memory() -> int | None:
    """Return the bytes of main memory that programs can still have; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _memory_row(available: int | None) -> Row:
    if available is None:
        return Row("free memory", OK, "this system does not tell")
    found = f"{available / (1 << 30):.1f} GiB"
    if available < LITTLE_MEMORY:
        return Row("free memory", NOTE, found, "little: close other programs before large pictures")
    return Row("free memory", OK, found)


def _weights_rows(folders: list[Path]) -> Iterator[Row]:
    from weights import WeightsError, load_generator

    found = [path for folder in folders for path in sorted(folder.glob("[!.]*.safetensors"))]
    for path in found:
        subject = f"weights {path.stem}"
        try:
            metadata = load_generator(path).metadata
        except (WeightsError, OSError) as fault:
            yield Row(subject, FAIL, f"{path}: {fault}", "copy the file again from where it came, or remove it")
            continue
        yield Row(subject, OK, f"sha256 {metadata.sha256[:16]}, {metadata.architecture}, halo {metadata.halo}, {path}")
    if not found:
        yield Row("weights", FAIL, f"none in {' or '.join(map(str, folders))}", REINSTALL)


def _device_rows(folders: list[Path]) -> Iterator[Row]:
    from server.device.vulkan.devices import vulkan_devices
    from server.pipeline.model_store import ModelStore
    from server.settings import Settings

    store = ModelStore(folders)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(engine="winograd")  # tried rather than measured: a measurement would be kept
        if not settings.native.exists():
            settings = replace(settings, cache=Path(folder) / "spool")
        yield _found_row()
        yield from _tried(settings, store)
        for device in (each for each in vulkan_devices() if each.is_real):
            yield from _tried(replace(settings, device=device.device), store)


def _found_row() -> Row:
    from server.device.devices import found_devices, unused_card

    found = ", ".join(f"{each['device']} ({each['name']})" for each in found_devices())
    remedy = unused_card()
    return Row("all devices", NOTE if remedy else OK, found, remedy)


def _tried(settings: Settings, store: ModelStore) -> Iterator[Row]:
    from server.device.devices import build_engines
    from server.errors import CannotStart, ServerError

    try:
        engines = build_engines(settings, store)
    except (CannotStart, RuntimeError) as fault:
        yield Row("device", FAIL, str(fault), "start the server on the CPU: neural-upscale serve --device cpu")
        return
    for engine in engines:
        subject = f"device {engine.name}"
        try:
            key = store.resolve()
            engine.warm_up(key)
        except (ServerError, RuntimeError) as fault:
            remedy = "put a usable weights file there, or try: neural-upscale serve --device cpu --dtype float32"
            yield Row(subject, FAIL, f"a tile could not be enlarged: {fault}", remedy)
        else:
            described = engine.describe()
            yield Row(subject, OK, _speed(described, key.name, store))
            if "engine" in described:
                yield _engine_row(described["engine"])


def _engine_row(engine: dict[str, Any]) -> Row:
    if engine["running"]:
        return Row("engine", OK, ", ".join(sorted(set(engine["running"].values()))))
    reasons = [*engine.get("on_cpu", {}).values(), *engine["on_torch"].values()]
    reason = next(iter(reasons), "no model was tried")
    remedy = "the wheel for this system brings a kernel about three times as fast; a checkout needs g++ or clang++"
    return Row("engine", NOTE, f"torch, because {reason}", remedy if "compiler" in reason else "")


def _speed(device: dict[str, Any], model: str, store: ModelStore) -> str:
    dtypes = {each["dtype"] for each in device["loaded"]}
    speed = max(device["megapixels_per_second"].values(), default=0.0)
    memory = device.get("memory") or {}
    free = f", {memory['free'] / (1 << 30):.1f} GiB free of {memory['total'] / (1 << 30):.1f}" if memory else ""
    kind = "fast" if store.fast else "slow"
    return (
        f"self-test passed in {' and '.join(sorted(dtypes))}; auto is {model}, "
        f"about {speed:.2g} megapixels a second ({kind} device){free}"
    )


def server_rows() -> list[Row]:
    """Look at the runtime file, at whoever answers there, at the serving command and the log."""
    path = runtime_path()
    return [_folder_row(path.parent), *_runtime_rows(path), _command_row(server_command()), _log_row(log_path())]


def _folder_row(folder: Path) -> Row:
    subject = "state folder"
    if not folder.exists():
        return Row(subject, OK, f"{folder} is made when a server starts")
    mode = folder.stat().st_mode
    if not os.access(folder, os.W_OK | os.X_OK):
        return Row(
            subject, FAIL, f"{folder} cannot be written by you", f"give it back to you: sudo chown $USER {folder}"
        )
    if os.name == "posix" and mode & 0o022 and not mode & stat.S_ISVTX:
        found = f"others may write to {folder} (rights {stat.S_IMODE(mode):04o})"
        return Row(subject, FAIL, found, f"chmod 700 {folder}")
    return Row(subject, OK, str(folder))


def _runtime_rows(path: Path) -> list[Row]:
    try:
        runtime = read_runtime(path)
    except NoServer:
        return [Row("server", NOTE, f"none runs: there is no {path}", START)]
    except UnsafeRuntimeFile as fault:
        return [Row("runtime file", FAIL, str(fault), f"{_removing(path)}, then start a server again")]
    rights = f", rights {stat.S_IMODE(path.stat().st_mode):04o}" if os.name == "posix" else ""
    return [Row("runtime file", OK, f"{path}{rights}"), _server_row(runtime, path)]


def _server_row(runtime: Runtime, path: Path) -> Row:
    subject = "server"
    if runtime.remote:
        return _remote_row(runtime, path)
    try:
        check_health(runtime)
        answer = status(runtime)
    except NoServer:
        found = f"nobody answers at {runtime.url}; process {runtime.pid} left its runtime file behind"
        return Row(subject, FAIL, found, f"{_removing(path)}, then {START}")
    except (UntrustedServer, WrongAnswer) as fault:
        return Row(subject, FAIL, str(fault), f"{_removing(path)}, then {START}")
    except ClientError as fault:
        return Row(subject, FAIL, f"{runtime.url} refuses: {fault}", "stop that server and start it again")
    devices = ", ".join(str(each.get("device")) for each in answer.get("devices", [])) or "still loading"
    found = f"{runtime.url}, process {runtime.pid}, version {answer.get('version')}, {devices}"
    if runtime.pid and answer.get("version") != version():
        remedy = f"it is not the installed version {version()}: neural-upscale stop; the next use starts the new"
        return Row(subject, FAIL, found, remedy)
    return Row(subject, OK, found)


def _removing(path: Path) -> str:
    """Return what to type to remove a file."""
    return f'remove the file: {"del" if sys.platform == "win32" else "rm"} "{path}"'


def _remote_row(runtime: Runtime, path: Path) -> Row:
    try:
        check_health(runtime)
        answer = status(runtime)
    except ClientError as fault:
        return Row("server", FAIL, str(fault), f"or remove {path}, and a server on this machine is used")
    devices = ", ".join(str(each.get("device")) for each in answer.get("devices", [])) or "still loading"
    return Row("server", OK, f"{runtime.url}, not this machine's own, version {answer.get('version')}, {devices}")


def _command_row(command: list[str]) -> Row:
    subject = "serving command"
    program = shutil.which(command[0])
    if program is None:
        return Row(subject, FAIL, f"{command[0]} cannot be run", REINSTALL)
    return Row(subject, OK, " ".join(command))


def _log_row(path: Path) -> Row:
    if not path.exists():
        return Row("log", OK, f"{path} is made when a plug-in starts a server")
    return Row("log", OK, f"{path}, {path.stat().st_size / 1024:.0f} KiB")
