import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.grants import CONSENTABLE, Reason
from keystead.domain.traffic import ErrorClass
from keystead.routing.verdict import JITTER_S, MAX_TRIES, MAX_WAIT_S, Verdict, after, reason_of

CASES = [
    # error class, sent, tries → step, reason
    (ErrorClass.THROTTLED, True, 1, "again", "throttled"),
    (ErrorClass.THROTTLED, True, 2, "next", "throttled"),
    (ErrorClass.OVERLOADED, True, 1, "again", "down"),
    (ErrorClass.OVERLOADED, True, 2, "next", "down"),
    (ErrorClass.PROVIDER_ERROR, True, 1, "again", "down"),
    (ErrorClass.PROVIDER_ERROR, True, 2, "next", "down"),
    (ErrorClass.UNREACHABLE, False, 1, "again", "down"),
    (ErrorClass.UNREACHABLE, False, 2, "next", "down"),
    # the provider may have done the work and bill it
    (ErrorClass.UNREACHABLE, True, 1, "next", "down"),
    (ErrorClass.TIMEOUT, True, 1, "next", "down"),
    (ErrorClass.TIMEOUT, False, 1, "next", "down"),
    (ErrorClass.PROTOCOL, True, 1, "next", "down"),
    # the same within this request, however often it is asked
    (ErrorClass.OUT_OF_FUNDS, True, 1, "next", "out_of_funds"),
    (ErrorClass.AUTH_FAILED, True, 1, "next", "auth_failed"),
    (ErrorClass.PERMISSION_DENIED, True, 1, "next", "auth_failed"),
    (ErrorClass.MODEL_MISSING, True, 1, "next", "model_missing"),
    (ErrorClass.CONTEXT_TOO_LONG, True, 1, "next", "context_too_long"),
    # the caller's
    (ErrorClass.CONTENT_REFUSED, True, 1, "answer", None),
    (ErrorClass.INVALID_REQUEST, True, 1, "answer", None),
    (ErrorClass.NOT_FOUND, True, 1, "answer", None),
    (ErrorClass.TOO_LARGE, True, 1, "answer", None),
]


@pytest.mark.parametrize(("error_class", "sent", "tries", "step", "reason"), CASES)
def test_each_failure_has_its_step(
    error_class: ErrorClass, *, sent: bool, tries: int, step: str, reason: str | None
) -> None:
    verdict = after(error_class, retry_after_s=None, sent=sent, tries=tries)
    assert (verdict.step, verdict.reason) == (step, reason)


def test_every_failure_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(ErrorClass)


def test_a_refused_key_is_no_reason_that_can_be_consented_to() -> None:
    for error_class in (ErrorClass.AUTH_FAILED, ErrorClass.PERMISSION_DENIED):
        assert reason_of(error_class) is Reason.AUTH_FAILED
    assert Reason.AUTH_FAILED not in CONSENTABLE


def test_a_provider_that_asks_to_wait_is_waited_for_and_no_shorter() -> None:
    for draw in (0.0, 0.5, 0.999):
        verdict = after(ErrorClass.THROTTLED, retry_after_s=2.0, sent=True, draw=draw)
        assert verdict.step == "again"
        assert 2.0 <= verdict.delay_s <= 2.0 + JITTER_S


@pytest.mark.parametrize("retry_after_s", [MAX_WAIT_S + 0.001, 60.0, 999_999_999.0])
def test_a_longer_wait_than_a_caller_has_patience_for_is_not_waited_for(retry_after_s: float) -> None:
    verdict = after(ErrorClass.THROTTLED, retry_after_s=retry_after_s, sent=True)
    assert verdict == Verdict(step="next", reason=Reason.THROTTLED)


def test_the_providers_own_word_on_retrying_goes_before_the_rules() -> None:
    assert after(ErrorClass.OVERLOADED, retry_after_s=None, sent=True, should_retry=False).step == "next"
    assert after(ErrorClass.TIMEOUT, retry_after_s=None, sent=True, should_retry=True).step == "again"
    assert after(ErrorClass.TIMEOUT, retry_after_s=None, sent=True, should_retry=True, tries=MAX_TRIES).step == "next"


def test_no_word_of_a_provider_sends_the_callers_mistake_again() -> None:
    assert after(ErrorClass.INVALID_REQUEST, retry_after_s=None, sent=True, should_retry=True).step == "answer"


@given(
    error_class=st.sampled_from(ErrorClass),
    retry_after_s=st.none() | st.floats(0, 1e9),
    sent=st.booleans(),
    tries=st.integers(1, 5),
    draw=st.floats(0, 1, exclude_max=True),
    should_retry=st.none() | st.booleans(),
)
def test_waits_are_bounded_and_tries_end(
    error_class: ErrorClass,
    retry_after_s: float | None,
    tries: int,
    draw: float,
    *,
    sent: bool,
    should_retry: bool | None,
) -> None:
    verdict = after(
        error_class, retry_after_s=retry_after_s, sent=sent, tries=tries, draw=draw, should_retry=should_retry
    )
    assert 0 <= verdict.delay_s <= MAX_WAIT_S + JITTER_S
    assert verdict.step == "again" or verdict.delay_s == 0
    assert verdict.step != "again" or tries < MAX_TRIES
    assert (verdict.step == "answer") is (verdict.reason is None)
