"""The recorded requests of an organization as a decision about them needs them, in the order in which they came.

They are read a page at a time, each in a read of its own, so that however many there are, neither the memory of this
process nor a transaction of the database grows with them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.ids import TeamId, VirtualKeyId
from keystead.domain.money import USD
from keystead.domain.records import Cost
from keystead.domain.traffic import CostState, Dialect, Endpoint, ErrorClass, State
from keystead.domain.usage import COUNTS, NOTHING, Reading, Usage, UsageSource
from keystead.metering.outline import read_outline
from keystead.metering.recorded import Recorded, Tried
from keystead.metering.usage_rows import json_value
from keystead.storage.database import Lender
from keystead.storage.schema import attempts, requests

PAGE: Final = 500

_REQUEST: Final = tuple(
    requests.c[name]
    for name in (
        "id",
        "started_at",
        "finished_at",
        "team_id",
        "virtual_key_id",
        "dialect",
        "endpoint",
        "model_asked",
        "stream",
        "state",
        "error_code",
        "input_total",
        "output_total",
        "outline",
    )
)
_ATTEMPT: Final = tuple(
    attempts.c[name]
    for name in (
        "request_id",
        "finished_at",
        "credential_id",
        "owner",
        "provider",
        "model_sent",
        "model_served",
        "service_tier",
        "speed",
        "region",
        "reason",
        "upstream_status",
        "error_class",
        "usage_source",
        *COUNTS,
        "units",
        "cost_state",
        "cost_pico",
        "currency",
        "charge_pico",
    )
)


async def count_recorded(conn: AsyncConnection, *, organization_id: str, from_at: int, to_at: int) -> int:
    """Return how many requests began from `from_at` on and before `to_at` (Unix µs)."""
    query = select(func.count()).select_from(requests).where(*_span(organization_id, from_at, to_at))
    return int((await conn.execute(query)).scalar_one())


async def recorded(
    database: Lender, *, organization_id: str, from_at: int, to_at: int, page: int = PAGE
) -> AsyncIterator[tuple[Recorded, ...]]:
    """Yield the requests that began from `from_at` on and before `to_at` (Unix µs), oldest first, in pages."""
    after = (from_at, "")
    while True:
        async with database.read() as conn:
            query = (
                select(*_REQUEST)
                # The second condition says it all; the first lets both engines begin in the middle of the index.
                .where(
                    *_span(organization_id, after[0], to_at),
                    tuple_(requests.c.started_at, requests.c.id) > tuple_(*after),
                )
                .order_by(requests.c.started_at, requests.c.id)
                .limit(page)
            )
            rows = (await conn.execute(query)).mappings().all()
            tried = await _tried(conn, rows)
        if rows:
            yield tuple(_recorded(row, tried.get(row["id"], ())) for row in rows)
        if len(rows) < page:
            return
        after = (rows[-1]["started_at"], rows[-1]["id"])


def _span(organization_id: str, from_at: int, to_at: int) -> tuple[ColumnElement[bool], ...]:
    at = requests.c.started_at
    return requests.c.organization_id == organization_id, at >= from_at, at < to_at


async def _tried(conn: AsyncConnection, rows: Sequence[RowMapping]) -> Mapping[str, tuple[Tried, ...]]:
    if not rows:
        return {}
    query = (
        select(*_ATTEMPT)
        .where(
            attempts.c.request_id.in_([row["id"] for row in rows]),
            attempts.c.request_started_at.between(rows[0]["started_at"], rows[-1]["started_at"]),
        )
        .order_by(attempts.c.request_id, attempts.c.number)
    )
    found: dict[str, tuple[Tried, ...]] = {}
    for row in (await conn.execute(query)).mappings():
        found[row["request_id"]] = (*found.get(row["request_id"], ()), _attempt(row))
    return found


def _recorded(row: RowMapping, tried: tuple[Tried, ...]) -> Recorded:
    return Recorded(
        id=row["id"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        team_id=TeamId(row["team_id"]),
        virtual_key_id=VirtualKeyId(row["virtual_key_id"]),
        dialect=Dialect(row["dialect"]),
        endpoint=Endpoint(row["endpoint"]),
        model=row["model_asked"],
        stream=row["stream"],
        state=State(row["state"]),
        error_code=row["error_code"] or "",
        input_tokens=row["input_total"] or 0,
        output_tokens=row["output_total"] or 0,
        outline=read_outline(row["outline"]),
        tried=tried,
    )


def _attempt(row: RowMapping) -> Tried:
    return Tried(
        credential_id=row["credential_id"],
        provider=row["provider"],
        model=row["model_sent"],
        is_platform=row["owner"] == "platform",
        finished_at=row["finished_at"],
        reason=row["reason"] or "",
        answered=row["upstream_status"] is not None and row["upstream_status"] < 400,
        error_class=ErrorClass(row["error_class"]) if row["error_class"] else None,
        reading=_reading(row),
        cost=Cost(
            state=CostState(row["cost_state"] or CostState.UNKNOWN),
            pico=row["cost_pico"],
            currency=row["currency"] or USD,
        ),
        charge_pico=row["charge_pico"],
    )


def _reading(row: RowMapping) -> Reading:
    if not row["usage_source"] or row["usage_source"] == UsageSource.NONE:
        return NOTHING
    counts: dict[str, Any] = {name: row[name] or 0 for name in COUNTS}
    return Reading(
        usage=Usage(**counts, units=json_value(row["units"], {})),
        source=UsageSource(row["usage_source"]),
        model=row["model_served"],
        service_tier=row["service_tier"],
        speed=row["speed"],
        region=row["region"] or None,
    )
