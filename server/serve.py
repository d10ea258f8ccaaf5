"""Serving: flags, the socket, the runtime file, signals, the end."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from server.client.protocol import DEFAULT_PORT, Runtime
from server.device.allocator import keep_freed_memory
from server.errors import CannotStart
from server.settings import DTYPES, ENGINES, WORKERS, Settings, host_in_url, is_loopback

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `serve`; their defaults are those of Settings."""
    default = Settings()
    add = parser.add_argument
    add("--host", default=default.host, help="address to listen on; other machines need --token (%(default)s)")
    add("--port", type=int, default=DEFAULT_PORT, help="0 for a free one (%(default)s)")
    add("--token", help="instead of a new one at every start")
    add("--trusted-host", action="append", default=[], metavar="NAME", help="further name that clients may use")
    add("--weights", action="append", type=Path, default=[], metavar="DIR", help="further folder of weights files")
    add("--device", default=default.device, help="auto, cpu, mps, cuda, cuda:N, or several with commas (%(default)s)")
    add("--dtype", default=default.dtype, choices=DTYPES, help="precision of the generator (%(default)s)")
    add("--engine", default=default.engine, choices=ENGINES, help="what runs the generator on a CPU (%(default)s)")
    add("--workers", default=default.workers, choices=WORKERS, help="where the batches run (%(default)s)")
    add("--ray-address", metavar="HOST:PORT", help="head of the Ray cluster; default: RAY_ADDRESS, or this machine")
    add("--max-megapixels", type=float, default=default.max_megapixels, help="largest picture (%(default)g)")
    add("--max-batch", type=int, default=default.max_batch, help="tiles in one run (%(default)s)")
    add("--max-wait", type=float, default=default.max_wait, help="seconds that a batch may wait (%(default)s)")
    add("--queue", type=int, default=default.queue, help="pictures under way at once (%(default)s)")
    add("--keep-alive", type=float, default=default.keep_alive, help="idle seconds until memory is freed (%(default)g)")
    add(
        "--idle-exit",
        type=float,
        default=default.idle_exit,
        help="unused seconds until the end, 0: never (%(default)g)",
    )
    add(
        "--stall-limit", type=float, default=default.stall_limit, help="seconds a client may take nothing (%(default)g)"
    )


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Turn parsed flags into settings."""
    given = vars(arguments)
    plain = ["host", "port", "token", "device", "dtype", "engine", "max_megapixels", "max_batch", "max_wait", "queue"]
    plain += ["workers", "ray_address", "keep_alive", "idle_exit", "stall_limit"]
    return Settings(
        trusted_hosts=tuple(arguments.trusted_host),
        weights=tuple(folder.absolute() for folder in arguments.weights),
        **{name: given[name] for name in plain},
    )


def main(argv: Sequence[str] | None = None, program: str = "python -m server") -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    parser = argparse.ArgumentParser(prog=program, description="The Neural Upscale model server.")
    add_flags(parser)
    try:
        serve(settings_of(parser.parse_args(argv)))
    except CannotStart as fault:
        print(f"{program}: {fault}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: not yet checked.
    """
    settings.check()
    keep_freed_memory()
    from server.cli.open_page import page_address
    from server.http.app import create_app
    from server.http.waitress_server import WebServer, create_web_server
    from server.installed import version
    from server.log import set_up_log
    from server.runtime_file import remove_runtime, write_runtime
    from server.service import Service

    service = Service(settings, set_up_log())
    try:
        web: WebServer = create_web_server(create_app(service), service.checks, settings)
    except OSError as fault:
        raise _bind_fault(settings, fault) from fault
    url = f"http://{_shown_host(settings.host)}:{web.effective_port}"
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    runtime = Runtime(url, service.token, os.getpid(), version())
    write_runtime(settings.runtime, runtime)
    try:
        if not is_loopback(settings.host):
            log.warning("other machines can reach this server; only its token keeps them out", extra={"url": url})
        service.start()
        print(f"Neural Upscale serves at {url}", flush=True)  # noqa: T201
        if not settings.idle_exit:  # started by hand: no client's log takes this line, which holds the token
            print(f"Its page: {page_address(runtime)}", flush=True)  # noqa: T201
        web.run_until_stopped(service.stop)
    finally:
        remove_runtime(settings.runtime)
    log.info("ended")
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)  # a worker in the middle of a tile would keep the process, or crash it at its end


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _shown_host(host: str) -> str:
    if host in ("0.0.0.0", ""):
        return "127.0.0.1"
    return host_in_url("::1" if host.strip("[]") == "::" else host)


def _bind_fault(settings: Settings, fault: OSError) -> CannotStart:
    from server.runtime_file import who_has

    where = f"{settings.host}:{settings.port}"
    if fault.errno == errno.EADDRINUSE:
        owner = who_has(f"http://{_shown_host(settings.host)}:{settings.port}", settings.runtime)
        return CannotStart(f"Port {settings.port} is taken by {owner}; stop it, or choose another --port (0: any).")
    return CannotStart(f"Cannot listen on {where} ({fault.strerror or fault}); choose another --host or --port.")
