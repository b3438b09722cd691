"""The owner's digest: what work cost, where platform credentials stepped in or were not let in, and what needs a look.

Exact sums of the record, of whole hours, as usage is summed by them.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.alerts.store import Alerts
from keystead.alerts.views import AlertTold, as_told
from keystead.domain.clock import HOUR_US, Clock, Instant, hour_of, utc
from keystead.domain.grants import CONSENTABLE
from keystead.domain.ids import OrganizationId, TeamId
from keystead.domain.money import to_text
from keystead.domain.traffic import ErrorClass
from keystead.gateway.causes import CONSENT_AHEAD_US
from keystead.identity.directory import Directory
from keystead.limits.fullness import caps_used
from keystead.limits.views import CapUse
from keystead.metering.fallbacks import FallbackLine, RefusedLine, Span, fallbacks, refused_fallbacks
from keystead.metering.usage import usage_by
from keystead.metering.usage_views import UsageLine
from keystead.policy.class_store import classes_of
from keystead.policy.store import Consents
from keystead.policy.views import ConsentView
from keystead.routing.verdict import reason_of

MOST_ALERTS: Final = 200
"""Alerts in a digest; the list of alerts has them all."""
_NEWEST_CONSENTS: Final = 500
"""Looked through; one that was used is found, however old it is."""

_CONSENTABLE: Final = tuple(kind.value for kind in ErrorClass if reason_of(kind) in CONSENTABLE)


class SpendLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one team's work cost on credentials of one owner, in one currency."""

    team_id: str
    team: str
    owner: str
    """`own`: owed to providers; `platform`: paid for with credits; `sandbox`; empty for requests that no attempt ended."""
    requests: int
    attempts: int
    cost: str
    """What providers bill, as far as it is known; on platform credentials they bill the platform."""
    currency: str
    charge: str
    """Credits that the platform bills."""
    unknown: int
    """Attempts without a known cost."""


class ConsentUse(msgspec.Struct, frozen=True, kw_only=True):
    """A consent, who gave it, and how much of its caps is used now."""

    id: str
    given_by_id: str
    given_by: str
    given_at: Instant
    expires_at: Instant
    revoked_at: Instant | None
    note: str
    day_used: str
    """Credits, of the day that runs."""
    daily_cap: str
    month_used: str
    monthly_cap: str


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a span. Amounts are exact decimal text."""

    since: Instant
    until: Instant
    """The span asked for, widened to whole hours."""
    spend: tuple[SpendLine, ...]
    fallbacks: tuple[FallbackLine, ...]
    refused: tuple[RefusedLine, ...]
    """Fallbacks that nobody's consent covered, or that it no longer did. `own_key_only` is by the classes as they are now."""
    consents: tuple[ConsentUse, ...]
    """Those that were in force, were used, or ended shortly before."""
    alerts: tuple[AlertTold, ...]
    """Those that were open at some time in the span, as they are now; newest first."""


class Digests:
    """Makes digests."""

    def __init__(self, clock: Clock) -> None:
        """Take the time from `clock`."""
        self._clock = clock
        self._directory = Directory()
        self._consents = Consents(clock)
        self._alerts = Alerts(clock)

    async def digest(
        self,
        conn: AsyncConnection,
        organization_id: OrganizationId,
        *,
        from_at: int,
        to_at: int,
        team_ids: frozenset[TeamId] | None = None,
        alerts_of: frozenset[TeamId] | None = None,
        all_consents: bool = True,
    ) -> Digest:
        """Return what happened in an organization.

        Args:
            conn: to read with: one view of the whole.
            organization_id: which organization.
            from_at: where the span begins (Unix µs).
            to_at: where it ends.
            team_ids: whose requests are told of; None for everybody's.
            alerts_of: whose alerts are told of; None for all.
            all_consents: tell of those too that were not used by the requests told of.

        Raises:
            InvalidRequestError: the span is empty, or there is more than anybody reads.
        """
        usage = await usage_by(
            conn,
            organization_id=organization_id,
            dimensions=("team", "owner"),
            from_at=from_at,
            to_at=to_at,
            team_ids=team_ids,
        )
        span = Span(
            organization_id=organization_id,
            from_at=hour_of(from_at),
            to_at=hour_of(to_at + HOUR_US - 1),
            team_ids=team_ids,
        )
        made = await fallbacks(conn, span)
        used = {line.consent_id for line in made}
        lately = await self._lately(conn, organization_id, used, span)
        # Without any consent of late, no class of data could have kept a fallback from being made.
        classes = (await classes_of(conn, organization_id)).ladder if lately else ()
        own_key_only = [one.name for one in classes if one.requirement.own_key_only]
        refused = await refused_fallbacks(conn, span, own_key_only=own_key_only, error_classes=_CONSENTABLE)
        shown = [one for one in lately if all_consents or one.id in used]
        alerts = await self._alerts.list(
            conn, organization_id, team_ids=alerts_of, since=span.from_at, until=span.to_at, limit=MOST_ALERTS
        )
        return Digest(
            since=utc(span.from_at),
            until=utc(span.to_at),
            spend=tuple(map(_spend_line, usage.lines)),
            fallbacks=made,
            refused=refused,
            consents=await self._consents_used(conn, organization_id, shown),
            alerts=tuple(AlertTold(**as_told(alert)) for alert in alerts),
        )

    async def _lately(
        self, conn: AsyncConnection, organization_id: OrganizationId, used: set[str], span: Span
    ) -> list[ConsentView]:
        """Return the consents that were used in the span, were in force in it, or ended shortly before it."""
        given = await self._consents.list(conn, organization_id, limit=_NEWEST_CONSENTS)
        lately = [one for one in given if one.id in used or _was_in_force(one, span)]
        older = sorted(used - {one.id for one in given})
        return [*lately, *[await self._consents.get(conn, organization_id, consent_id) for consent_id in older]]

    async def _consents_used(
        self, conn: AsyncConnection, organization_id: OrganizationId, consents: Sequence[ConsentView]
    ) -> tuple[ConsentUse, ...]:
        organization = await self._directory.organization(conn, organization_id)
        used = await caps_used(conn, consents, now_us=self._clock.now_us(), time_zone=organization.time_zone)
        names = await self._directory.member_names(conn, organization_id, {one.created_by for one in consents})
        return tuple(_consent_use(one, used[one.id], names) for one in consents)


def _was_in_force(consent: ConsentView, span: Span) -> bool:
    return (
        consent.created_at < span.to_at
        and consent.expires_at > span.from_at - CONSENT_AHEAD_US
        and (consent.revoked_at is None or consent.revoked_at > span.from_at)
    )


def _spend_line(line: UsageLine) -> SpendLine:
    team, owner = line.keys
    return SpendLine(
        team_id=team.id,
        team=team.name,
        owner=owner.id,
        requests=line.requests,
        attempts=line.attempts,
        cost=line.cost,
        currency=line.currency,
        charge=line.charge,
        unknown=line.unpriced + line.unknown,
    )


def _consent_use(consent: ConsentView, used: tuple[CapUse, ...], names: dict[str, str]) -> ConsentUse:
    day, month = used
    return ConsentUse(
        id=consent.id,
        given_by_id=consent.created_by,
        given_by=names.get(consent.created_by, consent.created_by),
        given_at=utc(consent.created_at),
        expires_at=utc(consent.expires_at),
        revoked_at=None if consent.revoked_at is None else utc(consent.revoked_at),
        note=consent.note,
        day_used=to_text(day.spent),
        daily_cap=to_text(day.cap),
        month_used=to_text(month.spent),
        monthly_cap=to_text(month.cap),
    )
