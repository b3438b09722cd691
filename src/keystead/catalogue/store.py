"""The lists of models that credentials' providers gave. Owns the table `offered_models`.

Every method takes the connection first: the caller owns the transaction, and touches the snapshot's revision when a list
has changed.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.catalogue.offers import Change, Offer, OfferedModel, put_on_top
from keystead.domain.credential import Credential
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.models import ListedModel
from keystead.storage.catalogue import offered_models as _offered

_MODELS: Final = msgspec.json.Decoder(tuple[OfferedModel, ...])
_LEASE_US: Final = 300_000_000
"""How long a process that took up a credential's list is given before another one may."""
_MAX_ERROR: Final = 300
_MAX_NAMED: Final = 500
"""More than so many rows are not named in a statement; all are read."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A credential's list and how it was come by. Instants are Unix microseconds."""

    checked_at: int | None
    """When the provider was last asked; None: never yet."""
    changed_at: int | None
    error: str
    """Why the last attempt brought no list; empty if it did."""
    models: tuple[OfferedModel, ...]


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """Which key a list was last asked for with, and when it is to be asked for again."""

    version: int
    due_at: int


async def dues(conn: AsyncConnection) -> Mapping[CredentialId, Due]:
    """Return every credential whose list was ever taken up."""
    found = await conn.execute(select(_offered.c.credential_id, _offered.c.version, _offered.c.due_at))
    return {CredentialId(row.credential_id): Due(version=row.version, due_at=row.due_at) for row in found}


async def offers(conn: AsyncConnection, known: Mapping[CredentialId, Offer]) -> Mapping[CredentialId, Offer]:
    """Return every credential's list. What is in `known` and has not changed is not read again."""
    changed = (await conn.execute(select(_offered.c.credential_id, _offered.c.changed_at))).all()
    stale = [row.credential_id for row in changed if not _is_known(known, row.credential_id, row.changed_at)]
    wanted = select(_offered.c.credential_id, _offered.c.changed_at, _offered.c.models)
    if len(stale) < _MAX_NAMED:
        wanted = wanted.where(_offered.c.credential_id.in_(stale))
    read = {row.credential_id: row for row in await conn.execute(wanted)} if stale else {}
    made: dict[CredentialId, Offer] = {}
    for row in changed:
        if row.changed_at is None:
            continue
        fresh = read.get(row.credential_id)
        made[row.credential_id] = (
            known[row.credential_id]
            if fresh is None
            else Offer(_MODELS.decode(fresh.models), changed_at=fresh.changed_at)
        )
    return made


async def claim(conn: AsyncConnection, credential: Credential, seen: Due | None, *, now_us: int) -> bool:
    """Take up the list of a credential's active version, unless another process has done so since `seen`."""
    assert credential.active is not None, "only what can be used has a list"
    values = {"version": credential.active.version, "due_at": now_us + _LEASE_US}
    if seen is not None:
        at = (_offered.c.version == seen.version) & (_offered.c.due_at == seen.due_at)
        changed = await conn.execute(
            update(_offered).where(_offered.c.credential_id == credential.id, at).values(values)
        )
        return changed.rowcount == 1
    try:
        await conn.execute(insert(_offered).values(_row(credential) | values))
    except IntegrityError:
        return False
    return True


async def keep(
    conn: AsyncConnection, credential: Credential, listed: Iterable[ListedModel], *, now_us: int, due_at: int
) -> Change:
    """Put a list that was just fetched on top of what is known. Only new and missing models, and new facts, are a change."""
    before = await get(conn, credential.organization_id, credential.id)
    change = put_on_top(before.models, listed, now_us=now_us)
    values: dict[str, object] = {"checked_at": now_us, "due_at": due_at, "error": ""}
    if change.models != before.models or before.changed_at is None:
        values |= {"models": msgspec.json.encode(change.models).decode(), "changed_at": now_us}
    await _write(conn, credential, values)
    return change


async def keep_failure(
    conn: AsyncConnection, credential: Credential, message: str, *, now_us: int, due_at: int
) -> None:
    """Note that the provider gave no list; the one before stays. `message` may hold the provider's own words."""
    said = "".join(letter if letter.isprintable() else " " for letter in message[:_MAX_ERROR])
    await _write(conn, credential, {"checked_at": now_us, "due_at": due_at, "error": said})


async def get(conn: AsyncConnection, organization_id: OrganizationId, credential_id: CredentialId) -> Kept:
    """Return a credential's list; an empty one if it was never asked for."""
    mine = _offered.c.organization_id == organization_id, _offered.c.credential_id == credential_id
    row = (await conn.execute(select(_offered).where(*mine))).one_or_none()
    if row is None:
        return Kept(checked_at=None, changed_at=None, error="", models=())
    return Kept(
        checked_at=row.checked_at, changed_at=row.changed_at, error=row.error, models=_MODELS.decode(row.models)
    )


async def _write(conn: AsyncConnection, credential: Credential, values: Mapping[str, object]) -> None:
    version = {"version": credential.active.version} if credential.active else {}
    where = _offered.c.credential_id == credential.id
    changed = await conn.execute(update(_offered).where(where).values({**version, **values}))
    if changed.rowcount == 0:
        await conn.execute(insert(_offered).values(_row(credential) | version | dict(values)))


def _row(credential: Credential) -> dict[str, object]:
    return {
        "credential_id": credential.id,
        "organization_id": credential.organization_id,
        "version": 0,
        "due_at": 0,
        "error": "",
        "models": "[]",
    }


def _is_known(known: Mapping[CredentialId, Offer], credential_id: CredentialId, changed_at: int | None) -> bool:
    held = known.get(credential_id)
    return changed_at is None or (held is not None and held.changed_at == changed_at)
