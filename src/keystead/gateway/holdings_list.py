"""The lists of stored objects, from our own books: a provider's list would show what other callers keep there."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import VirtualKey
from keystead.domain.errors import InvalidRequestError
from keystead.domain.stored import MORTAL, ObjectKind, Reference, StoredObject
from keystead.domain.traffic import Dialect
from keystead.gateway.ask import Ask
from keystead.storage import stored_objects as books
from keystead.storage.database import Database
from keystead.storage.row_security import OrganizationView

_USUAL: Final = 20
_MOST: Final = 100
_AFTER: Final = {Dialect.OPENAI: "after", Dialect.ANTHROPIC: "after_id", Dialect.GEMINI: "pageToken"}
_IDS: Final = frozenset({"ids", "ids[]"})
_MOST_ROUNDS: Final = 20


async def listed(database: Database, key: VirtualKey, ask: Ask) -> bytes:
    """Return the caller's own objects of the kind that `ask` is about, newest first, in its dialect.

    Raises:
        InvalidRequestError: the query cannot be read.
        NotFoundError: it asks for what comes after something that is not there.
    """
    pairs = parse_qsl(ask.query.decode("latin-1"))
    query = dict(pairs)
    if "before_id" in query:
        raise InvalidRequestError("Lists go from the newest to the oldest here: use `after_id`.", param="before_id")
    if "scope_id" in query:
        raise InvalidRequestError("Files of a scope cannot be listed here: none is bound to it.", param="scope_id")
    ids = {value for name, value in pairs if name in _IDS}
    limit = _limit(query.get("limit") or query.get("pageSize"))
    async with OrganizationView(database, key.organization_id).read() as conn:
        after = await _after(conn, key, ask.object_kind, _cursor(ask, query))
        found = await _page(conn, key, ask, after, limit + 1, purpose=query.get("purpose"), ids=ids)
    if ask.dialect is Dialect.GEMINI:
        return msgspec.json.encode(_gemini(ask.tail.removeprefix("/"), found[:limit], more=len(found) > limit))
    shape = _anthropic_files if ask.object_kind is ObjectKind.ANTHROPIC_FILE else _SHAPES[ask.dialect]
    return msgspec.json.encode(shape(found[:limit], more=len(found) > limit))


def _cursor(ask: Ask, query: dict[str, str]) -> str | None:
    after = query.get(_AFTER[ask.dialect])
    return query.get("page", after) if ask.object_kind is ObjectKind.ANTHROPIC_FILE else after


async def _page(
    conn: AsyncConnection,
    key: VirtualKey,
    ask: Ask,
    after: str | None,
    wanted: int,
    *,
    purpose: str | None,
    ids: AbstractSet[str],
) -> list[StoredObject]:
    found: list[StoredObject] = []
    for _ in range(_MOST_ROUNDS):
        page = await books.page(
            conn,
            organization_id=key.organization_id,
            principal_id=key.principal_id,
            kinds=[ask.object_kind],
            before=after,
            kept_at=ask.started_at if ask.object_kind in MORTAL else None,
            limit=wanted,
        )
        found += [
            each
            for each in page
            if (purpose is None or _purpose(each) == purpose) and (not ids or each.upstream_id in ids)
        ]
        if len(found) >= wanted or len(page) < wanted:
            break
        after = page[-1].id
    return found[:wanted]


async def _after(conn: AsyncConnection, key: VirtualKey, kind: ObjectKind, upstream_id: str | None) -> str | None:
    if not upstream_id:
        return None
    held = await books.find(
        conn,
        organization_id=key.organization_id,
        principal_id=key.principal_id,
        kind=kind,
        upstream_id=upstream_id,
    )
    if held is None:
        raise Reference(kind, upstream_id).not_found()
    return held.id


def _limit(text: str | None) -> int:
    if text is None:
        return _USUAL
    if not text.isascii() or not text.isdigit() or int(text[:9]) == 0:
        raise InvalidRequestError("The limit must be a whole number from 1.", param="limit")
    return min(int(text[:9]), _MOST)


def _purpose(held: StoredObject) -> str:
    told = msgspec.json.decode(held.shown)
    return str(told.get("purpose", "")) if isinstance(told, dict) else ""


def _raw(found: Sequence[StoredObject]) -> list[msgspec.Raw]:
    return [msgspec.Raw(each.shown.encode()) for each in found]


def _data(found: Sequence[StoredObject], *, more: bool) -> dict[str, Any]:
    return {
        "data": _raw(found),
        "first_id": found[0].upstream_id if found else None,
        "last_id": found[-1].upstream_id if found else None,
        "has_more": more,
    }


def _anthropic_files(found: Sequence[StoredObject], *, more: bool) -> dict[str, Any]:
    return {**_data(found, more=more), "next_page": found[-1].upstream_id if more else None}


def _openai(found: Sequence[StoredObject], *, more: bool) -> dict[str, Any]:
    return {"object": "list", **_data(found, more=more)}


def _gemini(collection: str, found: Sequence[StoredObject], *, more: bool) -> dict[str, Any]:
    return {collection: _raw(found), **({"nextPageToken": found[-1].upstream_id} if more else {})}


_SHAPES: Final = {Dialect.OPENAI: _openai, Dialect.ANTHROPIC: _data}
