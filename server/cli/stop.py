"""`neural-upscale stop`: ends the server that runs on this machine. Windows does not replace files of one that runs."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence

from server.client import ClientError, NoServer, Runtime, UntrustedServer, read_runtime, runtime_path, status
from server.client.connection import is_healthy

PATIENCE = 15.0  # seconds for the requests under way


def main(argv: Sequence[str] | None = None) -> int:
    """End the server; the exit code is 1 when one runs that cannot be ended."""
    parser = argparse.ArgumentParser(prog="neural-upscale stop", description="End the server that runs here.")
    parser.parse_args(argv)
    path = runtime_path()
    try:
        runtime = read_runtime(path)
        if runtime.remote:
            raise UntrustedServer(f"{path} names the server at {runtime.url}, which whoever started it has to end.")
        _end(runtime)
    except NoServer:
        sys.stdout.write("No server runs.\n")
        return 0
    except (ClientError, OSError) as fault:
        sys.stderr.write(f"neural-upscale: {fault}\n")
        return 1
    with contextlib.suppress(ClientError, OSError):
        if read_runtime(path) == runtime:  # Windows ends a process without letting it remove its file
            path.unlink()
    sys.stdout.write(f"The server at {runtime.url} has ended.\n")
    return 0


def _end(runtime: Runtime) -> None:
    """End the process that answers with the token's proof; a process id alone may be another program's by now."""
    if status(runtime).get("pid") != runtime.pid:
        raise UntrustedServer(f"Another process than {runtime.pid} answers at {runtime.url}; end it by hand.")
    os.kill(runtime.pid, signal.SIGTERM)
    until = time.monotonic() + PATIENCE
    while is_healthy(runtime, 1.0):
        if time.monotonic() > until:
            raise UntrustedServer(
                f"The server, process {runtime.pid}, still runs after {PATIENCE:g} s; end it by hand."
            )
        time.sleep(0.1)
