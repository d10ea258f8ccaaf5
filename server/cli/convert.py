"""`neural-upscale convert`: foreign files become weights files, offline. The server never reads a .pth.

`server.conversion` does the work in another process, so that a file which brings a process down brings down only that.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from server.installed import python_command
from server.pipeline.family import DETAILED, ENDINGS, FAITHFUL
from server.settings import user_weights_folder

PROGRAM = "import sys; from server.conversion.process import main; sys.exit(main())"


def main(argv: Sequence[str] | None = None) -> int:
    """Convert one file, or two to a pair; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="neural-upscale convert",
        description="Make a weights file of another project's network: ESRGAN, SPAN, DAT, HAT, SwinIR and more.",
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="the network, .safetensors or .pth, ×1, ×2, ×3, ×4 or ×8")
    add("--pair", type=Path, metavar="FILE", help="a crisper network of the same form: both make a model with detail")
    add("-o", "--output", type=Path, help="default: its name in the folder that the server watches")
    add("--title", default="", help="a name for people; default: the file's")
    add("--licence", default="", help="what its author allows; shown wherever the model is chosen")
    add("--author", default="", help="who trained it")
    add("--link", default="", help="where it is from, https://…")
    add("--overwrite", action="store_true", help="replace a file that is already there")
    given = parser.parse_args(argv)
    if given.link and not given.link.startswith(("https://", "http://")):
        parser.error(f"--link is {given.link!r}; expected https://….")
    output = given.output or user_weights_folder() / f"{_plain(given.file.stem)}.safetensors"
    sources = [given.file] if given.pair is None else [given.file, given.pair]
    targets = [output] if given.pair is None else [
        output.with_name(f"{output.stem}{ENDINGS[corner]}{output.suffix}") for corner in (FAITHFUL, DETAILED)
    ]  # fmt: skip
    fault = _fault(targets, given.overwrite)
    if fault:
        print(f"neural-upscale convert: {fault}", file=sys.stderr)  # noqa: T201
        return 1
    origin = {name: getattr(given, name) for name in ("title", "licence", "author", "link")}
    told, code = _convert(sources, targets, origin)
    if code:
        print(f"neural-upscale convert: {told}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{told}\nUse it with --model {output.stem}")  # noqa: T201
    return 0


def _fault(targets: list[Path], overwrite: bool) -> str:
    for target in targets:
        if target.suffix != ".safetensors":
            return f"{target} does not end in .safetensors; name one that does."
        if target.exists() and not overwrite:
            return f"{target} is there already; name another with -o, or replace it with --overwrite."
    return ""


def _convert(sources: list[Path], targets: list[Path], origin: dict[str, str]) -> tuple[str, int]:
    """Have the work done; returns what was said, and 0 where it went well."""
    told = {"sources": [*map(str, sources)], "targets": [*map(str, targets)], "origin": origin}
    done = subprocess.run(
        python_command(PROGRAM), input=json.dumps(told), capture_output=True, check=False,
        encoding="utf-8", errors="surrogateescape",
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONIOENCODING": "utf-8:surrogateescape"},
    )  # fmt: skip
    if done.returncode == 0:
        return done.stdout.strip(), 0
    if done.returncode == 1 and done.stderr.strip() and "Traceback" not in done.stderr:
        return done.stderr.strip().splitlines()[-1], 1
    sys.stderr.write(done.stderr)
    return f"{sources[0].name} brought the conversion down (exit code {done.returncode}); nothing was written.", 1


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "converted"
