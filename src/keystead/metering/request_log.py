"""The log of requests: a page of it, narrowed by whatever one asks for, and one request whole.

Everything is read within one organization. A request of another organization is not found, in the same words as one
that never was.

A page takes about as long however many requests there are. It is found by walking one index, newest first, that knows
the narrowest of the filters; where a filter needs several (`model` as asked, sent and served), as many are walked and
put together. What the index does not know is looked at request by request, and of those no more than `LOOK` for one
page: such a page may be short, even empty, and still have a `next_cursor`.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    Table,
    and_,
    func,
    select,
    tuple_,
    union,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.metering.outline import read_outline
from keystead.metering.request_walks import Condition, Walk, at_its_time, choose_walk
from keystead.metering.usage_rows import attempt_view, json_value, request_row
from keystead.metering.usage_views import RequestDetail, RequestFilter, RequestPage, RequestRow
from keystead.storage.database import Lender
from keystead.storage.governance import service_accounts
from keystead.storage.schema import attempts, credentials, members, requests, teams, virtual_keys

MAX_PAGE: Final = 500
LOOK: Final = 8_000
"""Requests that are looked at one by one for a page."""

PRINCIPALS: Final = (
    select(members.c.id, members.c.name)
    .union_all(select(service_accounts.c.id, service_accounts.c.name))
    .subquery("principals")
)
"""Members and service accounts, by id."""
_LAST_ATTEMPT: Final = attempts.alias("last_attempt")
_CHARGED: Final = (
    select(func.sum(attempts.c.charge_pico))
    .where(attempts.c.request_id == requests.c.id, attempts.c.request_started_at == requests.c.started_at)
    .scalar_subquery()
)


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Between two requests of the log: what a cursor says."""

    at: int
    id: str
    newer: bool = False
    """Go towards newer requests from here."""


async def list_requests(
    conn: AsyncConnection, *, organization_id: str, filters: RequestFilter, limit: int = 50, cursor: str | None = None
) -> RequestPage:
    """Return a page of requests, newest first.

    Raises:
        InvalidRequestError: the cursor is not one of ours, or `limit` is out of bounds.
    """
    if not 0 < limit <= MAX_PAGE:
        raise InvalidRequestError(f"A page has 1 to {MAX_PAGE} requests.", param="limit")
    walk = await choose_walk(conn, organization_id, filters)
    return await _read_page(conn, organization_id, filters, walk, limit=limit, cursor=cursor)


async def all_pages(
    database: Lender, *, organization_id: str, filters: RequestFilter, limit: int
) -> AsyncIterator[tuple[RequestRow[int], ...]]:
    """Yield page after page, newest first, some of them empty; nothing is held while the caller works on one.

    What narrows is looked up once, so that whoever is renamed meanwhile is still meant. What begins meanwhile is not
    in it.
    """
    async with database.read() as conn:
        walk = await choose_walk(conn, organization_id, filters)
    cursor: str | None = None
    while True:
        async with database.read() as conn:
            page = await _read_page(conn, organization_id, filters, walk, limit=limit, cursor=cursor)
        yield page.requests
        cursor = page.next_cursor
        if cursor is None:
            return


async def _read_page(
    conn: AsyncConnection, organization_id: str, filters: RequestFilter, walk: Walk, *, limit: int, cursor: str | None
) -> RequestPage:
    place = _read_cursor(cursor) if cursor is not None else None
    if not walk.along:
        return RequestPage(requests=(), next_cursor=None, previous_cursor=None)
    newer = place is not None and place.newer
    branches = [_branch(table, organization_id, known, filters, place) for table, known in walk.along]
    edge = await _edge(conn, branches, newer=newer) if walk.rest else None
    found = _found(branches, walk, edge, newer=newer, limit=limit)
    rows = (await conn.execute(_request_rows(found).limit(limit + 1))).mappings().all()
    return _page([request_row(row) for row in rows], place, edge, limit)


def _page(rows: list[RequestRow[int]], place: _Place | None, edge: _Place | None, limit: int) -> RequestPage:
    """Return the page with the ways on: rows come newest first, one more than it shows if there are more."""
    newer, more = place is not None and place.newer, len(rows) > limit
    rows = (rows[-limit:] if newer else rows[:limit]) if more else rows
    first = _cursor(_Place(rows[0].started_at, rows[0].id, newer=True)) if rows else None
    last = _cursor(_Place(rows[-1].started_at, rows[-1].id)) if rows else None
    on = None if edge is None else _cursor(edge)
    if newer:
        back = last if rows else _cursor(_Place(place.at, place.id)) if place else None
        return RequestPage(requests=tuple(rows), next_cursor=back, previous_cursor=first if more else on)
    return RequestPage(
        requests=tuple(rows), next_cursor=last if more else on, previous_cursor=first if place is not None else None
    )


async def show_request(conn: AsyncConnection, *, organization_id: str, request_id: str) -> RequestDetail:
    """Return a request with its attempts.

    Raises:
        NotFoundError: the organization has none of that id.
    """
    within = at_its_time(request_id)
    if within is None:
        raise NotFoundError("There is no such request.")
    query = _request_rows(
        requests, requests.c.instance_id, requests.c.client, requests.c.decision, requests.c.outline
    ).where(requests.c.organization_id == organization_id, within)
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFoundError("There is no such request.")
    of_request = (
        select(attempts, credentials.c.name.label("credential"))
        .outerjoin(credentials, credentials.c.id == attempts.c.credential_id)
        .where(attempts.c.request_id == request_id, attempts.c.request_started_at == row["started_at"])
        .order_by(attempts.c.number)
    )
    found = await conn.execute(of_request)
    return RequestDetail(
        request=request_row(row),
        instance_id=row["instance_id"],
        client=row["client"],
        decision=json_value(row["decision"], row["decision"]),
        outline=read_outline(row["outline"]),
        attempts=tuple(attempt_view(attempt) for attempt in found.mappings()),
    )


def _request_rows(source: FromClause, *more: ColumnElement[Any]) -> Select[Any]:
    last = _LAST_ATTEMPT.c
    shown = [requests.c[name] for name in RequestRow.__struct_fields__ if name in requests.c]
    begin: FromClause = requests
    if source is not requests:
        begin = source.join(requests, and_(requests.c.id == source.c.id, requests.c.started_at == source.c.started_at))
    return (
        select(
            *shown,
            requests.c.cost_pico,
            _CHARGED.label("charge_pico"),
            teams.c.name.label("team"),
            PRINCIPALS.c.name.label("principal"),
            virtual_keys.c.name.label("virtual_key"),
            credentials.c.name.label("credential"),
            last.provider,
            last.credential_id,
            last.credential_version,
            last.owner,
            last.model_sent,
            last.model_served,
            *more,
        )
        .select_from(begin)
        .outerjoin(
            _LAST_ATTEMPT,
            and_(
                last.request_id == requests.c.id,
                last.request_started_at == requests.c.started_at,
                last.number == requests.c.attempts,
            ),
        )
        .outerjoin(teams, teams.c.id == requests.c.team_id)
        .outerjoin(PRINCIPALS, PRINCIPALS.c.id == requests.c.principal_id)
        .outerjoin(virtual_keys, virtual_keys.c.id == requests.c.virtual_key_id)
        .outerjoin(credentials, credentials.c.id == last.credential_id)
        .order_by(requests.c.started_at.desc(), requests.c.id.desc())
    )


def _branch(
    table: Table, organization_id: str, known: Condition, filters: RequestFilter, place: _Place | None
) -> Select[Any]:
    """Return ids and times of what one index knows, within the span and on the asked side of the place."""
    at, identifier = _columns(table)
    conditions = [table.c.organization_id == organization_id, known]
    if filters.from_at is not None:
        conditions.append(at >= filters.from_at)
    if filters.to_at is not None:
        conditions.append(at < filters.to_at)
    if place is not None:
        conditions += _beyond(at, identifier, place, newer=place.newer)
    columns: list[ColumnElement[Any]] = [identifier.label("id"), at.label("started_at")]
    query = select(*columns).where(*conditions)
    return query if table is requests else query.distinct()  # a request may have several such attempts


def _beyond(
    at: ColumnElement[int], identifier: ColumnElement[str], place: _Place, *, newer: bool
) -> tuple[Condition, Condition]:
    # The first condition is implied by the second, and lets PostgreSQL skip partitions.
    here, there = tuple_(at, identifier), tuple_(place.at, place.id)
    return (at >= place.at, here > there) if newer else (at <= place.at, here < there)


def _columns(table: Table) -> tuple[ColumnElement[int], ColumnElement[str]]:
    return (table.c.started_at, table.c.id) if table is requests else (table.c.request_started_at, table.c.request_id)


def _ordered(query: Select[Any], *, newer: bool) -> Select[Any]:
    table = query.get_final_froms()[0]
    at, identifier = _columns(requests if table is requests else attempts)
    return query.order_by(*((at.asc(), identifier.asc()) if newer else (at.desc(), identifier.desc())))


async def _edge(conn: AsyncConnection, branches: Sequence[Select[Any]], *, newer: bool) -> _Place | None:
    """Return how far is looked: the nearest end of a share of `LOOK` along each index; None if all is looked at."""
    share = LOOK // len(branches)
    ends = []
    for branch in branches:
        row = (await conn.execute(_ordered(branch, newer=newer).offset(share - 1).limit(1))).first()
        if row is not None:
            ends.append(_Place(row.started_at, row.id, newer))
    if not ends:
        return None
    return (min if newer else max)(ends, key=lambda place: (place.at, place.id))


def _found(branches: Sequence[Select[Any]], walk: Walk, edge: _Place | None, *, newer: bool, limit: int) -> Subquery:
    """Return ids and times of the page's requests, and of one more."""
    parts = []
    for branch, (table, _) in zip(branches, walk.along, strict=True):
        if walk.rest:
            at, identifier = _columns(table)
            within = branch
            if edge is not None:
                here, there = tuple_(at, identifier), tuple_(edge.at, edge.id)
                within = branch.where(*((at <= edge.at, here <= there) if newer else (at >= edge.at, here >= there)))
            parts.append(within)
        else:
            parts.append(_ordered(branch, newer=newer).limit(limit + 1))
    subqueries = [part.subquery() for part in parts]
    keys = (
        subqueries[0]
        if len(subqueries) == 1
        else union(*(select(one.c.id, one.c.started_at) for one in subqueries)).subquery()
    )
    query = select(keys.c.id, keys.c.started_at)
    if walk.rest:
        query = query.join(
            requests, and_(requests.c.id == keys.c.id, requests.c.started_at == keys.c.started_at)
        ).where(*walk.rest)
    order = (keys.c.started_at, keys.c.id)
    ordered = [column.asc() if newer else column.desc() for column in order]
    return query.order_by(*ordered).limit(limit + 1).subquery("found")


def _cursor(place: _Place) -> str:
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _read_cursor(cursor: str) -> _Place:
    try:
        written = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        place = msgspec.json.decode(written, type=_Place)
    except (ValueError, msgspec.DecodeError) as error:
        raise _bad_cursor() from error
    if not 0 <= place.at < 2**63 or len(place.id) > 64:
        raise _bad_cursor()
    return place


def _bad_cursor() -> InvalidRequestError:
    return InvalidRequestError(
        "The cursor is not valid.",
        code="invalid_cursor",
        param="cursor",
        next_step="Use next_cursor or previous_cursor of a page.",
    )
