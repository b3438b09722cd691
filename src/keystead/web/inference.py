"""The dialects' own paths: from an HTTP request to an ask, and on to the pipeline. Plain ASGI."""

from collections.abc import MutableMapping
from contextlib import closing
from typing import Any, Final

import msgspec
import structlog

from keystead.dialects.body import check_model
from keystead.domain.access import VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.errors import AuthenticationError, InvalidRequestError, KeysteadError, NotFoundError
from keystead.domain.ids import new_id
from keystead.domain.stored import ObjectKind
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.departure import EXTENSION, ClientLeftError, Departure
from keystead.gateway.flight import Flight
from keystead.gateway.pipeline import Pipeline
from keystead.gateway.translate_call import Estimate
from keystead.providers.passthrough import Passthrough
from keystead.telemetry import Metrics
from keystead.web import paths
from keystead.web.bodies import with_body
from keystead.web.entrance import Entrance
from keystead.web.errors import error_body, error_headers
from keystead.web.models import ModelList
from keystead.web.presented import error_dialect, models_dialect, presented_key
from keystead.web.receive import Receive, Send, read_body
from keystead.web.relay import Relay, overloaded, send_whole
from keystead.web.spool import Spool
from keystead.web.state_paths import made_by_passing
from keystead.web.uploading import address_in, check_begun, comes_at_once, receive_file

log = structlog.get_logger(__name__)

_MOST_FILES: Final = 32
"""Files that are received at once by a worker: they take disk, not memory, and each may be large."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one request and one worker may take."""

    max_body_bytes: int
    max_file_bytes: int
    body_timeout_s: float
    max_in_flight: int


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose head has been checked, as it came."""

    request_id: str
    at: int
    """Unix microseconds."""
    at_us: int
    """Monotonic microseconds."""
    method: str
    path: str
    """The raw path, still encoded."""
    query: bytes
    address: str
    headers: dict[bytes, bytes]
    departure: Departure


class Inference:
    """The data plane's ASGI application."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        entrance: Entrance,
        relay: Relay,
        models: ModelList,
        passthrough: Passthrough,
        metrics: Metrics,
        clock: Clock,
        limits: Limits,
    ) -> None:
        """Wire the trip."""
        self._pipeline = pipeline
        self._entrance = entrance
        self._relay = relay
        self._models = models
        self._passthrough = passthrough
        self._metrics = metrics
        self._clock = clock
        self._limits = limits
        self._in_flight = 0
        self._files = 0

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return self._in_flight

    async def serve(
        self,
        scope: MutableMapping[str, Any],
        headers: dict[bytes, bytes],
        receive: Receive,
        send: Send,
        *,
        known: VirtualKey | None = None,
    ) -> None:
        """Answer one request whose head the edge has checked.

        `known` is the key of somebody whom the console has let in, and who therefore shows none; from there on nothing
        differs.
        """
        now = self._clock.now_us()
        client = scope.get("client")
        arrival = Arrival(
            request_id=new_id("req", now),  # carries the very instant of the record: found again by its id alone
            at=now,
            at_us=self._clock.monotonic_us(),
            method=scope["method"],
            path=scope["raw_path"].decode("ascii"),
            query=scope["query_string"],
            address=client[0] if client else "",
            headers=headers,
            departure=scope["extensions"][EXTENSION],
        )
        self._in_flight += 1
        dialect = error_dialect(arrival.path, arrival.headers)
        try:
            key, query, operation = await self._understood(arrival, known)
            dialect = operation.dialect
            await self._trip(key, query, operation, arrival, receive=receive, send=send)
        except ClientLeftError:
            return
        except KeysteadError as error:
            await self._tell(send, error, arrival, dialect)
        except Exception:
            # Our defect, before anything was answered: it is logged with its cause and told without it.
            log.exception("defect", request=arrival.request_id)
            await self._tell(send, KeysteadError("Something went wrong inside the gateway."), arrival, dialect)
        finally:
            self._in_flight -= 1

    async def _understood(
        self, arrival: Arrival, known: VirtualKey | None
    ) -> tuple[VirtualKey, bytes, paths.Operation]:
        """Return who calls, the query without any key, and what is asked for."""
        passed = paths.split_passed(arrival.path)
        operation = None if passed else _operation(arrival)
        if self._in_flight > self._limits.max_in_flight:
            raise overloaded()
        key, query = (known, arrival.query) if known is not None else await self._let_in(arrival, operation)
        return key, query, operation or self._passing(key, arrival, passed)

    async def _trip(
        self,
        key: VirtualKey,
        query: bytes,
        operation: paths.Operation,
        arrival: Arrival,
        *,
        receive: Receive,
        send: Send,
    ) -> None:
        bare = Ask(
            request_id=arrival.request_id,
            started_at=arrival.at,
            started_us=arrival.at_us,
            method=arrival.method,
            dialect=operation.dialect,
            endpoint=operation.endpoint,
            tail=operation.tail,
            query=query,
            headers=arrival.headers,
            model=check_model(operation.model) if operation.model else "",
            stream=operation.stream,
            body=b"",
            address=arrival.address,
            object_id=operation.object_id,
            object_kind=operation.kind,
            action=operation.action,
        )
        if operation.body == "upload" or (
            operation.body == "pieces" and (address_in(query) is not None or comes_at_once(arrival.headers, query))
        ):
            await self._keep_file(key, bare, arrival.departure, receive, send)
            return
        try:
            ask = await self._read_ask(bare, operation, receive)
            own = await self._own_answer(key, ask)
        except KeysteadError as error:
            await self._pipeline.refuse(key, bare, error)
            raise
        if own is not None:
            await self._answer_here(key, ask, own, send)
            return
        async with self._pipeline.open(key, ask, arrival.departure) as opened:
            await self._pass_on(opened, send)

    async def _pass_on(self, opened: Flight | Estimate, send: Send) -> None:
        if isinstance(opened, Estimate):
            await _send_estimate(opened, send)
        else:
            await self._relay.answer(opened, send)

    async def _keep_file(self, key: VirtualKey, bare: Ask, departure: Departure, receive: Receive, send: Send) -> None:
        limits = self._limits
        if self._files >= _MOST_FILES:
            raise overloaded()
        self._files += 1
        try:
            ask = await receive_file(
                bare, bare.query, receive, limit=limits.max_file_bytes, timeout_s=limits.body_timeout_s
            )
        except KeysteadError as error:
            await self._pipeline.refuse(key, bare, error)
            raise
        finally:
            self._files -= 1
        assert isinstance(ask.upload, Spool), "as just received"
        with closing(ask.upload):
            async with self._pipeline.open(key, ask, departure) as opened:
                await self._pass_on(opened, send)

    async def _let_in(self, arrival: Arrival, operation: paths.Operation | None) -> tuple[VirtualKey, bytes]:
        """Return who calls, and the query without any key. To the address of an upload SDKs send no key: it stands for one."""
        try:
            return self._authenticate(arrival)
        except AuthenticationError as error:
            address = address_in(arrival.query) if operation is not None and operation.body == "pieces" else None
            if address is None or error.code != "missing_key":
                raise
            return await self._pipeline.uploader(address), arrival.query

    def _authenticate(self, arrival: Arrival) -> tuple[VirtualKey, bytes]:
        shown, query = presented_key(arrival.headers, arrival.query)
        return self._entrance.virtual_key(shown, arrival.address), query

    def _passing(self, key: VirtualKey, arrival: Arrival, passed: tuple[str, str] | None) -> paths.Operation:
        """Return what is asked of a provider beyond what the gateway knows.

        Raises:
            NotFoundError: the operator does not list it.
        """
        name, path = passed or ("", "")
        provider = self._pipeline.provider_called(key, name)
        found = self._passthrough.match(provider, arrival.method, path) if provider is not None else None
        if found is None:
            raise _unknown_path(arrival)
        made = made_by_passing(arrival.method, path, found.dialect)
        return paths.Operation(
            dialect=found.dialect,
            endpoint=Endpoint.PASSTHROUGH,
            tail=path,
            model=f"{name}/{found.model or found.template}",
            body="passed",
            named=name,
            template="" if found.model else found.template,
            kind=made or ObjectKind.RESPONSE,
            action="create" if made else "",
        )

    async def _read_ask(self, bare: Ask, operation: paths.Operation, receive: Receive) -> Ask:
        if operation.body == "none":
            return bare
        limits = self._limits
        if operation.body == "pieces":
            check_begun(bare, limit=limits.max_file_bytes)
            bare = msgspec.structs.replace(bare, query=b"")
        body = await read_body(receive, bare.headers, limit=limits.max_body_bytes, timeout_s=limits.body_timeout_s)
        return with_body(bare, operation, body)

    async def _own_answer(self, key: VirtualKey, ask: Ask) -> bytes | None:
        """Return what the gateway itself answers; None if a provider is to. A model nobody told of, its provider may know."""
        if ask.action == "list":
            return await self._pipeline.listed(key, ask)
        if ask.endpoint is not Endpoint.MODELS or not self._models.is_own(key, ask):
            return None
        return await (self._models.one(key, ask) if ask.model else self._models.body(key, ask))

    async def _answer_here(self, key: VirtualKey, ask: Ask, body: bytes, send: Send) -> None:
        await self._pipeline.answered_here(key, ask)
        headers = [(b"content-type", b"application/json"), (b"x-keystead-request-id", ask.request_id.encode())]
        await send_whole(send, 200, headers, body)

    async def _tell(self, send: Send, error: KeysteadError, arrival: Arrival, dialect: Dialect) -> None:
        self._metrics.refused.labels(error.code).inc()
        headers = [
            (b"content-type", b"application/json"),
            (b"x-keystead-request-id", arrival.request_id.encode("ascii")),
            *error_headers(error),
        ]
        await send_whole(send, error.status, headers, error_body(error, dialect, arrival.request_id))


async def _send_estimate(estimate: Estimate, send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"x-keystead-request-id", estimate.ask.request_id.encode("ascii")),
        (b"x-keystead-estimate", b"input_tokens"),
        (b"x-keystead-cost-state", b"free"),
    ]
    await send_whole(send, 200, headers, estimate.body)


def _operation(arrival: Arrival) -> paths.Operation:
    root, path = paths.split_root(arrival.path)
    operation = paths.match(arrival.method, path, models_dialect=root or models_dialect(arrival.headers))
    if operation is not None and root in {None, operation.dialect}:
        return operation
    if path == "/v1/responses" and b"upgrade" in arrival.headers:
        # Codex offers a WebSocket first; 426 sends it to HTTP at once, any other answer after seven tries.
        raise InvalidRequestError("Responses over WebSocket are not served; use HTTP.", code="no_websocket", status=426)
    if path.encode() in paths.REALTIME_PATHS:
        raise InvalidRequestError("Realtime sessions are WebSockets.", code="websocket_only", status=426)
    raise _unknown_path(arrival)


def _unknown_path(arrival: Arrival) -> NotFoundError:
    return NotFoundError(
        f"There is no {arrival.method} {arrival.path[:200]} here.",
        code="unknown_path",
        next_step="The served paths are listed in the reference; base URLs end in /v1 for OpenAI SDKs only.",
    )
