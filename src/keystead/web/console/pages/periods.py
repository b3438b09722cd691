"""The spans of time that reports are about, and the one before for comparison. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from keystead.web.console.pages.months import Days

SPANS: Final[Mapping[str, tuple[str, timedelta]]] = {
    "24h": ("24 hours", timedelta(hours=24)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
    "90d": ("90 days", timedelta(days=90)),
}
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A span of time that ends now, in whole hours, or in whole days of a time zone."""

    name: str
    title: str
    since: datetime
    until: datetime
    before: tuple[datetime, datetime]
    """The span of the same length before this one."""
    zone: ZoneInfo
    starts: tuple[datetime, ...]
    """Where its columns begin."""
    by: Literal["hour", "day"]
    """The dimension of the columns."""

    def columns(self) -> Sequence[datetime]:
        """Return where its columns begin."""
        return self.starts


def span_of(query: Mapping[str, str], now_us: int, zone: ZoneInfo) -> Span:
    """Return the span that an address asks for; a month if it asks for none that there is."""
    name = query.get("span", "")
    name = name if name in SPANS else "30d"
    title, length = SPANS[name]
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    if length > _DAY:
        today = now.astimezone(zone).date()
        days = Days(first=today - length + _DAY, last=today, zone=zone, month=False)
        return Span(
            name=name,
            title=title,
            since=days.since,
            until=days.until,
            before=(days.before.since, days.before.until),
            zone=zone,
            starts=tuple(days.columns()),
            by="day",
        )
    until = now.replace(minute=0, second=0, microsecond=0) + _HOUR
    since = until - length
    return Span(
        name=name,
        title=title,
        since=since,
        until=until,
        before=(since - length, since),
        zone=zone,
        starts=tuple(since + number * _HOUR for number in range(length // _HOUR)),
        by="hour",
    )
