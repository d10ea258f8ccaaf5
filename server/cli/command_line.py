"""`neural-upscale`: upscales files, or runs a sub-command. Imports nothing heavy before it knows what is asked."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from server.standard_streams import detach_output, make_usable

DESCRIPTION = "Enlarge photos with a neural network, on this machine: ×2, or to any size from ×1 to ×8."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 1 when something failed, 2 for wrong usage."""
    make_usable()
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:  # as with `| head`: nobody reads any further
        detach_output()
        return 141
    except Exception as fault:  # noqa: BLE001 (the boundary: what nobody foresaw goes to a log)
        from server.cli.fault import sentence_of

        print(f"neural-upscale: {sentence_of(fault)}", file=sys.stderr)  # noqa: T201
        return 1


def _run(words: list[str]) -> int:
    from server.cli.subcommands import SUBCOMMANDS

    command = SUBCOMMANDS.get(words[0]) if words else None
    return _upscale(words) if command is None else command.run(words[1:])


def _upscale(words: list[str]) -> int:
    from server.cli.size_flags import add_size_flags, size_of
    from server.cli.subcommands import SUBCOMMANDS
    from server.installed import version

    listed = "\n".join(f"  {name:<10} {command.summary}" for name, command in SUBCOMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="neural-upscale",
        description=DESCRIPTION,
        epilog=f"sub-commands (they win over files of that name: write ./serve):\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--version", action="version", version=f"%(prog)s {version()}")
    add("files", nargs="+", type=_path, metavar="FILES", help="pictures or folders")
    add("-o", "--output", help="a file, or a folder for several or with / at its end; default: NAME-x2.EXT beside it")
    add("--model", default="auto", help="a name from `neural-upscale models` (%(default)s)")
    add_size_flags(parser)
    add("--detail", type=float, help="0 faithful … 1 crisp; default: the model's own")
    add("--cleanup", type=float, help="0 keeps grain and blocks … 1 removes them; default: estimated for each picture")
    add("-v", "--verbose", action="store_true", help="tell for each picture which model, detail and cleanup it got")
    add("--overwrite", action="store_true", help="replace results that are already there")
    if not words:  # most likely the first time: all that can be done, rather than what is missing
        parser.print_help(sys.stderr)
        return 2
    arguments = parser.parse_args(words)
    for control in ("detail", "cleanup"):
        value = getattr(arguments, control)
        if value is not None and not 0 <= value <= 1:
            parser.error(f"--{control} is {value:g}; expected 0…1.")
    if arguments.output == "":
        parser.error("--output is empty; expected a file or a folder.")
    from server.cli.batch import Order
    from server.cli.upscale import run

    output = None if arguments.output is None else Path(arguments.output)
    into_folder = output is not None and arguments.output.endswith(("/", os.sep))
    return run(
        Order(
            arguments.files, output, into_folder, arguments.model, arguments.detail, arguments.cleanup,
            size_of(arguments, parser), verbose=arguments.verbose, overwrite=arguments.overwrite,
        )
    )  # fmt: skip


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("a name is empty; expected a file or a folder.")
    return Path(text)


def serve(words: list[str]) -> int:
    """Run the server."""
    from server.serve import main as serve_main

    return serve_main(words, "neural-upscale serve")
