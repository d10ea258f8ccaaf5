"""docs/commands.md, made from what the commands say of themselves: python -m tests.docs.reference writes it anew.

A table row for each flag. The test compares only which commands, flags and words there are, because Pythons differ in
how they lay out a help text.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from functools import cache

from tests.import_graph import ROOT

PAGE = ROOT / "docs" / "commands.md"
TRAINER = "python -m trainer"
HEAD = """# Every command and flag

Made from the commands' own help by `make docs`; a test holds the two against each other. `python -m server` is the same
as `neural-upscale serve`. Exit codes: 0, 1 when something failed, 2 for wrong usage.
"""
# "  -o OUTPUT, --output OUTPUT  help" before Python 3.13, "  -o, --output OUTPUT  help" since.
OPTION = re.compile(r"^  (?P<flags>-{1,2}\w.*?)(?:  +(?P<help>\S.*))?$")


def commands() -> list[str]:
    """Return every command, as it is typed without its flags."""
    from server.cli.subcommands import SUBCOMMANDS

    found = re.search(r"\n  COMMAND\n(?P<listed>(?:    .*\n)+)", help_of(TRAINER))
    assert found is not None
    of_trainer = re.findall(r"^    (\w+)", found["listed"], re.MULTILINE)
    own = [f"neural-upscale {name}" for name in SUBCOMMANDS]
    return ["neural-upscale", *own, *(f"{TRAINER} {name}" for name in of_trainer)]


@cache
def help_of(command: str) -> str:
    """Return a command's help, one line for each flag; all in this process, because each would load torch anew."""
    from server.cli import main as neural_upscale
    from trainer.cli.main import main as trainer

    words = command.removeprefix(TRAINER).removeprefix("neural-upscale").split()
    told = io.StringIO()
    with contextlib.redirect_stdout(told), wide_terminal(), contextlib.suppress(SystemExit):
        (trainer if command.startswith(TRAINER) else neural_upscale)([*words, "--help"])
    return told.getvalue()


@contextlib.contextmanager
def wide_terminal() -> Iterator[None]:
    """Let argparse write plain lines that are as long as they are."""
    before = dict(os.environ)
    os.environ.update(COLUMNS="1000", PYTHON_COLORS="0")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def flags_of(text: str) -> dict[str, tuple[str, str]]:
    """Read a help text: long flag → (how it is written, what it does); -h is left out."""
    found = {}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        option = OPTION.match(line)
        if option is None or "--help" in line:
            continue
        names = re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", option["flags"])
        value = re.sub(r"^(?:--?[A-Za-z][\w-]*)", "", option["flags"].split(", ")[-1]).strip()
        told = option["help"] or (lines[number + 1].strip() if number + 1 < len(lines) else "")
        written = ", ".join(names) + (f" {value}" if value else "")
        found[next(name for name in names if name.startswith("--"))] = (written, told)
    return found


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for command in commands():
        text = help_of(command)
        usage = re.sub(r"\s+", " ", text.partition("\n\n")[0]).removeprefix("usage: ")
        plain = re.sub(r"\[-[^\[\]]*\] ?", "", usage).strip()
        about = text.split("\n\n")[1].strip()
        rows = [f"| `{written}` | {_cell(told)} |" for written, told in flags_of(text).values()]
        table = ["| flag | |", "|---|---|", *rows] if rows else ["No flags."]
        parts.append("\n".join([f"## {command}", "", f"`{plain}`: {about}", "", *table, ""]))
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
