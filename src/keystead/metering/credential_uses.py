"""When each credential was last used, and the last thing that went wrong with it."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, FromClause, Row, ScalarSelect, String, and_, column, func, select, values
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.traffic import ErrorClass, Fault
from keystead.storage.schema import attempts

LOOK: Final = 500
"""How many of its latest attempts are looked at for an error; one before these is old news."""
_later: Final = attempts.alias("later")


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that failed, and not by its caller's fault."""

    request_id: str
    at: int
    error_class: ErrorClass
    upstream_status: int | None


class CredentialUse(msgspec.Struct, frozen=True, kw_only=True):
    """The latest of a credential's attempts."""

    credential_id: str
    last_used_at: int | None
    last_error: Failure | None
    """Among the latest `LOOK`."""


async def latest_use(conn: AsyncConnection, organization_id: str, credential_ids: Sequence[str]) -> list[CredentialUse]:
    """Return each credential's latest use by an organization, in the order given.

    One question for all of them, answered from indexes: of a long log only the failures that are told are looked at.
    """
    if not credential_ids:
        return []
    wanted = values(column("id", String), name="wanted").data([(one,) for one in credential_ids]).cte("wanted")
    since = _begun(_of(_later, organization_id, wanted.c.id), nth=LOOK, of=_later).correlate(wanted)
    failed = [
        *_failed(attempts, organization_id, wanted.c.id),
        attempts.c.request_started_at >= func.coalesce(since, 0),
    ]
    uses = select(
        wanted.c.id,
        _begun(_of(attempts, organization_id, wanted.c.id), nth=1).label("used_at"),
        _begun(failed, nth=1).label("failed_at"),
    ).subquery("uses")
    failure = attempts.alias("failure")
    query = (
        select(
            uses.c.id,
            uses.c.used_at,
            *(failure.c[name] for name in ("request_id", "request_started_at", "error_class", "upstream_status")),
        )
        .select_from(uses)
        .outerjoin(
            failure,
            and_(*_failed(failure, organization_id, uses.c.id), failure.c.request_started_at == uses.c.failed_at),
        )
    )
    found = {row.id: row for row in await conn.execute(query)}
    return [_use(found[one]) for one in credential_ids]


def _begun(where: Sequence[ColumnElement[bool]], *, nth: int, of: FromClause = attempts) -> ScalarSelect[int]:
    """Return when the nth newest attempt's request began; NULL if there are not so many."""
    at = of.c.request_started_at
    return select(at).where(*where).order_by(at.desc()).limit(1).offset(nth - 1).scalar_subquery()


def _of(table: FromClause, organization_id: str, credential_id: ColumnElement[str]) -> list[ColumnElement[bool]]:
    return [table.c.organization_id == organization_id, table.c.credential_id == credential_id]


def _failed(table: FromClause, organization_id: str, credential_id: ColumnElement[str]) -> list[ColumnElement[bool]]:
    return [
        *_of(table, organization_id, credential_id),
        table.c.error_class.is_not(None),
        table.c.fault.is_distinct_from(Fault.CALLER.value),
    ]


def _use(row: Row[Any]) -> CredentialUse:
    failure = None
    if row.request_id is not None:
        failure = Failure(
            request_id=row.request_id,
            at=row.request_started_at,
            error_class=ErrorClass(row.error_class),
            upstream_status=row.upstream_status,
        )
    return CredentialUse(credential_id=row.id, last_used_at=row.used_at, last_error=failure)
