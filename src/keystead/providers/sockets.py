"""WebSockets to providers, under the same rules as the transport: checked addresses, TLS verified, no redirects.

A session is text messages both ways. Each is whole when it is handed out, bounded in size, and without the key. A
provider that refuses the handshake answers like to any request, with a status and a body that says why.
"""

from collections.abc import AsyncGenerator
from typing import Final, Protocol

import aiohttp
from yarl import URL

from keystead.providers import failures
from keystead.providers import headers as response_headers
from keystead.providers.authorization import Authorized
from keystead.providers.connect import Lookup, connector, destination_host, system_lookup
from keystead.providers.egress import EgressGuard
from keystead.providers.redact import AnyRedactor, redactor_of
from keystead.providers.request import UpstreamRequest
from keystead.providers.transport import UpstreamResponse, check_origin, check_proof

_MOST_REFUSAL: Final = 256 * 1024
_CLOSE_S: Final = 0.5
_HEARTBEAT_S: Final = 30.0
_NOT_FORWARDED: Final = frozenset({"accept", "accept-encoding", "content-type"})
"""Headers of ordinary requests that a handshake does not have."""


class UpstreamSocket(UpstreamResponse, Protocol):
    """A session that a provider has accepted: an answer whose `status` is 101, and whose body is messages both ways."""

    close_code: int | None
    """How the provider closed it; None while it is open, or was cut."""

    async def receive(self) -> bytes | None:
        """Return the next message; None when the provider has closed the session in order.

        Raises:
            ProviderError: it was cut, or sent what is no message of a session.
        """

    async def send(self, text: str) -> None:
        """Send a message.

        Raises:
            ProviderError: the session is cut.
        """

    async def end(self) -> None:
        """Close the session in order, as far as the provider answers at once."""


class Sockets(Protocol):
    """A way to hold sessions with providers."""

    async def connect(self, request: UpstreamRequest, authorized: Authorized) -> UpstreamResponse:
        """Open a session with the proof of the caller; an `UpstreamSocket`, or the provider's refusal.

        Raises:
            ProviderError: no answer.
        """

    async def close(self) -> None:
        """Close every session."""


class _RefusedError(aiohttp.ClientError):
    """The provider answered the handshake with something else than a session."""

    def __init__(self, status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> None:
        super().__init__()
        self.status = status
        self.headers = headers
        self.body = body


class AiohttpSockets:
    """Sessions over the network. It is made inside the event loop it serves."""

    def __init__(
        self,
        *,
        guard: EgressGuard,
        ca_file: str,
        connect_timeout_s: float,
        answer_timeout_s: float,
        most_bytes: int,
        lookup: Lookup = system_lookup,
    ) -> None:
        """Prepare to connect.

        Args:
            guard: where connections may go.
            ca_file: the authorities that are trusted; empty for the system's.
            connect_timeout_s: time to connect, TLS included.
            answer_timeout_s: time to the provider's answer to the handshake.
            most_bytes: of one message.
            lookup: resolves names.
        """
        self._guard = guard
        self._most_bytes = most_bytes
        self._session = aiohttp.ClientSession(
            connector=connector(guard, lookup, ca_file),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            middlewares=(_only_sessions,),
            timeout=aiohttp.ClientTimeout(
                connect=connect_timeout_s, sock_connect=connect_timeout_s, sock_read=answer_timeout_s
            ),
        )

    async def connect(self, request: UpstreamRequest, authorized: Authorized) -> UpstreamResponse:
        """Open a session with the proof of the caller."""
        check_origin(self._guard, request.origin)
        check_proof(authorized)
        url = URL(request.url, encoded=True)
        destination_host.set(url.raw_host or "")
        headers = [(name, value) for name, value in request.headers if name.lower() not in _NOT_FORWARDED]
        redactor = redactor_of(authorized.hidden)
        try:
            socket = await self._session.ws_connect(
                url,
                headers=[*headers, *authorized.headers],
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
                heartbeat=_HEARTBEAT_S,
                max_msg_size=self._most_bytes,
                autoclose=False,
                decode_text=False,
            )
        except _RefusedError as refusal:
            if 300 <= refusal.status < 400:
                raise failures.REDIRECT.error() from None
            if refusal.status < 400:
                raise failures.NOT_HTTP.error() from None
            return _Refusal(refusal, redactor)
        except failures.OPENING_ERRORS as error:
            raise failures.opening_failed(error) from None  # the cause may hold hosts and header values
        return _AiohttpSocket(socket, redactor)

    async def close(self) -> None:
        """Close every session."""
        await self._session.close()


async def _only_sessions(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Let nothing but a session through: what the library would follow (a redirect) or throw away (a refusal's body)."""
    response = await handler(request)
    if response.status == 101:
        return response
    body = bytearray()
    try:
        while len(body) < _MOST_REFUSAL and (chunk := await response.content.readany()):
            body += chunk
    finally:
        response.close()
    raise _RefusedError(response.status, tuple(response.raw_headers), bytes(body[:_MOST_REFUSAL]))


class _Ended:
    """What a session and a refusal have in common: neither has a body that streams."""

    upload_url = ""

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield nothing."""
        for chunk in list[bytes]():
            yield chunk


class _Refusal(_Ended):
    """A refused handshake."""

    def __init__(self, refusal: _RefusedError, redactor: AnyRedactor) -> None:
        self.status = refusal.status
        self.headers = response_headers.select(refusal.headers, redactor)
        media_type = response_headers.first(self.headers, "content-type")
        self.content_type = media_type.partition(";")[0].strip().lower()
        self.upstream_request_id = response_headers.request_id(self.headers)
        self._body = redactor.error(refusal.body)

    async def body(self, limit: int) -> bytes:
        """Return what the provider said."""
        return self._body[:limit]

    def close(self) -> None:
        """Do nothing: it is over."""


class _AiohttpSocket(_Ended):
    """A session over the network."""

    status = 101
    content_type = ""

    def __init__(self, socket: "aiohttp.ClientWebSocketResponse[bool]", redactor: AnyRedactor) -> None:
        raw: tuple[tuple[bytes, bytes], ...] = tuple(socket._response.raw_headers)  # noqa: SLF001 - offered nowhere else
        self.headers = response_headers.select(raw, redactor)
        self.upstream_request_id = response_headers.request_id(self.headers)
        self.close_code: int | None = None
        self._socket = socket
        self._redactor = redactor

    async def receive(self) -> bytes | None:
        """Return the next message."""
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            return self._redactor.whole(message.data)
        if message.type is aiohttp.WSMsgType.CLOSE:
            self.close_code = message.data
            return None
        raise failures.CUT.error() if message.type is not aiohttp.WSMsgType.BINARY else failures.NOT_HTTP.error()

    async def send(self, text: str) -> None:
        """Send a message."""
        try:
            await self._socket.send_str(text)
        except failures.READING_ERRORS:
            raise failures.CUT.error() from None

    async def end(self) -> None:
        """Close the session in order, as far as the provider answers at once."""
        await self._socket.close()

    async def body(self, limit: int) -> bytes:  # noqa: ARG002 - as above
        """Return nothing."""
        return b""

    def close(self) -> None:
        """Give the session up: the connection is closed, so that the provider stops working."""
        self._socket._response.close()  # noqa: SLF001 - `close` of the library would wait for the provider
