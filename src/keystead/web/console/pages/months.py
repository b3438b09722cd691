"""Calendar months and ranges of days in the organization's time zone, and the ones before for comparison. Pure.

Sums are kept by the hour. Where local midnight is within an hour, that hour counts to the day in which it began, so
that months that follow each other count every hour once.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from keystead.domain.errors import InvalidRequestError

LONGEST_DAYS: Final = 366
_DAY: Final = timedelta(days=1)
_MONTH: Final = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)


class Days(msgspec.Struct, frozen=True, kw_only=True):
    """Some days of a time zone, one after the other."""

    first: date
    last: date
    """The last one of them."""
    zone: ZoneInfo
    month: bool
    """Whether they are one calendar month."""
    by: str = "day"
    """The dimension of the columns of a chart."""

    @property
    def since(self) -> datetime:
        """When the first day begins, in UTC, in whole hours."""
        return _begins(self.first, self.zone).replace(minute=0, second=0)

    @property
    def until(self) -> datetime:
        """When the last day has ended."""
        return _begins(self.last + _DAY, self.zone).replace(minute=0, second=0)

    @property
    def title(self) -> str:
        """The days in words."""
        if self.month:
            return f"{self.first:%B %Y}"
        return (
            f"{self.first:%-d %b %Y} to {self.last:%-d %b %Y}" if self.first != self.last else f"{self.first:%-d %b %Y}"
        )

    @property
    def name(self) -> str:
        """The days as a file is called."""
        return f"{self.first:%Y-%m}" if self.month else f"{self.first}_{self.last}"

    @property
    def asked(self) -> dict[str, str]:
        """What an address says to get them."""
        return {"month": f"{self.first:%Y-%m}"} if self.month else {"from": str(self.first), "to": str(self.last)}

    @property
    def before(self) -> "Days":
        """The month before, or as many days before."""
        last = self.first - _DAY
        first = last.replace(day=1) if self.month else last - (self.last - self.first)
        return msgspec.structs.replace(self, first=first, last=last)

    @property
    def after(self) -> "Days":
        """The month after, or as many days after."""
        first = self.last + _DAY
        last = _month_end(first) if self.month else first + (self.last - self.first)
        return msgspec.structs.replace(self, first=first, last=last)

    def columns(self) -> list[datetime]:
        """Return when each day begins, in UTC."""
        count = (self.last - self.first).days + 1
        return [_begins(self.first + number * _DAY, self.zone) for number in range(count)]


def month_of(now_us: int, zone: ZoneInfo) -> Days:
    """Return the month that an instant is in."""
    first = datetime.fromtimestamp(now_us / 1_000_000, zone).date().replace(day=1)
    return Days(first=first, last=_month_end(first), zone=zone, month=True)


def days_of(query: Mapping[str, str], now_us: int, zone: ZoneInfo) -> Days:
    """Return the days that an address asks for: `month`, or `from` and `to`; this month if it asks for none.

    Raises:
        InvalidRequestError: it asks for what there is not, or for too much.
    """
    month = query.get("month", "")
    if month:
        if _MONTH.fullmatch(month) is None:
            raise InvalidRequestError("This is not a month.", param="month", next_step="Write it as 2026-10.")
        first = date.fromisoformat(f"{month}-01")
        return Days(first=first, last=_month_end(first), zone=zone, month=True)
    if not query.get("from") and not query.get("to"):
        return month_of(now_us, zone)
    try:
        first, last = date.fromisoformat(query.get("from", "")), date.fromisoformat(query.get("to", ""))
    except ValueError as error:
        raise InvalidRequestError(
            "A range needs its first and its last day.", param="from", next_step="Write days as 2026-10-31."
        ) from error
    if not 2000 <= first.year <= last.year <= 2099 or first > last:
        raise InvalidRequestError("The last day is before the first, or out of this century.", param="to")
    if (last - first).days >= LONGEST_DAYS:
        raise InvalidRequestError(f"A range has at most {LONGEST_DAYS} days.", param="to")
    return Days(first=first, last=last, zone=zone, month=False)


def span_query(since: datetime, until: datetime, zone: ZoneInfo) -> dict[str, str]:
    """Return a span as the admin API's reports are asked for it; their days are those of the time zone."""
    return {"since": since.isoformat(), "until": until.isoformat(), "time_zone": zone.key}


def _month_end(first: date) -> date:
    return (first.replace(day=1) + timedelta(days=31)).replace(day=1) - _DAY


def _begins(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
