from hypothesis import given
from hypothesis import strategies as st

from keystead.routing.retry_budget import (
    FLOOR_MILLI,
    FLOOR_REFILL_US,
    MAX_CREDENTIALS,
    MOST_EARNED_MILLI,
    SHARE_MILLI,
    RetryBudget,
)

FLOOR = FLOOR_MILLI // 1000


def taken(budget: RetryBudget, credential_id: str, *, now_us: int, most: int = 1000) -> int:
    """Take second tries until there are none left."""
    for count in range(most):
        if not budget.second_try(credential_id, now_us=now_us):
            return count
    return most


def test_a_quiet_credential_may_try_again_a_little() -> None:
    assert taken(RetryBudget(), "crd_1", now_us=0) == FLOOR


def test_ten_first_tries_earn_one_second_try() -> None:
    budget = RetryBudget()
    for _ in range(100):
        budget.first_try("crd_1", now_us=0)
    assert taken(budget, "crd_1", now_us=0) == 10 + FLOOR


def test_the_floor_fills_up_again_and_not_beyond_itself() -> None:
    budget = RetryBudget()
    assert taken(budget, "crd_1", now_us=0) == FLOOR
    assert taken(budget, "crd_1", now_us=FLOOR_REFILL_US - 1) == 0
    assert taken(budget, "crd_1", now_us=FLOOR_REFILL_US) == 1
    assert taken(budget, "crd_1", now_us=100 * FLOOR_REFILL_US) == FLOOR


def test_only_recent_traffic_counts() -> None:
    budget = RetryBudget()
    for _ in range(100_000):
        budget.first_try("crd_1", now_us=0)
    assert taken(budget, "crd_1", now_us=0) == MOST_EARNED_MILLI // 1000 + FLOOR


def test_a_failing_tenant_spends_nobody_elses_budget() -> None:
    budget = RetryBudget()
    taken(budget, "crd_1", now_us=0)
    assert budget.second_try("crd_2", now_us=0)


def test_the_bucket_longest_unused_makes_room() -> None:
    budget = RetryBudget()
    taken(budget, "crd_0", now_us=0)
    taken(budget, "crd_1", now_us=0)
    for number in range(2, MAX_CREDENTIALS):
        budget.first_try(f"crd_{number}", now_us=0)
    budget.first_try("crd_0", now_us=0)
    budget.first_try("crd_new", now_us=0)
    assert not budget.second_try("crd_0", now_us=0)
    assert budget.second_try("crd_1", now_us=0)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, FLOOR_REFILL_US)), max_size=300))
def test_second_tries_never_exceed_their_share(events: list[tuple[bool, int]]) -> None:
    budget = RetryBudget()
    now_us = first = second = 0
    for is_first, wait_us in events:
        now_us += wait_us
        if is_first:
            budget.first_try("crd_1", now_us=now_us)
            first += 1
        else:
            second += budget.second_try("crd_1", now_us=now_us)
        assert second * 1000 <= first * SHARE_MILLI + FLOOR_MILLI + now_us * 1000 // FLOOR_REFILL_US
