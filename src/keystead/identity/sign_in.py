"""Signing in with an e-mail address and a password, and the links by which members choose one."""

import re
import secrets
from typing import Final

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import HOUR_US, Clock
from keystead.domain.errors import ConflictError, InvalidRequestError, NotFoundError
from keystead.domain.ids import OrganizationId, new_id
from keystead.domain.secret import Secret
from keystead.identity.rows import member_of
from keystead.identity.sessions import digest_of
from keystead.identity.views import Member
from keystead.storage import schema
from keystead.storage.sign_in import passwords, second_steps, sessions, sign_in_links

LINK_LIVES_US: Final = 24 * HOUR_US
# Deliberately loose: whoever reads mail there is not checked by a pattern (RFC 5321 allows nearly anything).
_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]{1,190}")


class SignIn:
    """Keeps who signs in with what."""

    def __init__(self, clock: Clock) -> None:
        """Take the time from `clock`."""
        self._clock = clock

    async def anybody(self, conn: AsyncConnection) -> bool:
        """Say whether anybody has a password yet."""
        return bool((await conn.execute(select(exists().select_from(passwords)))).scalar_one())

    async def link(self, conn: AsyncConnection, member: Member, organization_id: str, *, actor_id: str) -> Secret:
        """Make a link by which the member can choose a password, once, within a day; older ones end."""
        now, token = self._clock.now_us(), secrets.token_urlsafe(32)
        of_member = (sign_in_links.c.organization_id == organization_id, sign_in_links.c.member_id == member.id)
        await conn.execute(delete(sign_in_links).where(*of_member))
        await conn.execute(
            insert(sign_in_links).values(
                id=new_id("lnk", now),
                organization_id=organization_id,
                member_id=member.id,
                digest=digest_of(token),
                created_at=now,
                created_by=actor_id,
                expires_at=now + LINK_LIVES_US,
            )
        )
        return Secret(token)

    async def invited(self, conn: AsyncConnection, token: str) -> tuple[Member, OrganizationId]:
        """Return whom a link is for.

        Raises:
            NotFoundError: nobody: it is not one, was used, is too old, or the member is disabled.
        """
        found = await conn.execute(
            select(schema.members)
            .join(sign_in_links, sign_in_links.c.member_id == schema.members.c.id)
            .where(
                sign_in_links.c.digest == digest_of(token),
                sign_in_links.c.used_at.is_(None),
                sign_in_links.c.expires_at > self._clock.now_us(),
                schema.members.c.disabled_at.is_(None),
            )
        )
        row = found.mappings().first()
        if row is None:
            raise NotFoundError(
                "This link is not valid any more.",
                code="link_not_valid",
                next_step="Ask for a new one. A link works once, and for a day.",
            )
        return member_of(row), OrganizationId(row["organization_id"])

    async def choose(self, conn: AsyncConnection, token: str, *, email: str, hashed: str) -> Member:
        """Use a link: keep the password of its member, under this address.

        Raises:
            NotFoundError: as `invited`, or somebody was quicker.
            ConflictError: the address is another member's.
        """
        member, organization_id = await self.invited(conn, token)
        now = self._clock.now_us()
        used = await conn.execute(
            update(sign_in_links)
            .where(sign_in_links.c.digest == digest_of(token), sign_in_links.c.used_at.is_(None))
            .values(used_at=now)
        )
        if used.rowcount != 1:
            raise NotFoundError("This link was used already.", code="link_not_valid", next_step="Ask for a new one.")
        await conn.execute(delete(passwords).where(passwords.c.member_id == member.id))
        await conn.execute(delete(second_steps).where(second_steps.c.member_id == member.id))
        values = {"email": email, "hash": hashed, "changed_at": now}
        try:
            await conn.execute(insert(passwords).values(member_id=member.id, organization_id=organization_id, **values))
        except IntegrityError as error:
            raise ConflictError(
                "Somebody signs in with this address already.",
                code="email_taken",
                param="email",
                next_step="Use another address of yours.",
            ) from error
        return member

    async def change_password(self, conn: AsyncConnection, member_id: str, hashed: str) -> None:
        """Keep another password of a member, who has one. Whoever was about to sign in with the one before begins anew."""
        values = {"hash": hashed, "changed_at": self._clock.now_us()}
        await conn.execute(update(passwords).where(passwords.c.member_id == member_id).values(**values))
        await conn.execute(delete(second_steps).where(second_steps.c.member_id == member_id))

    async def own(self, conn: AsyncConnection, member_id: str) -> tuple[str, str] | None:
        """Return the address that a member signs in with and what is kept of their password; None if they have none."""
        found = await conn.execute(
            select(passwords.c.email, passwords.c.hash).where(passwords.c.member_id == member_id)
        )
        row = found.first()
        return None if row is None else (row.email, row.hash)

    async def kept(self, conn: AsyncConnection, email: str) -> tuple[str, Member, OrganizationId] | None:
        """Return what is kept of the password that goes with an address, and whose it is; None if nobody's."""
        found = await conn.execute(
            select(passwords.c.hash, schema.members)
            .join(schema.members, passwords.c.member_id == schema.members.c.id)
            .where(passwords.c.email == email, schema.members.c.disabled_at.is_(None))
        )
        row = found.mappings().first()
        return None if row is None else (row["hash"], member_of(row), OrganizationId(row["organization_id"]))


async def end_sign_in(conn: AsyncConnection, member_id: str, *, now: int) -> None:
    """End all that a member signs in with: the password, the links, the sessions."""
    for table in (passwords, sign_in_links):
        await conn.execute(delete(table).where(table.c.member_id == member_id))
    open_ones = (sessions.c.member_id == member_id, sessions.c.ended_at.is_(None))
    await conn.execute(update(sessions).where(*open_ones).values(ended_at=now))


def normal_email(text: str) -> str:
    """Return an e-mail address as it is kept and compared.

    Raises:
        InvalidRequestError: it is not one.
    """
    email = text.strip().lower()
    if _EMAIL.fullmatch(email) is None or not email.isprintable():
        raise InvalidRequestError(
            "This is not an e-mail address.", code="invalid_email", param="email", next_step="Write it as name@host."
        )
    return email
