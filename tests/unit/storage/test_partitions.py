"""Months as partitions see them."""

from hypothesis import given
from hypothesis import strategies as st

from keystead.storage.partitions import months
from tests.fakes.clock import START_US

DAY_US = 86_400_000_000


def test_a_month_is_named_by_year_and_number() -> None:
    assert months(START_US, 2) == [
        ("2026_01", START_US, START_US + 31 * DAY_US),
        ("2026_02", START_US + 31 * DAY_US, START_US + 59 * DAY_US),
    ]


def test_a_year_turns() -> None:
    assert [name for name, _, _ in months(START_US - 1, 2)] == ["2025_12", "2026_01"]


@given(st.integers(0, 4_000_000_000_000_000), st.integers(1, 15))
def test_months_hold_the_instant_and_follow_without_a_gap(now: int, count: int) -> None:
    found = months(now, count)
    assert len(found) == count
    assert found[0][1] <= now < found[0][2]
    assert [first for _, first, _ in found[1:]] == [end for _, _, end in found[:-1]]
    assert len({name for name, _, _ in found}) == count
