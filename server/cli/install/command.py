"""`neural-upscale install` and `uninstall`: the editors' plug-ins, and starting with the session."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

EDITORS = ("gimp", "krita")
EVERYTHING = (*EDITORS, "service", "autostart")
MEANINGS = """what can be installed:
  gimp       the plug-in, into every GIMP 3 found
  krita      the plug-in, into every Krita found
  service    a systemd user unit that starts the server with your session
  autostart  the same for desktops without systemd
"""
Action = Callable[[Path | None, bool], list[str]]


def install(words: list[str]) -> int:
    """Install one thing; returns the exit code."""
    return _run("install", words)


def uninstall(words: list[str]) -> int:
    """Remove one thing, or all that is there; returns the exit code."""
    return _run("uninstall", words)


def _run(verb: str, words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog=f"neural-upscale {verb}",
        description=f"{verb.capitalize()} a plug-in, or the server's start with your session.",
        epilog=MEANINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = "the plug-in, into every editor found" if verb == "install" else "everything"
    parser.add_argument("what", choices=EVERYTHING, nargs="?", help=f"default: {default}")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="another folder than those found by itself")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    arguments = parser.parse_args(words)
    if arguments.to is not None and arguments.what is None:
        parser.error(f"--to needs to know what it is for; name one of {', '.join(EVERYTHING)}.")
    from server.plugins.install import InstallError, store_python

    if verb == "install" and (reason := store_python()):
        print(f"neural-upscale: {reason}", file=sys.stderr)  # noqa: T201
        return 1
    failed = 0
    for what in [arguments.what] if arguments.what else EDITORS if verb == "install" else _what_is_here():
        try:
            for line in _action(what, verb)(arguments.to, arguments.dry_run):
                print(line)  # noqa: T201
        except InstallError as fault:
            print(f"neural-upscale: {fault}", file=sys.stderr)  # noqa: T201
            failed += 1
    if verb == "uninstall" and arguments.what is None:
        failed += not _clean_up(arguments.dry_run)
    return 1 if failed else 0


def _clean_up(dry_run: bool) -> bool:
    """End the server, remove logs and caches, and say what is left to do; False when something fails."""
    from server.cli import stop
    from server.cli.install.traces import remove_traces
    from server.settings import user_weights_folder

    if not dry_run and stop.main([]):
        return False
    try:
        for line in remove_traces(dry_run):
            print(line)  # noqa: T201
    except OSError as fault:
        print(f"neural-upscale: {fault.filename} cannot be removed ({fault.strerror}).", file=sys.stderr)  # noqa: T201
        return False
    if user_weights_folder().is_dir():
        print(f"Your own weights files stay in {user_weights_folder()}.")  # noqa: T201
    return True


def _what_is_here() -> tuple[str, ...]:
    return EVERYTHING if sys.platform.startswith("linux") else EDITORS


def _action(what: str, verb: str) -> Action:
    if what in EDITORS:
        found: Action = getattr(importlib.import_module(f"plugin_{what}.installer"), verb)
        return found
    from server.cli.install.autostart import SERVICE, SESSION

    action: Action = getattr({"service": SERVICE, "autostart": SESSION}[what], verb)
    return action
