"""What a route of the admin API is, and what its handler is given."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator, Permission
from keystead.identity.audit import record_event
from keystead.storage import revision
from keystead.web.admin.rooms import AdminRooms
from keystead.web.admin.values import Nothing

Query = TypeVar("Query")
Body = TypeVar("Body")

PREFIX: Final = "/admin/v1"

log = structlog.get_logger(__name__)


class Call(msgspec.Struct, Generic[Query, Body], frozen=True, kw_only=True):
    """One authorised call: who makes it, with what, and the rooms to do it in."""

    rooms: AdminRooms
    who: Administrator
    path: dict[str, str]
    query: Query
    body: Body


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    method: Literal["GET", "POST"]
    path: str
    """Below `/admin/v1`; `{…}` is one segment."""
    permission: Permission | None
    """What the caller's role must hold. None: the route tells callers about themselves and nothing else."""
    handler: Callable[[Call[Any, Any]], Awaitable[Any]]
    summary: str
    answer: Any
    """The type of a good answer."""
    status: int = 200
    query: type = Nothing
    body: type = Nothing
    errors: tuple[int, ...] = ()
    """Statuses it can answer beyond those every route can (400, 401, 403, 413, 415, 500, 503)."""

    @property
    def name(self) -> str:
        """The handler's name in its resource: `credentials.rotate`."""
        return f"{self.handler.__module__.rpartition('.')[2]}.{self.handler.__name__}"


class Act:
    """An administrative change under way: one transaction, with its audit event in it."""

    def __init__(self, conn: AsyncConnection, call: Call[Any, Any]) -> None:
        """Work on `conn`, on behalf of the caller."""
        self.conn = conn
        self.recorded = False
        self._call = call

    async def record(self, action: str, *, object_kind: str, object_id: str, **details: Any) -> None:
        """Write the audit event. `details` are plain values, never a secret."""
        await record_event(
            self.conn,
            organization_id=self._call.who.organization_id,
            at=self._call.rooms.clock.now_us(),
            actor_kind="member",
            actor_id=self._call.who.member_id,
            action=action,
            object_kind=object_kind,
            object_id=object_id,
            details={"token": self._call.who.token_id, **details},
        )
        self.recorded = True


@asynccontextmanager
async def act(call: Call[Any, Any]) -> AsyncIterator[Act]:
    """Lend the transaction of a change, and make the change count once it is committed.

    What is not recorded in the audit log is not committed either.
    """
    async with call.rooms.database.write() as conn:
        change = Act(conn, call)
        yield change
        if not change.recorded:
            raise RuntimeError("an administrative change must record its audit event")
        await revision.touch(conn)
    try:
        await call.rooms.refresh_snapshot()
    except Exception:  # the change is committed; an error would say that it was not, and the poll repeats this
        log.exception("snapshot_refresh_failed")
