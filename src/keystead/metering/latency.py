"""How long answers took, by the dimensions one asks for: percentiles from the roll-ups' buckets."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.metering.percentiles import Times, times_of
from keystead.metering.usage import NOT_NARROWED, Sums, added, asked_for, lines_of, ordered
from keystead.metering.usage_views import UsageKey
from keystead.storage.usage_tables import DURATIONS, ROLLUP_TIMES

_NOTHING: Final = (0,) * (1 + len(ROLLUP_TIMES))


class LatencyLine(msgspec.Struct, frozen=True, kw_only=True):
    """How long the answers of one combination of keys took."""

    keys: tuple[UsageKey, ...]
    attempts: int
    """All of them. Those not counted in `duration` failed, were cut short, or are from before this was measured."""
    duration: Times | None
    """Of attempts that succeeded, to the end of the answer; null where none was measured."""
    first_token: Times | None
    """Of those that were streams, to the first content; null where none was measured."""


class LatencyReport(msgspec.Struct, frozen=True, kw_only=True):
    """Latency by dimensions over whole hours."""

    from_at: int
    to_at: int
    dimensions: tuple[str, ...]
    lines: tuple[LatencyLine, ...]
    """By time where that is a dimension, then what was asked most first."""
    total: LatencyLine


async def latency_by(
    conn: AsyncConnection,
    *,
    organization_id: str,
    dimensions: Sequence[str],
    from_at: int,
    to_at: int,
    team_ids: frozenset[str] | None = None,
    only: Mapping[str, frozenset[str]] = NOT_NARROWED,
    time_zone: str = "UTC",
) -> LatencyReport:
    """Return how long answers took, by `dimensions`; for what is taken and raised, see `usage.usage_by`."""
    asked = asked_for(
        organization_id=organization_id,
        dimensions=dimensions,
        from_at=from_at,
        to_at=to_at,
        team_ids=team_ids,
        only=only,
        time_zone=time_zone,
        times=True,
    )
    lines = await lines_of(conn, asked)
    return LatencyReport(
        from_at=asked.span.since,
        to_at=asked.span.until,
        dimensions=asked.dimensions,
        lines=tuple(_line(keys, row.sums) for keys, row in ordered(lines, asked, _most)),
        total=_line((), added(row.sums for _, row in lines) or _NOTHING),
    )


def _most(sums: Sums) -> tuple[int, ...]:
    return (-sums[0],)


def _line(keys: tuple[UsageKey, ...], sums: Sums) -> LatencyLine:
    attempts, *times = sums
    return LatencyLine(
        keys=keys,
        attempts=attempts,
        duration=times_of(times[: len(DURATIONS)]),
        first_token=times_of(times[len(DURATIONS) :]),
    )
