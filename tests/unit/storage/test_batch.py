"""What settlements add to the roll-ups."""

from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.durations import BUCKETS, bucket_of
from keystead.domain.money import MAX_PICO
from keystead.domain.records import Cost
from keystead.domain.traffic import CostState
from keystead.storage.batch import added
from keystead.storage.usage_tables import ROLLUP_SUMS, ROLLUP_TIMES
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, request_intent, settlement

CLOCK = FakeClock()


def sums_of(name: str, *, key: str, amounts: list[tuple[str, int, bool]]) -> list[int]:
    ended = [
        (
            settlement(
                CLOCK,
                request_intent(CLOCK, virtual_key_id=virtual_key),
                attempt_intent(CLOCK),
                cost=Cost(state=CostState.PRICED, pico=pico),
            ),
            ends,
        )
        for virtual_key, pico, ends in amounts
    ]
    names = ROLLUP_SUMS + ROLLUP_TIMES
    return [dict(zip(names, values, strict=True))[name] for row, values in added(ended) if key in row]


@given(st.lists(st.tuples(st.sampled_from(["vk_1", "vk_2"]), st.integers(0, 10**6), st.booleans()), max_size=20))
def test_each_row_is_the_sum_of_its_settlements(amounts: list[tuple[str, int, bool]]) -> None:
    for key in ("vk_1", "vk_2"):
        own = [(pico, ends) for virtual_key, pico, ends in amounts if virtual_key == key]
        assert sums_of("cost_pico", key=key, amounts=amounts) == ([sum(pico for pico, _ in own)] if own else [])
        assert sums_of("requests", key=key, amounts=amounts) == ([sum(ends for _, ends in own)] if own else [])
        assert sums_of("attempts", key=key, amounts=amounts) == ([len(own)] if own else [])


@given(st.lists(st.tuples(st.sampled_from(["vk_1", "vk_2"]), st.integers(0, 2 * 10**8)), max_size=30))
def test_durations_are_counted_in_the_row_of_their_own(taken: list[tuple[str, int]]) -> None:
    ended = [
        (
            settlement(
                CLOCK,
                request_intent(CLOCK, virtual_key_id=key),
                attempt_intent(CLOCK),
                duration_us=duration_us,
                first_byte_us=1,
            ),
            True,
        )
        for key, duration_us in taken
    ]
    for row, values in added(ended):
        counts = list(values[len(ROLLUP_SUMS) :])
        own = [bucket_of(duration_us) for key, duration_us in taken if key in row]
        assert counts == [own.count(number) for number in range(BUCKETS)] + [0] * BUCKETS


@given(st.permutations([f"vk_{number}" for number in range(8)]))
def test_rows_come_in_one_order_whatever_order_the_settlements_came_in(virtual_keys: list[str]) -> None:
    ended = [
        (settlement(CLOCK, request_intent(CLOCK, virtual_key_id=virtual_key), attempt_intent(CLOCK)), True)
        for virtual_key in virtual_keys
    ]
    keys = [key for key, _ in added(ended)]
    assert keys == sorted(keys)


def test_a_sum_stays_at_the_largest_number() -> None:
    assert sums_of("cost_pico", key="vk_1", amounts=[("vk_1", MAX_PICO, True)] * 2) == [MAX_PICO]
