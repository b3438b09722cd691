"""A signed-in person's way to the admin API: its handlers, called in this process, behind the same door."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import TeamId
from keystead.identity.sessions import SignedIn
from keystead.web.admin.endpoint import admitted, not_permitted, require_names
from keystead.web.admin.rooms import AdminRooms
from keystead.web.admin.route import Call, Route
from keystead.web.admin.routes import ROUTES
from keystead.web.admin.values import decode_hook
from keystead.web.console.unfit import unfit

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

    def may_in(self, handler: Handler, team_id: str | None) -> bool:
        """Say whether the person may do in that team, or (None) in the whole organization, what the route does."""
        permission = _ROUTE_OF[handler].permission
        return permission is None or self.who.may(permission, None if team_id is None else TeamId(team_id))

    def require(self, handler: Handler) -> None:
        """Refuse, in the route's own words, whoever it does not admit.

        Raises:
            PolicyDenied: it does not admit the person.
        """
        route = _ROUTE_OF[handler]
        if not route.admits(self.who):
            raise not_permitted(route)

    def holds(self, permission: Permission) -> bool:
        """Say whether the person holds a permission somewhere."""
        return self.who.may_somewhere(permission)

    async def ask(self, handler: Handler, query: Mapping[str, Any] | None = None, **path: str) -> Any:
        """Return what the GET route of `handler` answers; what is None or empty in the query is not asked.

        Raises:
            KeysteadError: as the route does.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None and value != ""}
        return await self._call(handler, given, {}, path)

    async def all(
        self, handler: Handler, query: Mapping[str, Any] | None = None, *, most: int = 2_000
    ) -> tuple[list[Any], bool]:
        """Return what is on the pages of a list, and whether there is more than `most`.

        Raises:
            KeysteadError: as the route does.
        """
        items: list[Any] = []
        cursor: str | None = ""
        while cursor is not None and len(items) < most:
            page = await self.ask(handler, {**(query or {}), "limit": "200", "cursor": cursor})
            items.extend(page.items)
            cursor = page.next_cursor
        return items[:most], cursor is not None

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
        require_names(path)
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
        InvalidRequestError: something does not fit.
    """
    try:
        return msgspec.convert(dict(given), expected, strict=False, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        raise unfit(error) from error
    except OverflowError as error:
        raise InvalidRequestError("A number is too large.") from error
