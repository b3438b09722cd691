"""How long answers took, by the dimensions one asks for: percentiles from the roll-ups' buckets."""

from collections.abc import Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.metering.percentiles import Times, times_of
from keystead.metering.usage import asked_for, key_order, keys_of, rows_of
from keystead.metering.usage_sums import times_in
from keystead.metering.usage_views import UsageKey
from keystead.storage.usage_tables import DURATIONS, FIRST_TOKENS


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
    credential_id: str | None = None,
    time_zone: str = "UTC",
) -> LatencyReport:
    """Return how long answers took, by `dimensions`; for what is taken and raised, see `usage.usage_by`."""
    asked = asked_for(
        organization_id=organization_id,
        dimensions=dimensions,
        from_at=from_at,
        to_at=to_at,
        team_ids=team_ids,
        credential_id=credential_id,
        time_zone=time_zone,
        times=True,
    )
    counted: dict[tuple[UsageKey, ...], dict[str, int]] = {}
    total: dict[str, int] = {}
    for row in await rows_of(conn, asked):
        counts = times_in(row)
        _add(counted.setdefault(keys_of(row, asked), {}), counts)  # a row for each currency
        _add(total, counts)
    ordered = sorted(counted.items(), key=lambda entry: key_order(entry[0], (-entry[1]["attempts"],)))
    return LatencyReport(
        from_at=asked.span.since,
        to_at=asked.span.until,
        dimensions=asked.dimensions,
        lines=tuple(_line(keys, counts) for keys, counts in ordered),
        total=_line((), total),
    )


def _add(counts: dict[str, int], more: dict[str, int]) -> None:
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count


def _line(keys: tuple[UsageKey, ...], counts: dict[str, int]) -> LatencyLine:
    return LatencyLine(
        keys=keys,
        attempts=counts.get("attempts", 0),
        duration=times_of([counts.get(name, 0) for name in DURATIONS]),
        first_token=times_of([counts.get(name, 0) for name in FIRST_TOKENS]),
    )
