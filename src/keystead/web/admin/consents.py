"""Consents: the recorded permission to fall back from own keys to platform credentials. List, give, revoke."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.grants import Reason
from keystead.domain.ids import TeamId
from keystead.domain.money import to_text
from keystead.ledger.credits import parse_credits
from keystead.policy.views import ConsentView, NewConsent
from keystead.web.admin.credit_shapes import Credits
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
    RuleName,
    decode_cursor,
    ended_state,
    instant,
    micros,
    optional_instant,
    paged,
)


class GiveConsent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For which requests, for which reasons, up to how much and until when platform credentials may step in."""

    teams: Annotated[tuple[Reference, ...], msgspec.Meta(min_length=1, max_length=100)] | None = None
    """Also the teams below them; null: every team."""
    models: ModelPatterns | None = None
    """As the platform's provider calls them; null: all."""
    data_classes: Annotated[tuple[RuleName, ...], msgspec.Meta(min_length=1, max_length=50)]
    """A class that stays on own keys, such as `restricted`, cannot be among them."""
    reasons: Annotated[tuple[Reason, ...], msgspec.Meta(min_length=1, max_length=len(Reason))]
    """`throttled`, `down`, `out_of_funds`."""
    daily_cap: Credits
    monthly_cap: Credits
    expires_at: Instant
    """At most a year ahead."""
    note: Note = ""


class ConsentsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which consents."""

    in_force: bool = False
    """Only those that count now."""


class ConsentShown(msgspec.Struct, frozen=True, kw_only=True):
    """A consent, and who gave it (`created_by`)."""

    id: str
    team_ids: tuple[str, ...] | None
    teams: tuple[str, ...] | None
    """Their names, in the same order."""
    models: tuple[str, ...] | None
    data_classes: tuple[str, ...]
    reasons: tuple[Reason, ...]
    daily_cap: str
    """Credits, exact decimal text."""
    monthly_cap: str
    note: str
    state: IssuedState
    created_at: Instant
    created_by: str
    expires_at: Instant
    revoked_at: Instant | None


async def list_all(call: Call[ConsentsQuery, Nothing]) -> Page[ConsentShown]:
    """Return a page of consents, newest first."""
    query, organization_id = call.query, call.who.organization_id
    async with call.rooms.database.read() as conn:
        found = await call.rooms.consents.list(
            conn,
            organization_id,
            in_force_only=query.in_force,
            before=decode_cursor(query.cursor),
            limit=query.limit + 1,
        )
        items, next_cursor = paged(found, query.limit)
        shown = await _shown(call, conn, items)
    return Page(items=shown, next_cursor=next_cursor)


async def give(call: Call[Nothing, GiveConsent]) -> ConsentShown:
    """Record a consent of the caller's."""
    body = call.body
    daily = parse_credits(body.daily_cap, param="daily_cap")
    monthly = parse_credits(body.monthly_cap, param="monthly_cap")
    async with act(call) as change:
        view = await call.rooms.consents.give(
            change.conn,
            organization_id=call.who.organization_id,
            actor_id=call.who.member_id,
            new=NewConsent(
                team_ids=await _team_ids(call, change.conn),
                models=body.models,
                data_classes=body.data_classes,
                reasons=body.reasons,
                daily_cap_pico=daily,
                monthly_cap_pico=monthly,
                expires_at=micros(body.expires_at),
                note=body.note,
            ),
        )
        await change.record(
            "consent.given",
            object_kind="consent",
            object_id=view.id,
            teams=view.team_ids,
            models=view.models,
            data_classes=view.data_classes,
            reasons=view.reasons,
            daily_cap=to_text(view.daily_cap_pico),
            monthly_cap=to_text(view.monthly_cap_pico),
            expires_at=view.expires_at,
            note=view.note,
        )
        [shown] = await _shown(call, change.conn, [view])
    return shown


async def revoke(call: Call[Nothing, Nothing]) -> ConsentShown:
    """Withdraw a consent for good."""
    async with act(call) as change:
        view = await call.rooms.consents.revoke(
            change.conn, organization_id=call.who.organization_id, consent_id=call.path["consent"]
        )
        await change.record("consent.revoked", object_kind="consent", object_id=view.id)
        [shown] = await _shown(call, change.conn, [view])
    return shown


async def _team_ids(call: Call[Nothing, GiveConsent], conn: AsyncConnection) -> tuple[TeamId, ...] | None:
    if call.body.teams is None:
        return None
    found = [await call.rooms.directory.team(conn, call.who.organization_id, name) for name in call.body.teams]
    return tuple(dict.fromkeys(team.id for team in found))


async def _shown(call: Call[Any, Any], conn: AsyncConnection, views: Sequence[ConsentView]) -> tuple[ConsentShown, ...]:
    teams = {team_id for view in views for team_id in view.team_ids or ()}
    names = await call.rooms.directory.team_names(conn, call.who.organization_id, teams)
    now = call.rooms.clock.now_us()
    return tuple(
        ConsentShown(
            id=view.id,
            team_ids=view.team_ids,
            teams=None if view.team_ids is None else tuple(names[team_id] for team_id in view.team_ids),
            models=view.models,
            data_classes=view.data_classes,
            reasons=view.reasons,
            daily_cap=to_text(view.daily_cap_pico),
            monthly_cap=to_text(view.monthly_cap_pico),
            note=view.note,
            state=ended_state(expires_at=view.expires_at, revoked_at=view.revoked_at, now_us=now),
            created_at=instant(view.created_at),
            created_by=view.created_by,
            expires_at=instant(view.expires_at),
            revoked_at=optional_instant(view.revoked_at),
        )
        for view in views
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/consents",
        permission=Permission.CONSENT_READ,
        handler=list_all,
        summary="When platform credentials may step in for own keys, newest first.",
        query=ConsentsQuery,
        answer=Page[ConsentShown],
    ),
    Route(
        method="POST",
        path="/consents",
        permission=Permission.CONSENT_WRITE,
        handler=give,
        summary="Let platform credentials step in for own keys, within bounds.",
        body=GiveConsent,
        answer=ConsentShown,
        status=201,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="/consents/{consent}/revoke",
        permission=Permission.CONSENT_WRITE,
        handler=revoke,
        summary="Withdraw a consent.",
        answer=ConsentShown,
        errors=(404,),
    ),
)
