"""Give the provider's answer to the client, and see that its flight ends exactly once.

Three kinds: a refusal passes with its status and bytes; a plain JSON answer is held until its usage is priced, so
that the cost stands in a header and the record is durable before the client has the answer; a stream passes as it
comes and is settled before its last byte.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

import structlog

from keystead.domain.errors import CallerError, ConflictError, GatewayError, KeysteadError, ProviderError
from keystead.domain.money import to_text
from keystead.domain.traffic import Dialect
from keystead.gateway.faults import fault_of
from keystead.gateway.flight import Flight
from keystead.gateway.translate import too_large_to_translate
from keystead.web.errors import error_body, error_event, error_headers
from keystead.web.receive import Send
from keystead.web.refusals import translated_refusal
from keystead.web.uploading import own_url

log = structlog.get_logger(__name__)

Headers = list[tuple[bytes, bytes]]

MAX_BUFFERED: Final = 8 * 1024 * 1024
"""Bytes of a plain answer held back so that its cost can be told in a header; a longer one is passed on as it comes."""

_JSON: Final = (b"content-type", b"application/json")
_EVENT_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")

_READING_GRACE_S: Final = 2.0
"""More than the second to which the HTTP library rounds up a provider's time."""


class Relay:
    """Carries answers; knows HTTP and the flight, nothing else."""

    def __init__(self, *, total_timeout_s: float) -> None:
        """`total_timeout_s` bounds the whole answer, a client that does not read included."""
        self._total_timeout_s = total_timeout_s

    async def answer(self, flight: Flight, send: Send) -> None:
        """Relay the answer of a launched flight."""
        try:
            await self._relay(flight, send)
        except TimeoutError:
            # The bound of last resort: the cut tells the client, the record says why.
            await flight.fail(
                CallerError("The client did not read its answer in time.", code="slow_client", status=408)
            )
        except Exception:
            # Our defect in the middle of an answer: the client sees a cut, the log the cause, the record an end.
            log.exception("defect", request=flight.ask.request_id)
        finally:
            if not flight.ended:
                await flight.cancel()

    async def _relay(self, flight: Flight, send: Send) -> None:
        response = flight.response
        assert response is not None, "a launched flight has a response"
        if response.status >= 400:
            await self._refusal(flight, send)
            return
        if flight.ask.action == "begin" or (not flight.ask.stream and "json" in response.content_type):
            await self._plain(flight, send)
        else:
            await self._stream(flight, send, [], flight.chunks())

    async def _refusal(self, flight: Flight, send: Send) -> None:
        assert flight.response is not None, "it has refused"
        headers = answer_headers(flight)
        status, body = flight.response.status, flight.refusal_body
        if flight.translation is not None and flight.refusal is not None:
            headers = [header for header in headers if header[0] != _JSON[0]] + [_JSON]
            status, body = translated_refusal(
                flight.refusal,
                status=status,
                title=flight.step.provider.title,
                dialect=flight.ask.dialect,
                request_id=flight.ask.request_id,
            )
        if flight.error_class is not None:
            headers.append((b"x-keystead-error", flight.error_class.value.encode()))
            headers.append((b"x-keystead-fault", fault_of(flight.error_class).value.encode()))
        await send_whole(send, status, headers, body)

    async def _plain(self, flight: Flight, send: Send) -> None:
        parts: list[bytes] = []
        size = 0
        chunks = flight.chunks()
        try:
            async for chunk in chunks:
                parts.append(chunk)
                size += len(chunk)
                if size > MAX_BUFFERED:
                    if flight.translation is not None:
                        raise too_large_to_translate()
                    await self._stream(flight, send, parts, chunks)
                    return
            body = await flight.keep(flight.whole(parts[0] if len(parts) == 1 else b"".join(parts)))
        except (ProviderError, ConflictError, GatewayError) as error:
            await flight.fail(error)
            await send_error(send, error, flight, answer_headers(flight, upstream=False))
            return
        await flight.finish()
        assert flight.response is not None, "it has answered"
        headers = answer_headers(flight)
        if flight.cost.pico is not None and not flight.goes_on:
            headers.append((b"x-keystead-cost", f"{to_text(flight.cost.pico)} {flight.cost.currency}".encode()))
        state = "pending" if flight.goes_on else flight.cost.state.value
        headers.append((b"x-keystead-cost-state", state.encode()))
        if flight.charge_pico is not None:
            headers.append((b"x-keystead-credits", to_text(flight.charge_pico).encode()))
        if flight.ask.action == "begin":
            headers.append((b"x-goog-upload-url", own_url(flight.ask.headers, body)))
            body = b""
        flight.sent(len(body))
        await send_whole(send, flight.response.status, headers, body)

    async def _stream(self, flight: Flight, send: Send, first: list[bytes], chunks: AsyncIterator[bytes]) -> None:
        # The transport bounds a provider's time; a client that does not read is bounded here, and so a little later.
        async with asyncio.timeout(self._total_timeout_s + _READING_GRACE_S):
            await self._pass_on(flight, send, first, chunks)

    async def _pass_on(self, flight: Flight, send: Send, first: list[bytes], chunks: AsyncIterator[bytes]) -> None:
        assert flight.response is not None, "it has answered"
        await send({"type": "http.response.start", "status": flight.response.status, "headers": answer_headers(flight)})
        for chunk in first:
            await _send_chunk(send, flight, chunk)
        last = _EVENT_ENDS[0]
        try:
            async with aclosing(chunks) as rest:  # type: ignore[type-var]
                async for chunk in rest:
                    await _send_chunk(send, flight, chunk)
                    last = chunk
        except ProviderError as error:
            await flight.fail(error)
            if flight.is_events and _ends_an_event(flight, last):
                event = error_event(error, flight.ask.dialect, flight.ask.request_id)
                await send({"type": "http.response.body", "body": event, "more_body": True})
            # No last chunk: the server closes the connection, and the client sees that the answer is not whole.
            return
        await flight.finish()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _ends_an_event(flight: Flight, last: bytes) -> bool:
    """Say whether an error event may follow: inside an unfinished event it would be read as a part of it.

    A frame's end cannot be seen from its bytes; but what is translated is written in whole ones.
    """
    if flight.ask.dialect is Dialect.BEDROCK:
        return flight.translation is not None
    return last.endswith(_EVENT_ENDS)


async def _send_chunk(send: Send, flight: Flight, chunk: bytes) -> None:
    if not flight.client_left:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        flight.sent(len(chunk))


async def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a response in one piece."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def send_error(send: Send, error: KeysteadError, flight: Flight, headers: Headers) -> None:
    """Send one of our errors in the caller's dialect."""
    body = error_body(error, flight.ask.dialect, flight.ask.request_id)
    await send_whole(send, error.status, [_JSON, *headers, *error_headers(error)], body)


def answer_headers(flight: Flight, *, upstream: bool = True) -> Headers:
    """Return the allow-listed headers of the provider and our own, which say which key did the work."""
    step, attempt = flight.step, flight.attempt
    headers: Headers = [
        (b"x-keystead-request-id", flight.ask.request_id.encode("ascii")),
        (b"x-keystead-credential", f"{step.credential.id}@{step.version.version}".encode("ascii")),
        (b"x-keystead-owner", step.credential.owner.value.encode("ascii")),
        (b"x-keystead-provider", step.provider.name.encode("ascii")),
    ]
    if step.model and step.model != flight.ask.model:
        headers.append((b"x-keystead-model", step.model.encode("ascii")))
    if flight.translation is not None:
        headers.append((b"x-keystead-translated", "/".join(step.wire).encode("ascii")))
        if dropped := flight.translation.dropped_header:
            headers.append((b"x-keystead-dropped", dropped))
    if attempt.number > 1:
        headers.append((b"x-keystead-attempt", b"%d" % attempt.number))
    if attempt.reason:
        headers.append((b"x-keystead-fallback-reason", attempt.reason.encode("ascii")))
    if attempt.consent_id:
        headers.append((b"x-keystead-consent", attempt.consent_id.encode("ascii")))
    if upstream and flight.response is not None:
        headers.extend((name.encode("latin-1"), value.encode("latin-1")) for name, value in flight.response.headers)
        if flight.translation is not None:
            headers = [header for header in headers if header[0] != _JSON[0]]
            headers.append((_JSON[0], flight.translation.content_type))
    return headers


def overloaded() -> GatewayError:
    """Return the error for a gateway that has as much in flight as it may."""
    return GatewayError(
        "The gateway has too many requests in flight.",
        code="gateway_busy",
        next_step="Try again in a second.",
        headers={"retry-after": "1"},
    )
