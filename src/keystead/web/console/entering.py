"""The last step of every way in: a code, where the member has a second factor, and then a session.

However somebody proved who they are (password, one-time link, identity provider), they get a session here and nowhere
else, and always one that nobody knew before.
"""

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from keystead.domain.clock import Clock
from keystead.domain.errors import AuthenticationError, KeysteadError
from keystead.domain.ids import OrganizationId
from keystead.domain.secret import Secret
from keystead.identity.audit import record_event
from keystead.identity.second_factor import Tried, wrong_code
from keystead.identity.sessions import LONGEST_US, How
from keystead.identity.views import Member
from keystead.storage.database import Database
from keystead.web.admin.proof import too_many
from keystead.web.admin.rooms import AdminRooms
from keystead.web.console import safety
from keystead.web.console.received import read_form
from keystead.web.console.relying_party import RelyingParty
from keystead.web.console.rendering import html


class DoorRooms(msgspec.Struct, frozen=True, kw_only=True):
    """What the door works with."""

    database: Database
    """Not narrowed: who comes in is of no organization yet."""
    clock: Clock
    admin: AdminRooms
    relying_party: RelyingParty


class Entering:
    """Lets people in who have proved who they are."""

    def __init__(self, rooms: DoorRooms) -> None:
        """Work with what is in `rooms`."""
        self._rooms = rooms

    async def enter(
        self,
        conn: AsyncConnection,
        request: Request,
        member: Member,
        organization_id: OrganizationId,
        *,
        how: How,
        second_factor_elsewhere: bool = False,
        **proved: Any,
    ) -> Secret:
        """Return a new session; that it began, and what was proved, is written into the audit log."""
        browser = request.headers.get("user-agent", "")
        token = await self._rooms.admin.sessions.begin(
            conn, member, organization_id, browser=browser, second_factor_elsewhere=second_factor_elsewhere
        )
        await self._record(conn, member, organization_id, "member.signed_in", {"how": how, **proved})
        return token

    async def after_password(
        self, conn: AsyncConnection, request: Request, member: Member, organization_id: OrganizationId, *, how: How
    ) -> tuple[Secret, bool]:
        """Return a new session, or what a code is brought with, and whether it is a session."""
        factors = self._rooms.admin.second_factors
        if (await factors.show(conn, member.id)).confirmed_at is None:
            return await self.enter(conn, request, member, organization_id, how=how), True
        return await factors.begin_step(conn, member, organization_id, how=how), False

    def answer(self, request: Request, given: tuple[Secret, bool], to: str, *, secure: bool | None = None) -> Response:
        """Send somebody in, or ask for their code."""
        token, complete = given
        return self.entered(request, token, to, secure=secure) if complete else _ask(token.reveal(), to)

    def entered(self, request: Request, token: Secret, to: str, *, secure: bool | None = None) -> Response:
        """Send somebody in, with a session that nobody knew before (no fixation).

        A browser that comes from elsewhere does not say whether the console is behind TLS; `secure` does then.
        """
        response = RedirectResponse(to if safety.is_own_path(to) else "/console/", 303)
        cookie = safety.session_cookie(
            token.reveal(),
            secure=safety.is_secure(request.headers) if secure is None else secure,
            max_age_s=LONGEST_US // 1_000_000,
        )
        response.headers.append("set-cookie", cookie)
        return response

    async def code(self, request: Request) -> Response:
        """Take the code of somebody whose password was right.

        Raises:
            AuthenticationError: nobody's was, or it is too long ago.
        """
        form, factors = await read_form(request), self._rooms.admin.second_factors
        step, to = form.get("step", ""), form.get("to", "")
        session: Secret | None = None
        async with self._rooms.database.write() as conn:  # what is wrong is told after it is counted
            found = await factors.stepping(conn, step)
            if found is None:
                raise AuthenticationError(
                    "This took too long.", code="second_step_over", next_step="Sign in with your password once more."
                )
            member, organization_id, how = found
            tried = await factors.try_code(conn, organization_id, member.id, form.get("code", "")[:64])
            if tried in {Tried.RIGHT, Tried.RECOVERY} and await factors.end_step(conn, step):
                left = (await factors.show(conn, member.id)).recovery_codes_left
                details = {"second_factor": tried.value, "recovery_codes_left": left}
                session = await self.enter(conn, request, member, organization_id, how=how, **details)
            else:
                details = {"how": how, "outcome": tried.value}
                await self._record(conn, member, organization_id, "member.second_factor_refused", details)
        if session is None:
            return _ask(step, to, too_many() if tried is Tried.WAIT else wrong_code())
        return self.entered(request, session, to)

    async def _record(
        self,
        conn: AsyncConnection,
        member: Member,
        organization_id: OrganizationId,
        action: str,
        details: dict[str, Any],
    ) -> None:
        await record_event(
            conn,
            organization_id=organization_id,
            at=self._rooms.clock.now_us(),
            actor_kind="member",
            actor_id=member.id,
            action=action,
            object_kind="member",
            object_id=member.id,
            details=details,
        )


def _ask(step: str, to: str, error: KeysteadError | None = None) -> Response:
    values = {"step": step, "to": to, "error": error}
    return html("second_step.html", values, error.status if error else 200)
