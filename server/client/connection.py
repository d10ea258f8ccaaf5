"""One request to the server and its response: the one place where foreign exceptions become the client's own.

Standard library only: this package is copied whole into both plug-ins. Proxies are never used:
`http.client` does not look at them.
"""

from __future__ import annotations

import hmac
import http.client
import json
import secrets
import select
import socket
import ssl
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .protocol import (
    HEALTHY,
    Cancel,
    Cancelled,
    ClientError,
    NoServer,
    Refused,
    Runtime,
    ServerDied,
    UntrustedServer,
    WrongAnswer,
    proof,
)

EXPECT_FROM = 1 << 16  # bytes from which the header is sent alone first, so that a refusal costs no upload
PIECE = 1 << 20  # bytes


@contextmanager
def exchange(
    runtime: Runtime, method: str, target: str, body: memoryview | None, cancel: Cancel, timeout: float, *,
    authorized: bool = True,
) -> Iterator[http.client.HTTPResponse]:  # fmt: skip
    """Send one request and lend its response: the one place where foreign exceptions become ours.

    Before anything else goes over the connection, what answers has to prove that it holds the token: by its
    certificate, or by the answer to a challenge.
    """
    connection = _connection(runtime, timeout)
    connected = False
    try:
        connection.connect()
        connected = True
        connection.auto_open = 0  # another connection could lead to another program
        with cancel.watching(connection.sock):
            if runtime.token and not isinstance(connection.sock, ssl.SSLSocket):
                _demand_proof(connection, runtime)
        # Not the question whether it is well itself. A server that has just started lists its models late: torch loads.
        if authorized and not isinstance(connection.sock, ssl.SSLSocket):
            connection.sock = _PatientSocket(connection.sock, lambda: is_healthy(runtime))
        with cancel.watching(connection.sock):
            _send(connection, method, target, {"Authorization": f"Bearer {runtime.token}"} if authorized else {}, body)
            with connection.getresponse() as answer:
                yield answer
    except (OSError, http.client.HTTPException) as fault:
        if cancel.cancelled:
            raise Cancelled("Cancelled.") from None
        if isinstance(fault, ssl.SSLCertVerificationError):
            raise UntrustedServer(
                f"The server at {runtime.url} cannot prove who it is ({fault.verify_message}); expected a certificate "
                "for that name from an authority that is known here, or named as ca_file in the runtime file."
            ) from fault
        if not connected:
            remedy = "ask whoever runs it" if runtime.remote else "start one with: neural-upscale serve"
            raise NoServer(f"No server answers at {runtime.url} ({fault}); {remedy}") from fault
        raise ServerDied(f"The server at {runtime.url} broke off; its log says why. Try again.") from fault
    except ServerDied:
        if cancel.cancelled:
            raise Cancelled("Cancelled.") from None
        raise
    finally:
        connection.close()


def _demand_proof(connection: http.client.HTTPConnection, runtime: Runtime) -> None:
    """Challenge what answers; whoever cannot answer gets neither the token nor a pixel."""
    challenge = secrets.token_hex(32)
    connection.request("GET", f"/healthz?challenge={challenge}")
    with connection.getresponse() as answer:
        told = answer.read(256).split()
    if not told or told[0] != HEALTHY:
        raise WrongAnswer(f"What answers at {runtime.url} is no Neural Upscale server; check the address.")
    if len(told) != 2 or not hmac.compare_digest(told[1], proof(runtime.token, challenge).encode()):
        raise UntrustedServer(
            f"What answers at {runtime.url} does not know the token of the runtime file, so nothing was sent to it; "
            "expected the server that wrote the file: start it again with: neural-upscale serve"
        )
    if connection.sock is None:
        raise ServerDied(f"The server at {runtime.url} closed the connection after its proof; try again.")


class _PatientSocket(socket.socket):
    """A socket whose reads wait beyond their timeout for as long as the server says that it is well."""

    def __init__(self, taken: socket.socket, is_well: Callable[[], bool]) -> None:
        timeout = taken.gettimeout()
        super().__init__(taken.family, taken.type, taken.proto, taken.detach())
        self.settimeout(timeout)
        self._is_well = is_well

    def recv_into(self, *where: Any) -> int:
        """Read as a socket does; a timeout ends it only when the server is no longer well."""
        while True:
            try:
                return super().recv_into(*where)
            except TimeoutError:
                if not self._is_well():
                    raise


def _connection(runtime: Runtime, timeout: float) -> http.client.HTTPConnection:
    parts = urllib.parse.urlsplit(runtime.url)
    if parts.scheme == "https":
        trusted = _trusted(runtime.ca_file)
        return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout, context=trusted)
    if parts.scheme != "http" or not parts.hostname:
        raise NoServer(f"{runtime.url!r} is no server's address; expected http://HOST:PORT.")
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)


def _trusted(ca_file: str | None) -> ssl.SSLContext:
    """Trust the system's authorities, and those of a file; never a server without a certificate for its name."""
    trusted = ssl.create_default_context()
    try:
        if ca_file is not None:
            trusted.load_verify_locations(ca_file)
    except OSError as fault:  # an SSLError is one
        raise UntrustedServer(
            f"The ca_file {ca_file} of the runtime file cannot be used ({fault}); expected certificates in PEM form."
        ) from fault
    return trusted


def _send(
    connection: http.client.HTTPConnection, method: str, target: str, headers: dict[str, str], body: memoryview | None
) -> None:
    connection.putrequest(method, target, skip_accept_encoding=True)
    headers = {**headers, "Connection": "close"}
    ask_first = body is not None and len(body) >= EXPECT_FROM and not isinstance(connection.sock, ssl.SSLSocket)
    if body is not None:
        headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}
    if ask_first:
        headers["Expect"] = "100-continue"
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    if body is None or (ask_first and _refused_early(connection.sock)):
        return
    try:
        for start in range(0, len(body), PIECE):
            connection.sock.sendall(body[start : start + PIECE])
    except ConnectionError:
        pass  # the server may have refused and closed: what it said is still to be read


def _refused_early(connection: socket.socket) -> bool:
    """Wait for "100 Continue" and swallow it; True when the final answer has come instead."""
    if not select.select([connection], [], [], 2.0)[0]:
        return False  # a server without 100-continue: send
    if not connection.recv(12, socket.MSG_PEEK).endswith(b" 100"):
        return True
    seen = b""
    while not seen.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return True
        seen += byte
    return False


def refusal(answer: http.client.HTTPResponse, text: bytes) -> Refused:
    """Turn an error's body, `{"error", "message", "request_id"}`, into an exception."""
    try:
        error = json.loads(text)
        name, sentence = str(error["error"]), str(error["message"])
        return Refused(answer.status, name, sentence, str(error.get("request_id", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Refused(answer.status, "unknown", f"The server answered {answer.status} {answer.reason}.")


def is_healthy(runtime: Runtime, timeout: float = 15.0) -> bool:
    """Return whether the Neural Upscale server of this token answers at this address (the token is not sent)."""
    try:
        check_health(runtime, timeout)
    except ClientError:
        return False
    return True


def check_health(runtime: Runtime, timeout: float = 15.0) -> None:
    """Ask who answers at this address; the token is not sent, but the server has to know it.

    Args:
        runtime: the server.
        timeout: seconds.

    Raises:
        WrongAnswer: something else than a Neural Upscale server; whatever keeps it from answering has its own error.
        UntrustedServer: a server, or somebody who claims to be one, with another token.
    """
    with exchange(runtime, "GET", "/healthz", None, Cancel(), timeout, authorized=False) as answer:
        if answer.status != 200 or answer.read(64).strip() != HEALTHY:
            raise WrongAnswer(f"What answers at {runtime.url} is no Neural Upscale server; check the address.")
