"""Where a stored response lives: the credential whose account at the provider holds it. Reads attempts and requests.

A response id (`resp_…`) exists in the provider's account of one credential. A follow-up goes there, and only for
the principal that made it: two principals on one credential must not read each other's answers.
"""

from typing import cast

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.storage.schema import attempts, requests


async def credential_of_response(
    conn: AsyncConnection, *, organization_id: str, principal_id: str, response_id: str
) -> str | None:
    """Return the id of the credential that `response_id` was made with, or None if it is not this principal's."""
    statement = (
        select(attempts.c.credential_id)
        .join(
            requests,
            and_(requests.c.id == attempts.c.request_id, requests.c.started_at == attempts.c.request_started_at),
        )
        .where(
            attempts.c.organization_id == organization_id,
            attempts.c.response_id == response_id,
            requests.c.principal_id == principal_id,
        )
        .order_by(attempts.c.request_started_at)
        .limit(1)
    )
    return cast("str | None", (await conn.execute(statement)).scalar())
