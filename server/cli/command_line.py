"""`neural-upscale`: upscales files, or runs a sub-command. Imports nothing heavy before it knows what is asked."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from server.standard_streams import detach_output, make_usable

PIPE = "-"  # standard input or output
KINDS = ("PNG", "JPEG", "TIFF", "WEBP", "AVIF", "JXL")  # as server.images.files has them, which is heavy
JOBS, MOST_JOBS = 2, 64
DESCRIPTION = "Enlarge photos with a neural network, on this machine: ×2, or to any size from ×1 to ×8."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 1 when something failed, 2 for wrong usage."""
    make_usable()
    try:
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        finally:
            sys.stdout.flush()  # after --help, too, which leaves by SystemExit
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:  # as with `| head`: nobody reads any further
        detach_output()
        return 141
    except Exception as fault:  # noqa: BLE001 (the boundary: what nobody foresaw goes to a log)
        from server.cli.fault import sentence_of

        print(f"neural-upscale: {sentence_of(fault)}", file=sys.stderr)  # noqa: T201
        try:
            sys.stdout.flush()
        except OSError:  # a full disk: nothing more can go there
            detach_output()
        return 1


def _run(words: list[str]) -> int:
    from server.cli.subcommands import SUBCOMMANDS

    command = SUBCOMMANDS.get(words[0]) if words else None
    return _upscale(words) if command is None else command.run(words[1:])


def _upscale(words: list[str]) -> int:
    from server.cli.upscale.size_flags import size_of

    parser = _parser()
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
    if not 1 <= arguments.jobs <= MOST_JOBS:
        parser.error(f"--jobs is {arguments.jobs}; expected 1…{MOST_JOBS}.")
    if PIPE in (*arguments.files, arguments.output) and len(arguments.files) > 1:
        parser.error(f"{len(arguments.files)} names came with {PIPE}; expected one picture; name it alone.")
    arguments.size = size_of(arguments, parser)
    return _run_order(arguments)


def _parser() -> argparse.ArgumentParser:
    from server.cli.subcommands import SUBCOMMANDS
    from server.cli.upscale.size_flags import add_size_flags
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
    add("files", nargs="+", type=_name, metavar="FILES", help="pictures or folders; - for standard input")
    add("-o", "--output", help="a file, - for standard output, or a folder, with / at its end; default: NAME-x2.EXT")
    add("--model", default="auto", help="a name from `neural-upscale models` (%(default)s)")
    add_size_flags(parser)
    add("--detail", type=float, help="0 faithful … 1 crisp; default: the model's own")
    add("--cleanup", type=float, help="0 keeps grain and blocks … 1 removes them; default: estimated for each picture")
    add("-v", "--verbose", action="store_true", help="tell for each picture which model, detail and cleanup it got")
    add("-r", "--recursive", action="store_true", help="folders in folders, too; the results keep their structure")
    add("--format", choices=[kind.lower() for kind in KINDS], help="of the results; default: each picture's own")
    taken = parser.add_mutually_exclusive_group()
    taken.add_argument("--overwrite", action="store_true", help="replace results that are already there")
    taken.add_argument("--number", action="store_true", help="put a number behind names that are taken: NAME-x2-2.EXT")
    add("-j", "--jobs", type=int, default=JOBS, metavar="N", help="pictures under way at once (%(default)s)")
    return parser


def _run_order(arguments: argparse.Namespace) -> int:
    from server.cli.upscale import files, pipe
    from server.cli.upscale.batch import Order

    from_stdin = PIPE in arguments.files
    to_stdout = arguments.output == PIPE or (from_stdin and arguments.output is None)
    output = None if arguments.output in (None, PIPE) else Path(arguments.output)
    order = Order(
        [] if from_stdin else [Path(name) for name in arguments.files], output,
        output is not None and arguments.output.endswith(("/", os.sep)), arguments.model, arguments.detail,
        arguments.cleanup, arguments.size, arguments.format and arguments.format.upper(), arguments.jobs,
        recursive=arguments.recursive, verbose=arguments.verbose, overwrite=arguments.overwrite,
        number=arguments.number,
    )  # fmt: skip
    return pipe.run(order, to_stdout=to_stdout) if from_stdin or to_stdout else files.run(order)


def _name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("a name is empty; expected a file or a folder.")
    return text


def serve(words: list[str]) -> int:
    """Run the server."""
    from server.serve import main as serve_main

    return serve_main(words, "neural-upscale serve")
