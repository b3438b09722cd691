"""What a period of a budget will come to."""

import pytest

from keystead.limits.forecast import forecast


@pytest.mark.parametrize(
    ("now", "expected"),
    [(0, None), (4, None), (5, 2_000), (50, 200), (100, 100), (101, None)],
)
def test_it_is_what_was_spent_over_the_part_that_is_gone_once_that_says_something(
    now: int, expected: int | None
) -> None:
    assert forecast(100, starts_at=0, ends_at=100, now_us=now) == expected


def test_nothing_spent_stays_nothing() -> None:
    assert forecast(0, starts_at=10, ends_at=20, now_us=15) == 0
