"""waitress, set up for this server: checks in the parser, JSON errors, spooling to the cache, stalled readers.

Knows no flask and no torch. waitress spools a body before the application runs, so what must be refused is refused by
the parser when the header is complete.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import FixedStreamReceiver
from waitress.task import ErrorTask, WSGITask

from server.errors import HeaderTooLarge, InternalFault, MalformedRequest, NoSpace, ServerError, TooLarge
from server.http.connections import CrowdedServer, TimedChannel, most_connections
from server.http.parameters import PARAMETERS, UpscaleParameters
from server.http.request_checks import RequestChecks, RequestHead, is_open
from server.http.spool import SpoolBuffer
from server.settings import DEPTH_BYTES, Settings

SPARE_THREADS = 8  # beyond the queue's bound, for the routes that take no place in it
WATERMARK = 4 << 20  # bytes that may wait for a slow reader
LONGEST_HEADER = 16 << 10  # bytes
ENDING = 4  # seconds that running replies have after SIGTERM

log = logging.getLogger(__name__)


class Refusal:
    """A refusal in the form that waitress asks for."""

    def __init__(self, error: ServerError) -> None:
        self.error = error
        self.request_id = new_request_id()

    def to_response(self, _ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        """Return status line, headers and body."""
        body = self.error.to_json(self.request_id)
        headers = [("Content-Type", "application/json"), ("X-Request-Id", self.request_id)]
        headers.append(("X-Content-Type-Options", "nosniff"))
        if self.error.retry_after is not None:
            headers.append(("Retry-After", str(self.error.retry_after)))
        if self.error.status == 401:
            headers.append(("WWW-Authenticate", "Bearer"))
        return f"{self.error.status} Refused", headers, body


class JsonErrorTask(ErrorTask):  # type: ignore[misc]
    """Answers with our JSON, also to what waitress itself refuses."""

    def execute(self) -> None:
        """Send the refusal, and close when the client has had time to read it."""
        found = self.request.error
        if not isinstance(found, Refusal):
            found = self.request.error = Refusal(_own_error(found))
        log.info(
            "refused",
            extra={
                "request_id": found.request_id, "status": found.error.status, "error": found.error.name,
                "path": getattr(self.request, "path", ""), "_stranger": not self.channel.trusted,
            },
        )  # fmt: skip
        super().execute()
        self.channel.close_gently()


def _own_error(found: Any) -> ServerError:
    if found.code == 431:
        return HeaderTooLarge(f"The header is longer than {LONGEST_HEADER} bytes; send a shorter one.")
    if found.code == 413:
        return TooLarge("The body is larger than any picture this server takes; send a part of it.")
    if found.code >= 500 and found.code != 501:
        return InternalFault("Something failed in the server; its log has the details; please report it.")
    return MalformedRequest(f"This is not HTTP as it should be ({found.body}); send a well-formed request.")


class ParametersTask(WSGITask):  # type: ignore[misc]
    """Hands the application what the checks have read of the query."""

    def get_environment(self) -> dict[str, Any]:
        """Return the WSGI environment."""
        environment: dict[str, Any] = super().get_environment()
        environment[PARAMETERS] = self.request.parameters
        return environment


def _parser_class(checks: RequestChecks, spool: Path) -> type[Any]:
    class Parser(HTTPRequestParser):  # type: ignore[misc]
        path = ""  # waitress names it in its log, also where a request was too broken to have one
        parameters: UpscaleParameters | None = None

        def __init__(self, channel: TimedChannel, adjustments: Adjustments) -> None:
            super().__init__(adjustments)
            self._channel = channel

        def received(self, data: bytes) -> int:
            try:
                return int(super().received(data))
            except OSError as fault:
                self.error = Refusal(
                    NoSpace(
                        f"The picture cannot be kept in {spool} while it is enlarged ({fault.strerror or fault}); "
                        "make room there, and try again."
                    )
                )
                self.completed = True
                self.body_rcv = None
                return len(data)

        def parse_header(self, header_plus: bytes) -> None:
            try:
                super().parse_header(header_plus)
            except Exception as fault:
                self.expect_continue = False  # else waitress would ask for the body, and forget the fault
                if isinstance(fault, ValueError):  # no address, or a number of thousands of digits
                    raise ParsingError(str(fault)[:80]) from fault
                raise
            head = RequestHead(self.command, self.path, self.query, self.headers, self.chunked)
            try:
                self.parameters = checks.check(head)
            except ServerError as refusal:
                self.error = Refusal(refusal)
                self.completed = True
                self.expect_continue = False  # else waitress would ask for the body
                self.content_length = 0
                self.body_rcv = None
                return
            if not is_open(self.path):
                self._channel.trusted = True
            if self.content_length > 0:
                self.body_rcv = FixedStreamReceiver(self.content_length, SpoolBuffer(spool))

    return Parser


class WebServer(CrowdedServer):
    """A listening socket with its channels; `run()` until SIGTERM or SIGINT."""

    stall_limit = 60.0

    def maintenance(self, wall_clock: float) -> None:
        """Close idle connections, those whose client takes nothing, and those that have lingered long enough."""
        super().maintenance(wall_clock)
        stalled_since = time.monotonic() - self.stall_limit
        for channel in list(self.active_channels.values()):
            if channel.is_overdue:
                channel.handle_close()
            elif channel.total_outbufs_len and channel.last_activity < stalled_since:
                log.warning("reader stalled, dropped", extra={"waiting_bytes": channel.total_outbufs_len})
                channel.handle_close()  # it cannot be written to, so marking it would not do

    def run_until_stopped(self, on_stop: Callable[[], None]) -> None:
        """Serve; when a signal handler raises SystemExit, take no more and end what runs."""
        try:
            self.asyncore.loop(
                timeout=self.adj.asyncore_loop_timeout, map=self._map, use_poll=self.adj.asyncore_use_poll
            )
        except (SystemExit, KeyboardInterrupt):
            self.socket.close()
            on_stop()
            self.task_dispatcher.shutdown(timeout=ENDING)


def create_web_server(application: Any, checks: RequestChecks, settings: Settings) -> WebServer:
    """Bind and listen.

    Args:
        application: the WSGI application.
        checks: the checks before the body.
        settings: host, port, queue, stall limit, cache folder.

    Returns:
        A server that listens; `effective_port` is its port.
    """
    with contextlib.suppress(OSError):  # what cannot be spooled is refused when it comes
        settings.cache.mkdir(mode=0o700, parents=True, exist_ok=True)

    class Channel(TimedChannel):
        parser_class = _parser_class(checks, settings.cache)
        linger_limit = settings.stall_limit
        task_class = ParametersTask
        error_task_class = JsonErrorTask

    class Server(WebServer):
        channel_class = Channel
        stall_limit = settings.stall_limit

    adjustments = Adjustments(
        host=settings.host.strip("[]"),
        port=settings.port,
        threads=settings.queue + SPARE_THREADS,
        connection_limit=most_connections(4 * (settings.queue + SPARE_THREADS)),
        channel_request_lookahead=1,  # a client that leaves is noticed while its request runs
        cleanup_interval=1,
        channel_timeout=int(settings.stall_limit) + 1,
        max_request_header_size=LONGEST_HEADER,
        max_request_body_size=settings.max_pixels * DEPTH_BYTES + settings.max_file_bytes,
        outbuf_high_watermark=WATERMARK,
        outbuf_overflow=1 << 30,  # what waits for a reader is bounded by the watermark, and never goes to disk
        recv_bytes=1 << 18,
        asyncore_use_poll=True,
        ident=None,
        log_socket_errors=False,
        clear_untrusted_proxy_headers=True,
    )
    return Server(application, adj=adjustments)


def new_request_id() -> str:
    """Make an id that log lines and error messages share."""
    return uuid.uuid4().hex[:12]
