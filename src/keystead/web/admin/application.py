"""The admin API as an ASGI application, made from the table of routes."""

import asyncio
from collections.abc import Mapping
from functools import cache
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from keystead.domain.errors import CallerError, NotFoundError
from keystead.domain.ids import new_id
from keystead.web.admin.endpoint import Endpoint, problem_response
from keystead.web.admin.openapi import document
from keystead.web.admin.rooms import AdminRooms
from keystead.web.admin.route import PREFIX, Route
from keystead.web.admin.routes import ROUTES
from keystead.web.failures import Failures

OPENAPI_PATH: Final = "/openapi.json"
"""Public: it describes the product and holds nothing of the deployment."""


class Methods:
    """The ASGI application of one path: the endpoint of the request's method, or 405."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Answer with `endpoints`, by method; HEAD is GET without its body."""
        self.endpoints = dict(endpoints)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        endpoint = self.endpoints.get(method)
        if endpoint is None:
            raise HTTPException(405, headers={"allow": ", ".join(sorted(self.endpoints))})
        await endpoint(scope, receive, send)


class AdminApplication:
    """The whole admin API and its description."""

    def __init__(self, rooms: AdminRooms, routes: tuple[Route, ...] = ROUTES) -> None:
        """Serve `routes` with what is in `rooms`."""
        self.rooms = rooms
        self._routes = routes
        failures = Failures(rooms.clock)
        by_path: dict[str, dict[str, Endpoint]] = {}
        for route in routes:
            by_path.setdefault(route.path, {})[route.method] = Endpoint(route, rooms, failures)
        self.router = Router(
            [
                StarletteRoute(OPENAPI_PATH, self._describe, methods=["GET"]),
                *(StarletteRoute(PREFIX + path, Methods(endpoints)) for path, endpoints in by_path.items()),
            ],
            # A redirect would be built from the Host header, which is the caller's word.
            redirect_slashes=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what no route answers is told as a problem too."""
        try:
            # Starlette's router raises what it cannot route when it believes to run inside an application.
            await self.router({**scope, "app": self}, receive, send)
        except HTTPException as error:
            await self._unrouted(error)(scope, receive, send)

    async def _describe(self, _request: Request) -> Response:
        # When first asked: it takes a tenth of a second, which not every start should.
        return Response(await asyncio.to_thread(_description, self._routes), media_type="application/json")

    def _unrouted(self, error: HTTPException) -> Response:
        request_id = new_id("op", self.rooms.clock.now_us())
        if error.status_code == 404:
            return problem_response(NotFoundError("There is no such path.", next_step="See /openapi.json."), request_id)
        return problem_response(
            CallerError(
                "The path does not take this method.",
                code="method_not_allowed",
                status=error.status_code,
                next_step="See /openapi.json.",
                headers=dict(error.headers or {}),
            ),
            request_id,
        )


@cache
def _description(routes: tuple[Route, ...]) -> bytes:
    """Return the OpenAPI document; to make it takes longer than all else here."""
    return msgspec.json.encode(document(routes))
