"""In which browsers somebody is signed in to the console, and how that ends; and the password that begins it."""

from typing import Any, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.errors import ConflictError, NotFoundError
from keystead.domain.secret import Secret
from keystead.identity.authority import require_covering, require_held
from keystead.identity.passwords import require_good
from keystead.identity.views import Member
from keystead.web.admin.proof import prove_password
from keystead.web.admin.rooms import AdminRooms
from keystead.web.admin.route import Act, Call, Route, act
from keystead.web.admin.values import Instant, Nothing, Reference, instant


class SessionShown(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that somebody is signed in with."""

    id: str
    browser: str
    """As it calls itself."""
    created_at: Instant
    seen_at: Instant
    """To the minute."""
    current: bool
    """It is the one that asks."""


class SessionsShown(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions in force, the latest used first."""

    sessions: tuple[SessionShown, ...]


class EndSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which one of the caller's."""

    session: Reference


class ChangePassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another password."""

    current: Secret
    new: Secret
    """At least 12 characters."""


async def list_own(call: Call[Nothing, Nothing]) -> SessionsShown:
    """Return the caller's sessions."""
    return await _shown(call, call.who.member_id)


async def end_own(call: Call[Nothing, EndSession]) -> SessionsShown:
    """End one of the caller's sessions."""
    who, rooms = call.who, call.rooms
    async with act(call) as change:
        if not await rooms.sessions.end(change.conn, who.organization_id, who.member_id, call.body.session):
            raise NotFoundError(
                "There is no such session.", code="session_not_found", next_step="It may be over already."
            )
        await _record(change, who.member_id, "one")
    return await _shown(call, who.member_id)


async def end_others(call: Call[Nothing, Nothing]) -> SessionsShown:
    """End the caller's sessions but the one that asks."""
    who, rooms = call.who, call.rooms
    async with act(call) as change:
        await rooms.sessions.end_others(change.conn, who.organization_id, who.member_id, who.token_id)
        await _record(change, who.member_id, "others")
    return await _shown(call, who.member_id)


async def list_of(call: Call[Nothing, Nothing]) -> SessionsShown:
    """Return a member's sessions, to whoever could end them."""
    async with call.rooms.database.read() as conn:
        member = await call.rooms.directory.member(conn, call.who.organization_id, call.path["member"])
    require_held(call.who, Permission.MEMBER_WRITE, member.team_id)
    return await _shown(call, member.id)


async def end_of(call: Call[Nothing, Nothing]) -> SessionsShown:
    """End a member's sessions: they sign in anew."""
    who, rooms = call.who, call.rooms
    async with act(call) as change:
        member: Member = await rooms.directory.member(change.conn, who.organization_id, call.path["member"])
        require_held(who, Permission.MEMBER_WRITE, member.team_id)
        require_covering(who, await rooms.directory.holding(change.conn, who.organization_id, member))
        await rooms.sessions.end_all(change.conn, who.organization_id, member.id)
        await _record(change, member.id, "all")
    return await _shown(call, member.id)


async def change_password(call: Call[Nothing, ChangePassword]) -> SessionsShown:
    """Change the caller's password; every other session of theirs ends."""
    who, rooms, body = call.who, call.rooms, call.body
    async with rooms.database.read() as conn:
        own = await rooms.sign_in.own(conn, who.member_id)
    if own is None:
        raise ConflictError(
            "You do not sign in with a password.",
            code="no_password",
            next_step="Change it where you sign in: at your identity provider.",
        )
    email = await prove_password(call, body.current)
    require_good(body.new, email=email)
    hashed = await rooms.passwords.hash(body.new)
    async with act(call) as change:
        await rooms.sign_in.change_password(change.conn, who.member_id, hashed)
        await rooms.sessions.end_others(change.conn, who.organization_id, who.member_id, who.token_id)
        await change.record("member.password_changed", object_kind="member", object_id=who.member_id)
    return await _shown(call, who.member_id)


async def _record(change: Act, member_id: str, which: str) -> None:
    await change.record("member.sessions_ended", object_kind="member", object_id=member_id, which=which)


async def _shown(call: Call[Any, Any], member_id: str) -> SessionsShown:
    rooms: AdminRooms = call.rooms
    async with rooms.database.read() as conn:
        found = await rooms.sessions.list(conn, call.who.organization_id, member_id)
    return SessionsShown(
        sessions=tuple(
            SessionShown(
                id=one.id,
                browser=one.browser,
                created_at=instant(one.created_at),
                seen_at=instant(one.seen_at),
                current=one.id == call.who.token_id,
            )
            for one in found
        )
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/self/sessions",
        permission=None,
        handler=list_own,
        summary="In which browsers you are signed in to the console.",
        answer=SessionsShown,
    ),
    Route(
        method="POST",
        path="/self/sessions/end",
        permission=None,
        handler=end_own,
        summary="Sign yourself out in one browser.",
        body=EndSession,
        answer=SessionsShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/self/sessions/end-others",
        permission=None,
        handler=end_others,
        summary="Sign yourself out everywhere else.",
        answer=SessionsShown,
    ),
    Route(
        method="POST",
        path="/self/password",
        permission=None,
        handler=change_password,
        summary="Change the password that you sign in to the console with; your other sessions end.",
        body=ChangePassword,
        answer=SessionsShown,
        errors=(409, 429),
    ),
    Route(
        method="GET",
        path="/members/{member}/sessions",
        permission=Permission.MEMBER_WRITE,
        scope="team",
        handler=list_of,
        summary="In which browsers a member is signed in to the console.",
        answer=SessionsShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/members/{member}/sessions/end",
        permission=Permission.MEMBER_WRITE,
        scope="team",
        handler=end_of,
        summary="Sign a member out everywhere.",
        answer=SessionsShown,
        errors=(404,),
    ),
)
