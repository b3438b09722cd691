"""Tokens and cost, and how long answers took, by the dimensions one asks for."""

from collections.abc import Iterable
from typing import Annotated, Final, TypedDict

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Permission
from keystead.domain.clock import HOUR_US
from keystead.domain.durations import BOUNDS_US
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.identity.authority import teams_where
from keystead.identity.tags import tags_in_use
from keystead.metering.latency import LatencyLine, latency_by
from keystead.metering.usage import usage_by
from keystead.metering.usage_views import UsageLine
from keystead.web.admin.credential_names import credential_id
from keystead.web.admin.organization import TimeZone
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import Instant, Nothing, Reference, instant, reported_span, whole

_WEEK_US = 7 * 24 * HOUR_US
_MOST_TAGS = 200
_MOST_VALUES: Final = 20
"""Values that one may ask for alone."""
_STORED: Final = whole(r"[^\x00]*")
"""What an id of a line can be: a model's may hold anything but what PostgreSQL cannot."""


class UsageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to sum or measure, over which span of whole hours: ten years at most."""

    by: Annotated[
        str,
        msgspec.Meta(
            max_length=200,
            description="Dimensions, separated by commas: hour, day, cost_center, team, principal, virtual_key, credential, "
            "provider, model, owner, outcome, and tags of virtual keys: tag:project.",
        ),
    ] = "model"
    since: Instant | None = None
    """Default: a week before `until`."""
    until: Instant | None = None
    """Default: now."""
    credential: Reference | None = None
    """Only with this credential: who used it, and for what."""
    only: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=400, pattern=_STORED)], ...],
        msgspec.Meta(
            max_length=_MOST_VALUES,
            description="Only these values, each as dimension:id (model:gpt-5, tag:project:apollo), with the ids that the keys "
            "of lines have. Of several of one dimension, any.",
        ),
    ] = ()
    time_zone: TimeZone = "UTC"
    """Where the days of `day` begin."""


class UsageShown(msgspec.Struct, frozen=True, kw_only=True):
    """The sums. Costs are exact decimal text; attempts without a known cost are counted beside them, never as zero."""

    since: Instant
    until: Instant
    """The span asked for, widened to whole hours."""
    dimensions: tuple[str, ...]
    lines: tuple[UsageLine, ...]
    totals: tuple[UsageLine, ...]
    """One per currency."""


class LatencyShown(msgspec.Struct, frozen=True, kw_only=True):
    """How long answers took. Percentiles are interpolated between the bounds of a bucket, and say which."""

    since: Instant
    until: Instant
    """The span asked for, widened to whole hours."""
    dimensions: tuple[str, ...]
    bounds_us: tuple[int, ...]
    """Where the buckets end, each excluded; the last bucket has no end."""
    lines: tuple[LatencyLine, ...]
    total: LatencyLine


async def latency(call: Call[UsageQuery, Nothing]) -> LatencyShown:
    """Return how long answers took, by dimensions."""
    async with call.rooms.database.read() as conn:
        found = await latency_by(conn, **await _asked(call, conn))
    return LatencyShown(
        since=instant(found.from_at),
        until=instant(found.to_at),
        dimensions=found.dimensions,
        bounds_us=BOUNDS_US,
        lines=found.lines,
        total=found.total,
    )


class TagsInUse(msgspec.Struct, frozen=True, kw_only=True):
    """Tags that a report can be by."""

    tags: tuple[str, ...]
    """Those that a virtual key has or once had, by name; of the caller's teams."""


async def report(call: Call[UsageQuery, Nothing]) -> UsageShown:
    """Return usage by dimensions."""
    async with call.rooms.database.read() as conn:
        found = await usage_by(conn, **await _asked(call, conn))
    return UsageShown(
        since=instant(found.from_at),
        until=instant(found.to_at),
        dimensions=found.dimensions,
        lines=found.lines,
        totals=found.totals,
    )


class _Asked(TypedDict):
    organization_id: str
    dimensions: list[str]
    from_at: int
    to_at: int
    team_ids: frozenset[str] | None
    only: dict[str, frozenset[str]]
    time_zone: str


async def _asked(call: Call[UsageQuery, Nothing], conn: AsyncConnection) -> _Asked:
    query = call.query
    only = _narrowed(query.only)
    if query.credential is not None:
        this = await _credential(call, conn, query.credential)
        only["credential"] = only.get("credential", this) & this
    from_at, to_at = reported_span(query.since, query.until, now_us=call.rooms.clock.now_us(), usual_us=_WEEK_US)
    return _Asked(
        organization_id=call.who.organization_id,
        dimensions=[name for name in query.by.split(",") if name],
        from_at=from_at,
        to_at=to_at,
        team_ids=teams_where(call.who, Permission.USAGE_READ),
        only=only,
        time_zone=query.time_zone,
    )


async def _credential(call: Call[UsageQuery, Nothing], conn: AsyncConnection, reference: str) -> frozenset[str]:
    """Return the id of a credential; whoever may see none is not told which there are, and one that is not was not used.

    Raises:
        NotFoundError: there is none.
    """
    try:
        return frozenset({await credential_id(call, conn, reference)})
    except NotFoundError:
        if call.who.may(Permission.CREDENTIAL_READ):
            raise
        return frozenset()


def _narrowed(values: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the ids asked for by dimension, from `dimension:id`; the name of a tag's dimension has a colon itself.

    Raises:
        InvalidRequestError: there is no id.
    """
    found: dict[str, set[str]] = {}
    for value in values:
        parts = value.split(":", 2 if value.startswith("tag:") else 1)
        dimension = ":".join(parts[:-1])
        if not dimension or dimension == "tag":
            raise InvalidRequestError(
                f"{value[:64]!r} does not say a dimension and an id.",
                param="only",
                next_step="Write it as dimension:id.",
            )
        found.setdefault(dimension, set()).add(parts[-1])
    return {dimension: frozenset(ids) for dimension, ids in found.items()}


async def tags(call: Call[Nothing, Nothing]) -> TagsInUse:
    """Return the tags that a report can be by."""
    seen = teams_where(call.who, Permission.USAGE_READ)
    async with call.rooms.database.read() as conn:
        found = await tags_in_use(conn, call.who.organization_id, team_ids=seen, most=_MOST_TAGS)
    return TagsInUse(tags=tuple(found))


ROUTES: Final = (
    Route(
        method="GET",
        path="/usage",
        permission=Permission.USAGE_READ,
        scope="team",
        handler=report,
        summary="Tokens and cost, summed by dimensions.",
        query=UsageQuery,
        answer=UsageShown,
        errors=(404,),
    ),
    Route(
        method="GET",
        path="/latency",
        permission=Permission.USAGE_READ,
        scope="team",
        handler=latency,
        summary="How long answers took and until their first token, as percentiles by dimensions.",
        query=UsageQuery,
        answer=LatencyShown,
        errors=(404,),
    ),
    Route(
        method="GET",
        path="/usage/tags",
        permission=Permission.USAGE_READ,
        scope="team",
        handler=tags,
        summary="The tags that usage can be summed by.",
        answer=TagsInUse,
    ),
)
