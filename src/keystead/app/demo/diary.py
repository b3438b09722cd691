"""What is written of an act of the demonstration's: an audit event, at the calendar's time."""

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.app.demo.calendar import Calendar
from keystead.domain.ids import OrganizationId
from keystead.identity.audit import record_event

ACTOR: Final = "demo"
"""Who founded the organization, in its audit log: by this it is known as a demonstration's."""


class Diary:
    """Records acts of one organization, in the caller's transaction."""

    def __init__(
        self, conn: AsyncConnection, calendar: Calendar, *, organization_id: OrganizationId, owner_id: str
    ) -> None:
        """All acts are the owner's, but those of the system."""
        self._conn = conn
        self._calendar = calendar
        self._organization_id = organization_id
        self._owner_id = owner_id

    async def record(self, action: str, kind: str, identifier: str, *, system: bool = False, **details: Any) -> None:
        """Write the event."""
        await record_event(
            self._conn,
            organization_id=self._organization_id,
            at=self._calendar.now_us(),
            actor_kind="system" if system else "member",
            actor_id=ACTOR if system else self._owner_id,
            action=action,
            object_kind=kind,
            object_id=identifier,
            details=details,
        )
