"""`neural-upscale open`: shows the page of the running server in the browser; starts one where none runs."""

from __future__ import annotations

import argparse
import html
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from server.client import ClientError, Runtime, runtime_path
from server.client.files import write_file
from server.runtime_file import page_address

LINK = "open.html"
OTHERWISE = "open the address that this prints: neural-upscale open --print"


def main(argv: Sequence[str] | None = None) -> int:
    """Open the page; the exit code is 1 when there is no server or no browser."""
    parser = argparse.ArgumentParser(prog="neural-upscale open", description="Show the server's page in the browser.")
    parser.add_argument("--print", action="store_true", help="only print its address, which holds the token")
    arguments = parser.parse_args(argv)
    from server.cli.upscale.upscaler import find_server

    try:
        runtime = find_server()
        if arguments.print:
            sys.stdout.write(page_address(runtime) + "\n")
            return 0
        link = write_link(runtime, runtime_path().with_name(LINK))
    except (ClientError, OSError) as fault:
        sys.stderr.write(f"neural-upscale: {fault}\n")
        return 1
    if webbrowser.open(link.as_uri()):
        sys.stdout.write(f"If no page appears, {OTHERWISE}\n")
        return 0
    sys.stderr.write(f"neural-upscale: No browser was found; {OTHERWISE}\n")
    return 1


def write_link(runtime: Runtime, path: Path) -> Path:
    """Write a file that leads a browser to the page.

    Other users can read the arguments of a browser's process; a file of rights 0600 they cannot.

    Args:
        runtime: the server.
        path: the file, replaced if it is there.

    Returns:
        The absolute path.
    """
    address = html.escape(page_address(runtime))
    page = (
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={address}">'
        f'<title>Neural Upscale</title><a href="{address}">Neural Upscale</a>\n'
    )
    write_file(path.absolute(), page.encode(), 0o600)
    return path.absolute()
