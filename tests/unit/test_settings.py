"""Settings of money: exact, and within what the books hold."""

from decimal import Decimal

import pytest

from keystead.domain.money import PICO_PER_UNIT, to_pico
from keystead.settings import SettingsError, load


def test_a_credit_is_a_cent_unless_the_operator_says_otherwise() -> None:
    assert to_pico(load({}).credit_value) == PICO_PER_UNIT // 100
    assert load({"KEYSTEAD_CREDIT_VALUE": "1"}).credit_value == Decimal(1)
    assert load({}).topup_webhook_secret_file == ""


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "0.0000001", "1000.1", "NaN", "Infinity", "1e309", "1e-2", "0.01 USD", "0,01", "\u0661", "1\n"],
)
def test_what_is_no_value_of_a_credit_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match="KEYSTEAD_CREDIT_VALUE"):
        load({"KEYSTEAD_CREDIT_VALUE": text})
