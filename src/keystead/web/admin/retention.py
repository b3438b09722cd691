"""How long the organization keeps its requests."""

from typing import Annotated, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.errors import InvalidRequestError
from keystead.metering import retention
from keystead.metering.retention import LEAST_DAYS, MOST_DAYS
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Instant, Nothing, instant, optional_instant

Days = Annotated[int, msgspec.Meta(description=f"{LEAST_DAYS} to {MOST_DAYS}.")]


class RetentionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wanted to be known."""

    days: Days | None = None
    """What these days would forget, were they set now."""


class WouldForget(msgspec.Struct, frozen=True, kw_only=True):
    """What a number of days would forget now."""

    days: int
    before: Instant
    """Requests that began before this instant."""
    requests: int
    more: bool
    """There are more than these; they were not counted further."""


class RetentionShown(msgspec.Struct, frozen=True, kw_only=True):
    """How long requests and their attempts are kept. Sums of usage and cost, the ledger and the audit stay for ever."""

    days: int | None
    """Null: for ever."""
    oldest_at: Instant | None
    """When the oldest request that is there began."""
    would_forget: WouldForget | None
    """Null if nothing was asked."""


class SetRetention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long requests are kept from now on."""

    days: Days | None = None
    """What is older is forgotten within minutes, and nobody can bring it back."""
    for_ever: bool = False
    """None is forgotten; in place of `days`."""


async def show(call: Call[RetentionQuery, Nothing]) -> RetentionShown:
    """Return how long requests are kept, and what another number of days would forget."""
    organization_id, days = call.who.organization_id, _checked(call.query.days)
    async with call.rooms.database.read() as conn:
        organization = await call.rooms.directory.organization(conn, organization_id)
        oldest = await retention.oldest(conn, organization_id)
        would = None
        if days is not None:
            found = await retention.would_forget(conn, organization_id, days=days, now=call.rooms.clock.now_us())
            would = WouldForget(days=days, before=instant(found.before_at), requests=found.requests, more=found.more)
    return RetentionShown(days=organization.keep_requests_days, oldest_at=optional_instant(oldest), would_forget=would)


async def set_retention(call: Call[Nothing, SetRetention]) -> RetentionShown:
    """Keep requests for so many days from now on, or for ever."""
    organization_id, days = call.who.organization_id, _checked(call.body.days)
    if (days is None) is not call.body.for_ever:
        raise InvalidRequestError("Say either `days` or `for_ever`.", param="days")
    async with act(call) as change:
        before = await call.rooms.directory.organization(change.conn, organization_id)
        await retention.keep(change.conn, organization_id, days)
        oldest = await retention.oldest(change.conn, organization_id)
        await change.record(
            "retention.set",
            object_kind="organization",
            object_id=organization_id,
            days=days,
            before={"days": before.keep_requests_days},
        )
    return RetentionShown(days=days, oldest_at=optional_instant(oldest), would_forget=None)


def _checked(days: int | None) -> int | None:
    if days is not None and not LEAST_DAYS <= days <= MOST_DAYS:
        raise InvalidRequestError(
            f"Requests are kept for {LEAST_DAYS} days at least, and for {MOST_DAYS} at most or for ever.",
            param="days",
            next_step="Choose a number of days between these.",
        )
    return days


ROUTES: Final = (
    Route(
        method="GET",
        path="/retention",
        permission=Permission.ORGANIZATION_READ,
        handler=show,
        summary="How long your organization keeps its requests, and what another number of days would forget.",
        query=RetentionQuery,
        answer=RetentionShown,
    ),
    Route(
        method="POST",
        path="/retention/set",
        permission=Permission.ORGANIZATION_WRITE,
        handler=set_retention,
        summary="Keep your organization's requests for a number of days, or for ever.",
        body=SetRetention,
        answer=RetentionShown,
    ),
)
