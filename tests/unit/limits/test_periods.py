"""Periods begin where the calendar of a time zone says, on every day of every clock change."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keystead.domain.means import Period
from keystead.limits.periods import HOUR_US, SECOND_US, bucket, span_at

ZONES: Final = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # midnight itself was skipped, and happened twice
    "America/Havana",  # the same
    "Australia/Lord_Howe",  # half an hour of summer time
    "Asia/Kathmandu",  # three quarters of an hour
    "Asia/Kolkata",
    "Pacific/Apia",  # skipped a whole day
    "Pacific/Kiritimati",
    "Africa/Casablanca",
    "Asia/Beirut",
)
CALENDAR: Final[tuple[Period, ...]] = ("day", "week", "month")

instants = st.datetimes(datetime(2005, 1, 1), datetime(2035, 12, 31)).map(  # noqa: DTZ001
    lambda moment: int(moment.replace(tzinfo=UTC).timestamp() * SECOND_US)
)


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND_US


def local(us: int, zone: str) -> datetime:
    return datetime.fromtimestamp(us // SECOND_US, ZoneInfo(zone))


def name(us: int, zone: str, period: Period) -> tuple[int, ...]:
    moment = local(us, zone)
    if period == "day":
        return moment.year, moment.month, moment.day
    if period == "week":
        return moment.isocalendar()[:2]
    return moment.year, moment.month


@settings(deadline=None)
@given(instants, st.sampled_from(ZONES), st.sampled_from(CALENDAR))
def test_a_calendar_period_is_all_the_instants_with_its_name_and_no_others(us: int, zone: str, period: Period) -> None:
    span = span_at(period, 0, us, zone)
    assert span.bucket_at == span.since_at
    assert span.bucket_at <= us < span.until_at
    inside = {name(moment, zone, period) for moment in (span.bucket_at, us, span.until_at - SECOND_US)}
    assert len(inside) == 1
    assert name(span.bucket_at - SECOND_US, zone, period) not in inside
    assert name(span.until_at, zone, period) not in inside


@settings(deadline=None)
@given(instants, st.sampled_from(ZONES), st.sampled_from(CALENDAR))
def test_one_period_follows_the_other_without_a_gap(us: int, zone: str, period: Period) -> None:
    span = span_at(period, 0, us, zone)
    assert span_at(period, 0, span.until_at, zone).bucket_at == span.until_at


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        ("2026-03-29T12:00", "Europe/Berlin", 23),
        ("2026-10-25T12:00", "Europe/Berlin", 25),
        ("2018-11-04T12:00", "America/Sao_Paulo", 23),
        ("2018-02-17T12:00", "America/Sao_Paulo", 25),
        ("2026-06-01T12:00", "Europe/Berlin", 24),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(day: str, zone: str, hours: int) -> None:
    span = span_at("day", 0, at(day, zone), zone)
    assert (span.until_at - span.bucket_at) // HOUR_US == hours


def test_a_day_whose_midnight_is_skipped_begins_with_its_first_instant() -> None:
    start, _ = bucket("day", 0, at("2018-11-04T12:00", "America/Sao_Paulo"), "America/Sao_Paulo")
    assert local(start, "America/Sao_Paulo") == datetime(2018, 11, 4, 1, tzinfo=ZoneInfo("America/Sao_Paulo"))
    assert local(start - SECOND_US, "America/Sao_Paulo").day == 3


def test_a_week_begins_on_monday_also_across_the_new_year() -> None:
    start, _ = bucket("week", 0, at("2027-01-01T12:00", "Europe/Berlin"), "Europe/Berlin")
    assert local(start, "Europe/Berlin").date().isoformat() == "2026-12-28"


def test_the_same_instant_is_in_different_months_at_both_ends_of_the_world() -> None:
    now = at("2026-11-30T12:00")
    assert local(bucket("month", 0, now, "Pacific/Kiritimati")[0], "Pacific/Kiritimati").month == 12
    assert local(bucket("month", 0, now, "America/New_York")[0], "America/New_York").month == 11


@given(instants, st.integers(1, 744), st.sampled_from(ZONES))
def test_a_rolling_period_never_looks_back_less_than_its_length(us: int, hours: int, zone: str) -> None:
    start, since = bucket("rolling", hours, us, zone)
    assert start == us - us % HOUR_US
    assert timedelta(hours=hours) <= timedelta(microseconds=us - since) < timedelta(hours=hours + 1)
    assert (start - since) % HOUR_US == 0


def test_a_time_zone_that_does_not_exist_is_an_error_and_not_utc() -> None:
    with pytest.raises(KeyError):
        bucket("day", 0, 0, "Mars/Olympus")
