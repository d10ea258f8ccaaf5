"""How a connection ends whose request was refused while its body was still being sent. No flask, no torch.

Closing at once would answer the rest of the body with a reset. On its way the reset overtakes the refusal: a client,
or a proxy, that is still sending then sees a broken connection instead of the sentence. So the server says that it will
write no more, goes on reading what comes, and throws it away, until the other side has had its time to read and close.
"""

from __future__ import annotations

import socket
import time

from waitress.channel import HTTPChannel


class LingeringChannel(HTTPChannel):  # type: ignore[misc]
    """A connection of waitress; `close_gently` is for a task that has not read its request's body."""

    linger_limit = 60.0  # seconds from the refusal
    _gentle = False
    _lingers_until = 0.0  # time.monotonic(); 0 while the connection is in use

    def close_gently(self) -> None:
        """Linger when what was written is sent."""
        self._gentle = True

    @property
    def is_overdue(self) -> bool:
        """Whether the other side has had all the time it gets."""
        return bool(self._lingers_until) and time.monotonic() > self._lingers_until

    def readable(self) -> bool:
        """Return whether to wait for bytes; a lingering connection is there for nothing else."""
        return bool(self._lingers_until) or bool(super().readable())

    def received(self, data: bytes) -> bool:
        """Take bytes; those that nobody wants any more are dropped."""
        return not self._lingers_until and bool(super().received(data))

    def handle_write(self) -> None:
        """Send what waits; then close, or begin to linger."""
        if not (self._gentle and self.close_when_flushed):
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if self.will_close or not self.connected:
            self.handle_close()
        elif not self.total_outbufs_len:
            self._linger()

    def _linger(self) -> None:
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:  # the other side has gone already
            self.handle_close()
            return
        self._lingers_until = time.monotonic() + self.linger_limit
        self.close_when_flushed = False
