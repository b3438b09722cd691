"""What the playground asks of models: the very trip of any caller's request, made by who is signed in.

A browser holds a session and no virtual key, so it names one of its person's own. From there on the request is one made
with that key: the same grants, limits, budgets, consents and data classes, the same record (see `docs/adr/0019`). What
differs is how one is let in, and that it stops when the session ends.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol

import structlog
from starlette.requests import Request

from keystead import __version__
from keystead.domain.access import VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.errors import AuthenticationError, KeysteadError, NotFoundError, PolicyDenied
from keystead.domain.ids import new_id
from keystead.domain.traffic import Dialect
from keystead.gateway.departure import EXTENSION, Departure
from keystead.web.admin import virtual_keys
from keystead.web.console import safety
from keystead.web.console.door import Door
from keystead.web.errors import error_body, error_event, error_headers
from keystead.web.receive import Receive, Send
from keystead.web.relay import send_whole

PATH: Final = "/console/playground/run"
CLIENT: Final = f"Keystead playground/{__version__}"
"""How the record names the caller's program."""
LOOK_S: Final = 1.0
"""How often it is looked whether the session is still there: as soon as a revoked key is refused everywhere."""

log = structlog.get_logger(__name__)

_FORM: Final = "x-keystead-form"
_KEY: Final = "x-keystead-virtual-key"
_CALLED: Final = b"/v1/chat/completions"
_PASSED: Final = (b"content-length", b"content-type", b"content-encoding", b"transfer-encoding")
"""Headers that say how to read the body. All others are the browser's own business, the cookie first of all."""
_EVENTS: Final = b"text/event-stream"

Headers = dict[bytes, bytes]


class Serve(Protocol):
    """The data plane, as it answers whoever was let in elsewhere."""

    def __call__(
        self, scope: MutableMapping[str, Any], headers: Headers, receive: Receive, send: Send, *, known: VirtualKey
    ) -> Awaitable[None]:
        """Answer a request of `known`."""


class Trial:
    """The ASGI application that runs a request for a signed-in person."""

    def __init__(
        self,
        door: Door,
        *,
        in_force: Callable[[str], VirtualKey | None],
        serve: Serve,
        clock: Clock,
        look_s: float = LOOK_S,
    ) -> None:
        """Let people in as `door` does, with keys that are `in_force`."""
        self._door = door
        self._in_force = in_force
        self._serve = serve
        self._clock = clock
        self._look_s = look_s

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request: an answer of a model, or an error in the shape that OpenAI's API gives it."""
        request, line = Request(scope, receive), _Line(send, new_id("op", self._clock.now_us()))
        try:
            if request.method != "POST":
                raise NotFoundError("There is no such page.", next_step="Use the menu.")
            safety.require_same_origin(request.headers)
            key = await self._let_in(request)
        except KeysteadError as error:
            await line.cut(error)
            return
        departure = Departure()
        left: Departure = scope["extensions"][EXTENSION]
        left.watch(departure.happen)
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._watch(request, line, departure))
                await self._serve(_as_called(scope, departure), _headers(scope), receive, line, known=key)
                watch.cancel()
        finally:
            left.unwatch(departure.happen)

    async def _let_in(self, request: Request) -> VirtualKey:
        """Return the key with which the signed-in person asks.

        Raises:
            KeysteadError: nobody is signed in, the page is not of this session, the person may not have keys of their
                own, or the key is not one of theirs.
        """
        signed_in = await self._door.signed_in(request)
        if signed_in is None:
            raise _signed_out()
        if signed_in.must_enrol:
            raise PolicyDenied(
                "Your organization wants a second factor of everybody.",
                code="second_factor_required",
                next_step="Set one up under your name.",
            )
        safety.require_form_token(request.headers.get(_FORM, ""), signed_in.form_token)
        self._door.desk(signed_in).require(virtual_keys.create)
        key, who = self._in_force(request.headers.get(_KEY, "")), signed_in.administrator
        mine = (who.organization_id, "member", who.member_id)
        if key is None or (key.organization_id, key.principal_kind, key.principal_id) != mine:
            raise NotFoundError(
                "You have no such virtual key in force.",
                code="no_such_key",
                next_step="Load the page again, and choose another key or make one.",
            )
        return key

    async def _watch(self, request: Request, line: "_Line", departure: Departure) -> None:
        """Stop the answer once the person could not ask for it any more."""
        while True:
            await asyncio.sleep(self._look_s)
            try:
                await self._let_in(request)
            except KeysteadError as error:
                if error.status < 500:
                    await line.cut(error)
                    departure.happen()
                    return
            except Exception:  # the storage is away, which ends no other caller's answer either: look again
                log.warning("playground_session_not_looked_up", exc_info=True)


class _Line:
    """The way back to the browser: adds what every answer of the console says, and can be cut."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self._begun = False
        self._is_events = False
        self._over = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """Pass a message on, unless the answer is over."""
        if self._over:
            return
        if message["type"] == "http.response.start":
            self._begun = True
            self._is_events = any(
                name == b"content-type" and value.startswith(_EVENTS) for name, value in message["headers"]
            )
            message = {**message, "headers": _with_safety(message["headers"])}
        elif not message.get("more_body", False):
            self._over = True
        await self._send(message)

    async def cut(self, error: KeysteadError) -> None:
        """End the answer with an error. One that comes in one piece is there already, or never begins."""
        if not self._begun:
            headers = [(b"content-type", b"application/json"), *error_headers(error)]
            await send_whole(self, error.status, headers, error_body(error, Dialect.OPENAI, self._request_id))
        elif self._is_events and not self._over:
            self._over = True
            event = b"\n\n" + error_event(error, Dialect.OPENAI, self._request_id)  # it may be in the middle of one
            await self._send({"type": "http.response.body", "body": event, "more_body": False})
        self._over = True


def _as_called(scope: MutableMapping[str, Any], departure: Departure) -> dict[str, Any]:
    """Return the scope of the request that is made: at the path of any caller."""
    extensions = {**scope["extensions"], EXTENSION: departure}
    return {**scope, "path": _CALLED.decode(), "raw_path": _CALLED, "query_string": b"", "extensions": extensions}


def _headers(scope: MutableMapping[str, Any]) -> Headers:
    passed = {name: value for name, value in scope["headers"] if name in _PASSED}
    return {**passed, b"user-agent": CLIENT.encode("ascii")}


def _with_safety(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    ours = {name.encode("ascii"): value.encode("ascii") for name, value in safety.HEADERS.items()}
    return [*(header for header in headers if header[0] not in ours), *ours.items()]


def _signed_out() -> AuthenticationError:
    return AuthenticationError(
        "Your session has ended.", code="signed_out", next_step="Sign in again; what you typed is lost with the page."
    )
