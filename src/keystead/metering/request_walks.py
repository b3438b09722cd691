"""Which index the log of requests walks for what one asks for, and what is left to look at request by request."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Table, and_, exists, false, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.ids import id_time_ms
from keystead.domain.traffic import Owner
from keystead.metering.usage_views import RequestFilter
from keystead.storage.governance import service_accounts
from keystead.storage.schema import RARE, attempts, credentials, members, requests, teams, virtual_keys

_MOST_WALKS: Final = 32
_RARE_COST_STATES: Final = frozenset({"estimated", "unpriced", "unknown"})
_COMMON_STATES: Final = frozenset({"intent", "settled"})
assert set(RARE) == {"state", "error_class", "cost_state"}, "the filters below know the indexes"

Condition = ColumnElement[bool]


class Walk(msgspec.Struct, frozen=True):
    """Which index is walked, and what it does not know."""

    along: tuple[tuple[Table, Condition], ...]
    rest: tuple[Condition, ...] = ()


_Along = tuple[tuple[Table, Condition], ...]
_Way = tuple[_Along | None, Condition]
"""What to walk for a filter (None: there is no index for it), and the filter as a condition on a request."""


async def choose_walk(conn: AsyncConnection, organization_id: str, filters: RequestFilter) -> Walk:
    """Choose what is walked: for the first filter that has indexes; all others are for the rest."""
    ways = [
        *await _by_names(conn, organization_id, filters),
        *_by_words(filters),
        *await _by_many(conn, organization_id, filters),
    ]
    chosen = next((number for number, (along, _) in enumerate(ways) if along is not None), None)
    along = ways[chosen][0] if chosen is not None else ((requests, requests.c.organization_id == organization_id),)
    assert along is not None, "it was chosen for having one"
    return Walk(along=along, rest=tuple(known for number, (_, known) in enumerate(ways) if number != chosen))


async def _by_names(conn: AsyncConnection, organization_id: str, filters: RequestFilter) -> list[_Way]:
    """Return the ways of what is about one thing, the narrowest first."""
    table, tried, ways = requests.c, attempts.c, list[_Way]()
    if filters.request is not None:
        within = at_its_time(filters.request)
        ways.append((() if within is None else ((requests, within),), within if within is not None else false()))
    if filters.credential is not None:
        ids = await _ids(conn, credentials, organization_id, filters.credential)
        ways.append((_each(attempts, tried.credential_id, ids), _tried(tried.credential_id.in_(ids))))
    if filters.virtual_key is not None:
        ids = await _ids(conn, virtual_keys, organization_id, filters.virtual_key)
        ways.append((_each(requests, table.virtual_key_id, ids), table.virtual_key_id.in_(ids)))
    if filters.principal is not None:
        ways.append(await _of_principal(conn, organization_id, filters.principal))
    return ways


def _by_words(filters: RequestFilter) -> list[_Way]:
    """Return the ways of what is one of a few words, or a model's name."""
    table = requests.c
    ways: list[_Way] = [] if filters.model is None else [_of_model(filters.model)]
    for column, value, rare in (
        (table.error_class, filters.error_class, True),
        (table.state, filters.state, filters.state not in _COMMON_STATES),
        (table.cost_state, filters.cost_state, filters.cost_state in _RARE_COST_STATES),
    ):
        if value is not None:
            ways.append((_rarely(column, value) if rare else None, column == value))
    return ways


async def _by_many(conn: AsyncConnection, organization_id: str, filters: RequestFilter) -> list[_Way]:
    """Return the ways of what usually many requests are."""
    table, ways = requests.c, list[_Way]()
    if filters.team is not None:
        ids = await _ids(conn, teams, organization_id, filters.team)
        ways.append((_each(requests, table.team_id, ids), table.team_id.in_(ids)))
    if filters.provider is not None:
        ways.append(await _of_provider(conn, organization_id, filters.provider))
    if filters.team_ids is not None:
        ways.append(await _of_teams_or_own(conn, organization_id, sorted(filters.team_ids), filters.or_of_member))
    if filters.least_cost_pico is not None:
        ways.append((None, table.cost_pico >= filters.least_cost_pico))
    return ways


def _each(table: Table, column: ColumnElement[str], ids: Sequence[str]) -> _Along | None:
    return tuple((table, column == one) for one in ids) if len(ids) <= _MOST_WALKS else None


def _rarely(column: ColumnElement[Any], value: str) -> _Along:
    # In the index's own words, as a parameter could be anything to the planner.
    return ((requests, and_(column == value, text(RARE[column.key or ""]))),)


def _of_model(name: str) -> tuple[_Along, Condition]:
    """As asked, sent or served: three indexes."""
    tried = attempts.c
    asked = requests.c.model_asked == name
    along = ((requests, asked), (attempts, tried.model_sent == name), (attempts, tried.model_served == name))
    return along, or_(asked, _tried(or_(tried.model_sent == name, tried.model_served == name)))


async def _of_principal(conn: AsyncConnection, organization_id: str, id_or_name: str) -> _Way:
    ids = [
        *await _ids(conn, members, organization_id, id_or_name),
        *await _ids(conn, service_accounts, organization_id, id_or_name),
    ]
    keys = await _keys_of(conn, organization_id, ids)
    return _each(requests, requests.c.virtual_key_id, keys), requests.c.principal_id.in_(ids)


async def _of_teams_or_own(
    conn: AsyncConnection, organization_id: str, team_ids: Sequence[str], member_id: str | None
) -> _Way:
    """Return the way of what somebody may see: some teams' requests, and their own."""
    table = requests.c
    condition = table.team_id.in_(team_ids)
    if member_id is None:
        return _each(requests, table.team_id, team_ids), condition
    own = and_(table.principal_kind == "member", table.principal_id == member_id)
    keys = await _keys_of(conn, organization_id, [member_id])
    along = None
    if len(team_ids) + len(keys) <= _MOST_WALKS:
        along = (
            *((requests, table.team_id == one) for one in team_ids),
            *((requests, table.virtual_key_id == one) for one in keys),
        )
    return along, or_(condition, own)


async def _keys_of(conn: AsyncConnection, organization_id: str, principal_ids: Sequence[str]) -> Sequence[str]:
    """Return the keys of members or service accounts: whose a key is never changes."""
    query = select(virtual_keys.c.id).where(
        virtual_keys.c.organization_id == organization_id, virtual_keys.c.principal_id.in_(principal_ids)
    )
    return (await conn.execute(query.order_by(virtual_keys.c.id))).scalars().all()


async def _of_provider(conn: AsyncConnection, organization_id: str, provider: str) -> _Way:
    """By the credentials of a provider: whose a credential is never changes."""
    ours = or_(credentials.c.organization_id == organization_id, credentials.c.owner == Owner.PLATFORM.value)
    query = select(credentials.c.id).where(ours, credentials.c.provider == provider).order_by(credentials.c.id)
    ids = (await conn.execute(query)).scalars().all()
    along = _each(attempts, attempts.c.credential_id, ids) if ids else None
    return along, _tried(attempts.c.provider == provider)


async def _ids(conn: AsyncConnection, table: Table, organization_id: str, id_or_name: str) -> list[str]:
    """Return the ids that an id or a name may stand for; the text itself, too, for it may be the id of what is gone."""
    query = select(table.c.id).where(table.c.organization_id == organization_id, table.c.name == id_or_name)
    return sorted({id_or_name, *(await conn.execute(query)).scalars()})


def _tried(condition: Condition) -> Condition:
    return exists().where(
        attempts.c.request_id == requests.c.id,
        attempts.c.request_started_at == requests.c.started_at,
        condition,
    )


def at_its_time(request_id: str) -> Condition | None:
    """Match an id, looking into the one partition that its time is of; None if it is no id."""
    millisecond = id_time_ms(request_id)
    if millisecond is None:
        return None
    return and_(
        requests.c.id == request_id, requests.c.started_at.between(millisecond * 1000, millisecond * 1000 + 999)
    )
