"""Grants and consents in the database, and every rule for the snapshot. With `class_store`, it owns the room's tables.

Every method takes the connection first: the caller owns the transaction, writes its audit event in it, and touches
the snapshot's revision. Rules are not changed: one is revoked, and another takes its place. Another organization's is
as absent as one that never was.
"""

from collections.abc import Collection
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import Clock
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.domain.ids import CredentialId, OrganizationId, new_id
from keystead.domain.traffic import Owner
from keystead.policy import checks
from keystead.policy.class_store import classes_of
from keystead.policy.conditions import compile_condition
from keystead.policy.rows import (
    consent_of,
    data_class_of,
    find,
    grant_of,
    in_force,
    recognizer_of,
    revoke,
    written,
)
from keystead.policy.views import ConsentView, DataClassView, GrantView, NewConsent, NewGrant, RecognizerView
from keystead.storage import governance
from keystead.storage.lists import page, require_room
from keystead.storage.schema import credentials as _credentials

MAX_GRANTS: Final = 5_000
"""In force at a time in an organization: they are compiled with every change."""
MAX_CONSENTS: Final = 500
LONGEST_CONSENT_US: Final = 366 * 86_400 * 1_000_000
"""A year, so that whoever consents says so again now and then."""

_grants = governance.grants
_consents = governance.consents


async def grants(conn: AsyncConnection) -> list[GrantView]:
    """Return every organization's grants that are not revoked."""
    found = await conn.execute(select(_grants).where(_grants.c.revoked_at.is_(None)).order_by(_grants.c.id))
    return [grant_of(row) for row in found.mappings()]


async def consents(conn: AsyncConnection) -> list[ConsentView]:
    """Return every organization's consents that are not revoked."""
    found = await conn.execute(select(_consents).where(_consents.c.revoked_at.is_(None)).order_by(_consents.c.id))
    return [consent_of(row) for row in found.mappings()]


async def data_classes(conn: AsyncConnection) -> list[DataClassView]:
    """Return every organization's own data classes and requirements."""
    found = await conn.execute(select(governance.data_classes).order_by(governance.data_classes.c.id))
    return [data_class_of(row) for row in found.mappings()]


async def recognizers(conn: AsyncConnection) -> list[RecognizerView]:
    """Return every organization's recognisers."""
    found = await conn.execute(select(governance.recognizers).order_by(governance.recognizers.c.id))
    return [recognizer_of(row) for row in found.mappings()]


class Grants:
    """Creates, lists and revokes grants."""

    def __init__(self, clock: Clock) -> None:
        """Take the time from `clock`."""
        self._clock = clock

    async def create(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, actor_id: str, new: NewGrant
    ) -> GrantView:
        """Keep a grant that a member, `actor_id`, gives in their organization.

        Raises:
            InvalidRequestError: a part is not valid; `param` names it.
            NotFoundError: there is no such credential.
            ConflictError: the organization has as many grants as there may be.
        """
        now = self._clock.now_us()
        _check_grant(new, now)
        ids = None if new.credentials is None else await _credential_ids(conn, organization_id, new.credentials)
        await require_room(conn, _grants, organization_id, *in_force(_grants, now), most=MAX_GRANTS)
        values = msgspec.structs.asdict(new) | {
            "id": new_id("grt", now),
            "organization_id": organization_id,
            "credentials": written(ids),
            "models": written(new.models),
            "endpoints": written(new.endpoints),
            "created_at": now,
            "created_by": actor_id,
        }
        kept = await conn.execute(insert(_grants).values(values).returning(_grants))
        return grant_of(kept.mappings().one())

    async def list(
        self,
        conn: AsyncConnection,
        organization_id: OrganizationId,
        *,
        subject_ids: Collection[str] | None = None,
        in_force_only: bool = False,
        before: str | None = None,
        limit: int = 50,
    ) -> list[GrantView]:
        """Return up to `limit` grants, newest first; `before` is the last id of the page before."""
        narrowed: list[ColumnElement[bool]] = []
        if subject_ids is not None:
            narrowed.append(_grants.c.subject_id.in_(subject_ids))
        if in_force_only:
            narrowed += in_force(_grants, self._clock.now_us())
        rows = await page(conn, _grants, organization_id, *narrowed, before=before, limit=limit)
        return [grant_of(row) for row in rows]

    async def get(self, conn: AsyncConnection, organization_id: OrganizationId, grant_id: str) -> GrantView:
        """Return a grant.

        Raises:
            NotFoundError: the organization has none of that id.
        """
        return grant_of(await find(conn, _grants, organization_id, grant_id, noun="grant"))

    async def revoke(self, conn: AsyncConnection, *, organization_id: OrganizationId, grant_id: str) -> GrantView:
        """Revoke a grant for good. Revoking it again changes nothing.

        Raises:
            NotFoundError: as `get`.
        """
        await revoke(conn, _grants, organization_id, grant_id, at=self._clock.now_us())
        return await self.get(conn, organization_id, grant_id)


class Consents:
    """Records and revokes consents to fall back from own keys to platform credentials."""

    def __init__(self, clock: Clock) -> None:
        """Take the time from `clock`."""
        self._clock = clock

    async def give(
        self, conn: AsyncConnection, *, organization_id: OrganizationId, actor_id: str, new: NewConsent
    ) -> ConsentView:
        """Record a consent that a member, `actor_id`, gives for their organization.

        Raises:
            InvalidRequestError: a part is not valid; `param` names it.
            ConflictError: the organization has as many consents as there may be.
        """
        now = self._clock.now_us()
        _check_consent(new, now)
        await _check_classes(conn, organization_id, new.data_classes)
        await require_room(conn, _consents, organization_id, *in_force(_consents, now), most=MAX_CONSENTS)
        values = msgspec.structs.asdict(new) | {
            "id": new_id("con", now),
            "organization_id": organization_id,
            "team_ids": written(new.team_ids),
            "models": written(new.models),
            "data_classes": written(new.data_classes),
            "reasons": written(new.reasons),
            "created_at": now,
            "created_by": actor_id,
        }
        kept = await conn.execute(insert(_consents).values(values).returning(_consents))
        return consent_of(kept.mappings().one())

    async def list(
        self,
        conn: AsyncConnection,
        organization_id: OrganizationId,
        *,
        in_force_only: bool = False,
        before: str | None = None,
        limit: int = 50,
    ) -> list[ConsentView]:
        """Return up to `limit` consents, newest first; `before` is the last id of the page before."""
        narrowed = in_force(_consents, self._clock.now_us()) if in_force_only else []
        rows = await page(conn, _consents, organization_id, *narrowed, before=before, limit=limit)
        return [consent_of(row) for row in rows]

    async def get(self, conn: AsyncConnection, organization_id: OrganizationId, consent_id: str) -> ConsentView:
        """Return a consent.

        Raises:
            NotFoundError: the organization has none of that id.
        """
        return consent_of(await find(conn, _consents, organization_id, consent_id, noun="consent"))

    async def revoke(self, conn: AsyncConnection, *, organization_id: OrganizationId, consent_id: str) -> ConsentView:
        """Withdraw a consent for good. Doing it again changes nothing.

        Raises:
            NotFoundError: as `get`.
        """
        await revoke(conn, _consents, organization_id, consent_id, at=self._clock.now_us())
        return await self.get(conn, organization_id, consent_id)


def _check_grant(new: NewGrant, now_us: int) -> None:
    """Refuse a grant that cannot be kept. Whether its credentials exist is another question.

    Raises:
        InvalidRequestError: a part is not valid; `param` names it.
    """
    if new.effect not in {"allow", "deny"}:
        raise InvalidRequestError("A grant allows or denies.", param="effect", next_step="Write allow or deny.")
    checks.check_models(new.models)
    checks.check_note(new.note)
    if new.endpoints is not None and not new.endpoints:
        raise InvalidRequestError("Give an endpoint, or leave them out for all.", param="endpoints")
    if new.condition:
        compile_condition(new.condition)
    if new.expires_at is not None and new.expires_at <= now_us:
        raise InvalidRequestError("The expiry has passed already.", code="expiry_passed", param="expires_at")


def _check_consent(new: NewConsent, now_us: int) -> None:
    """Refuse a consent that cannot be kept. Whether its classes can be consented to is another question.

    Raises:
        InvalidRequestError: a part is not valid; `param` names it.
    """
    if not now_us < new.expires_at <= now_us + LONGEST_CONSENT_US:
        raise InvalidRequestError(
            "A consent ends within a year.",
            code="expiry_passed" if new.expires_at <= now_us else "expiry_too_far",
            param="expires_at",
            next_step="Give an expiry in the future, at most a year from now, and consent again then.",
        )
    checks.check_cap(new.daily_cap_pico, param="daily_cap")
    checks.check_cap(new.monthly_cap_pico, param="monthly_cap")
    checks.check_reasons(new.reasons)
    checks.check_models(new.models)
    checks.check_note(new.note)
    if new.team_ids is not None and not new.team_ids:
        raise InvalidRequestError("Give a team, or leave them out for all.", param="teams")


async def _credential_ids(
    conn: AsyncConnection, organization_id: OrganizationId, references: Collection[str]
) -> tuple[CredentialId, ...]:
    """Return the ids of credentials: the organization's own, else the platform's.

    Raises:
        InvalidRequestError: none at all, or too many.
        NotFoundError: one is not there.
    """
    if not 0 < len(references) <= checks.MAX_CREDENTIALS:
        raise InvalidRequestError(
            f"Give 1 to {checks.MAX_CREDENTIALS} credentials, or leave them out for all.", param="credentials"
        )
    table = _credentials.c
    query = select(table.id, table.name, table.organization_id).where(
        or_(table.id.in_(references), table.name.in_(references)),
        or_(table.organization_id == organization_id, table.owner == Owner.PLATFORM.value),
        table.revoked_at.is_(None),
    )
    found: dict[str, CredentialId] = {}
    # The organization's own come last, so that a name means its own.
    for row in sorted(await conn.execute(query), key=lambda row: row.organization_id == organization_id):
        found[row.name] = found[row.id] = CredentialId(row.id)
    for reference in references:
        if reference not in found:
            raise NotFoundError(
                f"There is no usable credential {reference!r}.", code="credential_not_found", param="credentials"
            )
    return tuple(dict.fromkeys(found[reference] for reference in references))


async def _check_classes(conn: AsyncConnection, organization_id: OrganizationId, names: Collection[str]) -> None:
    """Refuse classes that no consent can cover.

    Raises:
        InvalidRequestError: none at all, one is unknown, or stays on own keys.
    """
    classes = await classes_of(conn, organization_id)
    if not names:
        raise InvalidRequestError("Say which data classes the consent covers.", param="data_classes")
    for name in names:
        found = classes.get(name)
        if found is None:
            raise InvalidRequestError(
                f"There is no data class {name[:64]!r}.",
                code="data_class_unknown",
                param="data_classes",
                next_step=f"Choose among {', '.join(one.name for one in classes.ladder)}.",
            )
        if found.requirement.own_key_only:
            raise InvalidRequestError(
                f"{name} requests never fall back to platform credentials, whatever anybody consents to.",
                code="own_key_only",
                param="data_classes",
                next_step="Leave the class out.",
            )
