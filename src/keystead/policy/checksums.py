"""Check digits: what tells a number of some kind from any other digits. Pure. Each takes what a pattern has found."""

import re
from typing import Final

_NOT_ALPHANUMERIC: Final = re.compile(r"[^0-9A-Za-z]")
_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_RIC_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CARD_LENGTHS: Final = (
    (("34", "37"), (15,)),
    (("30", "36", "38", "39"), (14,)),
    (("35", "51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27"), (16,)),
    (("4",), (13, 16, 19)),
    (("6",), (16, 17, 18, 19)),
)
"""First digits → lengths: American Express, Diners Club, JCB and Mastercard, Visa, Discover and UnionPay."""
_IBANS: Final = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL",
    24: "AD CZ ES MD PK RO SA SE SK TN",
    25: "PT",
    26: "IS TR",
    27: "FR GR IT MC MR SM",
    28: "AZ CY DO GT HU LB PL",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT",
}
"""Length → countries, from the IBAN registry that SWIFT keeps for ISO 13616."""


def compact(found: str) -> str:
    """Return the letters and digits, as capitals."""
    return _NOT_ALPHANUMERIC.sub("", found).upper()


def is_luhn(digits: str) -> bool:
    """Say whether the last digit is the check digit of ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def is_payment_card(found: str) -> bool:
    """Say whether it is a card number: its brand's length and the check digit fit, and it is not one digit over and over."""
    digits = compact(found)
    lengths = next((lengths for first, lengths in _CARD_LENGTHS if digits.startswith(first)), ())
    return len(digits) in lengths and len(set(digits)) > 1 and is_luhn(digits)


def is_iban(found: str) -> bool:
    """Say whether country, length and check digits fit (ISO 13616: the rearranged number modulo 97 is 1)."""
    text = compact(found)
    if text[:2] not in _IBANS.get(len(text), "").split():
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def is_us_ssn(found: str) -> bool:
    """Say whether the US Social Security Administration could have issued it.

    No area 000, 666 or 900 to 999, no group 00, no serial 0000; and not the three that were printed in public so often
    that they were voided.
    """
    digits = compact(found)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    voided = {"078051120", "219099999", "457555462"}
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000" and digits not in voided


def is_spanish_id(found: str) -> bool:
    """Say whether the letter of a DNI or NIE fits: the number modulo 23 (Real Decreto 1553/2005)."""
    text = compact(found)
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return number.isdigit() and _DNI_LETTERS[int(number) % 23] == text[-1]


def is_french_nir(found: str) -> bool:
    """Say whether the key of a NIR fits: 97 less the number modulo 97, Corsica's 2A and 2B read as 19 and 18."""
    text = compact(found)
    number = text[:-2].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(text[-2:])


def is_chinese_id(found: str) -> bool:
    """Say whether the last character fits (GB 11643-1999, which is ISO 7064 MOD 11-2)."""
    text = compact(found)
    total = sum(weight * int(digit) for weight, digit in zip(_RIC_WEIGHTS, text, strict=False))
    return "10X98765432"[total % 11] == text[-1]


def is_brazilian_cpf(found: str) -> bool:
    """Say whether both check digits fit, and it is not one digit over and over."""
    digits = compact(found)
    if len(set(digits)) == 1:
        return False
    for length in (9, 10):
        total = sum(int(digit) * (length + 1 - place) for place, digit in enumerate(digits[:length]))
        if total * 10 % 11 % 10 != int(digits[length]):
            return False
    return True


def is_npi(found: str) -> bool:
    """Say whether it is a US National Provider Identifier: Luhn with the prefix 80840 (45 CFR 162.406, CMS)."""
    return is_luhn("80840" + compact(found))


def is_nhs_number(found: str) -> bool:
    """Say whether the check digit of an NHS number (England, Wales) fits: modulo 11, weights 10 to 2."""
    digits = compact(found)
    check = -sum(int(digit) * (10 - place) for place, digit in enumerate(digits[:9])) % 11
    return check == int(digits[9])
