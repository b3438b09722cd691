"""What an attempt is charged, and amounts of credits as people write them."""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError
from keystead.domain.money import MAX_PICO, PICO_PER_UNIT, to_text
from keystead.ledger.credits import FREE_CREDITS, MAX_MARGIN_PPM, charge, parse_credits

CENT = PICO_PER_UNIT // 100

untimed = settings(deadline=None)
costs = st.integers(0, MAX_PICO)
margins = st.integers(0, MAX_MARGIN_PPM)
values = st.integers(1, 1000 * PICO_PER_UNIT)


def test_a_cost_of_one_cent_and_no_margin_is_one_credit() -> None:
    assert charge(CENT, margin_ppm=0, credit_value_pico=CENT) == PICO_PER_UNIT


def test_a_margin_is_added_to_the_cost() -> None:
    # 0.0123 USD, 20 % on top: 0.01476 USD, which is 1.476 credits of a cent.
    assert to_text(charge(12_300_000_000, margin_ppm=200_000, credit_value_pico=CENT)) == "1.476"


def test_no_cost_is_no_charge() -> None:
    assert charge(0, margin_ppm=MAX_MARGIN_PPM, credit_value_pico=CENT) == 0


@pytest.mark.parametrize(("cost", "expected"), [(1, 0), (3, 2), (5, 2), (7, 4), (9, 4)])
def test_what_lies_between_two_units_goes_to_the_even_one(cost: int, expected: int) -> None:
    # A credit worth twice the cost's unit: every odd cost lies half way between two pico credits.
    assert charge(cost, margin_ppm=0, credit_value_pico=2 * PICO_PER_UNIT) == expected


@untimed
@given(cost=costs, margin=margins, value=values)
def test_a_charge_is_the_exact_quotient_rounded_half_to_even(cost: int, margin: int, value: int) -> None:
    with localcontext(prec=120):
        usd = Decimal(cost) * (1_000_000 + margin) / 1_000_000
        exact = (usd / value * PICO_PER_UNIT).to_integral_value(ROUND_HALF_EVEN)
    assert charge(cost, margin_ppm=margin, credit_value_pico=value) == min(int(exact), MAX_PICO)


@untimed
@given(cost=costs, more=costs, margin=margins, value=values)
def test_what_is_held_for_the_most_covers_every_smaller_cost(cost: int, more: int, margin: int, value: int) -> None:
    least, most = sorted((cost, more))
    assert charge(least, margin_ppm=margin, credit_value_pico=value) <= charge(
        most, margin_ppm=margin, credit_value_pico=value
    )


def test_an_account_is_opened_with_a_hundred_credits() -> None:
    assert to_text(FREE_CREDITS) == "100"


@pytest.mark.parametrize(
    ("text", "pico"),
    [
        ("1", PICO_PER_UNIT),
        ("12.5", 12_500_000_000_000),
        ("0.000000000001", 1),
        ("+7", 7 * PICO_PER_UNIT),
        ("9223372.036854775807", MAX_PICO),
    ],
)
def test_an_amount_is_read_exactly(text: str, pico: int) -> None:
    assert parse_credits(text, param="credits") == pico


@untimed
@given(pico=st.integers(1, MAX_PICO))
def test_an_amount_that_was_shown_is_read_back(pico: int) -> None:
    assert parse_credits(to_text(pico), param="credits") == pico
    assert parse_credits(to_text(-pico), param="credits", signed=True) == -pico


ODD = [
    "",
    "0",
    "-0",
    "0.000",
    "NaN",
    "Infinity",
    "1e309",
    "1e3",
    "0x10",
    "1_000",
    "1,000",
    " 1",
    "1\n",
    "1.",
    ".5",
    "0.0000000000001",
    "9223372.036854775808",
    "99999999",
    "\u0661",
    "--1",
    "9" * 5000,
]


@pytest.mark.parametrize("text", [*ODD, "-1"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_credits(text, param="credits")
    assert refused.value.param == "credits"
    assert len(refused.value.message) < 120


@pytest.mark.parametrize("text", [*ODD, "-9223372.036854775808"])
def test_a_sign_makes_nothing_else_an_amount(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        parse_credits(text, param="credits", signed=True)
