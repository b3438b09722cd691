"""Grants: who may use which credentials for what. List, show, create, revoke.

Giving (an allow, or the end of a deny) takes the permission in the whole organization: credentials belong to all of it.
Who holds it in a team may take away there: deny, or end an allow.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.domain.grants import SubjectKind
from keystead.domain.ids import TeamId
from keystead.domain.traffic import Endpoint
from keystead.identity.authority import require_held, teams_where
from keystead.policy.checks import MAX_CREDENTIALS
from keystead.policy.conditions import MAX_LENGTH
from keystead.policy.views import GrantView, NewGrant
from keystead.web.admin.credential_names import credential_names
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import (
    Instant,
    IssuedState,
    ModelPatterns,
    Note,
    Nothing,
    Page,
    PageQuery,
    Reference,
    decode_cursor,
    ended_state,
    future,
    paged,
    with_instants,
)

_MOST_PRINCIPALS: Final = 10_000
"""Members, and service accounts, whose grants somebody with rights in some teams is shown."""


class CreateGrant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A grant. Exactly one of `team`, `member`, `service_account` and `everyone` says for whom."""

    effect: Literal["allow", "deny"] = "allow"
    team: Reference | None = None
    """Also for the teams below it."""
    member: Reference | None = None
    service_account: Reference | None = None
    everyone: bool = False
    """The whole organization."""
    credentials: Annotated[tuple[Reference, ...], msgspec.Meta(min_length=1, max_length=MAX_CREDENTIALS)] | None = None
    """Own ones, or the platform's; null: an allow is for all own ones, a deny for all there are."""
    models: ModelPatterns | None = None
    """`gpt-5*`, `openai/*` or `credential-name/*`; null: all."""
    endpoints: Annotated[tuple[Endpoint, ...], msgspec.Meta(min_length=1, max_length=len(Endpoint))] | None = None
    condition: Annotated[str, msgspec.Meta(max_length=MAX_LENGTH, description="CEL; empty: always.")] = ""
    note: Note = ""
    """Why; whoever is refused reads it."""
    expires_at: Instant | None = None


class GrantsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which grants."""

    in_force: bool = False
    """Only those that count now."""


class GrantShown(msgspec.Struct, frozen=True, kw_only=True):
    """A grant."""

    id: str
    effect: Literal["allow", "deny"]
    subject_kind: SubjectKind
    subject_id: str
    subject: str | None
    """Its name; null for the whole organization."""
    credential_ids: tuple[str, ...] | None
    credentials: tuple[str, ...] | None
    """Their names, in the same order; the id of a platform credential."""
    models: tuple[str, ...] | None
    endpoints: tuple[Endpoint, ...] | None
    condition: str
    note: str
    state: IssuedState
    created_at: Instant
    created_by: str
    expires_at: Instant | None
    revoked_at: Instant | None


async def list_all(call: Call[GrantsQuery, Nothing]) -> Page[GrantShown]:
    """Return a page of grants, newest first: all, or those of the teams in which the caller may see them."""
    query, organization_id = call.query, call.who.organization_id
    async with call.rooms.database.read() as conn:
        found = await call.rooms.grants.list(
            conn,
            organization_id,
            subject_ids=await _subjects_seen(call, conn),
            in_force_only=query.in_force,
            before=decode_cursor(query.cursor),
            limit=query.limit + 1,
        )
        items, next_cursor = paged(found, query.limit)
        shown = await _shown(call, conn, items)
    return Page(items=shown, next_cursor=next_cursor)


async def show(call: Call[Nothing, Nothing]) -> GrantShown:
    """Return one grant."""
    async with call.rooms.database.read() as conn:
        [shown] = await _shown(call, conn, [await _seen(call, conn)])
    return shown


async def create(call: Call[Nothing, CreateGrant]) -> GrantShown:
    """Create a grant."""
    body = call.body
    async with act(call) as change:
        kind, identifier, team_id = await _subject(call, change.conn)
        require_held(call.who, Permission.GRANT_WRITE, None if body.effect == "allow" else team_id)
        view = await call.rooms.grants.create(
            change.conn,
            organization_id=call.who.organization_id,
            actor_id=call.who.member_id,
            new=NewGrant(
                effect=body.effect,
                subject_kind=kind,
                subject_id=identifier,
                credentials=body.credentials,
                models=body.models,
                endpoints=body.endpoints,
                condition=body.condition,
                note=body.note,
                expires_at=future(body.expires_at, call.rooms.clock.now_us()),
            ),
        )
        await change.record("grant.created", object_kind="grant", object_id=view.id, **_told(view))
        [shown] = await _shown(call, change.conn, [view])
    return shown


async def revoke(call: Call[Nothing, Nothing]) -> GrantShown:
    """Revoke a grant for good."""
    async with act(call) as change:
        before = await _seen(call, change.conn)
        team_id = await _team_of(call, change.conn, before)
        require_held(call.who, Permission.GRANT_WRITE, None if before.effect == "deny" else team_id)
        view = await call.rooms.grants.revoke(change.conn, organization_id=call.who.organization_id, grant_id=before.id)
        await change.record("grant.revoked", object_kind="grant", object_id=view.id, **_told(view))
        [shown] = await _shown(call, change.conn, [view])
    return shown


async def _subject(call: Call[Nothing, CreateGrant], conn: AsyncConnection) -> tuple[SubjectKind, str, TeamId | None]:
    """Return whom the grant is for, and the team that is (None: the whole organization)."""
    body, directory, organization_id = call.body, call.rooms.directory, call.who.organization_id
    named = [body.team, body.member, body.service_account, body.everyone or None]
    if sum(name is not None for name in named) != 1:
        raise InvalidRequestError(
            "A grant is for exactly one subject.",
            param="team",
            next_step="Give one of team, member, service_account, or everyone: true for the whole organization.",
        )
    if body.team is not None:
        team = await directory.team(conn, organization_id, body.team)
        return "team", team.id, team.id
    if body.member is not None:
        member = await directory.member(conn, organization_id, body.member)
        return "member", member.id, member.team_id
    if body.service_account is not None:
        account = await directory.service_account(conn, organization_id, body.service_account)
        return "service_account", account.id, account.team_id
    return "organization", organization_id, None


async def _team_of(call: Call[Any, Any], conn: AsyncConnection, grant: GrantView) -> TeamId | None:
    """Return the team whose matter a grant is; None: the whole organization's."""
    directory, organization_id = call.rooms.directory, call.who.organization_id
    if grant.subject_kind == "team":
        return TeamId(grant.subject_id)
    if grant.subject_kind == "member":
        return (await directory.member(conn, organization_id, grant.subject_id)).team_id
    if grant.subject_kind == "service_account":
        return (await directory.service_account(conn, organization_id, grant.subject_id)).team_id
    return None


def _teams_seen(call: Call[Any, Any]) -> frozenset[TeamId] | None:
    """Return the teams whose grants the caller sees; None: everybody's."""
    read, written = (teams_where(call.who, needed) for needed in (Permission.GRANT_READ, Permission.GRANT_WRITE))
    return None if read is None or written is None else read | written


async def _subjects_seen(call: Call[Any, Any], conn: AsyncConnection) -> frozenset[str] | None:
    """Return whose grants the caller sees; None: everybody's."""
    teams = _teams_seen(call)
    if teams is None:
        return None
    directory, organization_id = call.rooms.directory, call.who.organization_id
    members = await directory.members(conn, organization_id, within=teams, before=None, limit=_MOST_PRINCIPALS)
    accounts = await directory.service_accounts(
        conn, organization_id, within=teams, before=None, limit=_MOST_PRINCIPALS
    )
    return frozenset({*teams, *(member.id for member in members), *(account.id for account in accounts)})


async def _seen(call: Call[Any, Any], conn: AsyncConnection) -> GrantView:
    """Return the grant that the path names. One that the caller does not see is as absent as one that never was."""
    view = await call.rooms.grants.get(conn, call.who.organization_id, call.path["grant"])
    teams = _teams_seen(call)
    if teams is not None and await _team_of(call, conn, view) not in teams:
        raise NotFoundError("There is no such grant.", code="grant_not_found")
    return view


async def _shown(call: Call[Any, Any], conn: AsyncConnection, views: Sequence[GrantView]) -> tuple[GrantShown, ...]:
    directory, organization_id = call.rooms.directory, call.who.organization_id
    teams = [view.subject_id for view in views if view.subject_kind == "team"]
    people = [view.subject_id for view in views if view.subject_kind in {"member", "service_account"}]
    names = await directory.team_names(conn, organization_id, teams)
    names |= await directory.principal_names(conn, organization_id, people)
    named = {identifier for view in views for identifier in view.credential_ids or ()}
    credentials = await credential_names(call, conn, named) if named else {}
    now = call.rooms.clock.now_us()
    return tuple(
        GrantShown(
            **{name: value for name, value in with_instants(view).items() if name != "organization_id"},
            subject=names.get(view.subject_id),
            credentials=None
            if view.credential_ids is None
            else tuple(credentials.get(identifier, identifier) for identifier in view.credential_ids),
            state=ended_state(expires_at=view.expires_at, revoked_at=view.revoked_at, now_us=now),
        )
        for view in views
    )


def _told(view: GrantView) -> dict[str, Any]:
    """Return what the audit log says of a grant."""
    return {
        "effect": view.effect,
        "subject_kind": view.subject_kind,
        "subject": view.subject_id,
        "credentials": view.credential_ids,
        "models": view.models,
        "endpoints": view.endpoints,
        "condition": view.condition,
        "note": view.note,
        "expires_at": view.expires_at,
    }


ROUTES: Final = (
    Route(
        method="GET",
        path="/grants",
        permission=Permission.GRANT_READ,
        scope="team",
        handler=list_all,
        summary="Who may, and may not, use which credentials for what, newest first.",
        query=GrantsQuery,
        answer=Page[GrantShown],
    ),
    Route(
        method="GET",
        path="/grants/{grant}",
        permission=Permission.GRANT_READ,
        scope="team",
        handler=show,
        summary="One grant.",
        answer=GrantShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/grants",
        permission=Permission.GRANT_WRITE,
        scope="team",
        handler=create,
        summary="Let somebody use credentials, or forbid it.",
        body=CreateGrant,
        answer=GrantShown,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/grants/{grant}/revoke",
        permission=Permission.GRANT_WRITE,
        scope="team",
        handler=revoke,
        summary="Revoke a grant.",
        answer=GrantShown,
        errors=(404,),
    ),
)
