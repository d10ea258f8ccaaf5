"""The doctor's look at the server: the runtime file, whoever answers there, the serving command, the log."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

from server.cli.doctor.rows import FAIL, NOTE, OK, REINSTALL, Row
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
from server.plugins.install import server_command

START = "start one with: neural-upscale serve (the plug-ins do so by themselves)"


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
        command = f'takeown /F "{folder}"' if sys.platform == "win32" else f'sudo chown $USER "{folder}"'
        return Row(subject, FAIL, f"{folder} cannot be written by you", f"give it back to you: {command}")
    if os.name == "posix" and mode & 0o022 and not mode & stat.S_ISVTX:
        found = f"others may write to {folder} (rights {stat.S_IMODE(mode):04o})"
        return Row(subject, FAIL, found, f'chmod 700 "{folder}"')
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
