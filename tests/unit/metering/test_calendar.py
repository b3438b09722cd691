"""Which local day an hour counts to, wherever the clocks are and whenever they change."""

from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, literal, select

from keystead.domain.clock import HOUR_US
from keystead.metering.calendar import begins_at, days_between, local_day

ZONES = st.sampled_from(
    (
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "America/Havana",
        "America/Sao_Paulo",
        "Asia/Beirut",
        "Pacific/Apia",
        "Pacific/Chatham",
    )
)
HOURS = st.integers(365_000, 570_000)
"""Since 1970: 2011 to 2035, with the day that Samoa left out and clocks that change at midnight."""


@given(ZONES.map(ZoneInfo), HOURS, st.integers(1, 24 * 40))
def test_days_follow_one_another_and_hold_every_hour_once(zone: ZoneInfo, first: int, hours: int) -> None:
    begin, end = first * HOUR_US, (first + hours) * HOUR_US
    days = days_between(zone, begin, end)
    assert days[0][0] <= begin < days[0][1]
    assert days[-1][0] < end <= days[-1][1]
    assert all(one[1] == other[0] for one, other in pairwise(days))
    assert all(at % HOUR_US == 0 and 0 < following - at <= 50 * HOUR_US for at, following in days)


@given(ZONES.map(ZoneInfo), HOURS)
def test_a_day_holds_the_hours_that_reports_count_to_its_date(zone: ZoneInfo, first: int) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as conn:
        for at, following in days_between(zone, first * HOUR_US, (first + 30) * HOUR_US):
            query = [local_day(literal(hour), zone, at, following) for hour in range(at, following, HOUR_US)]
            dates = set(conn.execute(select(*query)).one())
            assert len(dates) == 1
            assert at - HOUR_US < begins_at(dates.pop(), zone) <= at
    engine.dispose()
