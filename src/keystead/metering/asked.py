"""What was asked, by distinct combination: the recorded requests as a decision about them needs them."""

from typing import Any, Final

import msgspec
from sqlalchemy import Boolean, ColumnElement, and_, func, literal_column, not_, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.ids import VirtualKeyId
from keystead.domain.traffic import Dialect, Endpoint, State
from keystead.storage.schema import requests
from keystead.storage.sums import exact_sum, whole

MAX_REQUESTS: Final = 500_000
MAX_COMBINATIONS: Final = 20_000

DECISIONS: Final = (
    "data_class_refused",
    "data_class_unknown",
    "endpoint_not_allowed",
    "model_ambiguous",
    "model_not_allowed",
    "model_not_found",
    "no_credential",
    "not_granted",
)
"""What a request is refused with that the rules refuse, and not its own form, a budget, a limit or its content."""

QUARTER_US: Final = 900_000_000
"""In every time zone an hour and a weekday begin with a quarter of an hour of UTC."""

_NO_MODEL: Final = (Endpoint.MODELS.value, Endpoint.RESPONSE_STATE.value)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that were alike."""

    virtual_key_id: VirtualKeyId
    dialect: Dialect
    endpoint: Endpoint
    model: str
    stream: bool
    data_class: str
    """How sensitive they were taken to be; empty where it was not recorded."""
    at: int
    """When the last of them came, Unix microseconds."""
    refused: bool
    """By the rules of then."""
    requests: int
    input_tokens: int
    output_tokens: int
    cost_pico: int
    currency: str
    """Of the cost; empty if none is known."""
    example: str
    """The id of the last of them."""


class AskedPage(msgspec.Struct, frozen=True, kw_only=True):
    """The combinations, most frequent first."""

    asked: tuple[Asked, ...]
    requests: int
    """How many requests were looked at; those that the rules do not decide about are not among `asked`."""
    complete: bool
    """There are no more requests and no more combinations than these."""


async def asked(
    conn: AsyncConnection,
    *,
    organization_id: str,
    from_at: int,
    to_at: int,
    by_quarter: bool,
    most_requests: int = MAX_REQUESTS,
) -> AskedPage:
    """Return what an organization's requests of a span asked for.

    Args:
        conn: to read with.
        organization_id: whose requests.
        from_at: Unix microseconds.
        to_at: the first instant that is not looked at.
        by_quarter: whether requests of different quarters of an hour are different, for rules that look at the time.
        most_requests: how many of the newest requests are looked at.
    """
    newest = (
        select(requests)
        .where(
            requests.c.organization_id == organization_id,
            requests.c.started_at >= from_at,
            requests.c.started_at < to_at,
        )
        .order_by(requests.c.started_at.desc())
        .limit(most_requests)
        .subquery()
    )
    row = newest.c
    refused = and_(row.state == State.REJECTED.value, row.attempts == 0)
    decided = and_(row.endpoint.not_in(_NO_MODEL), or_(not_(refused), row.error_code.in_(DECISIONS)))
    count = (await conn.execute(select(func.count()).select_from(newest))).scalar_one()
    # Written as literals: GROUP BY must be the same text as the column, and two parameters are not.
    codes: list[ColumnElement[Any]] = [literal_column(f"'{code}'") for code in DECISIONS]
    refused_as_text = row.state == literal_column(f"'{State.REJECTED.value}'")
    time: list[ColumnElement[Any]] = [row.started_at // literal_column(str(QUARTER_US))] if by_quarter else []
    alike = [
        row.virtual_key_id,
        row.dialect,
        row.endpoint,
        row.model_asked,
        row.stream,
        func.coalesce(row.data_class, literal_column("''")),
        func.coalesce(row.currency, literal_column("''")),
        type_coerce(and_(refused_as_text, row.error_code.in_(codes)), Boolean),
        *time,
    ]
    sums = [half for name in ("input_total", "output_total", "cost_pico") for half in exact_sum(row[name])]
    query = (
        select(*alike[:8], func.max(row.started_at), func.max(row.id), func.count().label("count"), *sums)
        .where(decided)
        .group_by(*alike)
        .order_by(literal_column("count").desc())
        .limit(MAX_COMBINATIONS + 1)
    )
    found = (await conn.execute(query)).all()
    return AskedPage(
        asked=tuple(_asked(tuple(one)) for one in found[:MAX_COMBINATIONS]),
        requests=count,
        complete=count < most_requests and len(found) <= MAX_COMBINATIONS,
    )


def _asked(row: tuple[Any, ...]) -> Asked:
    key, dialect, endpoint, model, stream, data_class, currency, refused, at, example, count, *sums = row
    tokens_in, tokens_out, cost = (whole(*sums[index : index + 2]) for index in (0, 2, 4))
    return Asked(
        virtual_key_id=VirtualKeyId(key),
        dialect=Dialect(dialect),
        endpoint=Endpoint(endpoint),
        model=model,
        stream=stream,
        data_class=data_class,
        at=at,
        refused=bool(refused),
        requests=count,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cost_pico=cost,
        currency=currency,
        example=example,
    )
