"""Finds a server that runs, or starts one.

Standard library only: this package is copied whole into both plug-ins.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from .connection import check_health, is_healthy
from .protocol import RUNTIME_VARIABLE, Cancel, Cancelled, NoServer, Runtime, ServerStartFailed
from .records import Installation, log_path, read_installation, read_runtime, runtime_path

PROGRAM = "neural-upscale"
START_OPTIONS = ("--port", "0", "--idle-exit", "1800")  # any free port; ends after half an hour unused
FOREIGN = ("PYTHON", "GI_", "GST_", "QT_", "GTK_", "GDK_", "BABL_", "GEGL_", "GIMP")
# Windows: no console window, neither for the server nor (as with DETACHED_PROCESS) for what it runs.
WITHOUT_CONSOLE = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
FOREIGN_NAMES = ("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "GIO_MODULE_DIR", "__PYVENV_LAUNCHER__")


def installation_beside(record: Path) -> Installation:
    """Return an installer's record; where a plug-in came as a zip without one, what the search path has.

    Args:
        record: the record's path.

    Returns:
        The installation; its command is empty when no program was found.

    Raises:
        ServerStartFailed: the record is unreadable.
    """
    if record.exists():
        return read_installation(record)
    # GIMP replaces the search path of its plug-ins; uv and pipx put programs into the second of these.
    program = shutil.which(PROGRAM) or shutil.which(PROGRAM, path=str(Path.home() / ".local" / "bin"))
    return Installation((program, "serve", *START_OPTIONS) if program else (), runtime_path(), log_path(), "")


def find_or_start(
    command: Sequence[str],
    *,
    runtime: Path | None = None,
    log: Path | None = None,
    timeout: float = 60.0,
    on_wait: Callable[[float], None] | None = None,
    cancel: Cancel | None = None,
) -> Runtime:
    """Return the server that runs, or start one with `command` and wait for it.

    Several clients may call this at once: one takes the lock and starts, the others wait for its runtime file. Nothing
    is started where the runtime file names a server elsewhere: what keeps that one from answering is raised.

    Args:
        command: the absolute command that serves, as the installer recorded it.
        runtime: the runtime file; None means `runtime_path()`.
        log: the file that takes the server's output; None means `server.log` beside the runtime file.
        timeout: seconds to wait for the server to answer.
        on_wait: called about five times a second with the seconds waited so far.
        cancel: ends the waiting (not the server).

    Returns:
        A runtime whose server answered.

    Raises:
        ServerStartFailed: the command could not be run, the server ended or did not answer in time, or this is a
            sandbox that cannot start programs.
        UnsafeRuntimeFile: the runtime file breaks a rule.
        Cancelled: by `cancel`.
    """
    path = Path(runtime) if runtime is not None else runtime_path()
    log = Path(log) if log is not None else path.with_name("server.log")
    started: subprocess.Popen[bytes] | None = None
    begun = time.monotonic()
    with contextlib.ExitStack() as held:
        while True:
            found = _answering(path)
            if found is not None:
                return found
            waited = time.monotonic() - begun
            if started is not None and started.poll() is not None:
                raise ServerStartFailed(f"The server ended with code {started.returncode}; {_last_line(log)}")
            if waited > timeout:
                raise ServerStartFailed(f"No server answered within {timeout:g} s; {_last_line(log)}")
            if started is None and _take_lock(path, held):
                started = _start(command, path, log) if _answering(path) is None else None
            if cancel is not None and cancel.cancelled:
                raise Cancelled("Cancelled.")
            if on_wait is not None:
                on_wait(waited)
            time.sleep(0.2)


def _answering(path: Path) -> Runtime | None:
    try:
        found = read_runtime(path)
    except NoServer:
        return None
    if found.remote:
        check_health(found)
        return found
    return found if is_healthy(found) else None


def in_sandbox(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process lives in a Flatpak, a Snap or macOS's sandbox, and cannot start programs outside."""
    names = ("FLATPAK_ID", "SNAP_NAME", "APP_SANDBOX_CONTAINER_ID")
    return any(environment.get(name) for name in names) or Path("/.flatpak-info").exists()


def sandbox_sentence(command: Sequence[str]) -> str:
    """Return the sentence that tells the user of a sandboxed editor what to type."""
    return f"This editor runs in a sandbox and cannot start the server; type this in a terminal: {' '.join(command)}"


def _take_lock(path: Path, held: contextlib.ExitStack) -> bool:
    """Take the start lock without waiting; it goes when `held` closes, or with this process."""
    with _folder_for(path):
        file = path.with_name(path.name + ".lock").open("a+b")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    held.callback(file.close)
    return True


@contextlib.contextmanager
def _folder_for(path: Path) -> Iterator[None]:
    """Make the folder of a file that the block opens; a home that is missing or read-only is a sentence."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield
    except OSError as fault:
        raise ServerStartFailed(
            f"{path} cannot be written ({fault.strerror or fault}), where a server's address and log belong; make that "
            f"folder yours, or name another file with the variable {RUNTIME_VARIABLE}."
        ) from fault


def _start(command: Sequence[str], path: Path, log: Path) -> subprocess.Popen[bytes]:
    if in_sandbox():
        raise ServerStartFailed(sandbox_sentence(command))
    environment = {**clean_environment(os.environ), RUNTIME_VARIABLE: str(path.absolute())}
    try:
        with _opened_log(log) as output:
            process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment,
                cwd=path.parent, start_new_session=True, creationflags=WITHOUT_CONSOLE,
            )  # fmt: skip
    except OSError as fault:
        raise ServerStartFailed(
            f"The command {command[0] if command else '(none)'!r} cannot be run ({fault}); is Neural Upscale still "
            "installed there? Install the plug-in again: neural-upscale install gimp|krita"
        ) from fault
    threading.Thread(target=process.wait, daemon=True).start()  # no zombie in an editor that runs for days
    return process


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Drop what an editor sets for its own interpreter and libraries, which would break another one's."""
    return {
        name: value for name, value in environment.items() if not name.startswith(FOREIGN) and name not in FOREIGN_NAMES
    }


@contextlib.contextmanager
def _opened_log(log: Path) -> Iterator[int]:
    with _folder_for(log):
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.lseek(descriptor, 0, os.SEEK_END)  # a process of Windows inherits the place, but not that it appends
        yield descriptor
    finally:
        os.close(descriptor)


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        lines = []
    return f"its log {log} ends with: {lines[-1]}" if lines else f"its log {log} is empty."
