"""One HTTP exchange with a provider.

What this does:
    1. connect only to checked addresses (see `connect`), TLS verified, no proxy, no cookies, no redirects;
    2. send the built request with what proves the caller, asking for `identity` encoding;
    3. keep four deadlines apart: connect, first byte, silence inside the answer, and the whole;
    4. hand out status, allowed headers, and the body as it comes, without the key and within a size bound;
    5. say every failure as one ProviderError, with `sent` telling whether the provider may have seen the request.

What it does not do is retry. A pooled connection that the server closes while a POST is being written looks the
same whether the server read the request or not (RFC 9112 §9.3.1), so it is reported as sent: the provider may have
worked and billed. Only failures before a connection stood (name, address, TCP, TLS) are reported as not sent, and
those may be tried again freely. The library repeats a GET once when its pooled connection was stale; GETs are free.

Cancelling `open` or a read closes the connection. A request cancelled inside `open` may have been sent.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, Protocol

import aiohttp
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from keystead.domain.errors import InvalidRequestError, PolicyDenied
from keystead.domain.upload import Upload
from keystead.providers import failures
from keystead.providers import headers as response_headers
from keystead.providers.authorization import Authorized
from keystead.providers.connect import Lookup, connector, destination_host, system_lookup
from keystead.providers.egress import EgressGuard
from keystead.providers.redact import AnyRedactor, redactor_of
from keystead.providers.request import UpstreamRequest
from keystead.settings import Settings

_MAX_HEADERS: Final = 128
_MAX_HEADER_BYTES: Final = 16_384
"""Of one header line. Providers send some 40 headers of a few dozen bytes; 2,000 are an attack (T41)."""

_READ_BUFFER_BYTES: Final = 65_536
"""Reading pauses at twice this, so a slow client slows the provider instead of filling memory."""

_MAX_ORIGINS: Final = 4096
_MAX_TARGETS: Final = 256


class UpstreamResponse(Protocol):
    """An answer that has begun. Whoever gets one closes it."""

    status: int
    headers: list[tuple[str, str]]
    """The headers that may reach the client, names in lower case."""
    content_type: str
    """The media type without parameters, lower case; empty if there is none."""
    upstream_request_id: str
    upload_url: str
    """Where the provider wants the pieces of an upload; never for the client, who has an address of ours."""

    def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the body as it comes.

        Raises:
            ProviderError: it was cut, stalled, or grew too large; what was yielded so far stands.
        """

    async def body(self, limit: int) -> bytes:
        """Return the whole body, at most `limit` bytes of it.

        Raises:
            ProviderError: as `chunks`, or it is larger than `limit`.
        """

    def close(self) -> None:
        """Give the exchange up (or do nothing, if it is over)."""


class Transport(Protocol):
    """A way to reach providers."""

    async def open(self, request: UpstreamRequest, authorized: Authorized) -> UpstreamResponse:
        """Send `request` with its proof and return when the answer's headers are here.

        Raises:
            ProviderError: no answer; `sent` says whether the provider may have seen the request.
        """

    async def close(self) -> None:
        """Close every connection."""


class AiohttpTransport:
    """The transport over the network. It is made inside the event loop it serves."""

    def __init__(self, *, settings: Settings, guard: EgressGuard, lookup: Lookup = system_lookup) -> None:
        self._guard = guard
        self._idle_timeout_s = settings.idle_timeout_s
        self._max_response_bytes = settings.max_response_bytes
        self._urls: dict[str, dict[str, URL]] = {}
        self._session = aiohttp.ClientSession(
            connector=connector(guard, lookup, settings.ca_file),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=_READ_BUFFER_BYTES,
            max_headers=_MAX_HEADERS,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            timeout=aiohttp.ClientTimeout(
                total=settings.total_timeout_s,
                connect=settings.connect_timeout_s,
                sock_connect=settings.connect_timeout_s,
                sock_read=settings.first_byte_timeout_s,
            ),
        )

    async def open(self, request: UpstreamRequest, authorized: Authorized) -> UpstreamResponse:
        """Send `request` with its proof and return when the answer's headers are here."""
        url = self._url(request.origin, request.target)
        check_proof(authorized)
        destination_host.set(url.raw_host or "")
        try:
            response = await self._session.request(
                request.method,
                url,
                data=_content(request),
                headers=request.headers + authorized.headers,
                allow_redirects=False,
            )
        except failures.OPENING_ERRORS as error:
            raise failures.opening_failed(error) from None  # the cause may hold hosts and header values
        redactor = redactor_of(authorized.hidden)
        _check_framing(response)
        connection = response.connection
        if connection is not None and connection.protocol is not None:
            # Headers are here, the body is not: from now on silence counts, no longer the wait for a first byte.
            connection.protocol.read_timeout = self._idle_timeout_s
            connection.protocol.start_timeout()
        return _AiohttpResponse(response, redactor, self._max_response_bytes)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    def _url(self, origin: str, target: str) -> URL:
        """Return the parsed URL, checked once per origin; parsing costs more than sending a small header."""
        targets = self._urls.get(origin)
        if targets is None:
            check_origin(self._guard, origin)
            if len(self._urls) >= _MAX_ORIGINS:
                self._urls.clear()
            targets = self._urls[origin] = {}
        url = targets.get(target)
        if url is None:
            if len(targets) >= _MAX_TARGETS:
                targets.clear()
            url = targets[target] = URL(origin + target, encoded=True)
        return url


def check_origin(guard: EgressGuard, origin: str) -> None:
    """See that a key may be carried to `origin`.

    Raises:
        ProviderError: it may not, or it is not in its normal form.
    """
    try:
        normal = guard.check_origin(origin)
    except PolicyDenied:
        raise failures.EGRESS_DENIED.error() from None
    except InvalidRequestError:
        raise failures.ORIGIN_REFUSED.error() from None
    if normal != origin:
        raise failures.ORIGIN_REFUSED.error()


class _AiohttpResponse:
    """An answer over the network."""

    __slots__ = (
        "_ends_by_close",
        "_max_bytes",
        "_redactor",
        "_response",
        "content_type",
        "headers",
        "status",
        "upload_url",
        "upstream_request_id",
    )

    def __init__(self, response: aiohttp.ClientResponse, redactor: AnyRedactor, max_bytes: int) -> None:
        self._response = response
        self._ends_by_close = _protocol_if_ended_by_close(response)
        self._redactor = redactor
        self._max_bytes = max_bytes
        self.status = response.status
        self.headers = response_headers.select(response.raw_headers, redactor)
        media_type = response_headers.first(self.headers, "content-type")
        self.content_type = media_type.partition(";")[0].strip().lower()
        self.upstream_request_id = response_headers.request_id(self.headers)
        self.upload_url = response.headers.get("X-Goog-Upload-URL", "")

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the body as it comes."""
        content = self._response.content
        redactor = self._redactor
        received = 0
        try:
            while True:
                chunk = await content.readany()
                if not chunk:
                    break
                received += len(chunk)
                if received > self._max_bytes:
                    raise failures.TOO_LARGE.error()
                passed = redactor.feed(chunk)
                if passed:
                    yield passed
            self._check_whole()
            if held := redactor.finish():
                yield held
        except failures.READING_ERRORS as error:
            raise failures.reading_failed(error) from None
        finally:
            self._response.close()

    async def body(self, limit: int) -> bytes:
        """Return the whole body, at most `limit` bytes of it."""
        content = self._response.content
        limit = min(limit, self._max_bytes)
        parts: list[bytes] = []
        received = 0
        try:
            while not content.at_eof():
                part = await content.readany()
                received += len(part)
                if received > limit:
                    raise failures.TOO_LARGE.error()
                parts.append(part)
            self._check_whole()
        except failures.READING_ERRORS as error:
            raise failures.reading_failed(error) from None
        finally:
            self._response.close()
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        return self._redactor.whole(data) if self.status < 400 else self._redactor.error(data)

    def _check_whole(self) -> None:
        """Tell a reset from an end, where the end is the end of the connection; the library takes both for one."""
        if self._ends_by_close is not None and isinstance(self._ends_by_close.exception(), aiohttp.ClientOSError):
            raise failures.CUT.error()

    def close(self) -> None:
        """Give the exchange up: the connection is closed, so that the provider stops working."""
        self._response.close()


def _protocol_if_ended_by_close(response: aiohttp.ClientResponse) -> ResponseHandler | None:
    """Return the connection's protocol if the body has neither length nor chunks (RFC 9112 §6.3, rule 8)."""
    headers, connection = response.headers, response.connection
    if connection is None or hdrs.CONTENT_LENGTH in headers or hdrs.TRANSFER_ENCODING in headers:
        return None
    return connection.protocol


def _content(request: UpstreamRequest) -> bytes | AsyncIterator[bytes] | None:
    return request.body or None if request.upload is None else _piece_by_piece(request.upload)


async def _piece_by_piece(upload: Upload) -> AsyncIterator[bytes]:
    for piece in upload.pieces():
        yield piece


def check_proof(authorized: Authorized) -> None:
    """See that what proves the caller can stand in headers.

    Raises:
        ProviderError: it cannot.
    """
    # A key with a line break would be two headers. The vault refuses such keys; this is the last door.
    for _name, value in authorized.headers:
        if not (value.isascii() and value.isprintable()):
            raise failures.KEY_UNUSABLE.error()


def _check_framing(response: aiohttp.ClientResponse) -> None:
    """Refuse answers that cannot be passed on as they are.

    Raises:
        ProviderError: a redirect (following it would carry the key elsewhere), a switch of protocol, or an
            encoding that was not asked for.
    """
    if response.status < 200 or response.status > 599:  # beyond 599 there is no HTTP status (RFC 9110 §15)
        failure = failures.NOT_HTTP
    elif 300 <= response.status < 400:
        failure = failures.REDIRECT
    elif response.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower() not in {"", "identity"}:
        failure = failures.ENCODED
    else:
        return
    response.close()
    raise failure.error()
