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
LINES: Final = "application/x-ndjson"
"""JSON values, one a line."""
MAX_BODY_BYTES: Final = 64 * 1024
"""The largest body an administrator has reason to send: a key, and a few hundred model patterns."""

log = structlog.get_logger(__name__)


class Call(msgspec.Struct, Generic[Query, Body], frozen=True, kw_only=True):
    """One authorised call: who makes it, with what, and the rooms to do it in."""

    rooms: AdminRooms
    who: Administrator
    path: dict[str, str]
    query: Query
    body: Body
    within: "Act | None" = None
    """The larger change that this call is part of, such as a whole document; None: it is one by itself."""


class Lines:
    """An answer that comes line by line while it is worked out: JSON values of `Route.line`, the last one the answer."""

    def __init__(self, items: AsyncIterator[msgspec.Struct]) -> None:
        """Send `items` as they come; nothing has been asked of them yet."""
        self.items = items


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is a file, made while it is sent."""

    name: str
    media_type: str
    pieces: AsyncIterator[bytes]
    """Nothing has been asked of them yet. Whatever is between two of them holds nothing: who downloads may be slow."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    method: Literal["GET", "POST"]
    path: str
    """Below `/admin/v1`; `{…}` is one segment."""
    permission: Permission | None
    """What the caller must hold. None: the route tells callers about themselves,
    or what holds for everybody, and nothing else."""
    handler: Callable[[Call[Any, Any]], Awaitable[Any]]
    summary: str
    answer: Any
    """The type of a good answer."""
    scope: Literal["organization", "team"] = "organization"
    """Where: in the whole organization, or at least in one team; the handler then keeps to the teams it is held in."""
    own: Permission | None = None
    """What is enough for callers who keep to what is their own; the handler sees to it."""
    line: Any = None
    """The type of a line, where an answer can also come line by line (`Lines`). It has a field `problem`."""
    files: tuple[str, ...] = ()
    """Media types, where the answer is a file (`Download`); JSON lines are values of `answer`."""
    status: int = 200
    query: type = Nothing
    body: type = Nothing
    max_body_bytes: int = MAX_BODY_BYTES
    sees: Literal["organization", "installation"] = "organization"
    """What its statements can reach on PostgreSQL: the caller's organization (and the platform's credentials, to name
    them), or, for the operator's work, every organization. The handler names the organization in any case: this is the
    second wall (see `keystead.storage.row_security`)."""
    errors: tuple[int, ...] = ()
    """Statuses it can answer beyond those every route can (400, 401, 403, 413, 415, 500, 503)."""

    def admits(self, who: Administrator) -> bool:
        """Say whether the caller may come in; what they may do there is the handler's to say."""
        if self.permission is None:
            return True
        held = who.may_somewhere if self.scope == "team" else who.may
        return held(self.permission) or (self.own is not None and who.may_somewhere(self.own))

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

    What is not recorded in the audit log is not committed either. Within a larger change, that one's transaction is lent
    and nothing is committed here.
    """
    if call.within is not None:
        yield call.within
        return
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
