"""Serving: flags, the socket, the runtime file, signals, the end."""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from server.client.protocol import DEFAULT_PORT, Runtime
from server.device.allocator import keep_freed_memory
from server.errors import CannotStart
from server.settings import DTYPES, ENGINES, WORKERS, Settings, host_in_url, is_loopback
from server.standard_streams import make_usable

TOKEN_VARIABLE = "NEURAL_UPSCALE_TOKEN"
LOG_NAME = "server.log"  # beside the runtime file, where clients let the output of the servers that they start go

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `serve`; their defaults are those of Settings."""
    default = Settings()
    add = parser.add_argument
    add("--host", default=default.host, help="address to listen on; other machines need a token (%(default)s)")
    add("--port", type=int, default=DEFAULT_PORT, help="0 for a free one (%(default)s)")
    token = parser.add_mutually_exclusive_group().add_argument
    token("--token-file", type=Path, metavar="FILE", help=f"a token of your own; or in {TOKEN_VARIABLE}; default: new")
    token("--token", help="the same, for tests: other users can see it in the list of processes")
    add("--trusted-host", action="append", default=[], metavar="NAME", help="further name that clients may use")
    add("--weights", action="append", type=Path, default=[], metavar="DIR", help="further folder of weights files")
    add(
        "--device",
        default=default.device,
        help="auto, cpu, mps, cuda[:N], vulkan[:N], or several with commas (%(default)s)",
    )
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


def settings_of(arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Settings:
    """Turn parsed flags and the environment into settings.

    Args:
        arguments: what `add_flags` gave.
        environment: may hold the token.

    Returns:
        The settings, not yet checked.

    Raises:
        CannotStart: the token's file cannot be read, or others can read it.
    """
    given = vars(arguments)
    plain = ["host", "port", "device", "dtype", "engine", "max_megapixels", "max_batch", "max_wait", "queue"]
    plain += ["workers", "ray_address", "keep_alive", "idle_exit", "stall_limit"]
    return Settings(
        token=_token_of(arguments, environment),
        trusted_hosts=tuple(arguments.trusted_host),
        weights=tuple(folder.absolute() for folder in arguments.weights),
        **{name: given[name] for name in plain},
    )


def _token_of(arguments: argparse.Namespace, environment: Mapping[str, str]) -> str | None:
    path: Path | None = arguments.token_file
    if path is None:
        return arguments.token or environment.get(TOKEN_VARIABLE) or None
    try:
        if os.name == "posix" and path.stat().st_mode & 0o007:
            raise CannotStart(f'--token-file {path} may be read by everyone; make it yours alone: chmod o= "{path}"')
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as fault:
        raise CannotStart(f"--token-file {path} cannot be read ({fault}); expected a file with one line.") from fault


def main(argv: Sequence[str] | None = None, program: str = "python -m server") -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    make_usable()
    parser = argparse.ArgumentParser(prog=program, description="The Neural Upscale model server.")
    add_flags(parser)
    try:
        serve(settings_of(parser.parse_args(argv)))
    except CannotStart as fault:
        print(f"{program}: {fault}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def serve(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP; a second one ends the process at once.

    Args:
        settings: not yet checked.

    Raises:
        CannotStart: one sentence for the terminal.
    """
    settings.check()
    keep_freed_memory()
    from server.http.app import create_app
    from server.http.request_checks import RequestChecks
    from server.http.waitress_server import WebServer, create_web_server
    from server.installed import version
    from server.log import set_up_log
    from server.runtime_file import page_address, remove_runtime, write_runtime
    from server.service import Service

    service = Service(settings, set_up_log(settings.runtime.with_name(LOG_NAME)))
    checks = RequestChecks(
        service.token, settings.hosts, settings.max_pixels, settings.max_file_bytes, lambda: service.queue.is_full
    )
    try:
        web: WebServer = create_web_server(create_app(service), checks, settings)
    except OSError as fault:
        raise _bind_fault(settings, fault) from fault
    url = f"http://{_shown_host(settings.host)}:{web.effective_port}"
    runtime = Runtime(url, service.token, os.getpid(), version())
    end = functools.partial(remove_runtime, settings.runtime)
    _end_on_signals(end)
    try:
        write_runtime(settings.runtime, runtime)
        if not is_loopback(settings.host):
            log.warning("other machines can reach this server; only its token keeps them out", extra={"url": url})
        service.start()
        _greet(runtime, page_address(runtime), by_hand=not settings.idle_exit)
        web.run_until_stopped(service.stop)
    except SystemExit:  # a signal before the first request could be answered
        service.stop()
    finally:
        end()
    log.info("ended")
    _leave()


def _end_on_signals(remove: Callable[[], None]) -> None:
    """Let the first signal end the server in order, and a second one at once."""

    def end(_number: int, _frame: object) -> NoReturn:
        for number in numbers:
            signal.signal(number, end_now)
        raise SystemExit(0)

    def end_now(_number: int, _frame: object) -> None:
        remove()
        os._exit(0)

    numbers = [signal.SIGTERM, signal.SIGINT]
    if hasattr(signal, "SIGBREAK"):  # Windows: Ctrl+Break, and the closing of the window
        numbers.append(signal.SIGBREAK)
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:  # else started with nohup
        numbers.append(hang_up)
    for number in numbers:
        signal.signal(number, end)


def _greet(runtime: Runtime, page: str, *, by_hand: bool) -> None:
    """Print where the server is; the page's address holds the token, so it is for the eyes of a person only."""
    with contextlib.suppress(OSError):  # a pipe that nobody reads any more
        print(f"Neural Upscale serves at {runtime.url}", flush=True)  # noqa: T201
        if by_hand:
            shown = page if sys.stdout.isatty() else "neural-upscale open"
            print(f"Its page: {shown}", flush=True)  # noqa: T201


def _leave() -> NoReturn:
    """End the process; a worker in the middle of a tile would keep it, or crash it at its end."""
    logging.shutdown()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(0)


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
