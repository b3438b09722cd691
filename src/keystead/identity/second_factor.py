"""The second factor of members who sign in with a password: a code that changes every half minute (RFC 6238).

What a code is checked with is sealed by the vault. Each code counts once; wrong ones in a row are counted on the
member, whatever address they come from, because only who knows the password gets here.
"""

import enum
import secrets
from typing import Final

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import Clock
from keystead.domain.errors import ConflictError, InvalidRequestError
from keystead.domain.ids import OrganizationId, new_id
from keystead.domain.secret import Secret
from keystead.identity import totp
from keystead.identity.rows import member_of
from keystead.identity.sealing import Sealer
from keystead.identity.sessions import How, digest_of
from keystead.identity.views import Member
from keystead.storage import schema
from keystead.storage.sign_in import recovery_codes, second_factors, second_steps

STEP_LIVES_US: Final = 5 * 60_000_000
"""How long after the password the code may come."""
_ENROLMENT_LIVES_US: Final = 30 * 60_000_000


class Tried(enum.Enum):
    """What became of a code that somebody typed."""

    RIGHT = "right"
    RECOVERY = "recovery"
    """A recovery code, which is used up now."""
    WRONG = "wrong"
    WAIT = "wait"
    """It was not looked at: too many wrong ones came before."""


class SecondFactor(msgspec.Struct, frozen=True, kw_only=True):
    """A member's second factor, without its secret."""

    confirmed_at: int | None
    """Since when it is asked for; None: not at all."""
    recovery_codes_left: int


class SecondFactors:
    """Keeps and checks them."""

    def __init__(self, clock: Clock, sealer: Sealer) -> None:
        """Take the time from `clock`, and keep secrets as `sealer` seals them."""
        self._clock = clock
        self._sealer = sealer

    async def show(self, conn: AsyncConnection, member_id: str) -> SecondFactor:
        """Return a member's second factor as it is."""
        factor, codes = second_factors.c, recovery_codes.c
        confirmed = await conn.execute(select(factor.confirmed_at).where(factor.member_id == member_id))
        left = select(func.count()).select_from(recovery_codes)
        counted = await conn.execute(left.where(codes.member_id == member_id, codes.used_at.is_(None)))
        return SecondFactor(confirmed_at=confirmed.scalar(), recovery_codes_left=counted.scalar_one())

    async def enrol(self, conn: AsyncConnection, organization_id: str, member_id: str) -> Secret:
        """Return a new secret for the member's authenticator. It counts once a code of it is confirmed.

        Raises:
            ConflictError: there is one in force.
        """
        if (await self.show(conn, member_id)).confirmed_at is not None:
            raise ConflictError(
                "You have a second factor.", code="second_factor_on", next_step="Turn it off before you set up another."
            )
        secret = totp.new_secret()
        sealed = await self._sealer.seal(conn, Secret(secret), organization_id=organization_id, **_place(member_id))
        await conn.execute(delete(second_factors).where(second_factors.c.member_id == member_id))
        await conn.execute(
            insert(second_factors).values(
                member_id=member_id,
                organization_id=organization_id,
                sealed=sealed,
                created_at=self._clock.now_us(),
                confirmed_at=None,
                last_step=0,
                failures=0,
                tried_at=None,
            )
        )
        return Secret(secret)

    async def confirm(self, conn: AsyncConnection, organization_id: str, member_id: str, code: str) -> list[str]:
        """Let a code of the new secret put it into force; return the recovery codes, which are nowhere else.

        Raises:
            ConflictError: nothing waits for a code, or not any more.
            InvalidRequestError: it is not the code of this moment.
        """
        now = self._clock.now_us()
        factor = second_factors.c
        waiting = factor.confirmed_at.is_(None) & (factor.created_at > now - _ENROLMENT_LIVES_US)
        found = await conn.execute(select(factor.sealed).where(factor.member_id == member_id, waiting))
        sealed = found.scalar()
        if sealed is None:
            raise ConflictError(
                "There is no second factor to confirm.", code="nothing_to_confirm", next_step="Set it up anew."
            )
        secret = await self._sealer.open(conn, sealed, organization_id=organization_id, **_place(member_id))
        step = totp.step_of(secret.reveal(), code, now_us=now, after=0)
        if step is None:
            raise wrong_code()
        await conn.execute(
            update(second_factors).where(factor.member_id == member_id).values(confirmed_at=now, last_step=step)
        )
        return await self.renew(conn, organization_id, member_id)

    async def renew(self, conn: AsyncConnection, organization_id: str, member_id: str) -> list[str]:
        """Return new recovery codes; the ones before open nothing any more."""
        await conn.execute(delete(recovery_codes).where(recovery_codes.c.member_id == member_id))
        codes = totp.new_recovery_codes()
        rows = [
            {
                "id": new_id("rcv", self._clock.now_us()),
                "organization_id": organization_id,
                "member_id": member_id,
                "digest": totp.recovery_digest(member_id, code),
            }
            for code in codes
        ]
        await conn.execute(insert(recovery_codes), rows)
        return codes

    async def remove(self, conn: AsyncConnection, member_id: str) -> None:
        """Take a member's second factor away, with its recovery codes."""
        for table in (second_factors, recovery_codes, second_steps):
            await conn.execute(delete(table).where(table.c.member_id == member_id))

    async def try_code(self, conn: AsyncConnection, organization_id: str, member_id: str, typed: str) -> Tried:
        """Say whether `typed` is the member's code of this moment or a recovery code, and use it up.

        The count of wrong ones is in the same transaction: commit it, whatever comes out.
        """
        factor, now = second_factors.c, self._clock.now_us()
        found = await conn.execute(
            select(factor.sealed, factor.last_step, factor.failures, factor.tried_at).where(
                factor.member_id == member_id, factor.confirmed_at.is_not(None)
            )
        )
        row = found.first()
        if row is None:
            return Tried.WRONG
        if row.tried_at is not None and now < row.tried_at + totp.wait_us(row.failures):
            return Tried.WAIT
        counted = await conn.execute(  # first, so that two tries at once are not one
            update(second_factors)
            .where(factor.member_id == member_id, factor.failures == row.failures, factor.last_step == row.last_step)
            .values(failures=row.failures + 1, tried_at=now)
        )
        if counted.rowcount != 1:
            return Tried.WAIT
        secret = await self._sealer.open(conn, row.sealed, organization_id=organization_id, **_place(member_id))
        step = totp.step_of(secret.reveal(), typed, now_us=now, after=row.last_step)
        if step is None and not await self._use_recovery_code(conn, member_id, typed):
            return Tried.WRONG
        values = {"failures": 0} if step is None else {"failures": 0, "last_step": step}
        await conn.execute(update(second_factors).where(factor.member_id == member_id).values(values))
        return Tried.RECOVERY if step is None else Tried.RIGHT

    async def _use_recovery_code(self, conn: AsyncConnection, member_id: str, typed: str) -> bool:
        kept = totp.recovery_digest(member_id, typed)
        if kept is None:
            return False
        codes = recovery_codes.c
        used = await conn.execute(
            update(recovery_codes)
            .where(codes.member_id == member_id, recovery_codes.c.digest == kept, codes.used_at.is_(None))
            .values(used_at=self._clock.now_us())
        )
        return used.rowcount == 1

    async def begin_step(self, conn: AsyncConnection, member: Member, organization_id: str, *, how: How) -> Secret:
        """Take note that a member's password was right; return what brings their code to it."""
        now, token = self._clock.now_us(), secrets.token_urlsafe(32)
        await conn.execute(delete(second_steps).where(second_steps.c.expires_at < now))
        await conn.execute(
            insert(second_steps).values(
                id=new_id("stp", now),
                organization_id=organization_id,
                member_id=member.id,
                digest=digest_of(token),
                how=how,
                expires_at=now + STEP_LIVES_US,
            )
        )
        return Secret(token)

    async def stepping(self, conn: AsyncConnection, token: str) -> tuple[Member, OrganizationId, How] | None:
        """Return whose password was right, and how they came; None if nobody's, or too long ago."""
        found = await conn.execute(
            select(second_steps.c.how, schema.members)
            .join(schema.members, second_steps.c.member_id == schema.members.c.id)
            .where(
                second_steps.c.digest == digest_of(token),
                second_steps.c.expires_at > self._clock.now_us(),
                schema.members.c.disabled_at.is_(None),
            )
        )
        row = found.mappings().first()
        return None if row is None else (member_of(row), OrganizationId(row["organization_id"]), row["how"])

    async def end_step(self, conn: AsyncConnection, token: str) -> bool:
        """Use a step up; False if somebody did already."""
        ended = await conn.execute(delete(second_steps).where(second_steps.c.digest == digest_of(token)))
        return ended.rowcount == 1


def wrong_code() -> InvalidRequestError:
    """Return the error of a code that is not right, or was used already."""
    return InvalidRequestError(
        "This is not the code of this moment, or it was used already.",
        code="wrong_code",
        param="code",
        next_step="Wait for the next one. If none is ever right, compare the clock of your telephone.",
    )


def _place(member_id: str) -> dict[str, str]:
    return {"table": "second_factors", "record_id": member_id, "bound_to": ""}
