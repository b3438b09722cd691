"""What a batch does to counters and ledger: in one order for everybody, once, and never more than was held."""

from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.money import MAX_PICO
from keystead.domain.traffic import State
from keystead.storage.batch import Intent
from keystead.storage.holds import Holding, posts_of, transfer_id
from keystead.storage.rows import Row
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, budget_hold, credit_hold, request_intent, settlement

CLOCK = FakeClock()
NOTHING_READ: Row = (None, None, None, None, None)


def intent(*holds: object, number: int = 1) -> Intent:
    waiting = None
    return Intent(request_intent(CLOCK), attempt_intent(CLOCK, number=number, holds=holds), waiting)  # type: ignore[arg-type]


@given(st.lists(st.sampled_from([f"bud_{number}" for number in range(9)]), min_size=1, max_size=12))
def test_everybody_takes_counters_in_one_order(names: list[str]) -> None:
    ended = [
        settlement(CLOCK, request_intent(CLOCK), attempt_intent(CLOCK, holds=(budget_hold(counter_id=name),)))
        for name in names[::2]
    ]
    holding = Holding(ended, [intent(budget_hold(counter_id=name)) for name in names])
    assert [counter for counter, _ in holding.counters()] == sorted(set(names))
    decision = holding.decide([NOTHING_READ] * len(holding.windows))
    assert [row[0] for row in decision.counted] == sorted(row[0] for row in decision.counted)


def test_a_batch_without_holds_concerns_no_counter() -> None:
    holding = Holding([settlement(CLOCK, request_intent(CLOCK), None)], [intent()])
    assert not holding.concerns
    assert holding.counters() == holding.windows == []


def test_intents_are_admitted_in_the_order_given() -> None:
    intents = [intent(budget_hold(amount=400)) for _ in range(3)]
    refused = Holding([], intents).decide([NOTHING_READ]).refused
    assert refused == {intents[2]: budget_hold(amount=400)}


def test_only_credits_are_booked() -> None:
    request, attempt = request_intent(CLOCK), attempt_intent(CLOCK, holds=(budget_hold(), credit_hold()))
    end = settlement(CLOCK, request, attempt, posts=(3, 4))
    holding = Holding([end], [intent(budget_hold()), further := intent(credit_hold(amount=0), number=3)])
    decision = holding.decide([NOTHING_READ] * 2)
    assert holding.ended_transfers() == [("posted", 4, end.finished_at, transfer_id(request.id, 1))]
    (opened,) = decision.opened
    assert opened[0] == f"trf_{further.request.id.removeprefix('req_')}_3"
    assert opened[3:] == ("acc_1", "acc_revenue", 0, further.request.id, 3)


def test_what_is_not_posted_is_voided_or_when_nobody_knows_expired() -> None:
    attempt = attempt_intent(CLOCK, holds=(credit_hold(),))
    ends = [settlement(CLOCK, request_intent(CLOCK), attempt, state=state) for state in (State.SETTLED, State.UNKNOWN)]
    states = [Holding([end], []).ended_transfers()[0][:2] for end in ends]
    assert states == [("voided", 10), ("expired", 10)]


@given(st.lists(st.integers(-(2**70), 2**70), max_size=3))
def test_every_hold_has_a_post_that_fits(posts: list[int]) -> None:
    attempt = attempt_intent(CLOCK, holds=(budget_hold(), credit_hold()))
    end = settlement(CLOCK, request_intent(CLOCK), attempt, posts=tuple(posts))
    budget, credits_ = posts_of(end, attempt)
    given_posts = [*posts, 0, 0]
    assert budget == min(max(given_posts[0], 0), MAX_PICO)
    assert credits_ == min(max(given_posts[1], 0), 10)
