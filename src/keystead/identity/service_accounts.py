"""Makes service accounts, the programs that act with virtual keys, and disables them."""

import msgspec
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator, Permission
from keystead.domain.clock import Clock
from keystead.domain.ids import TeamId, new_id
from keystead.identity.authority import require_held
from keystead.identity.lookup import insert_row
from keystead.identity.views import ServiceAccount
from keystead.storage import governance


class ServiceAccounts:
    """Creates and disables service accounts, on behalf of who may."""

    def __init__(self, clock: Clock) -> None:
        """Take the times of creation and disabling from `clock`."""
        self._clock = clock

    async def create(self, conn: AsyncConnection, who: Administrator, *, team_id: TeamId, name: str) -> ServiceAccount:
        """Create a service account, which can act once a virtual key is issued to it.

        Raises:
            PolicyDenied: the actor may not issue keys in that team.
            ConflictError: the name is taken.
        """
        require_held(who, Permission.KEY_WRITE, team_id)
        return await insert_service_account(
            conn,
            who.organization_id,
            team_id=team_id,
            name=name,
            actor_id=who.member_id,
            now=self._clock.now_us(),
        )

    async def disable(self, conn: AsyncConnection, who: Administrator, account: ServiceAccount) -> ServiceAccount:
        """Disable a service account, and with it its keys. Twice is once: the first time stands.

        Raises:
            PolicyDenied: the actor may not issue keys in its team.
        """
        require_held(who, Permission.KEY_WRITE, account.team_id)
        if account.disabled_at is not None:
            return account
        now = self._clock.now_us()
        table = governance.service_accounts
        await conn.execute(update(table).where(table.c.id == account.id).values(disabled_at=now))
        return msgspec.structs.replace(account, disabled_at=now)


async def insert_service_account(
    conn: AsyncConnection, organization_id: str, *, team_id: TeamId, name: str, actor_id: str, now: int
) -> ServiceAccount:
    """Write a new service account, unasked whether anybody may: for the room itself.

    Raises:
        ConflictError: the name is taken.
    """
    account = ServiceAccount(
        id=new_id("sa", now), team_id=team_id, name=name, created_at=now, created_by=actor_id, disabled_at=None
    )
    table = governance.service_accounts
    await insert_row(conn, table, organization_id, msgspec.structs.asdict(account), noun="service account")
    return account
