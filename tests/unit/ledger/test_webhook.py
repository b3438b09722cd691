"""A payment notice is believed only if it was signed, by the right one, just now."""

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError
from keystead.domain.secret import Secret
from keystead.ledger.webhook import (
    MAX_SIGNATURES,
    TOLERANCE_US,
    PaymentNotice,
    SignatureRefusedError,
    read_notice,
    signature_of,
    verify,
)
from tests.fakes.clock import START_US

untimed = settings(deadline=None)
STAMP = str(START_US // 1_000_000)
SECRET = Secret("s" * 32)
OLDER = Secret("o" * 32)
BODY = b'{"organization":"org_1","credits":"500","reference":"pay_1"}'


def signed(body: bytes = BODY, *, stamp: str = STAMP, secret: Secret = SECRET) -> str:
    return f"t={stamp},v1={signature_of(body, stamp=stamp, secret=secret)}"


def check(header: str, body: bytes = BODY, *, now_us: int = START_US, secrets: tuple[Secret, ...] = (SECRET,)) -> None:
    verify(header, body, secrets=secrets, now_us=now_us)


def test_the_signature_is_what_the_documentation_says() -> None:
    expected = hmac.new(b"s" * 32, f"{STAMP}.".encode() + BODY, hashlib.sha256).hexdigest()
    assert signature_of(BODY, stamp=STAMP, secret=SECRET) == expected
    check(f"t={STAMP},v1={expected}")


@untimed
@given(seconds=st.integers(-300, 300))
def test_a_notice_is_good_for_five_minutes_either_way(seconds: int) -> None:
    check(signed(), now_us=START_US + seconds * 1_000_000)


@pytest.mark.parametrize("late_us", [TOLERANCE_US + 1, -TOLERANCE_US - 1, 10**15, -START_US])
def test_an_old_notice_and_one_from_the_future_are_refused(late_us: int) -> None:
    with pytest.raises(SignatureRefusedError):
        check(signed(), now_us=START_US + late_us)


def test_during_a_change_of_secrets_either_side_may_be_first() -> None:
    both = f"{signed(secret=OLDER)},v1={signature_of(BODY, stamp=STAMP, secret=SECRET)}"
    check(both)
    check(both, secrets=(OLDER,))
    check(signed(secret=OLDER), secrets=(SECRET, OLDER))
    with pytest.raises(SignatureRefusedError):
        check(signed(secret=OLDER))


def test_a_scheme_that_is_not_ours_is_passed_over_and_proves_nothing() -> None:
    check(f"{signed()},v2=whatever")
    with pytest.raises(SignatureRefusedError):
        check(signed().replace("v1=", "v0="))


@untimed
@given(body=st.binary(max_size=200), where=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_one_changed_bit_of_the_body_breaks_the_signature(body: bytes, where: int, bit: int) -> None:
    header = signed(body)
    check(header, body)
    changed = bytearray(body or b"\x00")
    changed[where % len(changed)] ^= 1 << bit
    with pytest.raises(SignatureRefusedError):
        check(header, bytes(changed))


def test_another_time_than_the_signed_one_breaks_it_too() -> None:
    later = str(int(STAMP) + 60)
    with pytest.raises(SignatureRefusedError):
        check(signed().replace(STAMP, later))


GOOD = signature_of(BODY, stamp=STAMP, secret=SECRET)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=",
        f"t={STAMP}",
        f"v1={GOOD}",
        f"t={STAMP},v1={GOOD.upper()}",
        f"t={STAMP},v1={GOOD[:-1]}",
        f"t={STAMP},v1={GOOD} ",
        f"t={STAMP},v1=",
        f"t={STAMP},v1={'0' * 64}",
        f"t={STAMP},v1={GOOD},v1=short",
        f"t={STAMP},t={STAMP},v1={GOOD}",
        f"t=+{STAMP},v1={GOOD}",
        f"t=-{STAMP},v1={GOOD}",
        f"t={STAMP}.0,v1={GOOD}",
        f"t={'9' * 5000},v1={GOOD}",
        f"t=\u0661\u0662,v1={GOOD}",
        f"t={STAMP};v1={GOOD}",
        f"t={STAMP}," + ",".join([f"v1={GOOD}"] * (MAX_SIGNATURES + 1)),
        GOOD,
    ],
)
def test_a_header_that_is_not_one_is_refused_in_the_same_words(header: str) -> None:
    with pytest.raises(SignatureRefusedError) as refused:
        check(header)
    assert refused.value.message == str(SignatureRefusedError())
    assert refused.value.status == 401


@untimed
@given(header=st.text(max_size=200), body=st.binary(max_size=50))
def test_nothing_that_is_not_signed_passes_and_nothing_breaks(header: str, body: bytes) -> None:
    with pytest.raises(SignatureRefusedError):
        check(header, body)


def test_without_a_secret_nothing_is_genuine() -> None:
    empty = Secret("")
    with pytest.raises(SignatureRefusedError):
        check(signed(secret=empty), secrets=())


def test_a_notice_says_who_paid_what_under_which_reference() -> None:
    assert read_notice(BODY) == PaymentNotice(organization="org_1", credits="500", reference="pay_1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b'{"organization":"org_1","credits":500,"reference":"pay_1"}',
        b'{"organization":"org_1","credits":1e309,"reference":"pay_1"}',
        b'{"organization":"org_1","credits":NaN,"reference":"pay_1"}',
        b'{"organization":"org_1","credits":"500"}',
        b'{"organization":"org_1","credits":"500","reference":"pay_1","available":"9"}',
        b'{"organization":"org_1","credits":"500","reference":"pay_1"} {}',
        b'{"organization":"\xff","credits":"500","reference":"pay_1"}',
        b'{"organization":"' + b"o" * 65 + b'","credits":"500","reference":"pay_1"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_notice_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read_notice(body)
    assert refused.value.code == "invalid_notice"
