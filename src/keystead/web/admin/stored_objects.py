"""What lies at providers through the gateway: list, delete."""

from typing import Annotated, Any, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.credential import VersionState
from keystead.domain.errors import ConflictError, NotFoundError
from keystead.domain.stored import PLACES, ObjectKind, StoredObject
from keystead.providers import request
from keystead.providers.table import PROVIDERS
from keystead.storage import stored_objects as books
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import (
    LINE,
    Instant,
    Nothing,
    Page,
    PageQuery,
    decode_cursor,
    instant,
    optional_instant,
    paged,
)

_GONE: Final = frozenset({404, 410})
_NOT_DELETABLE: Final = frozenset(set(ObjectKind) - PLACES.keys()) | {ObjectKind.BATCH}


class StoredObjectQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which stored objects."""

    kind: ObjectKind | None = None
    credential: Annotated[str, msgspec.Meta(max_length=100, pattern=LINE, description="An id.")] | None = None


class DeleteStoredObject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far to delete."""

    at_provider: bool = False
    """Delete the object itself too. Without it, it stays in the provider's account and only stops to resolve here."""


class StoredObjectShown(msgspec.Struct, frozen=True, kw_only=True):
    """A stored object: where it lies and whose it is. Never what is in it."""

    id: str
    kind: ObjectKind
    upstream_id: str
    """The name that the provider gave it, which its owner calls it by."""
    provider: str
    credential_id: str
    team_id: str
    principal_kind: str
    principal_id: str
    virtual_key_id: str
    created_at: Instant
    expires_at: Instant | None
    work: str
    """Of what works after the answer: `open` until it is settled, then `done`."""
    request_id: str | None
    """The request whose cost it is."""


async def list_all(call: Call[StoredObjectQuery, Nothing]) -> Page[StoredObjectShown]:
    """Return a page of stored objects, newest first."""
    query = call.query
    async with call.rooms.database.read() as conn:
        found = await books.page(
            conn,
            organization_id=call.who.organization_id,
            kinds=[] if query.kind is None else [query.kind],
            credential_id=query.credential,
            before=decode_cursor(query.cursor),
            limit=query.limit + 1,
        )
    items, next_cursor = paged(found, query.limit)
    return Page(items=tuple(_shown(each) for each in items), next_cursor=next_cursor)


async def delete(call: Call[Nothing, DeleteStoredObject]) -> StoredObjectShown:
    """Delete a stored object here, and at its provider if that is asked for."""
    async with call.rooms.database.read() as conn:
        stored = await books.get(conn, organization_id=call.who.organization_id, identifier=call.path["stored_object"])
        if stored is None:
            raise NotFoundError
        awaited = bool(stored.request_id) and await books.is_awaited(conn, stored.request_id)
    if awaited:
        raise ConflictError(
            "What it cost is not in the record yet.",
            code="work_not_settled",
            next_step="Cancel it with its owner's virtual key, or wait for its end.",
        )
    if call.body.at_provider:
        await _delete_at_provider(call, stored)
    async with act(call) as change:
        await books.remove(change.conn, stored.id)
        await change.record(
            "stored_object.deleted",
            object_kind="stored_object",
            object_id=stored.id,
            kind=stored.kind.value,
            upstream_id=stored.upstream_id,
            credential=stored.credential_id,
            at_provider=call.body.at_provider,
        )
    return _shown(stored)


async def _delete_at_provider(call: Call[Any, Any], stored: StoredObject) -> None:
    """Delete the object itself; one that is not there any more is deleted."""
    rooms = call.rooms
    async with rooms.database.read() as conn:
        view = await rooms.credentials.get(conn, call.who.organization_id, stored.credential_id)
        active = next((each.version for each in view.versions if each.state is VersionState.ACTIVE), None)
        if stored.kind in _NOT_DELETABLE or view.revoked_at is not None or active is None:
            raise ConflictError(
                "It cannot be deleted at the provider: it is a batch, an upload under way, a container or a file search store, or its credential has no active key.",
                code="not_deletable",
                next_step="Delete it here alone.",
            )
        credential, sealed = await rooms.credentials.open_for_probe(
            conn, organization_id=call.who.organization_id, credential=view.id, version=active
        )
    dialect, endpoint, path = PLACES[stored.kind]
    upstream = request.build(
        PROVIDERS[credential.provider],
        credential,
        dialect=dialect,
        endpoint=endpoint,
        path_tail=f"{path}/{stored.upstream_id}",
        method="DELETE",
    )
    secret = await rooms.lease_door.lease(credential, sealed)
    authorized = await rooms.authorizers.authorize(PROVIDERS[credential.provider], upstream, credential, secret)
    response = await rooms.transport_for(credential.provider).open(upstream, authorized)
    response.close()
    if response.status >= 400 and response.status not in _GONE:
        raise ConflictError(
            f"The provider refused to delete it, with status {response.status}.",
            code="delete_refused",
            next_step="Look at the credential: `keystead credential probe`. Or delete it here alone.",
        )


def _shown(stored: StoredObject) -> StoredObjectShown:
    return StoredObjectShown(
        id=stored.id,
        kind=stored.kind,
        upstream_id=stored.upstream_id,
        provider=stored.provider,
        credential_id=stored.credential_id,
        team_id=stored.team_id,
        principal_kind=stored.principal_kind,
        principal_id=stored.principal_id,
        virtual_key_id=stored.virtual_key_id,
        created_at=instant(stored.created_at),
        expires_at=optional_instant(stored.expires_at),
        work=stored.work,
        request_id=stored.request_id or None,
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/stored-objects",
        permission=Permission.REQUEST_READ,
        handler=list_all,
        summary="What lies at providers, newest first.",
        query=StoredObjectQuery,
        answer=Page[StoredObjectShown],
    ),
    Route(
        method="POST",
        path="/stored-objects/{stored_object}/delete",
        permission=Permission.CREDENTIAL_WRITE,
        handler=delete,
        summary="Delete what lies at a provider.",
        body=DeleteStoredObject,
        answer=StoredObjectShown,
        errors=(404, 409),
    ),
)
