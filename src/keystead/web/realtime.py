"""OpenAI's realtime sessions: from a WebSocket handshake to an ask, and both ways between caller and provider.

A session is one request: authorised, held and recorded like any other. It ends when either side ends it, when nothing
is said for too long, when it is as long as an answer may be, when what is held for it does not cover another response,
and when its key, grant or credential ends: within a second, for the rules are asked again four times in it.
"""

import asyncio
import contextlib
import re
from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
import structlog

from keystead.dialects.asked import Asked
from keystead.dialects.body import check_model
from keystead.domain.access import VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.errors import CallerError, InvalidRequestError, KeysteadError, PolicyDenied, ProviderError
from keystead.domain.ids import new_id
from keystead.domain.traffic import Dialect, Endpoint, Fault
from keystead.gateway.ask import Ask
from keystead.gateway.departure import Departure
from keystead.gateway.flight import Flight
from keystead.gateway.pipeline import Pipeline
from keystead.gateway.translation import garbled
from keystead.providers.sockets import UpstreamSocket
from keystead.telemetry import Metrics
from keystead.web.entrance import Entrance
from keystead.web.errors import error_body, error_headers
from keystead.web.presented import presented_key
from keystead.web.receive import Receive, Send
from keystead.web.relay import Headers, Relay, answer_headers, overloaded, send_whole

log = structlog.get_logger(__name__)

RESPONSES_HELD: Final = 4
"""Responses that are held for at once, each at its dearest. Real ones cost a small part of that."""

_KEY: Final = "openai-insecure-api-key."
"""How browsers, which cannot set headers, carry the key (OpenAI's own way)."""
_BETA: Final = "openai-beta."
_PROTOCOL: Final = "realtime"
_REFUSED_QUERIES: Final = ("call_id", "intent")
_WATCH_S: Final = 0.25
_GOODBYE_S: Final = 2.0
_HELD_BACK: Final = ("content-length", "content-type", "date")
_ERROR: Final = re.compile(rb'"type"\s*:\s*"error"')
_CLOSE_NORMAL: Final = 1000
_CLOSE_POLICY: Final = 1008
_CLOSE_BROKEN: Final = 1011


class _Told(msgspec.Struct):
    """A message, as far as it is read here: whatever it is, it is a JSON object."""

    type: Any = None


_TOLD: Final = msgspec.json.Decoder(_Told)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one session may take."""

    longest_s: float
    idle_s: float
    most_sessions: int


def as_handshake(send: Send) -> Send:
    """Return a `send` by which a handshake is refused with an ordinary answer (ASGI's `websocket.http.response`)."""

    async def refuse(message: MutableMapping[str, Any]) -> None:
        if message["type"].startswith("http."):
            message["type"] = f"websocket.{message['type']}"
        await send(message)

    return refuse


class Realtime:
    """The data plane's WebSockets."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        entrance: Entrance,
        relay: Relay,
        metrics: Metrics,
        clock: Clock,
        limits: Limits,
    ) -> None:
        """Wire the trip."""
        self._pipeline = pipeline
        self._entrance = entrance
        self._relay = relay
        self._metrics = metrics
        self._clock = clock
        self._limits = limits
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Sessions under way."""
        return self._in_flight

    async def serve(
        self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """Hold one session whose handshake the edge has checked; `send` is `as_handshake`'s."""
        now = self._clock.now_us()
        request_id = new_id("req", now)
        self._in_flight += 1
        try:
            key, ask = self._ask(scope, headers, request_id=request_id, now=now)
            await self._hold(key, ask, scope["subprotocols"], receive, send)
        except KeysteadError as error:
            await self._tell(send, error, request_id)
        except Exception:
            # Our defect, before anything was accepted: it is logged with its cause and told without it.
            log.exception("defect", request=request_id)
            await self._tell(send, KeysteadError("Something went wrong inside the gateway."), request_id)
        finally:
            self._in_flight -= 1

    def _ask(
        self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes], *, request_id: str, now: int
    ) -> tuple[VirtualKey, Ask]:
        if self._in_flight > self._limits.most_sessions:
            raise overloaded()
        headers = _with_carried(headers, scope["subprotocols"])
        shown, query = presented_key(headers, scope["query_string"])
        address = scope["client"][0] if scope.get("client") else ""
        key = self._entrance.virtual_key(shown, address)
        ask = Ask(
            request_id=request_id,
            started_at=now,
            started_us=self._clock.monotonic_us(),
            method="GET",
            dialect=Dialect.OPENAI,
            endpoint=Endpoint.REALTIME,
            tail="/realtime",
            query=b"",
            headers=headers,
            model=_model(query),
            stream=True,
            body=b"",
            address=address,
            asked=Asked(media=True, rounds=RESPONSES_HELD),
        )
        return key, ask

    async def _hold(self, key: VirtualKey, ask: Ask, offered: list[str], receive: Receive, send: Send) -> None:
        async with self._pipeline.open(key, ask, Departure()) as flight:
            assert isinstance(flight, Flight), "nothing is estimated here"
            if not flight.answers:
                await self._relay.answer(flight, send)
                return
            try:
                session = _Session(flight, receive, send, limits=self._limits, clock=self._clock)
                await session.accept(_PROTOCOL if _PROTOCOL in offered else None)
                await session.run(self._pipeline, key)
            except OSError:
                pass  # the caller left before it was accepted
            except Exception:
                # Our defect in the middle of a session: the caller sees a cut, the log the cause, the record an end.
                log.exception("defect", request=ask.request_id)
            finally:
                if not flight.ended:
                    await flight.cancel()

    async def _tell(self, send: Send, error: KeysteadError, request_id: str) -> None:
        self._metrics.refused.labels(error.code).inc()
        headers = [
            (b"content-type", b"application/json"),
            (b"x-keystead-request-id", request_id.encode("ascii")),
            *error_headers(error),
        ]
        await send_whole(send, error.status, headers, error_body(error, Dialect.OPENAI, request_id))


class _EndedError(Exception):
    """The session is over; `error` says why, if neither side has ended it in order."""

    def __init__(self, error: KeysteadError | None = None, *, by_caller: bool = False) -> None:
        super().__init__()
        self.error = error
        self.by_caller = by_caller


class _Session:
    """Carries messages both ways."""

    def __init__(self, flight: Flight, receive: Receive, send: Send, *, limits: Limits, clock: Clock) -> None:
        socket: Any = flight.response
        self._flight = flight
        self._socket: UpstreamSocket = socket
        self._receive = receive
        self._send = send
        self._limits = limits
        self._clock = clock
        self._began_us = self._heard_us = clock.monotonic_us()
        self._asked = 0
        """Responses that were asked for and have not begun."""
        self._under_way = 0

    async def accept(self, protocol: str | None) -> None:
        """Tell the caller that the provider has accepted, and who it is."""
        headers: Headers = [
            (name, value) for name, value in answer_headers(self._flight) if name.decode() not in _HELD_BACK
        ]
        await self._send({"type": "websocket.accept", "subprotocol": protocol, "headers": headers})

    async def run(self, pipeline: Pipeline, key: VirtualKey) -> None:
        """Carry messages until the session is over, and settle it."""
        ended = _EndedError(by_caller=True)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._from_caller(pipeline, key))
                group.create_task(self._from_provider())
                group.create_task(self._watch(pipeline, key))
        except* _EndedError as several:
            [ended, *_] = (error for error in several.exceptions if isinstance(error, _EndedError))
        await self._socket.end()
        if isinstance(ended.error, ProviderError):
            await self._flight.fail(ended.error)
        else:
            await self._flight.hang_up(ended.error)
        if not ended.by_caller:
            with contextlib.suppress(_EndedError, TimeoutError):
                await self._say_goodbye(ended.error)

    async def _from_caller(self, pipeline: Pipeline, key: VirtualKey) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                raise _EndedError(by_caller=True)
            text = message.get("text")
            if text is None:
                raise _EndedError(CallerError("A session's messages are text.", code="binary_message"))
            self._heard_us = self._clock.monotonic_us()
            try:
                checked = await pipeline.check_message(key, self._flight, text)
                if kind_of(checked) == "response.create":
                    self._check_held(1)
                    self._asked += 1
                await self._socket.send(checked)
            except KeysteadError as error:
                raise _EndedError(error) from error

    async def _from_provider(self) -> None:
        while True:
            try:
                message = await self._socket.receive()
            except ProviderError as error:
                raise _EndedError(error) from error
            if message is None:
                raise _EndedError
            self._heard_us = self._clock.monotonic_us()
            try:
                text = message.decode()
            except UnicodeDecodeError:
                raise _EndedError(garbled("The provider's message is no text.", "unreadable_answer")) from None
            self._flight.hear(message)
            await self._tell({"type": "websocket.send", "text": text})
            self._flight.sent(len(message))
            self._count(message)

    def _count(self, message: bytes) -> None:
        """Keep count of the responses under way, and see that what is held covers them and, once one has ended, another.

        Each may be asked for, or begin by itself when the caller falls silent; several may be under way at once.
        """
        if b'"response.created"' in message:
            self._asked = max(0, self._asked - 1)
            self._under_way += 1
            self._check_held(0)
        elif b'"response.done"' in message:
            self._under_way = max(0, self._under_way - 1)
            self._check_held(1)
        elif self._asked and _ERROR.search(message) is not None:
            self._asked -= 1

    def _check_held(self, more: int) -> None:
        if not self._flight.affords(self._asked + self._under_way + more):
            raise _EndedError(
                PolicyDenied(
                    "What a budget holds for this session does not cover another response.",
                    code="session_budget",
                    next_step="Begin another session, if the budget has room for it.",
                )
            )

    async def _tell(self, message: MutableMapping[str, Any]) -> None:
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:
            # The caller has left (OSError, says ASGI), or the server has closed the connection over what the caller
            # sent (uvicorn: RuntimeError).
            raise _EndedError(by_caller=True) from error

    async def _watch(self, pipeline: Pipeline, key: VirtualKey) -> None:
        while True:
            await asyncio.sleep(_WATCH_S)
            now_us = self._clock.monotonic_us()
            if now_us - self._began_us > self._limits.longest_s * 1_000_000:
                raise _EndedError(CallerError("The session is as long as it may be.", code="session_too_long"))
            if now_us - self._heard_us > self._limits.idle_s * 1_000_000:
                raise _EndedError(CallerError("Nothing was said in the session for too long.", code="session_idle"))
            try:
                await pipeline.check_session(key, self._flight)
            except KeysteadError as error:
                raise _EndedError(error) from error

    async def _say_goodbye(self, error: KeysteadError | None) -> None:
        """Tell the caller why, if it reads."""
        async with asyncio.timeout(_GOODBYE_S):
            await self._say(error)

    async def _say(self, error: KeysteadError | None) -> None:
        code = self._socket.close_code or _CLOSE_NORMAL
        if error is not None:
            code = _CLOSE_POLICY if error.fault in {Fault.CALLER, Fault.POLICY} else _CLOSE_BROKEN
            body = msgspec.json.decode(error_body(error, Dialect.OPENAI, self._flight.ask.request_id))
            event = {"type": "error", "event_id": f"event_{self._flight.ask.request_id}", **body}
            await self._tell({"type": "websocket.send", "text": msgspec.json.encode(event).decode()})
        await self._tell({"type": "websocket.close", "code": code, "reason": error.code if error else ""})


def _with_carried(headers: dict[bytes, bytes], offered: list[str]) -> dict[bytes, bytes]:
    """Return the headers with what browsers carry in subprotocols: the key, and the beta.

    Raises:
        InvalidRequestError: a key there, and another one beside it; or what is no subprotocol.
    """
    keys = [name.removeprefix(_KEY) for name in offered if name.startswith(_KEY)]
    if not all(name.isascii() for name in offered):
        raise InvalidRequestError("A subprotocol is not valid.", code="invalid_subprotocol")
    betas = [name.removeprefix(_BETA).replace("-", "=", 1) for name in offered if name.startswith(_BETA)]
    headers = {name: value for name, value in headers.items() if not name.startswith(b"sec-websocket-")}
    if len(keys) + (b"authorization" in headers) > 1:
        raise InvalidRequestError("The request shows more than one key.", code="several_keys")
    if keys:
        headers[b"authorization"] = b"Bearer " + keys[0].encode("latin-1")
    if betas and b"openai-beta" not in headers:
        headers[b"openai-beta"] = ", ".join(betas).encode("latin-1")
    return headers


def kind_of(message: str) -> Any:
    """Return the type of a message of a caller's, whatever it wrote there.

    Raises:
        InvalidRequestError: it is no JSON, such as a number beyond all bounds.
    """
    try:
        return _TOLD.decode(message).type
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequestError("The message is not valid JSON.", code="malformed_json") from error


def _model(query: bytes) -> str:
    """Return the one model that a session is for.

    Raises:
        InvalidRequestError: none, several, or what is asked for is not served.
    """
    found = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    for name in _REFUSED_QUERIES:
        if name in found:
            raise InvalidRequestError(f"Realtime sessions with `{name}` are not served.", param=name)
    models = found.get("model", [])
    if len(models) != 1:
        raise InvalidRequestError("`model` is missing, or there twice.", code="missing_model", param="model")
    return check_model(models[0])
