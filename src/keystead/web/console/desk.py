"""A signed-in person's way to the admin API: its handlers, called in this process, behind the same door."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.errors import InvalidRequestError
from keystead.identity.sessions import SignedIn
from keystead.web.admin.endpoint import admitted, invalid
from keystead.web.admin.rooms import AdminRooms
from keystead.web.admin.route import Call, Route
from keystead.web.admin.routes import ROUTES
from keystead.web.admin.values import decode_hook

Handler = Callable[[Call[Any, Any]], Awaitable[Any]]

_ROUTE_OF: Final[Mapping[Handler, Route]] = {route.handler: route for route in ROUTES}


class Desk:
    """Asks and acts for one person, who may do there exactly what the admin API lets them."""

    def __init__(self, rooms: AdminRooms, signed_in: SignedIn) -> None:
        """Act for whoever is signed in."""
        self._rooms = rooms
        self.signed_in = signed_in
        self.who = signed_in.administrator

    def may(self, handler: Handler) -> bool:
        """Say whether the route of this handler admits the person: whether a link to it leads anywhere."""
        return _ROUTE_OF[handler].admits(self.who)

    def holds(self, permission: Permission) -> bool:
        """Say whether the person holds a permission somewhere."""
        return self.who.may_somewhere(permission)

    async def ask(self, handler: Handler, query: Mapping[str, Any] | None = None, **path: str) -> Any:
        """Return what the GET route of `handler` answers; what is None or empty in the query is not asked.

        Raises:
            KeysteadError: as the route does.
        """
        given = {name: value for name, value in (query or {}).items() if value not in {None, ""}}
        return await self._call(handler, given, {}, path)

    async def act(self, handler: Handler, body: Mapping[str, Any], **path: str) -> Any:
        """Do what the POST route of `handler` does.

        Raises:
            KeysteadError: as the route does.
        """
        return await self._call(handler, {}, body, path)

    async def _call(
        self, handler: Handler, query: Mapping[str, Any], body: Mapping[str, Any], path: dict[str, str]
    ) -> Any:
        route = _ROUTE_OF[handler]
        call: Call[Any, Any] = Call(
            rooms=admitted(route, self._rooms, self.who),
            who=self.who,
            path=path,
            query=_convert(query, route.query),
            body=_convert(body, route.body),
        )
        return await route.handler(call)


def _convert(given: Mapping[str, Any], expected: type) -> Any:
    """Return what a form or an address gave as the route's own type.

    Raises:
        InvalidRequestError: in the admin API's words.
    """
    try:
        return msgspec.convert(dict(given), expected, strict=False, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        raise invalid(error) from error
    except OverflowError as error:
        raise InvalidRequestError("A number is too large.") from error
