"""What the server refuses or fails at, each with its HTTP status, its name in the JSON and one sentence.

ServerError
├── NotAuthorized 401        no token, or another one
├── ForeignHost 403          a Host header that is not ours
├── ForeignOrigin 403        a request that another web page caused
├── WrongParameter 400       a parameter missing, malformed or out of range
├── WrongLength 400          a body that does not fit width × height × layout × depth
├── LengthRequired 411       a body without Content-Length
├── TooLarge 413             more pixels or bytes than the limit
├── NotAnImage 415           a file that cannot be decoded
├── NoSuchRoute 404          an unknown path
├── UnknownModel 404         a model name that is not there
├── BrokenModel 409          a model whose file cannot be used
├── WrongMethod 405          a path with another method
├── MalformedRequest 400     not HTTP, or headers beyond the limits (431)
├── Busy 503                 the queue is full: try again after `retry_after` seconds
├── Stopping 503             the server is ending
├── NoSpace 507              the folder for pictures under way is full or gone
├── DeviceFault 500          the device failed, and so did its fall-backs
└── InternalFault 500        a fault of ours; the log has the details under the request id

CannotStart                  the server itself cannot start: address taken, unsafe options (never sent)
ClientGone                   the client has left, so that nobody reads an answer (never sent)
EngineLost                   an engine is gone for good; its tiles are for others (never sent)
CannotRun                    an engine cannot run a generator; another one does (never sent)
"""

from __future__ import annotations

import json
from typing import ClassVar


class ServerError(Exception):
    """Base of what is sent as `{"error": name, "message": sentence, "request_id": id}`."""

    status: ClassVar[int] = 500
    name: ClassVar[str] = "internal_fault"
    retry_after: ClassVar[int | None] = None

    def to_json(self, request_id: str) -> bytes:
        """Return the body of the response."""
        return json.dumps({"error": self.name, "message": str(self), "request_id": request_id}).encode()


class NotAuthorized(ServerError):
    """No token, or another one."""

    status, name = 401, "not_authorized"


class ForeignHost(ServerError):
    """A Host header that is not ours: a sign of DNS rebinding."""

    status, name = 403, "foreign_host"


class ForeignOrigin(ServerError):
    """A request that another web page caused."""

    status, name = 403, "foreign_origin"


class WrongParameter(ServerError):
    """A parameter missing, malformed or out of range."""

    status, name = 400, "wrong_parameter"


class WrongLength(ServerError):
    """A body that does not fit width × height × layout × depth."""

    status, name = 400, "wrong_length"


class LengthRequired(ServerError):
    """A body without Content-Length."""

    status, name = 411, "length_required"


class TooLarge(ServerError):
    """More pixels or bytes than the limit."""

    status, name = 413, "too_large"


class NotAnImage(ServerError):
    """A file that cannot be decoded."""

    status, name = 415, "not_an_image"


class NoSuchRoute(ServerError):
    """An unknown path."""

    status, name = 404, "no_such_route"


class UnknownModel(ServerError):
    """A model name that is not there."""

    status, name = 404, "unknown_model"


class BrokenModel(ServerError):
    """A model whose file cannot be used."""

    status, name = 409, "broken_model"


class WrongMethod(ServerError):
    """A path with another method."""

    status, name = 405, "wrong_method"


class MalformedRequest(ServerError):
    """Not HTTP as it should be."""

    status, name = 400, "malformed_request"


class HeaderTooLarge(MalformedRequest):
    """Request line and headers beyond the limit."""

    status, name = 431, "header_too_large"


class Busy(ServerError):
    """The queue is full."""

    status, name, retry_after = 503, "busy", 1


class Stopping(ServerError):
    """The server is ending."""

    status, name = 503, "stopping"


class NoSpace(ServerError):
    """The folder for pictures under way is full or gone."""

    status, name = 507, "no_space"


class DeviceFault(ServerError):
    """The device failed, and so did its fall-backs."""

    status, name = 500, "device_fault"


class InternalFault(ServerError):
    """A fault of ours."""

    status, name = 500, "internal_fault"


class CannotStart(Exception):
    """The server itself cannot start; one sentence for the terminal."""


class ClientGone(Exception):
    """The client has left."""


class EngineLost(Exception):
    """An engine is gone for good: its process died, or its machine."""


class CannotRun(Exception):
    """An engine cannot run a generator here; `str()` is a clause that says why."""
