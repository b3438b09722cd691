"""Admission in memory: never over a limit, all holds or none, and the same word as a model that counts from scratch."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.means import Hold
from keystead.domain.money import MAX_PICO
from keystead.storage.admission import Room, Standing, window_of
from tests.fakes.records import budget_hold, credit_hold

Counters = dict[tuple[str, int], list[int]]
"""Ceiling, spent and held of each bucket."""


def standings(counters: Counters, holds: Sequence[Hold]) -> Room:
    """Read what the statement would read."""
    read = {}
    for counter_id, bucket_at, since_at in {window_of(hold) for hold in holds}:
        ceiling, spent, held = counters.get((counter_id, bucket_at), [0, 0, 0])
        counted = sum(
            row[1] + row[2]
            for (counter, bucket), row in counters.items()
            if counter == counter_id and bucket >= since_at
        )
        window = (counter_id, bucket_at, since_at)
        read[window] = Standing(counted=counted, ceiling=ceiling, spent=spent, held=held)
    return Room(read)


class Model:
    """Adds everything up anew for each question."""

    def __init__(self, counters: Counters) -> None:
        self.counters = {key: list(row) for key, row in counters.items()}

    def _row(self, hold: Hold) -> list[int]:
        return self.counters.setdefault((hold.counter_id, hold.bucket_at), [0, 0, 0])

    def let_go(self, hold: Hold, post: int) -> None:
        row = self._row(hold)
        row[1] += post
        row[2] -= hold.amount

    def admit(self, holds: Sequence[Hold]) -> Hold | None:
        before = {key: list(row) for key, row in self.counters.items()}
        for hold in holds:
            row = self._row(hold)
            row[2] += hold.amount
            counted = sum(
                spent + held
                for (counter, bucket), (_, spent, held) in self.counters.items()
                if counter == hold.counter_id and bucket >= hold.since_at
            )
            if (hold.limit is not None and counted > hold.limit) or (
                hold.kind == "credits" and row[0] < row[1] + row[2]
            ):
                self.counters = before
                return hold
        return None


BUDGETS = st.builds(
    lambda counter, bucket, hours, amount, limit: budget_hold(
        counter_id=counter, bucket_at=bucket, since_at=bucket - hours, amount=amount, limit=limit
    ),
    st.sampled_from(["bud_1", "bud_2"]),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(0, 30),
    st.none() | st.integers(0, 60),
)
CREDITS = st.builds(lambda amount: credit_hold(amount=amount), st.integers(0, 30))
HOLDS = st.lists(BUDGETS | CREDITS, min_size=1, max_size=4)
COUNTERS = st.dictionaries(
    st.tuples(st.sampled_from(["bud_1", "bud_2"]), st.integers(1, 4)) | st.just(("acc_1", 0)),
    st.tuples(st.integers(0, 60), st.integers(0, 20), st.integers(0, 20)).map(list),
)


@given(counters=COUNTERS, ended=st.lists(st.tuples(BUDGETS | CREDITS, st.integers(0, 30))), asked=st.lists(HOLDS))
def test_the_room_is_what_a_count_from_scratch_says(
    counters: Counters, ended: list[tuple[Hold, int]], asked: list[list[Hold]]
) -> None:
    model = Model(counters)
    room = standings(counters, [hold for holds in asked for hold in holds])
    for hold, post in ended:
        room.let_go(hold, post)
        model.let_go(hold, post)
    for holds in asked:
        assert room.admit(holds) == model.admit(holds)
    after = {key: list(row) for key, row in counters.items()}
    changes = room.changes()
    for counter_id, bucket_at, spent, held in changes:
        row = after.setdefault((counter_id, bucket_at), [0, 0, 0])
        row[1] += spent
        row[2] += held
    assert {key: row for key, row in after.items() if any(row)} == {
        key: row for key, row in model.counters.items() if any(row)
    }
    assert changes == sorted(changes)
    assert len({change[:2] for change in changes}) == len(changes), "one row for each bucket"


def test_the_first_of_several_without_room_is_named_and_nothing_is_held() -> None:
    holds = [budget_hold(), budget_hold(counter_id="bud_2", limit=9), budget_hold(counter_id="bud_3", limit=0)]
    room = standings({}, holds)
    assert room.admit(holds) is holds[1]
    assert room.changes() == []


def test_what_one_hold_takes_the_next_one_of_the_same_attempt_does_not_find() -> None:
    room = standings({}, [budget_hold()])
    assert room.admit([budget_hold(amount=600)] * 2) == budget_hold(amount=600)
    assert room.admit([budget_hold(amount=500)] * 2) is None


def test_a_bucket_that_is_already_counted_from_later_on_still_counts_itself() -> None:
    hold = budget_hold(bucket_at=5, since_at=9, amount=10, limit=10)
    room = standings({("bud_1", 5): [0, 1, 0]}, [hold])
    assert room.admit([hold]) == hold


def test_an_amount_below_zero_makes_no_room() -> None:
    hold = budget_hold(amount=-1)
    assert standings({}, [hold]).admit([hold]) == hold


def test_a_column_is_never_asked_to_hold_more_than_it_can() -> None:
    soft = budget_hold(amount=MAX_PICO, limit=None)
    room = standings({}, [soft])
    assert room.admit([soft]) is None
    assert room.admit([soft]) == soft
    room.let_go(soft, MAX_PICO)
    room.let_go(budget_hold(amount=0), MAX_PICO)
    assert room.changes() == [(soft.counter_id, soft.bucket_at, MAX_PICO, 0)]


def test_an_account_nobody_paid_into_has_no_credits() -> None:
    hold = credit_hold(amount=1)
    assert standings({}, [hold]).admit([hold]) == hold
    nothing = credit_hold(amount=0)
    assert standings({}, [nothing]).admit([nothing]) is None
