"""Virtual keys: issue, list, tag, revoke. Who may not issue keys in a team may issue their own, to themselves."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission, PrincipalKind
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.domain.ids import CredentialId, TeamId
from keystead.domain.tags import MAX_TAG_VALUE, MAX_TAGS, TAG_NAME
from keystead.domain.traffic import Endpoint
from keystead.identity.authority import teams_where
from keystead.identity.issuer import Seen, VirtualKeyView
from keystead.identity.narrowing import Narrowing, source_networks
from keystead.identity.tags import check_tags, tags_of
from keystead.identity.views import Principal
from keystead.web.admin.credential_names import credential_id
from keystead.web.admin.data_class_names import DataClassName, require_data_class
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import (
    LINE,
    Instant,
    IssuedState,
    ModelPatterns,
    Name,
    Nothing,
    Page,
    PageQuery,
    Reference,
    decode_cursor,
    ended_state,
    future,
    paged,
    require_plain_name,
    whole,
    with_instants,
)

Network = Annotated[str, msgspec.Meta(max_length=64, pattern=LINE, description="CIDR: `10.0.0.0/8`.")]

TagName = Annotated[str, msgspec.Meta(pattern=whole(TAG_NAME))]
TagValue = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TAG_VALUE, pattern=LINE)]
Tags = Annotated[
    dict[TagName, TagValue],
    msgspec.Meta(
        max_length=MAX_TAGS,
        description="What its requests count to in reports, by tag: `project` → `apollo`. "
        f"At most {MAX_TAGS}; values of at most {MAX_TAG_VALUE} printable characters.",
    ),
]


class CreateVirtualKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key for one principal: a member, a service account, or (neither given) a new one named like the key.

    What it is narrowed to only ever takes away from what its team and its principal are granted; null: not narrowed.
    """

    name: Name
    team: Reference
    member: Reference | None = None
    service_account: Reference | None = None
    models: ModelPatterns | None = None
    credentials: Annotated[tuple[Reference, ...], msgspec.Meta(min_length=1, max_length=100)] | None = None
    """In order of preference, the organization's own before the platform's. A name means an own one if there is one."""
    endpoints: Annotated[tuple[Endpoint, ...], msgspec.Meta(min_length=1, max_length=len(Endpoint))] | None = None
    networks: Annotated[tuple[Network, ...], msgspec.Meta(min_length=1, max_length=100)] | None = None
    """Where it may be used from."""
    data_class: DataClassName = ""
    """The least sensitive class its requests may have; empty: the team's."""
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)] | None = None
    """The most output tokens a request may ask for."""
    expires_at: Instant | None = None
    tags: Tags = {}


class ChangeVirtualKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a virtual key becomes from now on. What it used before stays where it was counted."""

    tags: Tags
    """All of them: one that is not among them is taken away."""


class VirtualKeysQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which virtual keys."""

    team: Reference | None = None
    principal: Reference | None = None
    """The id of a member or a service account: those that are theirs."""
    mine: bool = False
    """The caller's own only: those with which they act themselves."""


class VirtualKeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key, without its secret."""

    id: str
    name: str
    team_id: str
    team: str
    principal_kind: PrincipalKind
    principal_id: str
    principal: str
    models: tuple[str, ...] | None
    credential_ids: tuple[str, ...] | None
    endpoints: tuple[Endpoint, ...] | None
    networks: tuple[str, ...] | None
    data_class: str
    max_output_tokens: int | None
    tags: dict[str, str]
    state: IssuedState
    created_at: Instant
    created_by: str
    expires_at: Instant | None
    revoked_at: Instant | None


class IssuedVirtualKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new virtual key with its text, which is shown this once."""

    virtual_key: VirtualKeyShown
    key: str


async def list_all(call: Call[VirtualKeysQuery, Nothing]) -> Page[VirtualKeyShown]:
    """Return a page of virtual keys, newest first."""
    rooms, organization_id, query = call.rooms, call.who.organization_id, call.query
    async with rooms.database.read() as conn:
        team_id = None if query.team is None else (await rooms.directory.team(conn, organization_id, query.team)).id
        found = await rooms.issuer.virtual_keys(
            conn,
            organization_id,
            team_id=team_id,
            principal_id=query.principal,
            seen=_mine(call) if query.mine else _seen(call),
            before=decode_cursor(query.cursor),
            limit=query.limit + 1,
        )
        items, next_cursor = paged(found, query.limit)
        shown = await _shown(call, conn, items)
    return Page(items=shown, next_cursor=next_cursor)


async def create(call: Call[Nothing, CreateVirtualKey]) -> IssuedVirtualKey:
    """Issue a virtual key."""
    body, rooms, organization_id = call.body, call.rooms, call.who.organization_id
    require_plain_name(body.name)
    check_tags(body.tags)
    now = rooms.clock.now_us()
    pepper = await rooms.pepper()
    async with act(call) as change:
        await require_data_class(call, change.conn, body.data_class)
        team = await rooms.directory.team(change.conn, organization_id, body.team)
        narrowing = Narrowing(
            models=body.models,
            credential_ids=await _credential_ids(call, change.conn),
            endpoints=None if body.endpoints is None else tuple(dict.fromkeys(body.endpoints)),
            networks=None if body.networks is None else source_networks(body.networks),
            data_class=body.data_class,
            max_output_tokens=body.max_output_tokens,
            expires_at=future(body.expires_at, now),
        )
        view, key = await rooms.issuer.create_virtual_key(
            change.conn,
            call.who,
            pepper=pepper,
            team_id=team.id,
            principal=await _principal(call, change.conn, team.id),
            name=body.name,
            narrowing=narrowing,
            tags=body.tags,
        )
        await change.record(
            "virtual_key.created",
            object_kind="virtual_key",
            object_id=view.id,
            name=view.name,
            team=team.id,
            principal_kind=view.principal_kind,
            principal=view.principal_id,
            narrowing=msgspec.to_builtins(narrowing),
            tags=body.tags,
        )
        [shown] = await _shown(call, change.conn, [view])
    return IssuedVirtualKey(virtual_key=shown, key=key.reveal())


async def show(call: Call[Nothing, Nothing]) -> VirtualKeyShown:
    """Return one virtual key."""
    async with call.rooms.database.read() as conn:
        [shown] = await _shown(call, conn, [await seen_key(call, conn)])
    return shown


async def change(call: Call[Nothing, ChangeVirtualKey]) -> VirtualKeyShown:
    """Give a virtual key other tags."""
    rooms, tags = call.rooms, call.body.tags
    check_tags(tags)
    async with act(call) as change:
        found = await seen_key(call, change.conn)
        before = await rooms.issuer.change_tags(change.conn, call.who, found, tags)
        await change.record(
            "virtual_key.changed",
            object_kind="virtual_key",
            object_id=found.id,
            name=found.name,
            tags=tags,
            tags_before=dict(before),
        )
        [shown] = await _shown(call, change.conn, [found])
    return shown


async def revoke(call: Call[Nothing, Nothing]) -> VirtualKeyShown:
    """Revoke a virtual key for good."""
    rooms = call.rooms
    async with act(call) as change:
        found = await seen_key(call, change.conn)
        view = await rooms.issuer.revoke_virtual_key(change.conn, call.who, found)
        await change.record("virtual_key.revoked", object_kind="virtual_key", object_id=view.id, name=view.name)
        [shown] = await _shown(call, change.conn, [view])
    return shown


async def seen_key(call: Call[Any, Any], conn: AsyncConnection) -> VirtualKeyView:
    """Return the virtual key that the path names.

    Raises:
        NotFoundError: there is none, or the caller may not see it.
    """
    found = await call.rooms.issuer.virtual_key(conn, call.who.organization_id, call.path["virtual_key"])
    seen = _seen(call)
    if seen is not None and not seen.holds(found):
        raise NotFoundError(f"There is no virtual key {call.path['virtual_key']!r}.")
    return found


def _seen(call: Call[Any, Any]) -> Seen | None:
    """Return which keys the caller sees: those of the teams whose keys they read or issue, and their own."""
    read, written = (teams_where(call.who, needed) for needed in (Permission.KEY_READ, Permission.KEY_WRITE))
    if read is None or written is None:
        return None
    return Seen(team_ids=read | written, member_id=call.who.member_id)


def _mine(call: Call[Any, Any]) -> Seen:
    return Seen(team_ids=frozenset(), member_id=call.who.member_id)


async def _principal(call: Call[Nothing, CreateVirtualKey], conn: AsyncConnection, team_id: TeamId) -> Principal:
    """Return who will act with the key."""
    body, rooms, organization_id = call.body, call.rooms, call.who.organization_id
    if body.member is not None and body.service_account is not None:
        raise InvalidRequestError("A key belongs to a member or to a service account, not to both.", param="member")
    if body.member is not None:
        member = await rooms.directory.member(conn, organization_id, body.member)
        disabled = member.disabled_at is not None
        return Principal(kind="member", id=member.id, team_id=member.team_id, disabled=disabled)
    if body.service_account is None:
        account = await rooms.service_accounts.create(conn, call.who, team_id=team_id, name=body.name)
    else:
        account = await rooms.directory.service_account(conn, organization_id, body.service_account)
    disabled = account.disabled_at is not None
    return Principal(kind="service_account", id=account.id, team_id=account.team_id, disabled=disabled)


async def _credential_ids(
    call: Call[Nothing, CreateVirtualKey], conn: AsyncConnection
) -> tuple[CredentialId, ...] | None:
    if call.body.credentials is None:
        return None
    return tuple(dict.fromkeys([await credential_id(call, conn, name) for name in call.body.credentials]))


async def _shown(
    call: Call[Any, Any], conn: AsyncConnection, views: Sequence[VirtualKeyView]
) -> tuple[VirtualKeyShown, ...]:
    directory, organization_id = call.rooms.directory, call.who.organization_id
    teams = await directory.team_names(conn, organization_id, [view.team_id for view in views])
    principals = await directory.principal_names(conn, organization_id, [view.principal_id for view in views])
    tags = await tags_of(conn, organization_id, [view.id for view in views])
    now = call.rooms.clock.now_us()
    return tuple(
        VirtualKeyShown(
            **with_instants(view),
            team=teams[view.team_id],
            principal=principals[view.principal_id],
            tags=tags.get(view.id, {}),
            state=ended_state(expires_at=view.expires_at, revoked_at=view.revoked_at, now_us=now),
        )
        for view in views
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/virtual-keys",
        permission=Permission.KEY_READ,
        scope="team",
        own=Permission.KEY_OWN,
        handler=list_all,
        summary="Virtual keys, newest first, without their secrets.",
        query=VirtualKeysQuery,
        answer=Page[VirtualKeyShown],
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/virtual-keys",
        permission=Permission.KEY_WRITE,
        scope="team",
        own=Permission.KEY_OWN,
        handler=create,
        summary="Issue a virtual key; it is shown this once.",
        body=CreateVirtualKey,
        answer=IssuedVirtualKey,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="GET",
        path="/virtual-keys/{virtual_key}",
        permission=Permission.KEY_READ,
        scope="team",
        own=Permission.KEY_OWN,
        handler=show,
        summary="One virtual key, without its secret.",
        answer=VirtualKeyShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/virtual-keys/{virtual_key}/change",
        permission=Permission.KEY_WRITE,
        scope="team",
        own=Permission.KEY_OWN,
        handler=change,
        summary="Give a virtual key other tags, from now on.",
        body=ChangeVirtualKey,
        answer=VirtualKeyShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/virtual-keys/{virtual_key}/revoke",
        permission=Permission.KEY_WRITE,
        scope="team",
        own=Permission.KEY_OWN,
        handler=revoke,
        summary="Revoke a virtual key.",
        answer=VirtualKeyShown,
        errors=(404,),
    ),
)
