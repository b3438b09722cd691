"""The spans of time that reports are about, and the one before for comparison. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

SPANS: Final[Mapping[str, tuple[str, timedelta]]] = {
    "24h": ("24 hours", timedelta(hours=24)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
    "90d": ("90 days", timedelta(days=90)),
}


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A span of time that ends now, in whole hours or days (UTC, in which the sums are kept)."""

    name: str
    title: str
    since: datetime
    until: datetime
    step: timedelta
    """Of a column: an hour, or a day."""

    @property
    def by(self) -> str:
        """The dimension of the columns."""
        return "hour" if self.step < timedelta(days=1) else "day"

    @property
    def before(self) -> tuple[datetime, datetime]:
        """The span of the same length before this one."""
        return self.since - (self.until - self.since), self.since

    def columns(self) -> list[datetime]:
        """Return where its columns begin."""
        count = (self.until - self.since) // self.step
        return [self.since + number * self.step for number in range(count)]


def span_of(query: Mapping[str, str], now_us: int) -> Span:
    """Return the span that an address asks for; a month if it asks for none that there is."""
    name = query.get("span", "")
    name = name if name in SPANS else "30d"
    title, length = SPANS[name]
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    step = timedelta(hours=1) if length <= timedelta(days=1) else timedelta(days=1)
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    until = (
        hour
        if step < timedelta(days=1)
        else (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    )
    return Span(name=name, title=title, since=until - length, until=until, step=step)
