"""What lies at providers: the table, and its statements. Ids of work that is still open are leased before it is looked at.

A row is written when the provider has answered and before the caller has its id; it is never moved to another
credential or principal.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Row,
    String,
    Table,
    UniqueConstraint,
    delete,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.stored import ObjectKind, StoredObject, Workload
from keystead.storage.columns import identifier, instant, metadata, reference, text

stored_objects = Table(
    "stored_objects",
    metadata,
    identifier(),
    reference("organization_id"),
    reference("team_id"),
    Column("principal_kind", String(16), nullable=False),
    reference("principal_id"),
    reference("virtual_key_id"),
    reference("credential_id"),
    Column("provider", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("upstream_id", String(255), nullable=False),
    instant("created_at"),
    instant("expires_at", nullable=True),
    text("shown"),  # JSON: as the provider last told it
    text("workload", nullable=True),  # JSON: what a batch is to do
    Column("request_id", String(64), nullable=False),  # whose end waits for it; empty for none
    Column("request_started_at", BigInteger, nullable=False),
    Column("work", String(8), nullable=False),  # empty, open, done
    instant("poll_at", nullable=True),
    instant("leased_until", nullable=True),
    UniqueConstraint("organization_id", "kind", "upstream_id"),
    Index("ix_stored_objects_organization_id_id", "organization_id", "id"),
    Index(
        "ix_stored_objects_open",
        "poll_at",
        sqlite_where=Column("work") == "open",
        postgresql_where=Column("work") == "open",
    ),
    Index(
        "ix_stored_objects_request_id",
        "request_id",
        sqlite_where=Column("work") == "open",
        postgresql_where=Column("work") == "open",
    ),
)

LONGEST_ID: Final = 255
_T: Final = stored_objects.c
_WORKLOAD: Final = msgspec.json.Decoder(Workload)


async def add(conn: AsyncConnection, stored: StoredObject) -> bool:
    """Add a row; False if the organization has that object already. The first binding stands."""
    values = {name: getattr(stored, name) for name in StoredObject.__struct_fields__}
    values["workload"] = msgspec.json.encode(stored.workload).decode() if stored.workload else None
    values["kind"] = stored.kind.value
    try:
        async with conn.begin_nested():
            await conn.execute(insert(stored_objects).values(**values))
    except IntegrityError:
        return False
    return True


async def find(
    conn: AsyncConnection, *, organization_id: str, principal_id: str, kind: ObjectKind, upstream_id: str
) -> StoredObject | None:
    """Return the principal's object; None for anybody else's."""
    query = select(stored_objects).where(
        _T.organization_id == organization_id,
        _T.kind == kind.value,
        _T.upstream_id == upstream_id,
        _T.principal_id == principal_id,
    )
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _object(row)


async def any_of_others(
    conn: AsyncConnection, *, organization_id: str, principal_id: str, upstream_ids: Iterable[str]
) -> bool:
    """Say whether one of these ids is that of an object of the organization which is not the principal's."""
    query = select(_T.id).where(
        _T.organization_id == organization_id, _T.upstream_id.in_(list(upstream_ids)), _T.principal_id != principal_id
    )
    return (await conn.execute(query.limit(1))).scalar() is not None


async def get(conn: AsyncConnection, *, organization_id: str, identifier: str) -> StoredObject | None:
    """Return an object of the organization by our own id."""
    query = select(stored_objects).where(_T.organization_id == organization_id, _T.id == identifier)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _object(row)


async def page(
    conn: AsyncConnection,
    *,
    organization_id: str,
    principal_id: str | None = None,
    kinds: Iterable[ObjectKind] = (),
    credential_id: str | None = None,
    before: str | None = None,
    kept_at: int | None = None,
    limit: int,
) -> Sequence[StoredObject]:
    """Return objects of the organization (or of one principal in it), newest first; `before` is an id of ours.

    With `kept_at`, only what its provider still keeps at that instant.
    """
    query = select(stored_objects).where(_T.organization_id == organization_id)
    wanted = [kind.value for kind in kinds]
    if principal_id is not None:
        query = query.where(_T.principal_id == principal_id)
    if wanted:
        query = query.where(_T.kind.in_(wanted))
    if credential_id is not None:
        query = query.where(_T.credential_id == credential_id)
    if before is not None:
        query = query.where(_T.id < before)
    if kept_at is not None:
        query = query.where(_T.expires_at.is_(None) | (_T.expires_at > kept_at))
    rows = (await conn.execute(query.order_by(_T.id.desc()).limit(limit))).all()
    return [_object(row) for row in rows]


async def show(
    conn: AsyncConnection, identifier: str, *, shown: str, expires_at: int | None = None, poll_at: int | None = None
) -> None:
    """Keep how the provider tells the object now, and how long it keeps it; with `poll_at`, look at its work by then."""
    until = {} if expires_at is None else {"expires_at": expires_at}
    await conn.execute(update(stored_objects).where(_T.id == identifier).values(shown=shown, **until))
    if poll_at is not None:
        due = update(stored_objects).where(_T.id == identifier, _T.work == "open", _T.poll_at > poll_at)
        await conn.execute(due.values(poll_at=poll_at))


async def remove(conn: AsyncConnection, identifier: str) -> bool:
    """Remove an object that nothing waits for; False if something does, or it is not there."""
    found = await conn.execute(delete(stored_objects).where(_T.id == identifier, _T.work != "open"))
    return bool(found.rowcount)


async def forget_expired(conn: AsyncConnection, *, before: int) -> int:
    """Remove what its provider has kept no longer since an instant, unless something waits for it; return how much."""
    found = await conn.execute(delete(stored_objects).where(_T.expires_at < before, _T.work != "open"))
    return int(found.rowcount)


async def is_awaited(conn: AsyncConnection, request_id: str) -> bool:
    """Say whether the end of a request waits for work that is still open."""
    query = select(_T.id).where(_T.request_id == request_id, _T.work == literal_column("'open'")).limit(1)
    return (await conn.execute(query)).scalar() is not None


async def is_due(conn: AsyncConnection, *, now: int) -> bool:
    """Say whether there is open work to look at."""
    query = select(_T.id).where(_T.work == literal_column("'open'"), _T.poll_at <= now).limit(1)
    return (await conn.execute(query)).scalar() is not None


async def lease(conn: AsyncConnection, *, now: int, until: int, limit: int) -> Sequence[StoredObject]:
    """Take open work that is due and that nobody else looks at, until the instant `until`."""
    due = (
        select(_T.id)
        .where(
            _T.work == literal_column("'open'"),
            _T.poll_at <= now,
            (_T.leased_until.is_(None)) | (_T.leased_until <= now),
        )
        .order_by(_T.poll_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list((await conn.execute(due)).scalars())
    if not ids:
        return ()
    await conn.execute(update(stored_objects).where(_T.id.in_(ids)).values(leased_until=until))
    rows = (await conn.execute(select(stored_objects).where(_T.id.in_(ids)).order_by(_T.id))).all()
    return [_object(row) for row in rows]


async def look_again(conn: AsyncConnection, identifier: str, *, poll_at: int) -> None:
    """Let the lease go; the work goes on."""
    ours = update(stored_objects).where(_T.id == identifier, _T.work == "open")
    await conn.execute(ours.values(poll_at=poll_at, leased_until=None))


async def work_done(conn: AsyncConnection, identifier: str) -> None:
    """Let the lease go: the work has ended and is settled."""
    await conn.execute(
        update(stored_objects).where(_T.id == identifier).values(work="done", poll_at=None, leased_until=None)
    )


def _object(row: Row[Any]) -> StoredObject:
    values = {name: getattr(row, name) for name in StoredObject.__struct_fields__}
    values["kind"] = ObjectKind(row.kind)
    values["workload"] = _WORKLOAD.decode(row.workload) if row.workload else None
    return StoredObject(**values)
