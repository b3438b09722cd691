"""How values are written for people."""

import unicodedata
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from keystead.metering.percentiles import Percentile
from keystead.web.console.words import (
    SPAN,
    ago,
    browser,
    change,
    counted,
    day,
    exact,
    inert,
    moment,
    money,
    percentile,
    percentile_exact,
    short,
    span,
    tick,
    whole,
)

AT = datetime(2026, 11, 26, 12, 30, 5, tzinfo=UTC)
AT_US = int(AT.timestamp() * 1_000_000)


@given(st.text())
def test_inert_text_has_no_character_that_acts(text: str) -> None:
    assert all(one.isprintable() or one in "\n\t" or unicodedata.category(one) == "Zs" for one in inert(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Zoë – 東京", "Zoë – 東京"),
        ("a\x1b[31mb", "a⟨U+001B⟩[31mb"),
        ("evil\u202egpj", "evil⟨U+202E⟩gpj"),
        ("zero\u200bwidth", "zero⟨U+200B⟩width"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_what_acts_is_shown_by_its_number(text: str, shown: str) -> None:
    assert inert(text) == shown


def test_markup_of_our_own_and_other_values_pass() -> None:
    assert inert(Markup("<b>\u200b</b>")) == Markup("<b>\u200b</b>")
    assert inert(7) == 7


def test_an_instant_is_told_in_utc_and_carries_its_exact_self() -> None:
    assert moment(AT) == moment(AT_US) == '<time datetime="2026-11-26T12:30:05Z">2026-11-26 12:30 UTC</time>'
    assert "never" in moment(None)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "now"), (59, "59 s ago"), (60, "1 min ago"), (7_300, "2 h ago"), (-200_000, "in 2 d")]
)
def test_how_long_ago_is_said_in_one_unit(seconds: int, said: str) -> None:
    assert ago(AT_US - seconds * 1_000_000, AT_US) == said


@pytest.mark.parametrize(
    ("us", "said"),
    [(None, "–"), (840, "0.8 ms"), (26_400, "26 ms"), (2_412_000, "2.41 s"), (200_000_000, "3 min 20 s")],
)
def test_a_duration_is_said_in_a_unit_that_fits(us: int | None, said: str) -> None:
    assert span(us) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(None, "–"), (9_999, "9,999"), (12_400, "12.4 k"), (1_240_000, "1.24 M"), (560_000_000, "560 M")],
)
def test_a_large_number_is_said_in_three_digits(number: int | None, said: str) -> None:
    assert short(number) == said
    assert whole(1_234_567) == "1,234,567"


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        ("1234.5", "USD", "$1,234.50"),
        ("0.000001", "USD", "< $0.01"),
        ("0", "USD", "$0.00"),
        ("-3", "EUR", "-€3.00"),
        ("12", "XCR", "12.00 credits"),
        ("12", "CHF", "12.00 CHF"),
        (None, "USD", "unknown"),
    ],
)
def test_money_is_rounded_for_reading_and_never_to_nothing(amount: str | None, currency: str, said: str) -> None:
    assert money(amount, currency) == said


def test_the_exact_amount_stays_with_the_rounded_one() -> None:
    assert exact("0.0000123", "USD", 4) == '<data value="0.0000123" title="0.0000123 USD">&lt; $0.0001</data>'
    assert "unknown" in exact(None)


def test_change_is_to_the_time_before_and_empty_without_one() -> None:
    assert change(Decimal(112), Decimal(100)) == "+12 %"
    assert change(50, 100) == "-50 %"
    assert change(50, 0) == ""


def within(at_us: int, *, to_us: int | None = 10**9, few: bool = False) -> Percentile:
    return Percentile(at_us=at_us, from_us=102_400_000 if to_us is None else 0, to_us=to_us, few=few)


@pytest.mark.parametrize(
    ("at_us", "said"),
    [
        (4_321, "4.3 ms"),
        (87_654, "88 ms"),
        (994_000, "990 ms"),
        (995_000, "1.0 s"),
        (9_940_000, "9.9 s"),
        (98_765_432, "99 s"),
    ],
)
def test_a_percentile_has_two_digits_as_it_is_interpolated(at_us: int, said: str) -> None:
    assert percentile(within(at_us)) == said


def test_a_percentile_tells_its_bounds_and_whether_it_stands_on_few() -> None:
    assert percentile_exact(within(87_654, to_us=100_000)) == (
        '<data value="87654" title="between 0.0 ms and 100 ms">88 ms</data>'
    )
    beyond = percentile_exact(within(102_400_000, to_us=None, few=True))
    assert "at least 1 min 42 s" in beyond
    assert "&gt; 102 s</data>" in beyond
    assert "of few" in beyond
    assert "not measured" in percentile_exact(None)


def test_a_day_is_written_alone_and_its_instant_stays_in_the_title() -> None:
    assert day(0) == ('<time datetime="1970-01-01T00:00:00Z" title="1970-01-01 00:00 UTC" data-day>1970-01-01</time>')
    assert "never" in day(None)


def test_durations_beside_an_axis_have_no_idle_zeros() -> None:
    shown = [tick(Decimal(us), SPAN) for us in (0, 500_000, 2_500_000, 10_000_000, 120_000_000)]
    assert shown == ["0", "500 ms", "2.5 s", "10 s", "120 s"]


def test_amounts_beside_an_axis_are_told_apart_however_small() -> None:
    assert [tick(Decimal(step) * Decimal("0.005"), "USD") for step in range(4)] == [
        "$0.00",
        "$0.005",
        "$0.01",
        "$0.015",
    ]
    assert tick(Decimal("0.00001"), "USD") == "$0.00001"
    assert tick(Decimal("2E+3"), "USD") == "$2,000.00"


def test_one_of_something_is_not_several() -> None:
    assert [counted(number, "day") for number in (0, 1, 2, 1200)] == ["0 days", "1 day", "2 days", "1,200 days"]


def test_a_browser_is_called_as_people_call_it() -> None:
    chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
    assert browser(chrome) == "Chrome on Linux"
    assert browser(chrome.replace("X11; Linux x86_64", "Windows NT 10.0") + " Edg/142.0") == "Edge on Windows"
    assert browser("Mozilla/5.0 (Macintosh; Intel Mac OS X 15.1; rv:145.0) Firefox/145.0") == "Firefox on macOS"
    iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1"
    assert browser(iphone) == "Safari on iPhone"
    assert browser("Mozilla/5.0 (Linux; Android 16) Chrome/142.0 Mobile Safari/537.36") == "Chrome on Android"
    assert browser("curl/8.9") == "curl/8.9"
    assert browser("") == "unknown"
    assert browser("Firefox/1") == "Firefox"
