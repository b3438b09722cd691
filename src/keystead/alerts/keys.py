"""Own keys that their providers refuse: which failures an alert has still to count, and which alerts are over.

A failure is counted once, in the transaction that opens or extends its alert, so that neither a process that dies nor
a second one that looks makes a difference. Reads `attempts`, and marks those that are counted; reads credentials.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Row, exists, select, text, tuple_, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.alerts.views import OF_KEYS, Alert, AlertKind, Cause, KeyRefused
from keystead.domain.credential import VersionState
from keystead.domain.traffic import ErrorClass
from keystead.storage.schema import UNNOTICED, attempts, credential_versions, credentials

BATCH: Final = 500
"""Attempts counted in one transaction: on SQLite everybody who writes waits for it."""

_unnoticed: Final = text(UNNOTICED)  # of a boolean SQLAlchemy says `= 1` on SQLite, which then does not know its index
_key: Final = (attempts.c.request_id, attempts.c.number, attempts.c.request_started_at)
_counted: Final = tuple(
    attempts.c[name]
    for name in (
        "organization_id",
        "credential_id",
        "credential_version",
        "error_class",
        "upstream_status",
        "model_sent",
        "request_id",
        "finished_at",
    )
)


async def are_waiting(conn: AsyncConnection) -> bool:
    """Say whether there is a failure that no alert has counted."""
    return (await conn.execute(select(attempts.c.number).where(_unnoticed).limit(1))).first() is not None


async def notice(conn: AsyncConnection, *, now: int) -> list[Cause]:
    """Take up to `BATCH` failures, oldest first, mark them as counted, and return what there is to alert about."""
    some = select(*_key).where(_unnoticed).order_by(attempts.c.finished_at).limit(BATCH)
    # Asked again outside: whoever waits for another process's transaction here must not count what that one counted.
    marked = update(attempts).where(tuple_(*_key).in_(some), _unnoticed).values(noticed_at=now)
    rows = (await conn.execute(marked.returning(*_counted))).all()
    names = await _names(conn, {row.credential_id for row in rows})
    return causes_of(rows, names)


def causes_of(rows: Iterable[Row[Any]], names: dict[str, str]) -> list[Cause]:
    """Sum failures up: one cause for each credential and kind, with the last failure's detail. Pure."""
    causes: dict[tuple[str, str, str], Cause] = {}
    for row in sorted(rows, key=lambda row: row.finished_at):
        cause = Cause(
            organization_id=row.organization_id,
            kind=_kind(row.error_class),
            subject_id=row.credential_id,
            subject=names.get(row.credential_id, row.credential_id),
            first_at=row.finished_at,
            last_at=row.finished_at,
            count=1,
            detail=KeyRefused(
                version=row.credential_version,
                error_class=row.error_class,
                upstream_status=row.upstream_status,
                model=row.model_sent,
                request=row.request_id,
            ),
        )
        before = causes.get(cause.key)
        if before is not None:
            cause = msgspec.structs.replace(cause, first_at=before.first_at, count=before.count + 1)
        causes[cause.key] = cause
    return list(causes.values())


async def mended(conn: AsyncConnection, alerts: Sequence[Alert[int]]) -> list[Alert[int]]:
    """Return those of `alerts` whose cause is gone.

    It is gone when a request that began after the last failure was served with the key (where the key lacked a right,
    one for the same model), when the key was replaced or revoked, or when a probe found that the key is a good one,
    which says nothing about rights and funds.
    """
    asked = [alert for alert in alerts if alert.kind in OF_KEYS]
    active = await _active_versions(conn, {alert.subject_id for alert in asked})
    return [
        alert
        for alert in asked
        if _is_replaced(alert, active) or _is_probed(alert, active) or await _is_served(conn, alert)
    ]


def _kind(error_class: str) -> AlertKind:
    is_money = error_class == ErrorClass.OUT_OF_FUNDS
    return AlertKind.CREDENTIAL_OUT_OF_FUNDS if is_money else AlertKind.CREDENTIAL_REFUSED


async def _names(conn: AsyncConnection, ids: Collection[str]) -> dict[str, str]:
    found = await conn.execute(select(credentials.c.id, credentials.c.name).where(credentials.c.id.in_(ids)))
    return {row.id: row.name for row in found}


async def _active_versions(conn: AsyncConnection, ids: Collection[str]) -> dict[str, RowMapping]:
    columns = credential_versions.c
    query = select(columns.credential_id, columns.version, columns.probed_at, columns.probe_result)
    in_use = (columns.credential_id.in_(ids), columns.state == VersionState.ACTIVE.value)
    return {row["credential_id"]: row for row in (await conn.execute(query.where(*in_use))).mappings()}


def _is_replaced(alert: Alert[int], active: dict[str, RowMapping]) -> bool:
    version = active.get(alert.subject_id)
    return version is None or version["version"] != _detail(alert).version


def _is_probed(alert: Alert[int], active: dict[str, RowMapping]) -> bool:
    version = active[alert.subject_id]
    if _detail(alert).error_class != ErrorClass.AUTH_FAILED or (version["probed_at"] or 0) <= alert.last_at:
        return False
    return msgspec.json.decode(version["probe_result"] or "{}", type=dict[str, Any]).get("outcome") == "valid"


async def _is_served(conn: AsyncConnection, alert: Alert[int]) -> bool:
    detail = _detail(alert)
    same_right = [attempts.c.model_sent == detail.model] * (detail.error_class == ErrorClass.PERMISSION_DENIED)
    served = exists().where(
        attempts.c.organization_id == alert.organization_id,
        attempts.c.credential_id == alert.subject_id,
        attempts.c.request_started_at > alert.last_at,
        attempts.c.upstream_status < 400,
        attempts.c.error_class.is_(None),
        attempts.c.finished_at.is_not(None),
        *same_right,
    )
    return bool((await conn.execute(select(served))).scalar_one())


def _detail(alert: Alert[int]) -> KeyRefused:
    assert isinstance(alert.detail, KeyRefused), "what OF_KEYS are made with"
    return alert.detail
