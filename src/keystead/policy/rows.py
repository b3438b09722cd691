"""How the room's tables are read and written: from rows to values and back."""

from collections.abc import Collection

import msgspec
from sqlalchemy import ColumnElement, Table, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import NotFoundError
from keystead.domain.grants import Reason, Requirement
from keystead.domain.ids import CredentialId, OrganizationId, TeamId
from keystead.domain.traffic import Endpoint
from keystead.policy.views import ConsentView, DataClassView, GrantView, RecognizerView


def written(values: Collection[str] | None) -> str | None:
    """Return a list as its column holds it: JSON, each value once; None stays None."""
    return None if values is None else msgspec.json.encode(list(dict.fromkeys(values))).decode()


def grant_of(row: RowMapping) -> GrantView:
    """Read a grant from its row."""
    return GrantView(
        id=row["id"],
        organization_id=OrganizationId(row["organization_id"]),
        effect=row["effect"],
        subject_kind=row["subject_kind"],
        subject_id=row["subject_id"],
        credential_ids=None
        if row["credentials"] is None
        else msgspec.json.decode(row["credentials"], type=tuple[CredentialId, ...]),
        models=_texts(row["models"]),
        endpoints=None
        if row["endpoints"] is None
        else msgspec.json.decode(row["endpoints"], type=tuple[Endpoint, ...]),
        condition=row["condition"],
        note=row["note"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )


def consent_of(row: RowMapping) -> ConsentView:
    """Read a consent from its row."""
    return ConsentView(
        id=row["id"],
        organization_id=OrganizationId(row["organization_id"]),
        team_ids=None if row["team_ids"] is None else msgspec.json.decode(row["team_ids"], type=tuple[TeamId, ...]),
        models=_texts(row["models"]),
        data_classes=msgspec.json.decode(row["data_classes"], type=tuple[str, ...]),
        reasons=msgspec.json.decode(row["reasons"], type=tuple[Reason, ...]),
        daily_cap_pico=row["daily_cap_pico"],
        monthly_cap_pico=row["monthly_cap_pico"],
        note=row["note"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )


def data_class_of(row: RowMapping) -> DataClassView:
    """Read a data class from its row."""
    return DataClassView(
        id=row["id"],
        organization_id=OrganizationId(row["organization_id"]),
        name=row["name"],
        rank=row["rank"],
        requirement=msgspec.json.decode(row["terms"], type=Requirement),
        created_at=row["created_at"],
        created_by=row["created_by"],
    )


def recognizer_of(row: RowMapping) -> RecognizerView:
    """Read a recogniser from its row."""
    return RecognizerView(**row)


async def find(
    conn: AsyncConnection, table: Table, organization_id: OrganizationId, identifier: str, *, noun: str
) -> RowMapping:
    """Return one row.

    Raises:
        NotFoundError: the organization has none of that id.
    """
    query = select(table).where(table.c.organization_id == organization_id, table.c.id == identifier)
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no such {noun}.", code=f"{noun}_not_found")
    return row


async def revoke(
    conn: AsyncConnection, table: Table, organization_id: OrganizationId, identifier: str, *, at: int
) -> None:
    """Mark one row as revoked, unless it is already."""
    mine = (table.c.organization_id == organization_id, table.c.id == identifier, table.c.revoked_at.is_(None))
    await conn.execute(update(table).where(*mine).values(revoked_at=at))


def in_force(table: Table, now: int) -> tuple[ColumnElement[bool], ...]:
    """Return what is true of the rows of `table` that count at `now`."""
    ends = table.c.expires_at
    return table.c.revoked_at.is_(None), or_(ends.is_(None), ends > now)


def _texts(column: str | None) -> tuple[str, ...] | None:
    return None if column is None else msgspec.json.decode(column, type=tuple[str, ...])
