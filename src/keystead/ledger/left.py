"""How much is left on every organization's prepaid account. Only reads."""

from sqlalchemy import Boolean, and_, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.ledger.store import PREPAID
from keystead.ledger.views import CreditsLeft
from keystead.storage.governance import PAID_IN, counters, ledger_accounts, ledger_transfers


async def credits_left(conn: AsyncConnection) -> list[CreditsLeft]:
    """Return what is left on each organization's account."""
    paid_in = (
        select(ledger_transfers.c.amount)
        .where(
            ledger_transfers.c.organization_id == ledger_accounts.c.organization_id, literal_column(PAID_IN, Boolean)
        )
        .order_by(ledger_transfers.c.at.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(
            ledger_accounts.c.id.label("account_id"),
            ledger_accounts.c.organization_id,
            (counters.c.ceiling - counters.c.spent).label("left"),
            paid_in.label("paid_in"),
        )
        .join(counters, and_(counters.c.counter_id == ledger_accounts.c.id, counters.c.bucket_at == 0))
        .where(ledger_accounts.c.kind == PREPAID)
        .order_by(ledger_accounts.c.id)
    )
    return [CreditsLeft(**row) for row in (await conn.execute(query)).mappings() if row["paid_in"] is not None]
