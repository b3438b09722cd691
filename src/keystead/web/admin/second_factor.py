"""The second factor of whoever calls, and an administrator's way to take a member's away."""

from typing import Annotated, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.errors import ConflictError
from keystead.domain.secret import Secret
from keystead.identity import totp
from keystead.identity.authority import require_covering, require_held
from keystead.identity.second_factor import Tried, wrong_code
from keystead.web.admin.proof import prove_password, too_many
from keystead.web.admin.rooms import AdminRooms
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import LINE, Instant, Nothing, optional_instant

Code = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=LINE)]


class SecondFactorShown(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a code is asked for when one signs in to the console with a password."""

    on_since: Instant | None
    """Null: it is not."""
    recovery_codes_left: int
    required: bool
    """By the organization."""
    has_password: bool
    """Whether a password is asked for when it is changed."""


class Enrol(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who sets up a second factor, proven anew."""

    password: Secret | None = None
    """Null for who has none, and signed in at their identity provider just now."""


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """What an authenticator is told, which is shown this once."""

    secret: str
    """As one types it: base32."""
    address: str
    """As a QR code says it: `otpauth://totp/…`."""


class Confirm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code that the authenticator shows now."""

    code: Code


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both factors."""

    password: Secret | None = None
    """Null as when it is set up."""
    code: Code
    """Of this moment, or a recovery code."""


class RecoveryCodes(msgspec.Struct, frozen=True, kw_only=True):
    """Codes that each count once in the place of the authenticator's, and are shown this once."""

    recovery_codes: tuple[str, ...]


async def show(call: Call[Nothing, Nothing]) -> SecondFactorShown:
    """Return the caller's second factor as it is."""
    return await _shown(call.rooms, call.who.organization_id, call.who.member_id)


async def enrol(call: Call[Nothing, Enrol]) -> Enrolment:
    """Begin to set up the caller's second factor. Nothing is asked for until a code is confirmed."""
    email = await prove_password(call, call.body.password)
    async with act(call) as change:
        secret = await call.rooms.second_factors.enrol(change.conn, call.who.organization_id, call.who.member_id)
        await change.record("member.second_factor_begun", object_kind="member", object_id=call.who.member_id)
    text = secret.reveal()
    return Enrolment(secret=text, address=totp.address_of(text, account=email))


async def confirm(call: Call[Nothing, Confirm]) -> RecoveryCodes:
    """Put the second factor into force; every other session of the caller ends."""
    who, rooms = call.who, call.rooms
    async with act(call) as change:
        codes = await rooms.second_factors.confirm(change.conn, who.organization_id, who.member_id, call.body.code)
        await rooms.sessions.end_others(change.conn, who.organization_id, who.member_id, who.token_id)
        await change.record("member.second_factor_on", object_kind="member", object_id=who.member_id)
    return RecoveryCodes(recovery_codes=tuple(codes))


async def renew_recovery_codes(call: Call[Nothing, Proof]) -> RecoveryCodes:
    """Make new recovery codes; the ones before open nothing any more."""
    await _prove_both(call)
    async with act(call) as change:
        codes = await call.rooms.second_factors.renew(change.conn, call.who.organization_id, call.who.member_id)
        await change.record("member.recovery_codes_renewed", object_kind="member", object_id=call.who.member_id)
    return RecoveryCodes(recovery_codes=tuple(codes))


async def disable(call: Call[Nothing, Proof]) -> SecondFactorShown:
    """Turn the caller's second factor off."""
    who, rooms = call.who, call.rooms
    async with rooms.database.read() as conn:
        organization = await rooms.directory.organization(conn, who.organization_id)
    if organization.second_factor_required:
        raise ConflictError(
            "Your organization wants a second factor of everybody.",
            code="second_factor_required",
            next_step="Ask an administrator to reset it, if you want to set up another.",
        )
    await _prove_both(call)
    async with act(call) as change:
        await rooms.second_factors.remove(change.conn, who.member_id)
        await rooms.sessions.end_others(change.conn, who.organization_id, who.member_id, who.token_id)
        await change.record("member.second_factor_off", object_kind="member", object_id=who.member_id)
    return await _shown(rooms, who.organization_id, who.member_id)


async def show_of(call: Call[Nothing, Nothing]) -> SecondFactorShown:
    """Return a member's second factor as it is, to whoever could reset it."""
    who, rooms = call.who, call.rooms
    async with rooms.database.read() as conn:
        member = await rooms.directory.member(conn, who.organization_id, call.path["member"])
    require_held(who, Permission.MEMBER_WRITE, member.team_id)
    return await _shown(rooms, who.organization_id, member.id)


async def reset(call: Call[Nothing, Nothing]) -> SecondFactorShown:
    """Take a member's second factor away, who lost it. Their sessions end, and their password is enough again."""
    who, rooms = call.who, call.rooms
    async with act(call) as change:
        member = await rooms.directory.member(change.conn, who.organization_id, call.path["member"])
        require_held(who, Permission.MEMBER_WRITE, member.team_id)
        require_covering(who, await rooms.directory.holding(change.conn, who.organization_id, member))
        if member.id == who.member_id:
            raise ConflictError(
                "You cannot reset your own second factor.",
                code="self_reset",
                next_step="Turn it off in your account, or let somebody else do it.",
            )
        await rooms.second_factors.remove(change.conn, member.id)
        await rooms.sessions.end_all(change.conn, who.organization_id, member.id)
        await change.record("member.second_factor_reset", object_kind="member", object_id=member.id, name=member.name)
    return await _shown(rooms, who.organization_id, member.id)


async def _shown(rooms: AdminRooms, organization_id: str, member_id: str) -> SecondFactorShown:
    async with rooms.database.read() as conn:
        found = await rooms.second_factors.show(conn, member_id)
        organization = await rooms.directory.organization(conn, organization_id)
        own = await rooms.sign_in.own(conn, member_id)
    return SecondFactorShown(
        on_since=optional_instant(found.confirmed_at),
        recovery_codes_left=found.recovery_codes_left,
        required=organization.second_factor_required,
        has_password=own is not None,
    )


async def _prove_both(call: Call[Nothing, Proof]) -> None:
    """Let the caller on whose password and code these are; a wrong code counts, and stands in the audit log."""
    await prove_password(call, call.body.password)
    who = call.who
    async with act(call) as change:
        tried = await call.rooms.second_factors.try_code(
            change.conn, who.organization_id, who.member_id, call.body.code
        )
        await change.record(
            "member.second_factor_tried", object_kind="member", object_id=who.member_id, outcome=tried.value
        )
    if tried is Tried.WAIT:
        raise too_many()
    if tried is Tried.WRONG:
        raise wrong_code()


ROUTES: Final = (
    Route(
        method="GET",
        path="/self/second-factor",
        permission=None,
        handler=show,
        summary="Whether you are asked for a code when you sign in to the console.",
        answer=SecondFactorShown,
    ),
    Route(
        method="POST",
        path="/self/second-factor/enrol",
        permission=None,
        handler=enrol,
        summary="Begin to set up your second factor; its secret is shown this once.",
        body=Enrol,
        answer=Enrolment,
        status=201,
        errors=(409, 429),
    ),
    Route(
        method="POST",
        path="/self/second-factor/confirm",
        permission=None,
        handler=confirm,
        summary="Put your second factor into force with a code of it; your recovery codes are shown this once.",
        body=Confirm,
        answer=RecoveryCodes,
        errors=(409,),
    ),
    Route(
        method="POST",
        path="/self/second-factor/recovery-codes",
        permission=None,
        handler=renew_recovery_codes,
        summary="Make new recovery codes in the place of yours.",
        body=Proof,
        answer=RecoveryCodes,
        errors=(409, 429),
    ),
    Route(
        method="POST",
        path="/self/second-factor/disable",
        permission=None,
        handler=disable,
        summary="Turn your second factor off.",
        body=Proof,
        answer=SecondFactorShown,
        errors=(409, 429),
    ),
    Route(
        method="GET",
        path="/members/{member}/second-factor",
        permission=Permission.MEMBER_WRITE,
        scope="team",
        handler=show_of,
        summary="Whether a member is asked for a code when they sign in to the console.",
        answer=SecondFactorShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/members/{member}/second-factor/reset",
        permission=Permission.MEMBER_WRITE,
        scope="team",
        handler=reset,
        summary="Take a member's second factor away, who lost it: their sessions end.",
        answer=SecondFactorShown,
        errors=(404, 409),
    ),
)
