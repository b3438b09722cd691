"""The life of gateway processes, and the end of what dead ones left open.

A process that stops sending heartbeats is dead as far as its records go. What it left open ends as `unknown`,
through the journal like any other settlement: so a request ends once whoever recovers it, and even if its process
was only asleep; and what was held for it is let go, once, in the same transaction.

A request whose work goes on at the provider (a batch, a background response) is nobody's to recover: it stays open,
with what is held for it, until somebody has asked the provider how it ended.
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, delete, exists, func, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from keystead.domain.records import AttemptIntent, Cost, RequestIntent, Settlement
from keystead.domain.traffic import CostState, Fault, State
from keystead.storage.database import Database, Lender
from keystead.storage.rows import holds_in
from keystead.storage.schema import attempts, instances, requests
from keystead.storage.stored_objects import stored_objects

RECOVERY_BATCH: Final = 500
"""Requests recovered at a time: bounds the memory after a crash under load."""

# The literal, not a parameter: only so may both engines use the partial index on open requests.
_REQUEST_IS_OPEN: Final = requests.c.state == literal_column("'intent'")
_ID: Final = requests.c.id.concat("")
"""The id to sort by, and not the key: by that SQLite would walk the whole log, where a handful is open."""
_ATTEMPT_IS_OPEN: Final = attempts.c.state == literal_column("'intent'")
_WORK_GOES_ON: Final = exists().where(
    stored_objects.c.request_id == requests.c.id, stored_objects.c.work == literal_column("'open'")
)


async def heartbeat(lender: Lender, instance_id: str, now: int) -> None:
    """Write that the process lives, making its row if it has none (any more)."""
    async with lender.write() as connection:
        beat = update(instances).where(instances.c.id == instance_id).values(heartbeat_at=now)
        if (await connection.execute(beat)).rowcount:
            return
        await connection.execute(
            insert(instances).values(
                id=instance_id, host=socket.gethostname(), pid=os.getpid(), started_at=now, heartbeat_at=now
            )
        )


async def living(lender: Lender, since: int) -> int:
    """Return how many processes have said since `since` that they live, at least one: whoever asks."""
    async with lender.read() as connection:
        found = await connection.execute(select(func.count()).where(instances.c.heartbeat_at >= since))
        return max(1, found.scalar_one())


async def eldest(lender: Lender, since: int) -> str | None:
    """Return which of the processes that have said since `since` that they live began first; None if none has."""
    async with lender.read() as connection:
        query = select(func.min(instances.c.id)).where(instances.c.heartbeat_at >= since)
        found: str | None = (await connection.execute(query)).scalar_one()
        return found


async def remove(database: Database, instance_id: str) -> None:
    """Remove the row of a process that stops; with requests still open, mark it dead so that they are recovered."""
    async with database.write() as connection:
        await connection.execute(
            delete(instances).where(instances.c.id == instance_id, ~_has_open_requests(instances.c.id))
        )
        await connection.execute(update(instances).where(instances.c.id == instance_id).values(heartbeat_at=0))


async def recover(database: Database, instance_id: str, *, dead_before: int, now: int) -> int:
    """End what dead processes left open and remove their rows; return how many requests were ended."""
    alive = select(instances.c.id).where((instances.c.heartbeat_at >= dead_before) | (instances.c.id == instance_id))
    is_dead = requests.c.instance_id.not_in(alive) & (requests.c.instance_id != instance_id) & ~_WORK_GOES_ON
    ended = 0
    after = ""
    while True:
        async with database.read() as connection:
            left = await _open_requests(connection, is_dead & (after < _ID))
            settlements = await _settlements(connection, left, now)
        results = await asyncio.gather(*[database.journal.settle(settlement) for settlement in settlements])
        ended += sum(
            settled and settlement.ends_request for settled, settlement in zip(results, settlements, strict=True)
        )
        if len(left) < RECOVERY_BATCH:
            break
        after = left[-1].id
    await _forget_the_dead(database, instance_id, dead_before)
    return ended


async def open_attempt(
    connection: AsyncConnection, request_id: str, started_at: int
) -> tuple[RequestIntent, AttemptIntent] | None:
    """Return a request and its attempt that is open; None if it has ended."""
    query = select(requests).where(requests.c.id == request_id, requests.c.started_at == started_at, _REQUEST_IS_OPEN)
    request = (await connection.execute(query)).one_or_none()
    if request is None:
        return None
    its = select(attempts).where(
        attempts.c.request_id == request_id, attempts.c.request_started_at == started_at, _ATTEMPT_IS_OPEN
    )
    attempt = (await connection.execute(its.order_by(attempts.c.number).limit(1))).one_or_none()
    return None if attempt is None else (_request_of(request), _attempt_of(attempt))


async def _open_requests(connection: AsyncConnection, condition: ColumnElement[bool]) -> Sequence[Row[Any]]:
    query = select(requests).where(_REQUEST_IS_OPEN, condition).order_by(_ID).limit(RECOVERY_BATCH)
    return (await connection.execute(query)).all()


async def _settlements(connection: AsyncConnection, left: Sequence[Row[Any]], now: int) -> list[Settlement]:
    query = select(attempts).where(attempts.c.request_id.in_([row.id for row in left]), _ATTEMPT_IS_OPEN)
    open_attempts: dict[str, list[Row[Any]]] = {}
    for row in (await connection.execute(query.order_by(attempts.c.request_id, attempts.c.number))).all():
        open_attempts.setdefault(row.request_id, []).append(row)
    found = []
    for row in left:
        request = _request_of(row)
        rows = open_attempts.get(row.id, [])
        found += [_unknown(request, _attempt_of(attempt), now, ends=attempt is rows[-1]) for attempt in rows]
        if not rows:
            found.append(_unknown(request, None, now, ends=True))
    return found


def _request_of(row: Row[Any]) -> RequestIntent:
    return RequestIntent(**{name: _text(getattr(row, name)) for name in RequestIntent.__struct_fields__})


def _attempt_of(row: Row[Any]) -> AttemptIntent:
    plain = {name: _text(getattr(row, name)) for name in AttemptIntent.__struct_fields__ if name != "holds"}
    return AttemptIntent(**plain, holds=holds_in(row.holds))


def _text(value: Any) -> Any:
    return "" if value is None else value  # an intent has no number that may be absent, only text (see `rows`)


def _unknown(request: RequestIntent, attempt: AttemptIntent | None, now: int, *, ends: bool) -> Settlement:
    started_at = attempt.started_at if attempt else request.started_at
    holds = attempt.holds if attempt else ()
    charges = [hold.on_unknown for hold in holds if hold.kind == "credits"]
    return Settlement(
        request=request,
        attempt=attempt,
        state=State.UNKNOWN,
        finished_at=now,
        duration_us=max(0, now - started_at),
        status_code=0,  # nobody knows what the client saw
        error_code="gateway_stopped",
        fault=Fault.GATEWAY,
        cost=Cost(state=CostState.UNKNOWN),
        charge_pico=sum(charges) if charges else None,
        posts=tuple(hold.on_unknown for hold in holds),
        ends_request=ends,
    )


async def _forget_the_dead(database: Database, instance_id: str, dead_before: int) -> None:
    async with database.write() as connection:
        await connection.execute(
            delete(instances).where(
                instances.c.heartbeat_at < dead_before,
                instances.c.id != instance_id,
                ~_has_open_requests(instances.c.id),
            )
        )


def _has_open_requests(instance_id: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(requests.c.instance_id == instance_id, _REQUEST_IS_OPEN, ~_WORK_GOES_ON)
