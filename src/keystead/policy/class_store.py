"""Data classes and recognisers in the database: an organization's own, and its own terms for the built-in ones."""

from typing import Final

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import Clock
from keystead.domain.errors import ConflictError, InvalidRequestError, NotFoundError
from keystead.domain.grants import Requirement
from keystead.domain.ids import OrganizationId, new_id
from keystead.policy.checks import check_name, check_requirement
from keystead.policy.classes import BUILT_IN, NO_REGION, RESTRICTED, DataClasses
from keystead.policy.patterns import KINDS, OWN, check_pattern
from keystead.policy.recognize import Action
from keystead.policy.rows import consent_of, data_class_of, in_force, recognizer_of
from keystead.policy.views import DataClassView, NewRecognizer, RecognizerView
from keystead.storage import governance, schema
from keystead.storage.lists import require_room

MAX_CLASSES: Final = 50
MAX_RECOGNIZERS: Final = 50
"""Every request's body is searched for each own pattern."""
HIGHEST_RANK: Final = 1_000

_classes = governance.data_classes
_recognizers = governance.recognizers
_BUILT_IN: Final = {one.name: one for one in BUILT_IN}


async def classes_of(conn: AsyncConnection, organization_id: OrganizationId) -> DataClasses:
    """Return an organization's data classes, compiled."""
    return DataClasses(await _own(conn, organization_id))


class DataClassStore:
    """Sets and removes an organization's data classes. `name` is how everybody calls one."""

    def __init__(self, clock: Clock) -> None:
        """Take the time from `clock`."""
        self._clock = clock

    async def classes(self, conn: AsyncConnection, organization_id: OrganizationId) -> DataClasses:
        """Return the organization's data classes, built-in ones included, each with all that it asks for in the end."""
        return await classes_of(conn, organization_id)

    async def own(self, conn: AsyncConnection, organization_id: OrganizationId) -> list[DataClassView]:
        """Return what the organization has set itself, each with only what it asks for by itself."""
        return await _own(conn, organization_id)

    async def set(
        self,
        conn: AsyncConnection,
        *,
        organization_id: OrganizationId,
        actor_id: str,
        name: str,
        rank: int | None,
        requirement: Requirement,
    ) -> DataClasses:
        """Make an own class, or replace what a class asks for; return the organization's classes as they are then.

        Args:
            conn: in the caller's transaction.
            organization_id: whose class it is.
            actor_id: the member who sets it.
            name: its name.
            rank: where it stands (see `classes.BUILT_IN`); None for where it stands already.
            requirement: all that the class asks for by itself, in place of what it did.

        Raises:
            InvalidRequestError: a part is not valid; `param` names it.
            ConflictError: its place is taken, it would ask for what nothing can promise, or there are too many.
        """
        check_name(name)
        check_requirement(requirement)
        if name == RESTRICTED.name and not requirement.own_key_only:
            raise InvalidRequestError(
                f"{RESTRICTED.name} requests stay on own keys.",
                code="own_key_only",
                param="requirement.own_key_only",
                next_step="Say that it is own_key_only; add a class of your own for what is less sensitive.",
            )
        kept = {one.name: one for one in await _own(conn, organization_id)}
        place = _place(name, rank, kept.get(name))
        taken = next((one.name for one in DataClasses(kept.values()).ladder if one.rank == place), name)
        if taken != name:
            raise ConflictError(f"{taken} has the rank {place}.", code="rank_taken", param="rank")
        now = self._clock.now_us()
        values = {"rank": place, "terms": msgspec.json.encode(requirement).decode()}
        if name in kept:
            await conn.execute(update(_classes).where(_classes.c.id == kept[name].id).values(values))
        else:
            await require_room(conn, _classes, organization_id, most=MAX_CLASSES)
            row = {"id": new_id("dcl", now), "organization_id": organization_id, "name": name}
            await conn.execute(insert(_classes).values({**row, **values, "created_at": now, "created_by": actor_id}))
        after = await classes_of(conn, organization_id)
        _require_possible(after)
        return after

    async def remove(self, conn: AsyncConnection, *, organization_id: OrganizationId, name: str) -> DataClasses:
        """Remove an own class, or let a built-in one ask for what it asks for by nature.

        Raises:
            NotFoundError: the organization has set no such class.
            ConflictError: a team, a virtual key, a recogniser or a consent names it.
        """
        kept = {one.name: one for one in await _own(conn, organization_id)}
        if name not in kept:
            raise NotFoundError(f"You have set no data class {name!r}.", code="data_class_not_found")
        if name not in _BUILT_IN:
            await self._require_unused(conn, organization_id, name)
        await conn.execute(delete(_classes).where(_classes.c.id == kept[name].id))
        return await classes_of(conn, organization_id)

    async def _require_unused(self, conn: AsyncConnection, organization_id: OrganizationId, name: str) -> None:
        """Refuse to pull a class away from under those who name it: their requests would be refused."""
        now = self._clock.now_us()
        for table, noun, live in (
            (schema.teams, "team", ()),
            (schema.virtual_keys, "virtual key", in_force(schema.virtual_keys, now)),
            (_recognizers, "recogniser", ()),
        ):
            named = (table.c.organization_id == organization_id, table.c.data_class == name, *live)
            user = (await conn.execute(select(func.min(table.c.name)).where(*named))).scalar_one()
            if user is not None:
                raise _in_use(name, f"the {noun} {user!r}")
        table = governance.consents
        rows = select(table).where(table.c.organization_id == organization_id, *in_force(table, now))
        for consent in map(consent_of, (await conn.execute(rows)).mappings()):
            if name in consent.data_classes:
                raise _in_use(name, f"the consent {consent.id}")


class RecognizerStore:
    """Adds, lists and removes an organization's recognisers."""

    def __init__(self, clock: Clock) -> None:
        """Take the time from `clock`."""
        self._clock = clock

    async def add(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, actor_id: str, new: NewRecognizer
    ) -> RecognizerView:
        """Switch a recogniser on that a member, `actor_id`, adds for their organization.

        Raises:
            InvalidRequestError: a part is not valid; `param` names it.
            ConflictError: the name is taken, or there are too many.
        """
        _check_kind(new)
        await self._check_action(conn, organization_id, new.action, new.data_class)
        await require_room(conn, _recognizers, organization_id, most=MAX_RECOGNIZERS)
        named = (_recognizers.c.organization_id == organization_id, _recognizers.c.name == new.name)
        if (await conn.execute(select(_recognizers.c.id).where(*named))).first() is not None:
            raise ConflictError(
                f"There is a recogniser named {new.name!r} already.",
                code="name_taken",
                param="name",
                next_step="Choose another name, or remove that one first.",
            )
        now = self._clock.now_us()
        row = RecognizerView(
            id=new_id("rec", now),
            organization_id=organization_id,
            name=new.name,
            kind=new.kind,
            pattern=new.pattern,
            action=msgspec.convert(new.action, Action),
            data_class=new.data_class,
            created_at=now,
            created_by=actor_id,
        )
        await conn.execute(insert(_recognizers).values(msgspec.structs.asdict(row)))
        return row

    async def list(self, conn: AsyncConnection, organization_id: OrganizationId) -> list[RecognizerView]:
        """Return the organization's recognisers, by name; it has few."""
        mine = _recognizers.c.organization_id == organization_id
        found = await conn.execute(select(_recognizers).where(mine).order_by(_recognizers.c.name))
        return [recognizer_of(row) for row in found.mappings()]

    async def get(self, conn: AsyncConnection, organization_id: OrganizationId, id_or_name: str) -> RecognizerView:
        """Return a recogniser.

        Raises:
            NotFoundError: the organization has none of that id or name.
        """
        for one in await self.list(conn, organization_id):
            if id_or_name in {one.id, one.name}:
                return one
        raise NotFoundError("There is no such recogniser.", code="recognizer_not_found")

    async def remove(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, recognizer: str
    ) -> RecognizerView:
        """Switch a recogniser off for good, and return what it was.

        Raises:
            NotFoundError: as `get`.
        """
        view = await self.get(conn, organization_id, recognizer)
        await conn.execute(delete(_recognizers).where(_recognizers.c.id == view.id))
        return view

    async def _check_action(
        self, conn: AsyncConnection, organization_id: OrganizationId, action: str, data_class: str
    ) -> None:
        if action not in {"block", "raise", "redact"}:
            raise InvalidRequestError(
                f"A recogniser cannot {action[:64]!r}.", param="action", next_step="Use block, raise or redact."
            )
        if action != "raise":
            if data_class:
                raise InvalidRequestError(f"To {action} takes no data class.", param="data_class")
            return
        classes = await classes_of(conn, organization_id)
        if classes.get(data_class) is None:
            raise InvalidRequestError(
                f"There is no data class {data_class[:64]!r} to raise a request to.",
                code="data_class_unknown",
                param="data_class",
                next_step=f"Use {', '.join(one.name for one in classes.ladder)}.",
            )


async def _own(conn: AsyncConnection, organization_id: OrganizationId) -> list[DataClassView]:
    mine = _classes.c.organization_id == organization_id
    found = await conn.execute(select(_classes).where(mine).order_by(_classes.c.rank))
    return [data_class_of(row) for row in found.mappings()]


def _check_kind(new: NewRecognizer) -> None:
    """Refuse a name or a kind that is none, and a pattern that does not go with the kind.

    Raises:
        InvalidRequestError: as said; `param` names it.
    """
    check_name(new.name)
    if new.kind not in KINDS:
        raise InvalidRequestError(
            f"There is no recogniser of the kind {new.kind[:64]!r}.",
            param="kind",
            next_step=f"Use {', '.join(KINDS)}.",
        )
    if new.kind == OWN:
        check_pattern(new.pattern)
    elif new.pattern:
        raise InvalidRequestError(f"A recogniser of the kind {new.kind} has its own patterns.", param="pattern")


def _place(name: str, rank: int | None, kept: DataClassView | None) -> int:
    """Return where a class is to stand."""
    built_in = _BUILT_IN.get(name)
    if built_in is not None:
        if rank not in {None, built_in.rank}:
            raise InvalidRequestError(
                f"{name} keeps its rank, {built_in.rank}.", param="rank", next_step="Leave the rank out."
            )
        return built_in.rank
    place = kept.rank if rank is None and kept is not None else rank
    if place is None or not 0 < place <= HIGHEST_RANK:
        ladder = ", ".join(f"{one.name} {one.rank}" for one in BUILT_IN)
        raise InvalidRequestError(
            f"A new class needs a rank from 1 to {HIGHEST_RANK:,}.",
            param="rank",
            next_step=f"Place it among the others: {ladder}.",
        )
    return place


def _require_possible(classes: DataClasses) -> None:
    """Refuse classes of which one would ask for what no terms can promise.

    Raises:
        ConflictError: two ask for regions that exclude each other, and both hold for the higher one.
    """
    for one in classes.ladder:
        if NO_REGION in one.requirement.regions:
            raise ConflictError(
                f"Nothing could meet {one.name}: it and the classes below it ask for regions that exclude each other.",
                code="regions_conflict",
                param="requirement.regions",
                next_step="A class asks for all that the classes below it ask for: let the lower one allow more regions.",
            )


def _in_use(name: str, user: str) -> ConflictError:
    return ConflictError(
        f"{user[0].upper()}{user[1:]} names the data class {name!r}.",
        code="data_class_in_use",
        next_step="Give it another class first.",
    )
