"""The guard at the socket: what is refused before any room sees it.

uvicorn with httptools rejects every framing attack we know but TE in HTTP/1.0; yet it takes a missing or doubled
Host, megabytes of headers, and a header dripped for as long as a caller likes (measured). `EdgeProtocol` closes
those at the byte level; `read_head` checks the finished head.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from keystead.domain.errors import CallerError
from keystead.gateway.departure import EXTENSION, Departure

MAX_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers. Claude Code's longest head has 3 KB; nginx allows 32 KB in all."""

MAX_HEADERS: Final = 100
"""Headers in a request, as Apache."""

_SINGLE: Final = frozenset(
    {
        b"host",
        b"authorization",
        b"x-api-key",
        b"x-goog-api-key",
        b"api-key",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"transfer-encoding",
        b"idempotency-key",
        b"cookie",
    }
)
"""Headers whose meaning would be a matter of taste if they came twice."""


class HeadRefusedError(CallerError):
    """The request's head is not acceptable."""

    code = "bad_head"


class _StopParsing(Exception):  # noqa: N818 - a signal to the parser, not an error
    """Raised out of a parser callback: the connection has been answered and closed."""


class EdgeProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with limits on the head: bytes, count and time; and no trailers."""

    header_timeout_s: ClassVar[float] = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make the protocol of one connection."""
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._refused = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._departure = Departure()
        self._extensions = {EXTENSION: self._departure}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give a new connection its time to send a head."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._start_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer, and tell whoever answers this client that it has left."""
        self._stop_timer()
        self._departure.happen()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the head's bytes, then parse."""
        if self._refused or self.parser is None:
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        # A head is over its size only if it is not finished: a large body may come in the same piece.
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431)

    def on_message_begin(self) -> None:
        """Begin a head; on a kept-alive connection its time starts with its first byte."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]
        self._in_head = True
        if self._head_timer is None:
            self._start_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer after the body is dropped, since it could pretend to be one."""
        if not self._in_head:
            return
        if len(self.headers) >= MAX_HEADERS or len(name) + len(value) > MAX_HEAD_BYTES:
            self._refuse(431)
            raise _StopParsing
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: the clock stops, the application begins."""
        self._in_head = False
        self._head_bytes = 0
        self._stop_timer()
        if not self.url.startswith(b"/") or len(self.url) > MAX_HEAD_BYTES:
            # Absolute and authority forms name a host outside the Host header (RFC 9112 §3.2): not for a gateway.
            self._refuse(400)
            raise _StopParsing
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a parser error once."""
        if not self._refused:
            self._refused = True
            super().send_400_response(msg)

    def _start_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self.header_timeout_s, self._head_too_slow)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_too_slow(self) -> None:
        self._head_timer = None
        if self._in_head and not self.transport.is_closing():
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        self._refused = True
        self._stop_timer()
        cycle: Any = self.cycle  # None until the first head is whole, whatever uvicorn's annotation says
        if cycle is None or cycle.response_complete:
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


def read_head(scope: MutableMapping[str, Any], hosts: frozenset[bytes]) -> dict[bytes, bytes]:
    """Return the request's headers, each once, after checking what must hold for any request.

    Raises:
        HeadRefusedError: Host missing, doubled or not one of ours (BadHost, CVE-2026-48710); a header doubled whose
            meaning would then be open; Transfer-Encoding in HTTP/1.0.
    """
    pairs: list[tuple[bytes, bytes]] = scope["headers"]
    headers = dict(pairs)
    if len(headers) != len(pairs):
        _check_doubles(pairs, headers)
    host = headers.get(b"host")
    if host is None:
        raise HeadRefusedError("The Host header is missing.")
    if host not in hosts and _without_port(host) not in hosts:
        raise HeadRefusedError(
            "This gateway does not answer to that Host.",
            code="unknown_host",
            status=421,
            next_step="Use one of its own names; the operator sets them with KEYSTEAD_HOSTS.",
        )
    if scope["http_version"] == "1.0" and b"transfer-encoding" in headers:
        raise HeadRefusedError("HTTP/1.0 has no Transfer-Encoding.")
    return headers


def _check_doubles(pairs: list[tuple[bytes, bytes]], headers: dict[bytes, bytes]) -> None:
    lines: dict[bytes, list[bytes]] = {}
    for name, value in pairs:
        lines.setdefault(name, []).append(value)
    for name, values in lines.items():
        if len(values) > 1:
            if name in _SINGLE:
                raise HeadRefusedError(f"The header {name.decode('latin-1')} is there twice.")
            headers[name] = b", ".join(values)  # RFC 9110 §5.3: several lines of a list header are one list


def _without_port(host: bytes) -> bytes:
    name, colon, port = host.rpartition(b":")
    return name.lower() if colon and port.isdigit() else host.lower()
