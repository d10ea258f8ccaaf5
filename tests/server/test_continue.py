"""A request that waits for "100 Continue" right behind another one on its connection, as our client sends it."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any

from waitress.adjustments import Adjustments

from server.http.connections import TimedChannel

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class SlowChannel(TimedChannel):
    """Lets another thread in between choosing the bytes to send and sending them."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sending = threading.Event()

    def send(self, data: bytes, do_close: bool = True) -> int:
        if not self.sending.is_set():
            self.sending.set()
            threading.Event().wait(0.3)
        return int(super().send(data, do_close=do_close))


def test_continue_goes_out_once_while_two_threads_flush() -> None:
    ours, theirs = socket.socketpair()
    server: Any = SimpleNamespace(active_channels={})
    channel = SlowChannel(server, ours, "", Adjustments(), {})
    channel.request = SimpleNamespace(expect_continue=True, completed=False)
    ended = threading.Thread(target=channel.send_continue)  # the thread of the request before
    ended.start()
    assert channel.sending.wait(5)
    channel.handle_write()  # the thread that watches the sockets
    ended.join(5)
    assert not channel.will_close
    ours.close()
    assert theirs.recv(1000) == CONTINUE
    theirs.close()
