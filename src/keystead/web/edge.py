"""The guard at the socket: what is refused before any room sees it.

uvicorn with httptools rejects most framing attacks, yet it takes a missing or doubled Host, megabytes of headers, a
header dripped for as long as a caller likes, HTTP/2.0 in a request line, `gzip, chunked`, and reads the body of an
upgrade as the next request (all measured). `EdgeProtocol` closes what needs bytes and clocks; `read_head` checks the
finished head.
"""

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any, ClassVar, Final, NoReturn

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from keystead.domain.errors import CallerError
from keystead.gateway.departure import EXTENSION, Departure
from keystead.web.paths import REALTIME_PATHS

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


_defects: Final = logging.getLogger("keystead.web.sessions")
_defects.setLevel(logging.ERROR)
_nothing: Final = logging.getLogger("keystead.web.sessions.wire")
_nothing.setLevel(logging.CRITICAL)


class HeadRefusedError(CallerError):
    """The request's head is not acceptable."""

    code = "bad_head"


class _StopParsing(Exception):  # noqa: N818 - a signal to the parser, not an error
    """Raised out of a parser callback: nothing more is read from this connection."""


class EdgeProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with limits on the head: bytes, count and time; one request at a time; no trailers.

    A connection is in one of three states, each with an end: a head arrives (within `header_timeout_s`), a request
    is under way (the application bounds it), or it is idle (uvicorn's keep-alive time). What is left of a body that
    was answered before it was whole has `header_timeout_s` too.
    """

    header_timeout_s: ClassVar[float] = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make the protocol of one connection."""
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._in_body = False
        self._unparsed = 0
        """Bytes received of a head that is not finished."""
        self._head_bytes = 0
        """Bytes of the head that the parser has told."""
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._departure = Departure()
        self._extensions = {EXTENSION: self._departure}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give a new connection its time to send a head."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer, and tell whoever answers this client that it has left."""
        self._stop_timer()
        self._stop_write_timer()
        self._departure.happen()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the head's bytes, then parse."""
        if self._refused or self.parser is None:
            return
        if not self._in_head and not self._in_body and not self._answering():
            # An idle connection's next head begins with whatever comes, be it only the line ends that a parser
            # passes over: each would otherwise renew the connection's time for ever.
            self._begin_head()
        if self._in_head:
            self._unparsed += len(data)
        super().data_received(data)
        # A head is over its size only if it is not finished: a large body may come in the same piece.
        if self._in_head and self._unparsed > MAX_HEAD_BYTES:
            self._refuse(431)

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        super().pause_writing()
        self._watch_writing(before=-1)

    def resume_writing(self) -> None:
        """It has caught up."""
        self._stop_write_timer()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]
        if not self._in_head:
            self._begin_head()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer after the body is dropped, since it could pretend to be one."""
        if not self._in_head:
            return
        self._count(len(name) + len(value))
        if len(self.headers) >= MAX_HEADERS:
            self._stop(431)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: the clock stops, the application begins."""
        self._in_head = False
        self._in_body = True
        self._stop_timer()
        if self._answering():
            # A client that does not wait for its answer (RFC 9112 §9.3.2 lets a server close after it): a queue of
            # requests would be unbounded, and is what smuggling needs. The answer under way is finished first.
            self._refused = True
            self.cycle.keep_alive = False
            raise _StopParsing
        if not self.url.startswith(b"/") or b"#" in self.url:
            # Absolute and authority forms name a host outside the Host header (RFC 9112 §3.2): not for a gateway. A
            # fragment is no part of a request target; who reads past it and who does not would see two paths.
            self._stop(400)
        super().on_headers_complete()
        if self.parser.should_upgrade() and not self._should_upgrade():
            self.cycle.keep_alive = False  # the parser leaves HTTP behind this head: nothing may follow it

    def on_message_complete(self) -> None:
        """The request is whole; if it was answered before, the connection is idle from now on."""
        self._in_body = False
        self._stop_timer()
        super().on_message_complete()
        if self.parser.should_upgrade() and self._should_upgrade():
            return  # another protocol takes the connection over
        if not self._answering():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """The answer is whole; if the request is not, its rest has little time, and is read so that it is heard."""
        super().on_response_complete()
        if not self._in_body or self.transport.is_closing():
            return
        if self.expect_100_continue:
            self.transport.close()  # whether its body follows a final answer is the client's choice (RFC 9110 §10.1.1)
        else:
            self._start_timer()

    def send_400_response(self, msg: str) -> None:
        """Answer a parser error once, and never in the middle of an answer."""
        if self._refused:
            return
        self._refused = True
        if self._answering() and self.cycle.response_started:
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _should_upgrade_to_ws(self) -> bool:
        """Leave HTTP for sessions only: what asks for a WebSocket anywhere else is answered as a request."""
        return self.url.partition(b"?")[0] in REALTIME_PATHS

    def _answering(self) -> bool:
        cycle: Any = self.cycle  # None until the first head is whole, whatever uvicorn's annotation says
        return cycle is not None and not cycle.response_complete

    def _begin_head(self) -> None:
        self._in_head = True
        self._unparsed = self._head_bytes = 0
        self._start_timer()

    def _count(self, count: int) -> None:
        self._head_bytes += count
        if self._head_bytes > MAX_HEAD_BYTES:
            self._stop(431)

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(self.header_timeout_s, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch_writing(self, before: int) -> None:
        """Let go of a connection that is closed but for what its client does not take."""
        left = self.transport.get_write_buffer_size()
        if left == before and self.transport.is_closing():
            self.transport.abort()
        else:
            self._write_timer = self.loop.call_later(self.header_timeout_s, self._watch_writing, left)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._in_head and self._unparsed:
            self._refuse(408)
        else:
            self._refused = True
            self.transport.close()

    def _stop(self, status: int) -> NoReturn:
        self._refuse(status)
        raise _StopParsing

    def _refuse(self, status: int) -> None:
        self._refused = True
        self._stop_timer()
        if not self._answering():
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


class SessionProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol of a WebSocket, without what it logs and with an end.

    As it comes it logs paths with their queries, in which a key may stand, and at level `debug` headers and messages;
    and a caller who does not read keeps a closed connection for as long as it likes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make the protocol of one session."""
        super().__init__(*args, **kwargs)
        self.logger = _defects
        self.conn.logger = _nothing
        self.conn.debug = False

    async def run_asgi(self) -> None:
        """Serve the session, and let go of the connection soon after its end."""
        await super().run_asgi()
        self.loop.call_later(EdgeProtocol.header_timeout_s, self.transport.abort)


def read_head(scope: MutableMapping[str, Any], hosts: frozenset[bytes]) -> dict[bytes, bytes]:
    """Return the request's headers, each once, after checking what must hold for any request.

    Raises:
        HeadRefusedError: Host missing, doubled or not one of ours (BadHost, CVE-2026-48710); a header doubled whose
            meaning would then be open; a version other than 1.0 and 1.1; a body framed in a way that the next hop
            could read otherwise.
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
    _check_framing(scope["http_version"], headers)
    return headers


def _check_framing(version: str, headers: dict[bytes, bytes]) -> None:
    if version not in {"1.1", "1.0"}:
        raise HeadRefusedError("This gateway speaks HTTP/1.1.", code="http_version", status=505)
    coding = headers.get(b"transfer-encoding")
    if coding is not None and version == "1.0":
        raise HeadRefusedError("HTTP/1.0 has no Transfer-Encoding.")
    if coding is not None and coding.lower() != b"chunked":
        raise HeadRefusedError("Transfer-Encoding can only be chunked.")
    if b"upgrade" in headers and (coding is not None or headers.get(b"content-length", b"0") != b"0"):
        # The parser takes an upgrade's body for the next protocol, that is, for the next request.
        raise HeadRefusedError("A request that asks for another protocol cannot have a body here.")


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
