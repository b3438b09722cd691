"""Where a budget's period begins, in the organization's time zone. Pure.

A calendar period begins at local midnight: of the day, of the ISO week's Monday, of the first of the month. It is as
long as the calendar says: the day on which clocks change has 23 or 25 hours. Where clocks are put forward at midnight
the day begins with its first instant; where midnight happens twice it begins with the first.

A rolling period is counted in whole hours (UTC). What counts are the current hour and `rolling_hours` hours before
it, so the window is between `rolling_hours` and `rolling_hours` + 1 hours long. The other rounding would let more
than the limit pass within `rolling_hours` hours.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from keystead.domain.means import Period

SECOND_US: Final = 1_000_000
HOUR_US: Final = 3_600 * SECOND_US

_QUARTER_US: Final = 900 * SECOND_US
"""Local midnight is on a quarter of an hour (UTC) everywhere, so all instants of a quarter share their period."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A period that contains an instant."""

    bucket_at: int
    """The bucket to count in: the start of the calendar period, or of the hour."""
    since_at: int
    """The first bucket that counts."""
    until_at: int
    """When the bucket is no longer the one to count in."""


def bucket(period: Period, rolling_hours: int, now_us: int, time_zone: str) -> tuple[int, int]:
    """Return (the bucket to count in, the first bucket that counts) at an instant, all in Unix microseconds.

    Args:
        period: a calendar one, or `rolling`.
        rolling_hours: the length of a rolling period.
        now_us: the instant.
        time_zone: IANA name; must exist.
    """
    span = span_at(period, rolling_hours, now_us, time_zone)
    return span.bucket_at, span.since_at


def span_at(period: Period, rolling_hours: int, now_us: int, time_zone: str) -> Span:
    """Return the period around an instant; as `bucket`, with its end."""
    if period == "rolling":
        hour = now_us - now_us % HOUR_US
        return Span(bucket_at=hour, since_at=hour - rolling_hours * HOUR_US, until_at=hour + HOUR_US)
    return _calendar_span(period, time_zone, now_us // _QUARTER_US)


@lru_cache(maxsize=4096)
def _calendar_span(period: Period, time_zone: str, quarter: int) -> Span:
    zone = ZoneInfo(time_zone)
    today = datetime.fromtimestamp(quarter * _QUARTER_US // SECOND_US, zone).replace(hour=0, minute=0, second=0, fold=0)
    if period == "day":
        first, following = today, today + timedelta(days=1)
    elif period == "week":
        first = today - timedelta(days=today.weekday())
        following = first + timedelta(days=7)
    else:
        first = today.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
    start, end = (int(edge.timestamp()) * SECOND_US for edge in (first, following))
    return Span(bucket_at=start, since_at=start, until_at=end)
