"""What client and server agree on: constants, value objects, and the errors that a client raises.

Standard library only: this package is copied whole into both plug-ins.

Errors, each with a sentence for the user as its text:

    ClientError
    ├── NoServer            nothing answers at the address
    ├── UntrustedServer     what answers cannot prove who it is, by its certificate or by knowing the token
    ├── ServerStartFailed   a server was started and did not come up, or cannot be started from a sandbox
    ├── UnsafeRuntimeFile   the runtime file is missing a rule: owner, rights, contents
    ├── Refused             the server answered with an error: status, name, sentence, request id
    ├── ServerDied          the connection broke before the last pixel
    ├── WrongAnswer         what came is not what the protocol promises
    ├── WrongPixels         the caller's pixels do not fit their size and format
    ├── WrongSize           a result of that size cannot be made of this picture
    └── Cancelled           the caller's own Cancel
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

PROTOCOL_VERSION = 1
SCALE = 2
DEFAULT_PORT = 8765
RUNTIME_VARIABLE = "NEURAL_UPSCALE_RUNTIME"
HEALTHY = b"neural-upscale"
LAYOUTS = {"GRAY": 1, "GRAYA": 2, "RGB": 3, "RGBA": 4, "BGRA": 4}
DEPTHS = {"u8": 1, "u16": 2, "f16": 2, "f32": 4}
TRANSFERS = ("perceptual", "linear")


class ClientError(Exception):
    """Whatever keeps a client from its result; `str()` is a sentence for the user."""


class NoServer(ClientError):
    """Nothing answers at the address."""


class UntrustedServer(ClientError):
    """What answers does not know the token, its certificate cannot be verified, or the authority's cannot be read."""


class ServerStartFailed(ClientError):
    """A server could not be started, or ended before it answered."""


class UnsafeRuntimeFile(ClientError):
    """The runtime file breaks a rule: owner, rights or contents."""


class ServerDied(ClientError):
    """The connection broke before the last pixel had come."""


class WrongAnswer(ClientError):
    """The answer is not what the protocol promises."""


class WrongPixels(ClientError):
    """The pixels do not fit their size and format, so nothing was sent."""


class WrongSize(ClientError):
    """A result of that size cannot be made of this picture; the sentence says which can."""


class Cancelled(ClientError):
    """The caller cancelled."""


class Refused(ClientError):
    """The server answered with an error: HTTP `status`, its `name`, its `sentence` and the `request_id` of its log."""

    def __init__(self, status: int, name: str, sentence: str, request_id: str = "") -> None:
        named = request_id and "log id" not in sentence
        super().__init__(f"{sentence} (log id {request_id})" if named else sentence)
        self.status, self.name, self.sentence, self.request_id = status, name, sentence, request_id


@dataclass(frozen=True)
class Size:
    """A picture's size in pixels."""

    width: int
    height: int

    def enlarged(self, factor: float = SCALE) -> Size:
        """Return the size of a result, rounded to pixels, halves up; `factor` is 1 or more."""
        return Size(int(self.width * factor + 0.5), int(self.height * factor + 0.5))


@dataclass(frozen=True)
class PixelFormat:
    """How a pixel lies in memory: layout (LAYOUTS), depth (DEPTHS), transfer (TRANSFERS); samples little-endian."""

    layout: str
    depth: str
    transfer: str = "perceptual"

    @property
    def bytes_per_pixel(self) -> int:
        """Return the number of bytes of one pixel."""
        return LAYOUTS[self.layout] * DEPTHS[self.depth]

    def byte_count(self, size: Size) -> int:
        """Return the number of bytes of a picture of that size, rows without padding."""
        return size.width * size.height * self.bytes_per_pixel


@dataclass(frozen=True)
class Options:
    """What is to be made of a picture."""

    model: str = "auto"  # a name from `models()`, or "auto"
    detail: float | None = None  # 0…1, or None for the model's own default
    cleanup: float | None = None  # 0…1, or None for what the server estimates
    result: Size | None = None  # the size of the result, as `Target.size_for` or `Region.scaled` give it; None for ×2

    def result_of(self, size: Size) -> Size:
        """Return the size of what becomes of a picture of that size."""
        return self.result or size.enlarged()


@dataclass(frozen=True)
class Chosen:
    """What the server uses for a picture: the model's name, and its detail and cleanup, None where it has none."""

    model: str
    detail: float | None
    cleanup: float | None


@dataclass(frozen=True)
class Runtime:
    """Where a server is and what it wants to hear: the contents of the runtime file."""

    url: str  # http(s)://HOST:PORT
    token: str = field(repr=False)  # for the Authorization header
    pid: int = 0  # the server's process, where it is this machine's
    version: str = ""  # of its package
    ca_file: str | None = None  # certificates that may vouch for an https server, beside the system's
    # somebody else started it, mostly on another machine: nothing is to be started in its place. Such a file is
    # written by hand and has no `pid`.
    remote: bool = False


def proof(token: str, challenge: str) -> str:
    """Return the answer to a challenge that only a holder of the token can compute; it does not reveal the token."""
    return hmac.new(token.encode(), b"neural-upscale " + challenge.encode(), hashlib.sha256).hexdigest()


class Cancel:
    """A switch that another thread may throw: closes the connection under way at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._sockets: list[socket.socket] = []

    @property
    def cancelled(self) -> bool:
        """Return whether the switch was thrown."""
        return self._cancelled

    def cancel(self) -> None:
        """Throw the switch; waiting reads and writes end with `Cancelled`."""
        with self._lock:
            self._cancelled = True
            for each in self._sockets:
                _shut(each)

    @contextlib.contextmanager
    def watching(self, connection: socket.socket) -> Iterator[None]:
        """Have this socket closed by `cancel()` for as long as the block runs."""
        with self._lock:
            self._sockets.append(connection)
            if self._cancelled:
                _shut(connection)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.remove(connection)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # already closed by its owner or its peer
        # Not TLS's own shutdown: that would take the encryption from under a thread that reads or writes.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
