"""The read side: requests with their attempts, and usage summed from the roll-ups.

Everything is read within one organization. A request of another organization is not found, in the same words as one
that never was.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, FromClause, Select, Table, and_, exists, func, literal_column, or_, select, tuple_
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import HOUR_US, hour_of
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.domain.ids import id_time_ms
from keystead.domain.money import to_text
from keystead.domain.usage import COUNTS, INPUT_COUNTS, OUTPUT_COUNTS
from keystead.metering.calendar import CENTERS, begins_at, local_day, with_centers, zone_of
from keystead.metering.outline import read_outline
from keystead.metering.usage_rows import attempt_view, json_value, request_row
from keystead.metering.usage_views import (
    RequestDetail,
    RequestFilter,
    RequestPage,
    RequestRow,
    UsageKey,
    UsageLine,
    UsageReport,
)
from keystead.storage.governance import service_accounts
from keystead.storage.schema import ROLLUP_SUMS, attempts, credentials, members, requests, rollups, teams, virtual_keys
from keystead.storage.sums import exact_sum, whole

MAX_PAGE: Final = 500
MAX_LINES: Final = 10_000
"""Lines of one report; more are not for reading, and the caller is asked to narrow it."""

_DIMENSIONS: Final[dict[str, ColumnElement[Any]]] = {
    "hour": rollups.c.hour_at,
    "day": rollups.c.hour_at,
    "cost_center": func.coalesce(CENTERS.c.cost_center, literal_column("'default'")),
    "team": rollups.c.team_id,
    "principal": rollups.c.principal_id,
    "virtual_key": rollups.c.virtual_key_id,
    "credential": rollups.c.credential_id,
    "provider": rollups.c.provider,
    "model": rollups.c.model,
    "owner": rollups.c.owner,
    "outcome": rollups.c.outcome,
}
DIMENSIONS: Final = tuple(_DIMENSIONS)
"""What a usage report can be by. `day` is of the time zone asked for."""

_PRINCIPALS: Final = (
    select(members.c.id, members.c.name)
    .union_all(select(service_accounts.c.id, service_accounts.c.name))
    .subquery("principals")
)
_NAMED: Final[dict[str, FromClause]] = {
    "team": teams,
    "principal": _PRINCIPALS,
    "virtual_key": virtual_keys,
    "credential": credentials,
}
_TIME_FORMATS: Final = {"hour": "%Y-%m-%dT%H:00Z", "day": "%Y-%m-%d"}

_LAST_ATTEMPT: Final = attempts.alias("last_attempt")
_CHARGED: Final = (
    select(func.sum(attempts.c.charge_pico))
    .where(attempts.c.request_id == requests.c.id, attempts.c.request_started_at == requests.c.started_at)
    .scalar_subquery()
)


async def list_requests(
    conn: AsyncConnection, *, organization_id: str, filters: RequestFilter, limit: int = 50, cursor: str | None = None
) -> RequestPage:
    """Return a page of requests, newest first.

    Raises:
        InvalidRequestError: the cursor is not one of ours, or `limit` is out of bounds.
    """
    if not 0 < limit <= MAX_PAGE:
        raise InvalidRequestError(f"A page has 1 to {MAX_PAGE} requests.", param="limit")
    query = _request_rows().where(requests.c.organization_id == organization_id, *_conditions(filters))
    if cursor is not None:
        position = _read_cursor(cursor)
        # The first condition is implied by the second, and lets PostgreSQL skip newer partitions.
        query = query.where(
            requests.c.started_at <= position[0], tuple_(requests.c.started_at, requests.c.id) < tuple_(*position)
        )
    query = query.order_by(requests.c.started_at.desc(), requests.c.id.desc()).limit(limit + 1)
    rows = [request_row(row) for row in (await conn.execute(query)).mappings()]
    more = len(rows) > limit
    return RequestPage(requests=tuple(rows[:limit]), next_cursor=_cursor(rows[limit - 1]) if more else None)


async def show_request(conn: AsyncConnection, *, organization_id: str, request_id: str) -> RequestDetail:
    """Return a request with its attempts.

    Raises:
        NotFoundError: the organization has none of that id.
    """
    millisecond = id_time_ms(request_id)
    if millisecond is None:
        raise NotFoundError("There is no such request.")
    query = _request_rows(requests.c.instance_id, requests.c.client, requests.c.decision, requests.c.outline).where(
        requests.c.organization_id == organization_id,
        requests.c.id == request_id,
        # The id holds the time to the millisecond: enough to look into one partition only.
        requests.c.started_at.between(millisecond * 1000, millisecond * 1000 + 999),
    )
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


async def usage_by(
    conn: AsyncConnection,
    *,
    organization_id: str,
    dimensions: Sequence[str],
    from_at: int,
    to_at: int,
    team_ids: frozenset[str] | None = None,
    time_zone: str = "UTC",
) -> UsageReport:
    """Return usage summed by `dimensions` (see `DIMENSIONS`), always split by currency too; of some teams, or of all.

    Args:
        conn: where to read.
        organization_id: whose.
        dimensions: what the lines are by.
        from_at: the first instant that counts; widened to its hour, as `to_at` is.
        to_at: the first that does not.
        team_ids: of these teams only.
        time_zone: where days begin. An hour that a day begins within counts to the day in which the hour began.

    Raises:
        InvalidRequestError: an unknown or repeated dimension, an empty span, no such time zone, or too many lines.
    """
    _check_dimensions(dimensions)
    begin, end = hour_of(from_at), hour_of(to_at + HOUR_US - 1)
    if begin >= end:
        raise InvalidRequestError("The span must end after it begins.", param="to")
    zone = zone_of(time_zone)
    days = local_day(rollups.c.hour_at, zone, begin, end) if "day" in dimensions else rollups.c.hour_at
    by = [days if name == "day" else _DIMENSIONS[name] for name in dimensions]
    groups = [column.label(f"by_{name}") for name, column in zip(dimensions, by, strict=True)]
    halves = [half for name in ROLLUP_SUMS for half in _halves(name)]
    sums = (
        select(*groups, rollups.c.currency, *halves)
        .select_from(with_centers(rollups) if "cost_center" in dimensions else rollups)
        .where(rollups.c.organization_id == organization_id, rollups.c.hour_at >= begin, rollups.c.hour_at < end)
        .where(*([] if team_ids is None else [rollups.c.team_id.in_(team_ids)]))
        .group_by(*by, rollups.c.currency)
        .limit(MAX_LINES + 1)
        .subquery()
    )
    joined: FromClause = sums
    columns: list[ColumnElement[Any]] = list(sums.c)
    for name in dimensions:
        if name in _NAMED:
            joined = joined.outerjoin(_NAMED[name], _NAMED[name].c.id == sums.c[f"by_{name}"])
            columns.append(_NAMED[name].c.name.label(f"name_{name}"))
    rows = (await conn.execute(select(*columns).select_from(joined))).mappings().all()
    if len(rows) > MAX_LINES:
        raise InvalidRequestError(
            f"The report would have more than {MAX_LINES} lines.",
            code="report_too_long",
            next_step="Ask for a shorter span or for fewer dimensions.",
        )
    summed = [(_keys(row, dimensions, zone), row["currency"], _sums(row)) for row in rows]
    return UsageReport(
        from_at=begin,
        to_at=end,
        dimensions=tuple(dimensions),
        lines=tuple(_line(*entry) for entry in sorted(summed, key=lambda entry: _order(entry[0], entry[2]))),
        totals=tuple(
            _line((), currency, _added(sums for _, other, sums in summed if other == currency))
            for currency in sorted({currency for _, currency, _ in summed})
        ),
    )


def _request_rows(*more: ColumnElement[Any]) -> Select[Any]:
    last = _LAST_ATTEMPT.c
    shown = [requests.c[name] for name in RequestRow.__struct_fields__ if name in requests.c]
    return (
        select(
            *shown,
            requests.c.cost_pico,
            _CHARGED.label("charge_pico"),
            teams.c.name.label("team"),
            _PRINCIPALS.c.name.label("principal"),
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
        .outerjoin(
            _LAST_ATTEMPT,
            and_(
                last.request_id == requests.c.id,
                last.request_started_at == requests.c.started_at,
                last.number == requests.c.attempts,
            ),
        )
        .outerjoin(teams, teams.c.id == requests.c.team_id)
        .outerjoin(_PRINCIPALS, _PRINCIPALS.c.id == requests.c.principal_id)
        .outerjoin(virtual_keys, virtual_keys.c.id == requests.c.virtual_key_id)
        .outerjoin(credentials, credentials.c.id == last.credential_id)
    )


def _conditions(filters: RequestFilter) -> list[ColumnElement[bool]]:
    table = requests.c
    conditions: list[ColumnElement[bool]] = []
    if filters.from_at is not None:
        conditions.append(table.started_at >= filters.from_at)
    if filters.to_at is not None:
        conditions.append(table.started_at < filters.to_at)
    for column, value in (
        (table.state, filters.state),
        (table.error_class, filters.error_class),
        (table.cost_state, filters.cost_state),
    ):
        if value is not None:
            conditions.append(column == value)
    if filters.team_ids is not None:
        own = and_(table.principal_kind == "member", table.principal_id == filters.or_of_member)
        conditions.append(or_(table.team_id.in_(filters.team_ids), own))
    for column, named, value in (
        (table.team_id, teams, filters.team),
        (table.virtual_key_id, virtual_keys, filters.virtual_key),
    ):
        if value is not None:
            conditions.append(_called(column, named, value))
    return conditions + _tried_with(filters)


def _tried_with(filters: RequestFilter) -> list[ColumnElement[bool]]:
    tried = attempts.c
    conditions: list[ColumnElement[bool]] = []
    if filters.credential is not None:
        conditions.append(_tried(_called(tried.credential_id, credentials, filters.credential)))
    if filters.provider is not None:
        conditions.append(_tried(tried.provider == filters.provider))
    if filters.model is not None:
        served = or_(tried.model_sent == filters.model, tried.model_served == filters.model)
        conditions.append(or_(requests.c.model_asked == filters.model, _tried(served)))
    return conditions


def _called(column: ColumnElement[str], table: Table, id_or_name: str) -> ColumnElement[bool]:
    """Match an id, or the name behind it; names are the organization's because `requests` is narrowed to it."""
    return or_(column == id_or_name, column.in_(select(table.c.id).where(table.c.name == id_or_name)))


def _tried(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(
        attempts.c.request_id == requests.c.id,
        attempts.c.request_started_at == requests.c.started_at,
        condition,
    )


def _cursor(row: RequestRow[int]) -> str:
    return urlsafe_b64encode(msgspec.json.encode((row.started_at, row.id))).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, str]:
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        position = msgspec.json.decode(text, type=tuple[int, str])
    except (ValueError, msgspec.DecodeError) as error:
        raise _bad_cursor() from error
    if not 0 <= position[0] < 2**63 or len(position[1]) > 64:
        raise _bad_cursor()
    return position


def _bad_cursor() -> InvalidRequestError:
    return InvalidRequestError(
        "The cursor is not valid.",
        code="invalid_cursor",
        param="cursor",
        next_step="Use next_cursor of the page before.",
    )


def _check_dimensions(dimensions: Sequence[str]) -> None:
    unknown = next((name for name in dimensions if name not in _DIMENSIONS), None)
    if unknown is not None or len(set(dimensions)) != len(dimensions):
        raise InvalidRequestError(
            f"There is no dimension {unknown[:64]!r}." if unknown is not None else "A dimension is given twice.",
            param="by",
            next_step=f"Use each at most once: {', '.join(DIMENSIONS)}.",
        )


def _halves(name: str) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    quotients, remainders = exact_sum(rollups.c[name])
    return quotients.label(f"{name}_q"), remainders.label(f"{name}_r")


def _sums(row: RowMapping) -> dict[str, int]:
    return {name: whole(row[f"{name}_q"], row[f"{name}_r"]) for name in ROLLUP_SUMS}


def _added(many: Iterable[Mapping[str, int]]) -> dict[str, int]:
    totals = dict.fromkeys(ROLLUP_SUMS, 0)
    for sums in many:
        for name, number in sums.items():
            totals[name] += number
    return totals


def _keys(row: RowMapping, dimensions: Sequence[str], zone: ZoneInfo) -> tuple[UsageKey, ...]:
    keys = []
    for dimension in dimensions:
        value = str(row[f"by_{dimension}"])
        if dimension in _TIME_FORMATS:
            name = datetime.fromtimestamp(int(value) // 1_000_000, UTC).strftime(_TIME_FORMATS[dimension])
            value = str(begins_at(int(value), zone)) if dimension == "day" else value
        elif dimension in _NAMED:
            name = row[f"name_{dimension}"] or value
        else:
            name = value
        keys.append(UsageKey(dimension=dimension, id=value, name=name))
    return tuple(keys)


def _order(keys: tuple[UsageKey, ...], sums: Mapping[str, int]) -> tuple[Any, ...]:
    times = tuple(int(key.id) for key in keys if key.dimension in _TIME_FORMATS)
    return times, -sums["cost_pico"], -sums["requests"], tuple(key.name for key in keys)


def _line(keys: tuple[UsageKey, ...], currency: str, sums: Mapping[str, int]) -> UsageLine:
    return UsageLine(
        keys=keys,
        currency=currency,
        requests=sums["requests"],
        attempts=sums["attempts"],
        input_total=sum(sums[name] for name in INPUT_COUNTS),
        output_total=sum(sums[name] for name in OUTPUT_COUNTS),
        tokens={name: sums[name] for name in COUNTS if sums[name]},
        cost=to_text(sums["cost_pico"]),
        charge=to_text(sums["charge_pico"]),
        priced=sums["priced"],
        estimated=sums["estimated"],
        unpriced=sums["unpriced"],
        unknown=sums["unknown"],
        duration_us=sums["duration_us"],
    )
