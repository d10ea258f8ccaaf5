"""The sub-commands of `neural-upscale` by name; each is imported when it is run."""

from __future__ import annotations

import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Subcommand:
    """A function that takes the remaining words and returns an exit code, named but not imported."""

    module: str
    function: str
    summary: str

    def run(self, words: list[str]) -> int:
        """Import and run it."""
        code: int = getattr(importlib.import_module(self.module), self.function)(words)
        return code


SUBCOMMANDS = {
    "serve": Subcommand("server.cli.command_line", "serve", "run the model server"),
    "models": Subcommand("server.cli.models", "main", "list the models: scale, speed here, size, licence, origin"),
    "compare": Subcommand(
        "server.cli.compare.command", "main", "write bicubic beside ours, or beside several models, with times"
    ),
    "convert": Subcommand("server.cli.convert", "main", "make a weights file of a foreign network"),
    "open": Subcommand("server.cli.open_page", "main", "show the server's page in the browser"),
    "stop": Subcommand("server.cli.stop", "main", "end the running server, before an update for example"),
    "doctor": Subcommand("server.cli.doctor.command", "main", "look for what is wrong, and say what to do"),
    "bench": Subcommand("server.cli.bench.command", "main", "measure this machine, the models on it, and the server"),
    "install": Subcommand(
        "server.cli.install.command", "install", "install the plug-ins, or the start with your session"
    ),
    "uninstall": Subcommand("server.cli.install.command", "uninstall", "remove what was installed"),
}
