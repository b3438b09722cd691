"""Who is signed in to the console: sessions, kept on the server, so that they can be ended.

The browser holds 256 random bits; the table holds their SHA-256, so that whoever reads it cannot sign in. A session
ends when it is not used for a while, at the latest after a fixed time, and at once when somebody ends it, when the
member is disabled, and when their password changes.
"""

import hashlib
import hmac
import re
import secrets
from typing import Final, Literal

import msgspec
from sqlalchemy import and_, exists, insert, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator
from keystead.domain.clock import HOUR_US, Clock
from keystead.domain.ids import OrganizationId, new_id
from keystead.domain.secret import Secret
from keystead.identity.directory import Directory
from keystead.identity.rows import member_of
from keystead.identity.views import Member
from keystead.storage import schema
from keystead.storage.sign_in import second_factors, sessions

IDLE_US: Final = 12 * HOUR_US
LONGEST_US: Final = 7 * 24 * HOUR_US
_FRESH_US: Final = 10 * 60_000_000
_SEEN_EVERY_US: Final = 60_000_000
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_MAX_BROWSER: Final = 200

How = Literal["password", "link", "identity_provider"]
"""How somebody proved who they are."""


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A session in force, and who is signed in by it."""

    id: str
    member: Member
    administrator: Administrator
    form_token: str
    """What a form of this session must bring along: another site cannot know it."""
    due: bool
    """Its time of use should be written again."""
    must_enrol: bool
    """The organization wants a second factor, and the member has none yet: they set one up before anything else."""


class SessionShown(msgspec.Struct, frozen=True, kw_only=True):
    """A session in a list."""

    id: str
    browser: str
    created_at: int
    seen_at: int


class Sessions:
    """Begins, finds and ends sessions."""

    def __init__(self, clock: Clock, directory: Directory) -> None:
        """Take the time from `clock` and what members hold from `directory`."""
        self._clock = clock
        self._directory = directory

    async def begin(
        self,
        conn: AsyncConnection,
        member: Member,
        organization_id: str,
        *,
        browser: str,
        second_factor_elsewhere: bool = False,
    ) -> Secret:
        """Begin a session; return what the browser keeps."""
        now, token = self._clock.now_us(), secrets.token_urlsafe(32)
        await conn.execute(
            insert(sessions).values(
                id=new_id("ses", now),
                organization_id=organization_id,
                member_id=member.id,
                digest=digest_of(token),
                created_at=now,
                seen_at=now,
                expires_at=now + LONGEST_US,
                browser="".join(filter(str.isprintable, browser))[:_MAX_BROWSER],
                second_factor_elsewhere=second_factor_elsewhere,
            )
        )
        return Secret(token)

    async def find(self, conn: AsyncConnection, token: str) -> SignedIn | None:
        """Return who is signed in by `token`, with what they hold at this moment; None if nobody is."""
        if _TOKEN.fullmatch(token) is None:
            return None
        now, table = self._clock.now_us(), sessions.c
        found = await conn.execute(
            select(table.id.label("session_id"), table.seen_at, _MUST_ENROL.label("must_enrol"), schema.members)
            .join(schema.members, table.member_id == schema.members.c.id)
            .join(schema.organizations, table.organization_id == schema.organizations.c.id)
            .where(
                sessions.c.digest == digest_of(token),
                table.ended_at.is_(None),
                table.expires_at > now,
                table.seen_at > now - IDLE_US,
                schema.members.c.disabled_at.is_(None),
            )
        )
        row = found.mappings().first()
        return None if row is None else await self._signed_in(conn, row, token)

    async def is_fresh(self, conn: AsyncConnection, session_id: str) -> bool:
        """Say whether a session began just now: whether its member has proved anew who they are."""
        since = self._clock.now_us() - _FRESH_US
        found = await conn.execute(
            select(sessions.c.id).where(
                sessions.c.id == session_id, sessions.c.ended_at.is_(None), sessions.c.created_at > since
            )
        )
        return found.first() is not None

    async def seen(self, conn: AsyncConnection, session_id: str) -> None:
        """Write that a session is used."""
        await conn.execute(update(sessions).where(sessions.c.id == session_id).values(seen_at=self._clock.now_us()))

    async def list(self, conn: AsyncConnection, organization_id: str, member_id: str) -> list[SessionShown]:
        """Return a member's sessions in force, the latest used first."""
        now, table = self._clock.now_us(), sessions.c
        found = await conn.execute(
            select(table.id, table.browser, table.created_at, table.seen_at)
            .where(
                table.organization_id == organization_id,
                table.member_id == member_id,
                table.ended_at.is_(None),
                table.expires_at > now,
                table.seen_at > now - IDLE_US,
            )
            .order_by(table.seen_at.desc())
        )
        return [SessionShown(**row) for row in found.mappings()]

    async def end(self, conn: AsyncConnection, organization_id: str, member_id: str, session_id: str) -> bool:
        """End one session of a member; return whether there was such a one, not over already."""
        return await self._end(conn, organization_id, member_id, sessions.c.id == session_id) == 1

    async def end_all(self, conn: AsyncConnection, organization_id: str, member_id: str) -> None:
        """End every session of a member."""
        await self._end(conn, organization_id, member_id)

    async def end_others(self, conn: AsyncConnection, organization_id: str, member_id: str, session_id: str) -> None:
        """End every session of a member but one."""
        await self._end(conn, organization_id, member_id, sessions.c.id != session_id)

    async def _end(self, conn: AsyncConnection, organization_id: str, member_id: str, *which: object) -> int:
        of_member = (sessions.c.organization_id == organization_id, sessions.c.member_id == member_id)
        ended = await conn.execute(
            update(sessions)
            .where(*of_member, sessions.c.ended_at.is_(None), *which)  # type: ignore[arg-type]
            .values(ended_at=self._clock.now_us())
        )
        return ended.rowcount

    async def _signed_in(self, conn: AsyncConnection, row: RowMapping, token: str) -> SignedIn:
        member, organization_id = member_of(row), OrganizationId(row["organization_id"])
        held = await self._directory.holding(conn, organization_id, member)
        return SignedIn(
            id=row["session_id"],
            member=member,
            administrator=Administrator(
                organization_id=organization_id,
                member_id=member.id,
                token_id=row["session_id"],
                operator=held.operator,
                everywhere=held.everywhere,
                in_teams=held.in_teams,
            ),
            form_token=hmac.new(token.encode("ascii"), b"form", "sha256").hexdigest(),
            due=row["seen_at"] < self._clock.now_us() - _SEEN_EVERY_US,
            must_enrol=row["must_enrol"],
        )


_MUST_ENROL: Final = and_(
    schema.organizations.c.second_factor_required.is_(True),
    sessions.c.second_factor_elsewhere.is_(False),
    ~exists().where(second_factors.c.member_id == sessions.c.member_id, second_factors.c.confirmed_at.is_not(None)),
)


def digest_of(token: str) -> bytes:
    """Return what is kept of 256 random bits. They cannot be guessed, so that a plain hash is enough."""
    return hashlib.sha256(token.encode("ascii", "replace")).digest()
