from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.money import MAX_PICO, AmountOutOfRangeError, to_pico, to_text

PICO = st.integers(-MAX_PICO, MAX_PICO)


@given(PICO)
def test_an_amount_survives_its_text(pico: int) -> None:
    assert to_pico(Decimal(to_text(pico))) == pico


@given(PICO)
def test_text_is_plain_and_as_short_as_it_can_be(pico: int) -> None:
    text = to_text(pico)
    assert "e" not in text.lower()
    assert not ("." in text and text.endswith(("0", ".")))


@given(st.decimals(min_value=-9_000_000, max_value=9_000_000, places=20))
def test_rounding_is_half_a_pico_at_most(amount: Decimal) -> None:
    assert abs(Decimal(to_pico(amount)) - amount * 10**12) <= Decimal("0.5")


def test_half_a_pico_is_rounded_to_even() -> None:
    assert to_pico(Decimal("0.0000000000005")) == 0
    assert to_pico(Decimal("0.0000000000015")) == 2


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "9223373", "-9223373"])
def test_what_does_not_fit_is_refused(amount: str) -> None:
    with pytest.raises(AmountOutOfRangeError):
        to_pico(Decimal(amount))


def test_one_token_of_the_cheapest_model_is_a_whole_number() -> None:
    assert to_pico(Decimal("0.003") / 1_000_000) == 3_000
