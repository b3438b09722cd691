import base64

import pytest

from keystead.identity import totp

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
SECOND = 1_000_000


@pytest.mark.parametrize(
    ("seconds", "code"),
    # RFC 6238, appendix B, SHA-1, its last six digits.
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    assert totp.code_at(RFC_SECRET, totp.step_at(seconds * SECOND)) == code


@pytest.mark.parametrize(("off", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_one_step_either_way(off: int, taken: bool) -> None:
    code = totp.code_at(RFC_SECRET, 1000 + off)
    found = totp.step_of(RFC_SECRET, code, now_us=1000 * totp.STEP_US, after=0)
    assert found == (1000 + off if taken else None)


def test_a_step_that_was_used_and_those_before_it_are_over() -> None:
    now = 1000 * totp.STEP_US
    for step, taken in ((999, False), (1000, False), (1001, True)):
        assert (totp.step_of(RFC_SECRET, totp.code_at(RFC_SECRET, step), now_us=now, after=1000) is not None) is taken


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "١٢٣٤٥٦", "abcdef", "0x1234", "12345\n6"])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert totp.step_of(RFC_SECRET, typed, now_us=0, after=-1) is None


def test_a_code_may_be_typed_in_two_groups() -> None:
    code = totp.code_at(RFC_SECRET, 7)
    assert totp.step_of(RFC_SECRET, f" {code[:3]} {code[3:]}", now_us=7 * totp.STEP_US, after=0) == 7


def test_an_address_says_whose_it_is_and_nothing_in_a_name_breaks_out_of_it() -> None:
    assert totp.address_of("ABC", account="a:b?&/ö@example.com") == (
        "otpauth://totp/Keystead:a%3Ab%3F%26%2F%C3%B6%40example.com?secret=ABC&issuer=Keystead"
    )


def test_recovery_codes_are_ten_different_ones_that_may_be_typed_carelessly() -> None:
    codes = totp.new_recovery_codes()
    assert len(set(codes)) == 10
    kept = totp.recovery_digest("mem_1", codes[0])
    assert kept is not None
    assert totp.recovery_digest("mem_1", f" {codes[0].lower().replace('-', ' ')}") == kept
    assert totp.recovery_digest("mem_2", codes[0]) != kept
    assert totp.recovery_digest("mem_1", "123456") is None


def test_secrets_are_as_long_as_the_rfc_wants_and_new_each_time() -> None:
    assert len(base64.b32decode(totp.new_secret())) == 20
    assert totp.new_secret() != totp.new_secret()


def test_whoever_fails_waits_longer_each_time_and_at_most_a_day() -> None:
    minute = 60 * SECOND
    assert [totp.wait_us(failures) for failures in (0, 4, 5, 6, 7)] == [0, 0, minute, 2 * minute, 4 * minute]
    assert totp.wait_us(10_000) == 24 * 60 * minute
