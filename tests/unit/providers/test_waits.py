"""How long to wait is read from whatever a provider says it with, and never guessed."""

import json
import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.providers import waits
from keystead.providers.classify import classify

NOW_US = 1_795_629_600 * 1_000_000  # 2026-11-25 18:00:00 UTC
DAY_S = 86_400.0


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock on the wall is not in UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    "date", ["Wed, 25 Nov 2026 18:00:30 GMT", "Wednesday, 25-Nov-26 18:00:30 GMT", "Wed Nov 25 18:00:30 2026"]
)
def test_each_form_of_an_http_date_is_in_gmt(date: str) -> None:
    assert waits.of_headers([("retry-after", date)], NOW_US) == 30.0


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached. Please try again in 20s. Visit …", 20.0),
        ("Please try again in 7m12.5s.", 432.5),
        ("Please try again in 1h2m3s.", 3723.0),
        ("Please try again in 455ms.", 0.455),
        ("Please try again in 2 days.", 2 * DAY_S),
        ("Try again in 5 Seconds", 5.0),
        ("Please retry after 9 seconds.", 9.0),
        ("Please retry in 48.123s.", 48.123),
        ("You will regain access on 2026-12-01 at 00:00 UTC.", 5 * DAY_S + 6 * 3600),
        ("You will regain access on 2026-11-01 at 00:00 UTC.", 0.0),
        ("You will regain access on 2026-13-41 at 99:00 UTC.", None),
        ("Please try again later.", None),
        ("", None),
    ],
)
def test_words_are_read(message: str, seconds: float | None) -> None:
    assert waits.of_words(message, NOW_US) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        # OpenAI and Groq: durations, one limit each for requests and tokens
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "8.64s"}, 8.64),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2ms"}, 0.002),
        (
            {
                "x-ratelimit-remaining-requests": "14399",
                "x-ratelimit-reset-requests": "6h0m0s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "7.66s",
            },
            7.66,
        ),
        # Together
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, 1.0),
        # OpenRouter: milliseconds since 1970; others: seconds since 1970
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795629660000"}, 60.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795629660"}, 60.0),
        # Anthropic
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2026-11-25T18:00:10Z",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-25T18:00:40Z",
                "anthropic-ratelimit-input-tokens-remaining": "5000",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-25T19:00:00Z",
            },
            40.0,
        ),
        # nothing is used up, or nothing is said about its end
        ({"x-ratelimit-remaining-tokens": "150", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-remaining-tokens": "0"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "soon"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "-5"}, None),
        ({"x-other-remaining": "0", "x-other-reset": "5"}, None),
        ({}, None),
    ],
)
def test_the_limits_that_are_used_up_say_when_they_are_renewed(headers: dict[str, str], seconds: float | None) -> None:
    assert waits.of_limits(list(headers.items()), NOW_US) == seconds


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (NOW_US, 5 * DAY_S + 6 * 3600),
        (1_798_761_599 * 1_000_000, 1.0),  # the last second of 2026
        (1_769_904_000 * 1_000_000, 28 * DAY_S),  # the first of February 2026
    ],
)
def test_a_monthly_cap_ends_with_the_month(now: int, seconds: float) -> None:
    assert waits.until_next_month(now) == seconds


def waited(status: int, body: Any, headers: dict[str, str] | None = None, provider: str = "openai") -> float | None:
    raw = json.dumps(body).encode()
    return classify(provider, status, list((headers or {}).items()), raw, now_us=NOW_US).retry_after_s


LIMITS = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9s"}
RATE = {"error": {"code": "rate_limit_exceeded", "message": "Please try again in 20s."}}


def test_what_is_asked_for_goes_before_what_can_be_concluded() -> None:
    assert waited(429, RATE, LIMITS | {"retry-after": "3"}) == 3.0
    assert waited(429, RATE, LIMITS) == 20.0
    assert waited(429, {"error": {"code": "rate_limit_exceeded"}}, LIMITS) == 9.0


def test_limits_say_nothing_about_a_refusal_that_is_no_throttle() -> None:
    assert waited(500, {}, LIMITS) is None
    assert waited(400, {"error": {"message": "Invalid value"}}, LIMITS) is None


def test_a_router_keeps_the_limits_of_the_provider_behind_it_in_the_body() -> None:
    kept = {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795629612000"}
    body = {
        "error": {"code": 429, "message": "Rate limit exceeded: free-models-per-min.", "metadata": {"headers": kept}}
    }
    assert waited(429, body, provider="openrouter") == 12.0


def test_googles_retry_info_is_read_from_the_body() -> None:
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"},
    ]
    body = {"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": details}}
    assert waited(429, body, provider="google") == 17.0
    assert waited(429, [body], provider="google") == 17.0


def test_an_account_is_out_of_funds_until_its_month_or_its_own_limit_ends() -> None:
    tier = {
        "type": "error",
        "error": {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}},
    }
    own = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
    limit = {"type": "error", "error": {"type": "invalid_request_error", "message": own}}
    for status, body in ((429, tier), (400, limit)):
        refusal = classify("anthropic", status, [], json.dumps(body).encode(), now_us=NOW_US)
        assert (refusal.error_class, refusal.retry_after_s) == ("out_of_funds", 5 * DAY_S + 6 * 3600)


said = st.text("0123456789.smhd-:TZ +", max_size=24) | st.text(max_size=24)


@given(value=said, other=said, message=said.map("try again in {}".format))
def test_whatever_is_said_the_wait_is_a_number_that_is_not_negative(value: str, other: str, message: str) -> None:
    headers = [
        ("retry-after", value),
        ("retry-after-ms", other),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", value),
    ]
    for wait in (
        waits.of_headers(headers, NOW_US),
        waits.of_limits(headers, NOW_US),
        waits.of_words(message, NOW_US),
        waits.of_retry_info([{"retryDelay": value}, other]),
    ):
        assert wait is None or (wait >= 0 and math.isfinite(wait))
