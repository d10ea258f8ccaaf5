"""What is checked when a request's header is complete, before a byte of its body. No flask, no torch.

Host against DNS rebinding, Origin and Sec-Fetch-Site against other web pages, the token against everyone else, the
announced length against what the parameters ask for, and the queue's bound, so that nothing is spooled in vain.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from server.errors import (
    Busy,
    ForeignHost,
    ForeignOrigin,
    LengthRequired,
    NotAuthorized,
    TooLarge,
    WrongLength,
)
from server.http.parameters import (
    UpscaleParameters,
    check_length,
    check_samples_length,
    parse_sampled,
    parse_upscale,
)

OPEN_ROUTES = ("/", "/healthz")
OPEN_FOLDER = "/static/"
PAGE = ("GET", "/")  # may be reached by a link from anywhere: it holds nothing, and takes its token from the fragment
RAW_ROUTE, FILE_ROUTE, CLEANUP_ROUTE = "/v1/upscale", "/v1/upscale/file", "/v1/cleanup"
FRIENDLY_SITES = ("", "same-origin", "none")


def is_open(path: str) -> bool:
    """Return whether a path may be asked for without the token."""
    return path in OPEN_ROUTES or path.startswith(OPEN_FOLDER)


@dataclass(frozen=True)
class RequestHead:
    """A request without its body; header names are upper case with underscores."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    chunked: bool


@dataclass(frozen=True)
class RequestChecks:
    """The checks, with what they compare against."""

    token: str
    hosts: frozenset[str]
    max_pixels: int
    max_file_bytes: int
    is_full: Callable[[], bool]

    def check(self, head: RequestHead) -> UpscaleParameters | None:
        """Check everything that a header says.

        Args:
            head: the request.

        Returns:
            The parameters of the raw route, so that it need not read them again; None for every other route.

        Raises:
            ServerError: the first reason to refuse the request.
        """
        self._check_host(head.headers.get("HOST", ""))
        if (head.method, head.path) != PAGE:
            self._check_site(head.headers)
        if not is_open(head.path):
            self._check_token(head.headers.get("AUTHORIZATION", ""))
        return self._check_body(head)

    def _check_host(self, host: str) -> None:
        name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
        name = (name or port).lower()
        if name not in self.hosts:
            raise ForeignHost(
                f"The Host header is {host[:80]!r}; expected one of {', '.join(sorted(self.hosts))}; "
                "use that address, or start the server with --trusted-host."
            )

    def _check_site(self, headers: Mapping[str, str]) -> None:
        origin, site = headers.get("ORIGIN"), headers.get("SEC_FETCH_SITE", "")
        own = {f"{scheme}://{headers.get('HOST', '')}".lower() for scheme in ("http", "https")}
        if origin is not None and origin.lower() not in own:
            raise ForeignOrigin(
                f"The request comes from the page {origin[:80]!r}; expected this server's own page; open that instead."
            )
        if site.lower() not in FRIENDLY_SITES:
            raise ForeignOrigin(
                f"The request was caused by another site (Sec-Fetch-Site: {site[:20]}); type the address instead."
            )

    def _check_token(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotAuthorized(
                "The request has no token; expected Authorization: Bearer with the token of the server's runtime file; "
                "send it."
            )
        if not hmac.compare_digest(token.strip().encode("latin-1", "replace"), self.token.encode()):
            raise NotAuthorized(
                "The token is another server's; expected the one in this server's runtime file; read that file again."
            )

    def _check_body(self, head: RequestHead) -> UpscaleParameters | None:
        parameters = None
        length = int(head.headers.get("CONTENT_LENGTH") or 0)
        if head.chunked:
            raise LengthRequired("The body comes in chunks; expected Content-Length; send the body with its length.")
        if head.method == "POST" and head.path == RAW_ROUTE:
            parameters = parse_upscale(head.query, self.max_pixels)
            check_length(length, parameters)
        elif head.method == "POST" and head.path == FILE_ROUTE:
            if length > self.max_file_bytes:
                raise TooLarge(
                    f"The file has {length} bytes, the limit is {self.max_file_bytes}; use the command line for it."
                )
        elif head.method == "POST" and head.path == CLEANUP_ROUTE:
            parameters = parse_sampled(head.query)
            check_samples_length(length, parameters)
            return parameters  # it queues nothing, so a full queue does not matter
        elif length:
            raise WrongLength(f"{head.method} {head.path[:40]} takes no body, {length} bytes came; send none.")
        else:
            return None
        if self.is_full():
            raise Busy("As many pictures as this server takes are under way; try again soon.")
        return parameters
