"""Which connections are kept: each has a time for its header, and when there are too many, a stranger's goes first.

Knows no flask and no torch. A stranger is whoever has not sent the token yet.
"""

from __future__ import annotations

import functools
import select
import socket
import sys
import time
import weakref
from typing import Any

from waitress.server import TcpWSGIServer

from server.http.lingering import LingeringChannel

HEADER_LIMIT = 10.0  # seconds for a whole header, from the connection's opening or its next request's first byte
MOST_WITHOUT_POLL = 480  # connections; Windows' select takes 512 sockets
ACCEPTED_AT_ONCE = 64  # connections between two looks at what those that are open have sent


class TimedChannel(LingeringChannel):
    """A connection that notes since when it sends a header, and whether it has ever sent the token.

    Its times are those of the monotonic clock. By the wall clock, which waitress uses, every running reply would be
    taken for stalled when the machine wakes from sleep or its clock is set.
    """

    parser_class: Any
    trusted = False
    _last_activity = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.opened = self._header_since = time.monotonic()  # the latter is 0 while no header is under way
        # A weak one: a circle of references would keep what was spooled after the connection has closed.
        self.parser_class = functools.partial(self.parser_class, weakref.proxy(self))

    @property
    def last_activity(self) -> float:
        """The time of the last byte in either direction, of `time.monotonic()`."""
        return self._last_activity

    @last_activity.setter
    def last_activity(self, _wall_clock: float) -> None:
        self._last_activity = time.monotonic()

    # A connection that was closed while the loop asks all of them must not be waited for any more: its number may
    # already be that of a new one, which would then be closed in its place.
    def readable(self) -> bool:
        """Return whether to wait for bytes."""
        return bool(self.connected and super().readable())

    def writable(self) -> bool:
        """Return whether there is something to send, or to close."""
        return bool(self.connected and super().writable())

    def received(self, data: bytes) -> bool:
        """Take bytes, of a header or a body."""
        taken = bool(super().received(data))
        if self.request is None or self.request.headers_finished:
            self._header_since = 0.0
        else:
            self._header_since = self._header_since or time.monotonic()
        return taken

    def _flush_some(self, do_close: bool = True) -> bool:
        # When no request runs, waitress sends without the lock. But the thread of the request before may just then be
        # sending "100 Continue" for the next one: the same bytes would go out twice, and the connection break.
        with self.outbuf_lock:
            return bool(super()._flush_some(do_close=do_close))

    @property
    def is_overdue(self) -> bool:
        """Whether the other side has had all the time it gets, for its header or to read a refusal."""
        late = bool(self._header_since) and not self.requests and time.monotonic() > self._header_since + HEADER_LIMIT
        return late or super().is_overdue


class CrowdedServer(TcpWSGIServer):  # type: ignore[misc]
    """A listening socket that makes room for new connections at the cost of strangers' old ones."""

    active_channels: dict[int, TimedChannel]
    next_channel_cleanup: float  # time.time()

    def maintenance(self, _wall_clock: float) -> None:
        """Close the connections that have been idle for too long."""
        super().maintenance(time.monotonic())

    def set_reuse_addr(self) -> None:
        """Take the address for this server alone: on Windows a second program may bind a reusable one."""
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        if exclusive is None:
            super().set_reuse_addr()
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, exclusive, 1)

    def readable(self) -> bool:
        """Return whether to wait for connections."""
        self._make_room()
        # A wall clock that was set back would put off the next look at the connections.
        self.next_channel_cleanup = min(self.next_channel_cleanup, time.time() + self.adj.cleanup_interval)
        return bool(super().readable())

    def handle_accept(self) -> None:
        """Take the connections that wait."""
        for _ in range(ACCEPTED_AT_ONCE):
            before = len(self._map)
            super().handle_accept()
            if len(self._map) in (before, self.adj.connection_limit):
                return

    def _make_room(self) -> None:
        """Close the oldest strangers where there is no room for those that may come at once.

        Not while they are being accepted: a new one would get the number of one just closed, and what is known of that.
        """
        room = min(ACCEPTED_AT_ONCE, self.adj.connection_limit // 4)
        excess = len(self._map) + room - self.adj.connection_limit
        if excess <= 0:
            return
        strangers = [each for each in self.active_channels.values() if not (each.trusted or each.requests)]
        for each in sorted(strangers, key=lambda each: each.opened)[:excess]:
            each.handle_close()


def most_connections(wanted: int) -> int:
    """Return how many connections to keep: as many as wanted, while half of the files that may be open are left."""
    if not hasattr(select, "poll"):
        wanted = min(wanted, MOST_WITHOUT_POLL)
    if sys.platform != "win32":
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = wanted if soft == resource.RLIM_INFINITY else min(wanted, max(16, soft // 2))
    return wanted
