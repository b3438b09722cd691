"""When each credential was last used, and the last thing that went wrong with it."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.traffic import ErrorClass, Fault
from keystead.storage.schema import attempts

LOOK: Final = 500
"""How many of its latest attempts are looked at for an error; one before these is old news."""


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

    Two walks of an index for each: as long as that takes for the few credentials that there are.
    """
    return [await _of_one(conn, organization_id, credential_id) for credential_id in credential_ids]


async def _of_one(conn: AsyncConnection, organization_id: str, credential_id: str) -> CredentialUse:
    table = attempts.c
    shown: list[ColumnElement[Any]] = [
        table.request_id,
        table.request_started_at,
        table.error_class,
        table.upstream_status,
        table.fault,
    ]
    latest = (
        select(*shown)
        .where(table.organization_id == organization_id, table.credential_id == credential_id)
        .order_by(table.request_started_at.desc())
        .limit(LOOK)
        .subquery()
    )
    used_at = (await conn.execute(select(latest.c.request_started_at).limit(1))).scalar_one_or_none()
    failed = latest.c.error_class.is_not(None) & latest.c.fault.is_distinct_from(Fault.CALLER.value)
    row = (
        await conn.execute(select(latest).where(failed).order_by(latest.c.request_started_at.desc()).limit(1))
    ).first()
    failure = None
    if row is not None:
        failure = Failure(
            request_id=row.request_id,
            at=row.request_started_at,
            error_class=ErrorClass(row.error_class),
            upstream_status=row.upstream_status,
        )
    return CredentialUse(credential_id=credential_id, last_used_at=used_at, last_error=failure)
