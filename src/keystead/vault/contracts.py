"""When the contracts behind own keys end. Only reads."""

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.grants import Terms
from keystead.domain.traffic import Owner
from keystead.storage.schema import credentials
from keystead.vault.view import Contract


async def contracts(conn: AsyncConnection) -> list[Contract]:
    """Return every organization's contracts with an end, of own credentials that are not revoked."""
    columns = credentials.c
    query = (
        select(columns.organization_id, columns.id, columns.name, columns.terms)
        .where(columns.owner == Owner.OWN.value, columns.revoked_at.is_(None))
        .order_by(columns.id)
    )
    ends = ((row, msgspec.json.decode(row.terms, type=Terms).ends_at) for row in await conn.execute(query))
    return [
        Contract(organization_id=row.organization_id, credential_id=row.id, credential=row.name, ends_at=ends_at)
        for row, ends_at in ends
        if ends_at is not None
    ]
