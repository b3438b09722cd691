"""One-time links by which a member chooses what they sign in to the console with."""

from datetime import datetime
from typing import Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.errors import ConflictError
from keystead.identity.authority import require_covering, require_held
from keystead.identity.sign_in import LINK_LIVES_US
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Instant, Nothing, instant


class SignInLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link for one member, which is shown this once. Whoever opens it signs in as them."""

    member_id: str
    member: str
    path: str
    """Below the gateway's address."""
    expires_at: Instant


async def create(call: Call[Nothing, Nothing]) -> SignInLink:
    """Make a link for a member. One made before ends."""
    rooms, organization_id = call.rooms, call.who.organization_id
    async with act(call) as change:
        member = await rooms.directory.member(change.conn, organization_id, call.path["member"])
        require_held(call.who, Permission.MEMBER_WRITE, member.team_id)
        require_covering(call.who, await rooms.directory.holding(change.conn, organization_id, member))
        if member.disabled_at is not None:
            raise ConflictError("The member is disabled.", code="member_disabled", param="member")
        token = await rooms.sign_in.link(change.conn, member, organization_id, actor_id=call.who.member_id)
        expires_at: datetime = instant(rooms.clock.now_us() + LINK_LIVES_US)
        await change.record(
            "member.sign_in_link_made", object_kind="member", object_id=member.id, expires_at=expires_at.isoformat()
        )
    return SignInLink(
        member_id=member.id, member=member.name, path=f"/console/link/{token.reveal()}", expires_at=expires_at
    )


ROUTES: Final = (
    Route(
        method="POST",
        path="/members/{member}/sign-in-link",
        permission=Permission.MEMBER_WRITE,
        scope="team",
        handler=create,
        summary="Make a one-time link by which a member chooses what they sign in to the console with.",
        answer=SignInLink,
        status=201,
        errors=(404, 409),
    ),
)
