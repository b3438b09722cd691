"""An organization's own identity provider, who is away at it to sign in, and whom it means by whom.

What an identity provider says lets people in as members, so whoever names one could come in as anybody: it takes who
holds everything in the organization. Who runs the platform never comes in this way, because that is more than any
organization can give.
"""

import base64
import hmac
import secrets
from typing import Final

import msgspec
from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator, Role
from keystead.domain.clock import Clock
from keystead.domain.errors import AuthenticationError, ConflictError, NotFoundError
from keystead.domain.ids import TeamId, new_id
from keystead.domain.secret import Secret
from keystead.identity.authority import Assigned, require_everything
from keystead.identity.id_token import Identity
from keystead.identity.members import insert_assignment, insert_member
from keystead.identity.rows import member_of
from keystead.identity.sealing import Sealer
from keystead.identity.sessions import digest_of
from keystead.identity.views import Member
from keystead.storage import revision, schema
from keystead.storage.identity_providers import external_identities, identity_providers, provider_sign_ins
from keystead.storage.sign_in import passwords

AWAY_US: Final = 10 * 60_000_000
"""How long somebody may take at their identity provider."""


class IdentityProvider(msgspec.Struct, frozen=True, kw_only=True):
    """Where an organization's people sign in, without its secret."""

    organization_id: str
    link: str
    """The unguessable end of the organization's own sign-in address."""
    issuer: str
    client_id: str
    domains: tuple[str, ...]
    """Of the e-mail addresses it may speak for."""
    team_id: TeamId | None
    """Where people unknown so far become members; None: nobody does."""
    trusts_mfa: bool
    """Whether a second factor that it says it asked for counts."""
    changed_at: int


class Away(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in that is under way, as somebody comes back from it."""

    organization_id: str
    issuer: str
    return_address: str
    wanted: str


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """Who came."""

    member: Member
    became: str
    """`known`; or `linked` or `joined`, with this sign-in."""


class IdentityProviders:
    """Keeps them, and lets people in by them."""

    def __init__(self, clock: Clock, sealer: Sealer) -> None:
        """Take the time from `clock`, and keep client secrets as `sealer` seals them."""
        self._clock = clock
        self._sealer = sealer

    async def find(self, conn: AsyncConnection, organization_id: str) -> IdentityProvider | None:
        """Return an organization's; None if it has none."""
        table = identity_providers
        found = await conn.execute(select(table).where(table.c.organization_id == organization_id))
        row = found.mappings().first()
        return None if row is None else _provider(dict(row))

    async def set(
        self,
        conn: AsyncConnection,
        who: Administrator,
        *,
        issuer: str,
        client_id: str,
        client_secret: Secret | None,
        domains: tuple[str, ...],
        team_id: TeamId | None,
        trusts_mfa: bool,
    ) -> IdentityProvider:
        """Keep where the actor's organization signs in; without a secret, the one that is kept for this issuer stays.

        Raises:
            PolicyDenied: the actor does not hold everything.
            ConflictError: there is no secret for this issuer and application yet.
        """
        require_everything(who)
        table, organization_id = identity_providers, who.organization_id
        found = await conn.execute(select(table).where(table.c.organization_id == organization_id))
        before = found.mappings().first()
        if client_secret is not None:
            sealed = await self._sealer.seal(
                conn, client_secret, organization_id=organization_id, **_place(organization_id, issuer)
            )
        elif before is not None and (before["issuer"], before["client_id"]) == (issuer, client_id):
            sealed = before["sealed"]
        else:
            raise ConflictError(
                "There is no client secret for this issuer and client id.",
                code="client_secret_missing",
                param="client_secret",
                next_step="Type the secret that the identity provider shows beside the client id.",
            )
        values = {
            "link": before["link"] if before is not None else secrets.token_urlsafe(18),
            "issuer": issuer,
            "client_id": client_id,
            "sealed": sealed,
            "domains": " ".join(sorted(set(domains))),
            "team_id": team_id,
            "trusts_mfa": trusts_mfa,
            "changed_at": self._clock.now_us(),
        }
        if before is None:
            await conn.execute(insert(table).values(organization_id=organization_id, **values))
        else:
            await conn.execute(update(table).where(table.c.organization_id == organization_id).values(values))
        return _provider({"organization_id": organization_id, **values})

    async def remove(self, conn: AsyncConnection, who: Administrator) -> IdentityProvider:
        """Take it away. Whom it meant by whom stays, for the day that it is set again.

        Raises:
            PolicyDenied: the actor does not hold everything.
            NotFoundError: there is none.
        """
        require_everything(who)
        found = await self.find(conn, who.organization_id)
        if found is None:
            raise NotFoundError(
                "Your organization has no identity provider.",
                code="no_identity_provider",
                next_step="There is nothing to remove: its people sign in with passwords.",
            )
        for table in (identity_providers, provider_sign_ins):
            await conn.execute(delete(table).where(table.c.organization_id == who.organization_id))
        return found

    async def anybody(self, conn: AsyncConnection) -> bool:
        """Say whether any organization has one."""
        return bool((await conn.execute(select(exists().select_from(identity_providers)))).scalar_one())

    async def of_link(self, conn: AsyncConnection, link: str) -> IdentityProvider | None:
        """Return whose sign-in address ends so."""
        found = await conn.execute(select(identity_providers).where(identity_providers.c.link == link))
        row = found.mappings().first()
        return None if row is None else _provider(dict(row))

    async def of_domain(self, conn: AsyncConnection, domain: str) -> IdentityProvider | None:
        """Return whose people have addresses there; None if nobody's, or more than one organization's."""
        rows = (await conn.execute(select(identity_providers))).mappings()
        found = [one for row in rows if domain in (one := _provider(dict(row))).domains]
        return found[0] if len(found) == 1 else None

    async def secret(self, conn: AsyncConnection, provider: IdentityProvider) -> Secret:
        """Return the client secret, for the provider alone that it was sealed to."""
        table, organization_id = identity_providers, provider.organization_id
        found = await conn.execute(select(table.c.sealed).where(table.c.organization_id == organization_id))
        return await self._sealer.open(
            conn,
            found.scalar_one(),
            organization_id=organization_id,
            **_place(organization_id, provider.issuer),
        )

    async def leave(
        self, conn: AsyncConnection, provider: IdentityProvider, *, return_address: str, wanted: str
    ) -> Secret:
        """Take note that somebody goes to their provider; return what their browser keeps meanwhile."""
        now, kept = self._clock.now_us(), secrets.token_urlsafe(32)
        await conn.execute(delete(provider_sign_ins).where(provider_sign_ins.c.expires_at < now))
        await conn.execute(
            insert(provider_sign_ins).values(
                id=new_id("psi", now),
                organization_id=provider.organization_id,
                digest=digest_of(kept),
                issuer=provider.issuer,
                return_address=return_address,
                wanted=wanted,
                expires_at=now + AWAY_US,
            )
        )
        return Secret(kept)

    async def come_back(self, conn: AsyncConnection, kept: Secret, *, state: str) -> Away | None:
        """Return the sign-in that somebody comes back from, once; None if it is not this browser's, or too old."""
        expected = derived(kept, "state")
        if not hmac.compare_digest(state.encode("utf-8", "replace"), expected.encode()):
            return None
        table, digest = provider_sign_ins, digest_of(kept.reveal())
        found = await conn.execute(
            select(table.c.organization_id, table.c.issuer, table.c.return_address, table.c.wanted).where(
                table.c.digest == digest, table.c.expires_at > self._clock.now_us()
            )
        )
        row = found.mappings().first()
        ended = await conn.execute(delete(table).where(table.c.digest == digest))
        return Away(**row) if row is not None and ended.rowcount == 1 else None

    async def arrive(self, conn: AsyncConnection, provider: IdentityProvider, identity: Identity) -> Arrived:
        """Return whom the provider means: who was linked, who has the address, or a new member.

        Raises:
            AuthenticationError: nobody that may come in.
            ConflictError: the new member's name is taken.
        """
        member = await self._linked(conn, provider, identity)
        if member is not None:
            return Arrived(member=_let_in(member), became="known")
        if not identity.email or identity.email.rpartition("@")[2] not in provider.domains:
            raise _nobody("It does not name a verified e-mail address of your organization's.")
        member = await self._addressed(conn, provider, identity.email)
        became = "linked"
        if member is None:
            if provider.team_id is None:
                raise _nobody("Nobody here signs in with your address.")
            member, became = await self._join(conn, provider, identity.email, provider.team_id), "joined"
        _let_in(member)
        await self._link(conn, provider, identity, member)
        return Arrived(member=member, became=became)

    async def _linked(self, conn: AsyncConnection, provider: IdentityProvider, identity: Identity) -> Member | None:
        table = external_identities.c
        found = await conn.execute(
            select(schema.members)
            .join(external_identities, table.member_id == schema.members.c.id)
            .where(
                table.organization_id == provider.organization_id,
                schema.members.c.organization_id == provider.organization_id,
                table.issuer == identity.issuer,
                table.subject == identity.subject,
            )
        )
        row = found.mappings().first()
        return None if row is None else member_of(row)

    async def _addressed(self, conn: AsyncConnection, provider: IdentityProvider, email: str) -> Member | None:
        found = await conn.execute(
            select(schema.members)
            .join(passwords, passwords.c.member_id == schema.members.c.id)
            .where(passwords.c.email == email, schema.members.c.organization_id == provider.organization_id)
        )
        row = found.mappings().first()
        return None if row is None else member_of(row)

    async def _join(self, conn: AsyncConnection, provider: IdentityProvider, email: str, team_id: TeamId) -> Member:
        now, organization_id = self._clock.now_us(), provider.organization_id
        member = await insert_member(conn, organization_id, team_id=team_id, name=email, operator=False, now=now)
        least = Assigned(role=Role.DEVELOPER.value, team_id=team_id)
        await insert_assignment(conn, organization_id, member_id=member.id, assigned=least, actor_id=member.id, now=now)
        await revision.touch(conn)
        return member

    async def _link(
        self, conn: AsyncConnection, provider: IdentityProvider, identity: Identity, member: Member
    ) -> None:
        now = self._clock.now_us()
        values = {
            "id": new_id("ext", now),
            "organization_id": provider.organization_id,
            "member_id": member.id,
            "issuer": identity.issuer,
            "subject": identity.subject,
            "created_at": now,
        }
        try:
            await conn.execute(insert(external_identities).values(values))
        except IntegrityError as error:  # an address that was given to somebody else since is not the person it was
            raise _nobody("Somebody else at your identity provider had your address before.") from error


def derived(kept: Secret, purpose: str) -> str:
    """Return what a browser's 256 bits become for one purpose: `state`, `nonce`, or `verifier` (RFC 7636, 43 characters)."""
    made = hmac.new(kept.reveal().encode("utf-8", "replace"), purpose.encode(), "sha256").digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def _let_in(member: Member) -> Member:
    if member.disabled_at is not None:
        raise _nobody("Your membership is disabled.")
    if member.operator:
        raise _nobody("Who runs the platform signs in with a password.")
    return member


def _nobody(why: str) -> AuthenticationError:
    return AuthenticationError(
        f"You cannot come in with this identity. {why}",
        code="identity_refused",
        status=403,
        next_step="Ask an administrator of your organization.",
    )


def _place(organization_id: str, issuer: str) -> dict[str, str]:
    return {"table": "identity_providers", "record_id": organization_id, "bound_to": issuer}


def _provider(row: dict[str, object]) -> IdentityProvider:
    shown = {str(name): value for name, value in row.items() if name not in {"sealed", "domains"}}
    return msgspec.convert(shown | {"domains": tuple(str(row["domains"]).split())}, IdentityProvider)
