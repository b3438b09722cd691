"""The one way to a handler: sign in, permission, parameters, handler, answer — in this order, for every route.

Signing in takes `Authorization: Bearer ksa_…` and nothing else. A cookie is never looked at, so a page of another
origin cannot act through a browser that is signed in somewhere; a body must say it is JSON, for the same reason.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from keystead.domain.access import PLATFORM, Administrator
from keystead.domain.errors import AuthenticationError, InvalidRequestError, KeysteadError, NotFoundError, PolicyDenied
from keystead.domain.ids import new_id
from keystead.domain.traffic import Fault
from keystead.storage.row_security import OrganizationView
from keystead.web.admin.rooms import AdminDirectory, AdminRooms
from keystead.web.admin.route import LINES, MAX_BODY_BYTES, Call, Download, Lines, Route
from keystead.web.admin.sent_file import BrokenDownloadError, file_response
from keystead.web.admin.values import Nothing, decode_hook
from keystead.web.failures import WINDOW_US, Failures
from keystead.web.problem import MEDIA_TYPE, problem_of

log = structlog.get_logger(__name__)

MAX_PARAMETERS: Final = 32
_OTHER_CARRIERS: Final = frozenset({b"x-api-key", b"api-key", b"x-goog-api-key"})
_KEY_PARAMETER: Final = "key"
_BEARER: Final = re.compile(rb"(?i:bearer) +([\x21-\x7e]+)")
# What is answered is for this caller alone, and may hold a secret that is shown once.
_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Endpoint:
    """The ASGI application of one route."""

    def __init__(self, route: Route, rooms: AdminRooms, failures: Failures) -> None:
        """Answer for `route` with what is in `rooms`; `failures` is shared by all routes."""
        self.route = route
        self._rooms = rooms
        self._failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        request_id = new_id("op", self._rooms.clock.now_us())
        try:
            response = await self._answer(request, request_id)
            response.headers["x-keystead-request-id"] = request_id
        except ClientDisconnect:
            return
        except KeysteadError as error:
            self._note(error, request_id)
            response = problem_response(error, request_id)
        except Exception:  # the last resort: a defect is logged whole, and told without its internals
            log.exception("admin_request_failed", route=self.route.name, request_id=request_id)
            response = problem_response(KeysteadError(), request_id)
        with suppress(BrokenDownloadError):  # the connection ends before the file does, which tells the client
            await response(scope, receive, send)

    def _note(self, error: KeysteadError, request_id: str) -> None:
        """Log what is ours to mend."""
        if error.fault is Fault.GATEWAY:
            log.warning("admin_request_not_done", route=self.route.name, request_id=request_id, exc_info=error)

    async def _answer(self, request: Request, request_id: str) -> Response:
        who = self._sign_in(request)
        call = Call(
            rooms=admitted(self.route, self._rooms, who),
            who=who,
            path=path_parameters(request),
            query=decode_query(request, self.route.query),
            body=await decode_body(
                request, self.route.body, self.route.max_body_bytes, timeout_s=self._rooms.body_timeout_s
            ),
        )
        answer = await self.route.handler(call)
        if isinstance(answer, Lines):
            return StreamingResponse(
                self._lines(answer, request_id), status_code=self.route.status, headers=_HEADERS, media_type=LINES
            )
        if isinstance(answer, Download):
            return file_response(answer, _HEADERS, whole=request.method != "HEAD")
        return Response(
            msgspec.json.encode(answer), status_code=self.route.status, headers=_HEADERS, media_type="application/json"
        )

    async def _lines(self, answer: Lines, request_id: str) -> AsyncIterator[bytes]:
        """Yield the lines; what goes wrong after the first one can only be told in another."""
        try:
            async for item in answer.items:
                yield msgspec.json.encode(item) + b"\n"
        except KeysteadError as error:
            self._note(error, request_id)
            yield _problem_line(error, request_id)
        except Exception:  # as above
            log.exception("admin_request_failed", route=self.route.name, request_id=request_id)
            yield _problem_line(KeysteadError(), request_id)

    def _sign_in(self, request: Request) -> Administrator:
        """Count a failure, so that who guesses is told to wait."""
        token = presented_token(request)
        try:
            return signed_in(self._rooms.administrators, token)
        except AuthenticationError:
            address = request.client.host if request.client else ""
            if not self._failures.count(address, token):
                raise
            raise AuthenticationError(
                "Too many failed attempts to sign in.",
                code="too_many_failures",
                status=429,
                next_step="Wait a minute, then try again with a valid admin token.",
                headers={"retry-after": str(WINDOW_US // 1_000_000)},
            ) from None


def admitted(route: Route, rooms: AdminRooms, who: Administrator) -> AdminRooms:
    """Return the rooms for a call of `route`, with a database in which there is nothing but what the route sees.

    Raises:
        PolicyDenied: the caller may not come in.
    """
    if not route.admits(who):
        raise not_permitted(route)
    if route.sees == "installation":
        return rooms
    return msgspec.structs.replace(rooms, database=OrganizationView(rooms.database, who.organization_id))


def presented_token(request: Request) -> str:
    """Return the text of the one credential a request shows; empty if it shows none, or not in our way.

    Raises:
        InvalidRequestError: it shows several. Which one counts must never be a question (CVE-2026-45339).
    """
    shown = [value for name, value in request.headers.raw if name == b"authorization"]
    others = sum(name in _OTHER_CARRIERS for name, _ in request.headers.raw)
    others += sum(name == _KEY_PARAMETER for name, _ in parameters(request))
    if len(shown) + others > 1:
        raise InvalidRequestError(
            "The request shows more than one key.",
            code="several_keys",
            next_step="Send one header: `Authorization: Bearer ksa_…`.",
        )
    bearer = _BEARER.fullmatch(shown[0]) if shown else None
    return bearer[1].decode("ascii") if bearer else ""


def signed_in(administrators: AdminDirectory, token: str) -> Administrator:
    """Return the administrator that `token` signs in.

    Raises:
        AuthenticationError: nobody. The same words for every reason.
    """
    who = administrators.administrator(token)
    if who is None:
        raise AuthenticationError(
            "There is no valid admin token in the request.",
            code="invalid_admin_token",
            next_step="Send `Authorization: Bearer ksa_…` with an admin token that is neither expired nor revoked.",
            headers={"www-authenticate": "Bearer"},
        )
    return who


def path_parameters(request: Request) -> dict[str, str]:
    """Return the names in the path.

    Raises:
        NotFoundError: one is none.
    """
    found = {name: str(value) for name, value in request.path_params.items()}
    require_names(found)
    return found


def require_names(path: Mapping[str, str]) -> None:
    """Refuse what no name holds, such as a NUL, which PostgreSQL would not even compare.

    Raises:
        NotFoundError: one of the names in the path holds it.
    """
    for name, value in path.items():
        if not value.isprintable():
            raise NotFoundError(f"There is no such {name.replace('_', ' ')}.")


def parameters(request: Request) -> list[tuple[str, str]]:
    """Return the query's parameters in order.

    Raises:
        InvalidRequestError: too many, or not UTF-8.
    """
    try:
        return parse_qsl(
            request.scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError as error:
        raise InvalidRequestError("The query is not valid UTF-8 or has too many parameters.") from error


def decode_query(request: Request, expected: type) -> Any:
    """Return the query parameters as `expected`.

    Raises:
        InvalidRequestError: one is unknown, given twice though it is no list, or not valid.
    """
    lists = _lists_of(expected)
    found: dict[str, list[str]] = {}
    for name, value in parameters(request):
        if name in found and name not in lists:
            raise InvalidRequestError(f"The parameter {name!r} is given more than once.", param=name)
        found.setdefault(name, []).append(value)
    given = {name: values if name in lists else values[0] for name, values in found.items()}
    try:
        return msgspec.convert(given, expected, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error) from error


@cache
def _lists_of(expected: type) -> frozenset[str]:
    """Return the parameters that may be given several times."""
    found = msgspec.inspect.type_info(expected)
    assert isinstance(found, msgspec.inspect.StructType)
    return frozenset(field.encode_name for field in found.fields if _is_list(field.type))


def _is_list(kind: msgspec.inspect.Type) -> bool:
    described = kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind
    return isinstance(described, msgspec.inspect.VarTupleType)


async def decode_body(request: Request, expected: type, max_bytes: int = MAX_BODY_BYTES, *, timeout_s: float) -> Any:
    """Return the JSON body as `expected`; no body is an empty object.

    Raises:
        InvalidRequestError: not JSON, too large, too slow, or a field is unknown, missing or not valid.
    """
    body = await _read(request, max_bytes, timeout_s)
    if not body:
        body = b"{}"
    elif request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequestError(
            "The body must be JSON.", status=415, next_step="Send it with `Content-Type: application/json`."
        )
    if expected is Nothing and request.method == "GET" and body != b"{}":
        raise InvalidRequestError("A GET request has no body.")
    try:
        return msgspec.json.decode(body, type=expected, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        raise invalid(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError("The body is not well-formed JSON.") from error


def problem_response(error: KeysteadError, request_id: str) -> Response:
    """Return `error` as problem details."""
    headers = {**_HEADERS, **error.headers, "x-keystead-request-id": request_id}
    body = msgspec.json.encode(problem_of(error, request_id))
    return Response(body, status_code=error.status, headers=headers, media_type=MEDIA_TYPE)


def _problem_line(error: KeysteadError, request_id: str) -> bytes:
    return msgspec.json.encode({"problem": problem_of(error, request_id)}) + b"\n"


def not_permitted(route: Route) -> PolicyDenied:
    """Return the error for whoever the route does not admit."""
    assert route.permission is not None, "such a route lets everybody in"
    if route.permission in PLATFORM:
        return PolicyDenied("This is for the operator of the platform.", next_step="Ask who runs the platform.")
    where = "in the whole organization" if route.scope == "organization" else "in any team"
    return PolicyDenied(
        f"You do not hold the permission {route.permission.value} {where}.",
        next_step="Ask an administrator of your organization to do it, or for a role that holds it.",
    )


async def _read(request: Request, max_bytes: int, timeout_s: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for part in request.stream():
                size += len(part)
                if size > max_bytes:
                    raise InvalidRequestError(
                        f"The body is larger than {max_bytes} bytes.", code="body_too_large", status=413
                    )
                parts.append(part)
    except TimeoutError as error:
        raise InvalidRequestError(
            f"The body took longer than {timeout_s:g} s.", code="slow_body", status=408
        ) from error
    return b"".join(parts)


def invalid(error: msgspec.ValidationError) -> InvalidRequestError:
    """Say which field is wrong, in msgspec's words: `Expected …, got … - at `$.field``. They hold no secret value."""
    message, _, place = str(error).partition(" - at `")
    where = place.rstrip("`").removeprefix("$").removeprefix(".")
    return InvalidRequestError(f"{message}{f' in {where}' if where else ''}.", param=where or None)
