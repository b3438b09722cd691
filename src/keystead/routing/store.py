"""An organization's own model names and what is tried behind them. Owns the table `model_routes`.

Every method takes the connection first: the caller owns the transaction, writes its audit event in it, and touches
the snapshot's revision.

A route's name may be a real model's name, and then it wins over the model: `gpt-5` can come to mean "ours, then
Azure's". What an attempt sends is the provider's name of a model and is never looked up as a route, so a route cannot
name another route, nor itself.
"""

import re
from collections.abc import Collection, Sequence
from typing import Final, get_args

import msgspec
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.dialects.body import check_model
from keystead.domain.clock import Clock
from keystead.domain.errors import ConflictError, InvalidRequestError, NotFoundError
from keystead.domain.ids import CredentialId, OrganizationId, id_time_ms, new_id
from keystead.domain.routes import ModelRoute, RouteAttempt, Strategy, Unsupported
from keystead.domain.traffic import Owner
from keystead.storage.governance import model_routes as _routes
from keystead.storage.lists import page
from keystead.storage.schema import credentials as _credentials

MAX_ATTEMPTS: Final = 16
MAX_WEIGHT: Final = 1000
LEAST_FIRST_BYTE_S: Final = 0.1
MOST_FIRST_BYTE_S: Final = 7200.0

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,99}")
"""No slash: `name/model` names a credential or a provider. Nothing that a pattern would take for a wildcard."""

_ATTEMPTS: Final = msgspec.json.Decoder(tuple[RouteAttempt, ...])


class AttemptGiven(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to try, as a person names it."""

    model: str
    credential: str | None = None
    """An id or a name: one of the organization's own, else one of the platform's."""
    provider: str | None = None
    weight: int = 1
    first_byte_timeout_s: float | None = None


class AttemptView(RouteAttempt, frozen=True, kw_only=True):
    """One thing to try, with its credential's name."""

    credential: str | None = None


class RouteView(msgspec.Struct, frozen=True, kw_only=True):
    """A route as it is shown. Instants are Unix microseconds."""

    id: str
    organization_id: OrganizationId
    name: str
    strategy: Strategy
    sticky: bool
    unsupported: Unsupported
    attempts: tuple[AttemptView, ...]
    created_at: int
    created_by: str


async def model_routes(conn: AsyncConnection) -> list[ModelRoute]:
    """Return every organization's routes."""
    found = await conn.execute(select(_routes).order_by(_routes.c.id))
    return [
        ModelRoute(
            id=row["id"],
            organization_id=row["organization_id"],
            name=row["name"],
            strategy=row["strategy"],
            sticky=row["sticky"],
            unsupported=row["unsupported"],
            attempts=_ATTEMPTS.decode(row["attempts"]),
        )
        for row in found.mappings()
    ]


class ModelRoutes:
    """Creates, lists, changes and deletes routes. `model_route` arguments are an id or a name."""

    def __init__(self, clock: Clock, *, providers: Collection[str]) -> None:
        """Take the time from `clock`; `providers` are the names that an attempt may use and a route may not have."""
        self._clock = clock
        self._providers = frozenset(providers)

    async def create(
        self,
        conn: AsyncConnection,
        *,
        organization_id: OrganizationId,
        actor_id: str,
        name: str,
        strategy: Strategy,
        sticky: bool,
        unsupported: Unsupported = "refuse",
        attempts: Sequence[AttemptGiven],
    ) -> RouteView:
        """Create a route.

        Raises:
            InvalidRequestError: a part is not valid; `param` names it.
            NotFoundError: there is no such credential.
            ConflictError: the name is taken by another route, a credential or a provider.
        """
        await self._check_name(conn, organization_id, name)
        _check_strategy(strategy, sticky=sticky)
        now = self._clock.now_us()
        identifier = new_id("route", now)
        row = {
            "id": identifier,
            "organization_id": organization_id,
            "name": name,
            "strategy": strategy,
            "sticky": sticky,
            "unsupported": _checked(unsupported),
            "attempts": await self._resolved(conn, organization_id, attempts),
            "created_at": now,
            "created_by": actor_id,
        }
        try:
            await conn.execute(insert(_routes).values(row))
        except IntegrityError as error:
            raise _taken(f"There is a route named {name!r} already.") from error
        return await self.get(conn, organization_id, identifier)

    async def list(
        self, conn: AsyncConnection, organization_id: OrganizationId, *, before: str | None = None, limit: int = 50
    ) -> list[RouteView]:
        """Return up to `limit` routes, newest first; `before` is the last id of the page before."""
        return await _views(conn, await page(conn, _routes, organization_id, before=before, limit=limit))

    async def get(self, conn: AsyncConnection, organization_id: OrganizationId, model_route: str) -> RouteView:
        """Return a route.

        Raises:
            NotFoundError: the organization has none with this id or name.
        """
        query = select(_routes).where(
            _routes.c.organization_id == organization_id,
            or_(_routes.c.id == model_route, _routes.c.name == model_route),
        )
        row = (await conn.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFoundError(f"There is no route {model_route!r}.", code="route_not_found")
        return (await _views(conn, [row]))[0]

    async def change(
        self,
        conn: AsyncConnection,
        *,
        organization_id: OrganizationId,
        model_route: str,
        strategy: Strategy | None = None,
        sticky: bool | None = None,
        unsupported: Unsupported | None = None,
        attempts: Sequence[AttemptGiven] | None = None,
    ) -> RouteView:
        """Change what is given and leave the rest. The name stays: callers' code holds it.

        Raises:
            InvalidRequestError, NotFoundError: as `get` and `create`.
        """
        before = await self.get(conn, organization_id, model_route)
        strategy = before.strategy if strategy is None else strategy
        sticky = before.sticky if sticky is None else sticky
        _check_strategy(strategy, sticky=sticky)
        values: dict[str, str | bool] = {"strategy": strategy, "sticky": sticky}
        if unsupported is not None:
            values["unsupported"] = _checked(unsupported)
        if attempts is not None:
            values["attempts"] = await self._resolved(conn, organization_id, attempts)
        await conn.execute(update(_routes).where(_routes.c.id == before.id).values(values))
        return await self.get(conn, organization_id, before.id)

    async def delete(self, conn: AsyncConnection, *, organization_id: OrganizationId, model_route: str) -> RouteView:
        """Delete a route and return what it was. Its name means what it meant without it: a model, or nothing.

        Raises:
            NotFoundError: as `get`.
        """
        view = await self.get(conn, organization_id, model_route)
        await conn.execute(delete(_routes).where(_routes.c.id == view.id))
        return view

    async def _check_name(self, conn: AsyncConnection, organization_id: OrganizationId, name: str) -> None:
        if _NAME.fullmatch(name) is None or ("_" in name and id_time_ms(name) is not None):
            raise InvalidRequestError(
                "A route's name has 1 to 100 letters, digits and `.`, `_`, `-`, `:`, `@`, and does not look like an id.",
                code="invalid_name",
                param="name",
                next_step="Callers write it where they write a model's name: `coding`, say.",
            )
        _check_model(name, param="name")
        if name in self._providers:
            raise _taken(f"{name!r} is a provider's name.")
        own = _credentials.c.organization_id == organization_id
        if (await conn.execute(select(_credentials.c.id).where(own, _credentials.c.name == name))).first():
            raise _taken(f"{name!r} is the name of a credential.")

    async def _resolved(
        self, conn: AsyncConnection, organization_id: OrganizationId, attempts: Sequence[AttemptGiven]
    ) -> str:
        """Return checked attempts as they are kept."""
        if not 1 <= len(attempts) <= MAX_ATTEMPTS:
            raise InvalidRequestError(f"A route has 1 to {MAX_ATTEMPTS} attempts.", param="attempts")
        found: list[RouteAttempt] = []
        places: set[tuple[str | None, str | None, str]] = set()
        for number, given in enumerate(attempts):
            param = f"attempts[{number}]"
            self._check_attempt(given, param)
            credential_id = None
            if given.credential is not None:
                credential_id = await _credential_id(conn, organization_id, given.credential, param=param)
            place = (credential_id, given.provider, given.model)
            if place in places:
                raise InvalidRequestError("The same attempt is there twice.", param=param)
            places.add(place)
            found.append(
                RouteAttempt(
                    model=given.model,
                    credential_id=credential_id,
                    provider=given.provider,
                    weight=given.weight,
                    first_byte_timeout_s=given.first_byte_timeout_s,
                )
            )
        return msgspec.json.encode(found).decode()

    def _check_attempt(self, given: AttemptGiven, param: str) -> None:
        _check_model(given.model, param=f"{param}.model")
        if (given.credential is None) is (given.provider is None):
            raise InvalidRequestError("An attempt names either a credential or a provider.", param=param)
        if given.provider is not None and given.provider not in self._providers:
            raise InvalidRequestError(
                f"There is no provider {given.provider[:64]!r}.",
                code="unknown_provider",
                param=f"{param}.provider",
                next_step=f"Choose one of: {', '.join(sorted(self._providers))}.",
            )
        if not 1 <= given.weight <= MAX_WEIGHT:
            raise InvalidRequestError(f"A weight is 1 to {MAX_WEIGHT}.", param=f"{param}.weight")
        timeout_s = given.first_byte_timeout_s
        if timeout_s is not None and not LEAST_FIRST_BYTE_S <= timeout_s <= MOST_FIRST_BYTE_S:
            raise InvalidRequestError(
                f"The time to the first byte is {LEAST_FIRST_BYTE_S:g} to {MOST_FIRST_BYTE_S:g} seconds.",
                param=f"{param}.first_byte_timeout_s",
            )


async def _credential_id(
    conn: AsyncConnection, organization_id: OrganizationId, reference: str, *, param: str
) -> CredentialId:
    """Return the id of a credential of the organization's own, else of the platform's."""
    table = _credentials.c
    query = select(table.id, table.organization_id).where(
        or_(table.id == reference, table.name == reference),
        or_(table.organization_id == organization_id, table.owner == Owner.PLATFORM.value),
        table.revoked_at.is_(None),
    )
    rows = (await conn.execute(query)).all()
    row = next((row for row in rows if row.organization_id == organization_id), rows[0] if rows else None)
    if row is None:
        raise NotFoundError(
            f"There is no usable credential {reference!r}.", code="credential_not_found", param=f"{param}.credential"
        )
    return CredentialId(row.id)


async def _views(conn: AsyncConnection, rows: Sequence[RowMapping]) -> list[RouteView]:
    read = [(row, _ATTEMPTS.decode(row["attempts"])) for row in rows]
    ids = {attempt.credential_id for _, attempts in read for attempt in attempts if attempt.credential_id}
    query = select(_credentials.c.id, _credentials.c.name).where(_credentials.c.id.in_(ids))
    names = {row.id: row.name for row in await conn.execute(query)} if ids else {}
    return [
        RouteView(
            **{
                **row,
                "attempts": tuple(
                    AttemptView(**msgspec.structs.asdict(attempt), credential=names.get(attempt.credential_id))
                    for attempt in attempts
                ),
            }
        )
        for row, attempts in read
    ]


def _check_strategy(strategy: Strategy, *, sticky: bool) -> None:
    if strategy not in get_args(Strategy):
        raise InvalidRequestError(
            f"There is no strategy {strategy!r}.",
            param="strategy",
            next_step=f"Choose one of: {', '.join(get_args(Strategy))}.",
        )
    if sticky and strategy != "weighted":
        raise InvalidRequestError(
            f"A route that is {strategy} has nothing to stick to.",
            param="sticky",
            next_step="Only a weighted route can be sticky.",
        )


def _checked(unsupported: Unsupported) -> Unsupported:
    if unsupported not in get_args(Unsupported):
        raise InvalidRequestError(
            f"What is not supported cannot be treated as {unsupported!r}.",
            param="unsupported",
            next_step=f"Choose one of: {', '.join(get_args(Unsupported))}.",
        )
    return unsupported


def _check_model(model: str, *, param: str) -> None:
    try:
        check_model(model)
    except InvalidRequestError as error:
        error.param = param
        raise


def _taken(message: str) -> ConflictError:
    return ConflictError(message, code="name_taken", param="name", next_step="Choose another name.")
