"""What must hold once everything that a killed gateway left open has been recovered."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.credential import VersionState
from keystead.domain.traffic import State
from keystead.storage.governance import counters, ledger_transfers
from keystead.storage.schema import attempts, credential_versions, credentials, organizations, requests
from keystead.storage.usage_tables import rollups
from tests.fakes.books import check_books
from tests.fakes.clock import FakeClock
from tests.fakes.databases import open_url
from tests.fakes.gateway import Gateway
from tests.fakes.stored import assert_consistent

_REACHED: Final = {State.SETTLED, State.REJECTED, State.FAILED_BILLED}
"""How attempts end of which the provider knows."""
_ACTIVE: Final = (
    select(credentials.c.name, credential_versions.c.mask)
    .join(credentials, credentials.c.id == credential_versions.c.credential_id)
    .where(credential_versions.c.state == VersionState.ACTIVE.value)
)


class Seen(msgspec.Struct, frozen=True):
    """A call that the provider saw. Each request asked for a model of its own, so the name says which it was."""

    model: str
    key: str


class Found(msgspec.Struct, frozen=True):
    """What lies in the database."""

    requests: Mapping[str, Row[Any]]
    """By the model that was asked for."""
    attempts: Mapping[str, Sequence[Row[Any]]]
    """The same, in order."""
    charges: int
    top_ups: Counter[str]
    """By reference."""
    active_keys: Mapping[str, Sequence[str]]
    """The last characters of the active keys, by the credential's name."""


async def check_aftermath(gateway: Gateway, seen: Iterable[Seen]) -> Found:
    """Check I1, I2, I3 and I5, and that the roll-ups say what the records say; return what was found."""
    url = gateway.environment.get("KEYSTEAD_DATABASE_URL", f"sqlite:{gateway.home / 'keystead.db'}")
    database = await open_url(url, FakeClock())
    try:
        async with database.read() as conn:
            await check_books(conn)
            held = (await conn.execute(select(counters.c.counter_id).where(counters.c.held != 0))).scalars().all()
            assert not held, "I3: what the dead held has come back"
            tails = await _tails(conn)
            found = await _found(conn)
            await _check_rollups(conn, found)
            of_all = (await conn.execute(select(organizations.c.id))).scalars().all()
        for organization_id in of_all:
            await assert_consistent(database, organization_id)
    finally:
        await database.close()
    _check_calls(seen, found, tails)
    return found


async def _tails(conn: AsyncConnection) -> dict[tuple[str, int], str]:
    """Return the last characters of each version's key, as its mask shows them."""
    rows = await conn.execute(select(credential_versions))
    return {(row.credential_id, row.version): _tail(row.mask) for row in rows}


def _tail(mask: str) -> str:
    return mask.rpartition("…")[2]


async def _found(conn: AsyncConnection) -> Found:
    asked = (await conn.execute(select(requests))).all()
    models = {row.id: row.model_asked.rpartition("/")[2] for row in asked}
    tried: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in (await conn.execute(select(attempts).order_by(attempts.c.request_id, attempts.c.number))).all():
        tried[models[row.request_id]].append(row)
    assert len(set(models.values())) == len(models), "I1: a request is recorded once"
    transfers = (await conn.execute(select(ledger_transfers))).all()
    active: dict[str, list[str]] = defaultdict(list)
    for row in (await conn.execute(_ACTIVE)).all():
        active[row.name].append(_tail(row.mask))
    return Found(
        requests={models[row.id]: row for row in asked},
        attempts=tried,
        charges=sum(row.kind == "charge" for row in transfers),
        top_ups=Counter(row.reference for row in transfers if row.kind == "topup"),
        active_keys=active,
    )


async def _check_rollups(conn: AsyncConnection, found: Found) -> None:
    ended = Counter(row.state for row in found.requests.values())
    counted: Counter[str] = Counter()
    for row in (await conn.execute(select(rollups.c.outcome, rollups.c.requests))).all():
        counted[row.outcome] += row.requests
    assert +counted == ended, "the roll-ups count every ended request once"


def _check_calls(seen: Iterable[Seen], found: Found, tails: Mapping[tuple[str, int], str]) -> None:
    for row in found.requests.values():
        assert row.state != State.INTENT, "I2: a request without an end"
    calls: dict[str, list[str]] = defaultdict(list)
    for call in seen:
        calls[call.model].append(call.key[-4:])
    assert calls.keys() <= found.attempts.keys(), "I1: a call without a record"
    for model, tried in found.attempts.items():
        left = calls[model]
        for attempt in tried:
            assert attempt.state != State.INTENT, "I2: an attempt without an end"
            was_seen = left[:1] == [tails[attempt.credential_id, attempt.credential_version]]
            assert was_seen or attempt.state not in _REACHED, "a record of a call that nobody saw"
            assert not (was_seen and attempt.state == State.FAILED_UNSENT), "a call that is recorded as not made"
            if was_seen:
                left.pop(0)
        assert not left, "I1, I5: a call more than there are attempts, or with another key than the record says"
