"""A circuit opens when it should, lets one probe through, and shares nothing with another credential's."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keystead.domain.traffic import ErrorClass
from keystead.routing import breaker
from keystead.routing.breaker import CLOSED, Breakers

SECOND = 1_000_000


class Way:
    """One credential and model, with a clock."""

    def __init__(self, breakers: Breakers | None = None, credential_id: str = "crd_1", model: str = "gpt-5") -> None:
        self.breakers = breakers or Breakers()
        self.credential_id = credential_id
        self.model = model
        self.now_us = 1_000 * SECOND

    def later(self, us: int) -> None:
        self.now_us += us

    def allows(self) -> bool:
        return self.breakers.allows(self.credential_id, self.model, now_us=self.now_us)

    def fail(
        self,
        error_class: ErrorClass = ErrorClass.PROVIDER_ERROR,
        *,
        retry_after_s: float | None = None,
        began_us: int | None = None,
    ) -> None:
        self.breakers.failed(
            self.credential_id,
            self.model,
            error_class,
            retry_after_s=retry_after_s,
            began_us=self.now_us if began_us is None else began_us,
            now_us=self.now_us,
        )

    def succeed(self, *, began_us: int | None = None) -> None:
        began_us = self.now_us if began_us is None else began_us
        self.breakers.succeeded(self.credential_id, self.model, began_us=began_us, now_us=self.now_us)

    def state(self) -> str:
        return self.breakers.state(self.credential_id, self.model, now_us=self.now_us).state

    def opened(self) -> "Way":
        """Let it fail until it is open."""
        for _ in range(breaker.FAILURES_IN_A_ROW):
            self.fail()
        assert self.state() == "open"
        return self


def test_what_never_failed_is_closed() -> None:
    way = Way()
    assert way.allows()
    assert way.breakers.state("crd_1", "gpt-5", now_us=way.now_us) == CLOSED


def test_failures_in_a_row_open_it() -> None:
    way = Way()
    for _ in range(breaker.FAILURES_IN_A_ROW - 1):
        way.fail()
        assert way.allows()
    way.fail(ErrorClass.OVERLOADED)
    assert not way.allows()
    state = way.breakers.state("crd_1", "gpt-5", now_us=way.now_us)
    assert (state.state, state.error_class) == ("open", ErrorClass.OVERLOADED)
    assert state.opens_until_us == way.now_us + breaker.FIRST_OPEN_US


def test_a_good_answer_in_between_starts_the_row_anew() -> None:
    way = Way()
    for _ in range(3):
        for _ in range(breaker.FAILURES_IN_A_ROW - 1):
            way.fail()
        way.succeed()
    assert way.state() == "closed"


def test_half_of_the_recent_requests_failing_opens_it() -> None:
    way = Way()
    for _ in range(breaker.FEWEST_IN_WINDOW // 2 - 1):
        way.fail()
        way.succeed()
    assert way.state() == "closed"
    way.fail()
    way.fail()
    assert way.state() == "open"


def test_failures_long_ago_do_not_count_into_the_share() -> None:
    way = Way()
    for _ in range(breaker.FEWEST_IN_WINDOW // 2 - 1):
        way.fail()
        way.succeed()
    way.later(breaker.WINDOW_US)
    way.fail()
    way.fail()
    assert way.state() == "closed"


def test_a_wait_that_the_provider_asks_for_opens_it_at_once_until_then() -> None:
    way = Way()
    way.fail(ErrorClass.THROTTLED, retry_after_s=17.5)
    way.later(17_499_999)
    assert not way.allows()
    way.later(1)
    assert way.allows()


def test_an_absurd_wait_is_cut() -> None:
    way = Way()
    way.fail(ErrorClass.THROTTLED, retry_after_s=999_999_999.0)
    way.later(breaker.LONGEST_ASKED_US)
    assert way.allows()


def test_half_open_one_probe_passes_and_its_good_answer_closes() -> None:
    way = Way().opened()
    way.later(breaker.FIRST_OPEN_US)
    assert way.state() == "half_open"
    assert way.allows()
    began = way.now_us
    way.later(1)
    assert not way.allows()
    way.succeed(began_us=began)
    assert way.state() == "closed"
    assert way.allows()
    way.fail()
    assert way.state() == "closed"  # nothing of before is held against it


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_bound() -> None:
    way = Way().opened()
    open_us = breaker.FIRST_OPEN_US
    for _ in range(12):
        way.later(open_us - 1)
        assert not way.allows()
        way.later(1)
        assert way.allows()
        way.fail()
        open_us = min(2 * open_us, breaker.LONGEST_OPEN_US)
    assert open_us == breaker.LONGEST_OPEN_US


def test_a_probe_that_never_reports_is_given_up() -> None:
    way = Way().opened()
    way.later(breaker.FIRST_OPEN_US)
    assert way.allows()
    lost = way.now_us
    way.later(breaker.PROBE_US - 1)
    assert not way.allows()
    way.later(1)
    assert way.allows()
    way.later(1)
    way.succeed(began_us=lost)  # too late to count
    assert way.state() == "half_open"
    way.succeed(began_us=way.now_us - 1)
    assert way.state() == "closed"


def test_a_probe_that_is_abandoned_makes_room_for_another() -> None:
    way = Way().opened()
    way.later(breaker.FIRST_OPEN_US)
    assert way.allows()
    way.breakers.abandoned("crd_1", "gpt-5", began_us=way.now_us)
    assert way.state() == "half_open"
    assert way.allows()


def test_requests_that_began_before_the_trouble_do_not_decide_about_it() -> None:
    way = Way()
    began = way.now_us
    way.later(1)
    way.opened()
    way.succeed(began_us=began)
    assert way.state() == "open"
    way.later(breaker.FIRST_OPEN_US)
    assert way.allows()
    way.later(1)
    way.succeed(began_us=began)
    way.fail(began_us=began)
    way.breakers.abandoned("crd_1", "gpt-5", began_us=began)
    assert way.state() == "half_open"
    assert not way.allows()


def test_a_wait_asked_for_after_it_has_opened_still_counts() -> None:
    way = Way()
    began = way.now_us
    way.later(1)
    way.opened()
    way.fail(ErrorClass.THROTTLED, retry_after_s=60, began_us=began)
    way.later(60 * SECOND - 1)
    assert not way.allows()


def test_an_empty_account_closes_the_whole_credential_at_once() -> None:
    way = Way()
    other_model = Way(way.breakers, model="gpt-4o")
    way.fail(ErrorClass.OUT_OF_FUNDS)
    assert not way.allows()
    assert not other_model.allows()
    assert way.breakers.state("crd_1", "gpt-4o", now_us=way.now_us).error_class is ErrorClass.OUT_OF_FUNDS
    other_model.later(breaker.OUT_OF_FUNDS_OPEN_US)
    assert other_model.allows()
    way.later(breaker.OUT_OF_FUNDS_OPEN_US)
    assert not way.allows()  # one probe for the whole credential
    other_model.succeed()
    assert way.allows()


@pytest.mark.parametrize(
    ("asked_s", "open_us"), [(60.0, 60 * SECOND), (86_400.0, breaker.LONGEST_OUT_OF_FUNDS_US), (0.0, 300 * SECOND)]
)
def test_an_account_is_empty_until_the_provider_says_within_bounds(asked_s: float, open_us: int) -> None:
    way = Way()
    way.fail(ErrorClass.OUT_OF_FUNDS, retry_after_s=asked_s)
    way.later(open_us - 1)
    assert not way.allows()
    way.later(1)
    assert way.allows()


def test_a_refused_key_closes_the_whole_credential_after_a_few() -> None:
    way = Way()
    for _ in range(breaker.KEY_REFUSALS_IN_A_ROW - 1):
        way.fail(ErrorClass.AUTH_FAILED)
    assert Way(way.breakers, model="gpt-4o").allows()
    way.fail(ErrorClass.AUTH_FAILED)
    assert not Way(way.breakers, model="gpt-4o").allows()


def test_a_new_key_begins_with_everything_closed() -> None:
    way = Way()
    way.fail(ErrorClass.OUT_OF_FUNDS)
    way.breakers.forget("crd_1")
    assert way.allows()


def test_a_failure_of_one_model_leaves_the_others_open() -> None:
    way = Way().opened()
    assert Way(way.breakers, model="gpt-4o").allows()


def test_a_throttled_credential_leaves_other_credentials_alone() -> None:
    way = Way()
    way.fail(ErrorClass.THROTTLED, retry_after_s=100)
    way.fail(ErrorClass.OUT_OF_FUNDS)
    assert Way(way.breakers, credential_id="crd_2").allows()


@pytest.mark.parametrize(
    "error_class",
    [
        ErrorClass.CONTEXT_TOO_LONG,
        ErrorClass.CONTENT_REFUSED,
        ErrorClass.INVALID_REQUEST,
        ErrorClass.NOT_FOUND,
        ErrorClass.TOO_LARGE,
    ],
)
def test_what_is_only_the_requests_fault_is_a_sign_of_health(error_class: ErrorClass) -> None:
    way = Way()
    for _ in range(100):
        way.fail(error_class)
    assert way.state() == "closed"
    way.opened().later(breaker.FIRST_OPEN_US)
    assert way.allows()
    way.fail(error_class)
    assert way.state() == "closed"


def test_a_probe_that_says_nothing_about_one_circuit_leaves_it_to_the_next() -> None:
    way = Way().opened()
    way.later(breaker.FIRST_OPEN_US)
    assert way.allows()
    way.fail(ErrorClass.AUTH_FAILED)  # about the key, not about the model
    assert way.state() == "half_open"
    assert way.allows()


def test_invented_models_displace_only_those_of_the_same_credential() -> None:
    way = Way().opened()
    other = Way(way.breakers, credential_id="crd_2").opened()
    for number in range(breaker.MAX_MODELS):
        Way(way.breakers, model=f"invented-{number}").fail(ErrorClass.MODEL_MISSING)
    assert way.state() == "closed"
    assert other.state() == "open"


def test_the_number_of_credentials_is_bounded() -> None:
    breakers = Breakers()
    for number in range(breaker.MAX_CREDENTIALS + 1):
        Way(breakers, credential_id=f"crd_{number}").fail(ErrorClass.OUT_OF_FUNDS)
    assert len(breakers.standing(now_us=1_000 * SECOND)) == breaker.MAX_CREDENTIALS
    assert Way(breakers, credential_id="crd_0").state() == "closed"


def test_what_recovered_is_not_remembered() -> None:
    way = Way()
    way.fail()
    way.later(breaker.WINDOW_US)
    way.succeed()
    assert way.breakers._credentials == {}


def test_everything_that_is_not_closed_can_be_listed() -> None:
    way = Way().opened()
    way.later(breaker.FIRST_OPEN_US)
    broke = Way(way.breakers, credential_id="crd_2")
    broke.now_us = way.now_us
    broke.fail(ErrorClass.OUT_OF_FUNDS)
    Way(way.breakers, credential_id="crd_3").fail()
    standing = way.breakers.standing(now_us=way.now_us)
    assert {place: state.state for place, state in standing.items()} == {
        ("crd_1", "gpt-5"): "half_open",
        ("crd_2", ""): "open",
    }


class AnyHistory(RuleBasedStateMachine):
    """Requests of two credentials begin, end in any way and any order, and time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.breakers = Breakers()
        self.now_us = SECOND
        self.under_way: list[tuple[str, str, int]] = []
        self.probes: dict[tuple[str, str], int] = {}
        """When the probe under way of each place passed."""

    @rule(credential_id=st.sampled_from(["crd_1", "crd_2"]), model=st.sampled_from(["a", "b"]))
    def begin(self, credential_id: str, model: str) -> None:
        before = self.breakers.standing(now_us=self.now_us)
        self.now_us += 1
        if not self.breakers.allows(credential_id, model, now_us=self.now_us):
            return
        self.under_way.append((credential_id, model, self.now_us))
        for place in ((credential_id, model), (credential_id, "")):
            state = before.get(place)
            if state is None:
                self.probes.pop(place, None)
                continue
            assert state.opens_until_us is not None
            assert self.now_us >= state.opens_until_us, "an open circuit let a request through"
            probe_us = self.probes.get(place)
            assert probe_us is None or self.now_us - probe_us >= breaker.PROBE_US, "two probes at once"
            self.probes[place] = self.now_us

    @precondition(lambda self: self.under_way)
    @rule(
        data=st.data(),
        error_class=st.none() | st.sampled_from(ErrorClass),
        retry_after_s=st.none() | st.floats(0, 400),
    )
    def end(self, data: Any, error_class: ErrorClass | None, retry_after_s: float | None) -> None:
        place = data.draw(st.sampled_from(self.under_way))
        credential_id, model, began_us = place
        self.under_way.remove(place)
        self.now_us += 1
        if error_class is None:
            self.breakers.succeeded(credential_id, model, began_us=began_us, now_us=self.now_us)
        else:
            self.breakers.failed(
                credential_id, model, error_class, retry_after_s=retry_after_s, began_us=began_us, now_us=self.now_us
            )
        self.report(credential_id, model, began_us)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def abandon(self, data: Any) -> None:
        place = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(place)
        self.breakers.abandoned(place[0], place[1], began_us=place[2])
        self.report(*place)

    @rule(us=st.sampled_from([1, SECOND, 5 * SECOND, 61 * SECOND, 3_600 * SECOND]))
    def wait(self, us: int) -> None:
        self.now_us += us

    @invariant()
    def nothing_is_open_for_ever(self) -> None:
        for state in self.breakers.standing(now_us=self.now_us).values():
            assert state.opens_until_us is not None
            assert state.opens_until_us - self.now_us <= breaker.LONGEST_OUT_OF_FUNDS_US

    def report(self, credential_id: str, model: str, began_us: int) -> None:
        for place in ((credential_id, model), (credential_id, "")):
            if self.probes.get(place) == began_us:
                del self.probes[place]


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=100, stateful_step_count=50)
