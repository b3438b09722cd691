"""Months and ranges of days, and the ones before."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.clock import HOUR_US
from keystead.metering.calendar import offsets
from keystead.web.console.pages.months import days_of, month_of

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
NOW_US = int(datetime(2026, 10, 31, 23, 30, tzinfo=UTC).timestamp() * 1_000_000)


def test_this_month_is_the_organizations() -> None:
    assert month_of(NOW_US, ZoneInfo("UTC")).title == "October 2026"
    assert month_of(NOW_US, ZoneInfo("Europe/Berlin")).title == "November 2026"


@given(st.sampled_from(ZONES), st.integers(2001, 2098), st.integers(1, 12))
def test_months_follow_each_other_without_a_gap_in_whole_hours(zone: str, year: int, month: int) -> None:
    days = days_of({"month": f"{year}-{month:02}"}, NOW_US, ZoneInfo(zone))
    assert days.before.until == days.since
    assert days.until == days.after.since
    assert days.after.before == days
    assert days.before.after == days
    assert days.since.minute == days.until.minute == 0
    assert len(days.columns()) == (days.last - days.first).days + 1
    assert days_of(days.asked, NOW_US, ZoneInfo(zone)) == days


@given(st.sampled_from(ZONES), st.dates(date(2001, 1, 1), date(2098, 1, 1)), st.integers(0, 365))
def test_a_range_is_compared_with_as_many_days_before(zone: str, first: date, more: int) -> None:
    asked = {"from": str(first), "to": str(first + timedelta(days=more))}
    days = days_of(asked, NOW_US, ZoneInfo(zone))
    assert days.before.last + timedelta(days=1) == days.first
    assert days.before.last - days.before.first == days.last - days.first
    assert days.asked == asked


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_is_cut_where_the_clocks_change(zone: str) -> None:
    begin = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    end = begin + 365 * 24 * HOUR_US
    parts = offsets(ZoneInfo(zone), begin, end)
    at = begin
    for until, offset in parts:
        for hour in range(at, until, HOUR_US):
            told = datetime.fromtimestamp(hour // 1_000_000, ZoneInfo(zone)).utcoffset()
            assert told == timedelta(microseconds=offset)
        at = until
    assert at == end
