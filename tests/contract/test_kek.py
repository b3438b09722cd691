"""What every KEK must do, whatever keeps it. A new KEK joins by one entry in the fixture."""

from pathlib import Path
from typing import Protocol

import pytest

from keystead.domain.errors import IntegrityError
from keystead.vault.kek import Kek
from keystead.vault.kek.local import LocalKek

KEY = bytes(range(32))
CONTEXT = b"root_keys/org_1/1"


class NewKek(Protocol):
    """Makes a KEK that no test has used."""

    def __call__(self) -> Kek: ...


@pytest.fixture(params=["local"])
def new_kek(request: pytest.FixtureRequest, tmp_path: Path) -> NewKek:
    makers = {"local": lambda: LocalKek.create(tmp_path / f"{len(list(tmp_path.iterdir()))}.key")}
    maker: NewKek = makers[request.param]
    return maker


@pytest.fixture
def kek(new_kek: NewKek) -> Kek:
    return new_kek()


@pytest.mark.parametrize("key", [KEY, b"", b"\x00", bytes(1000)])
@pytest.mark.parametrize("context", [CONTEXT, b"", bytes(range(256)) * 64])
def test_what_is_wrapped_unwraps(kek: Kek, key: bytes, context: bytes) -> None:
    assert kek.unwrap(kek.wrap(key, context), context) == key


def test_a_wrap_does_not_show_the_key(kek: Kek) -> None:
    assert KEY not in kek.wrap(KEY, CONTEXT)


def test_two_wraps_of_one_key_differ(kek: Kek) -> None:
    assert kek.wrap(KEY, CONTEXT) != kek.wrap(KEY, CONTEXT)


@pytest.mark.parametrize("context", [b"", b"root_keys/org_2/1", b"root_keys/org_1/2", CONTEXT + b"\x00", CONTEXT[:-1]])
def test_another_context_does_not_unwrap(kek: Kek, context: bytes) -> None:
    wrapped = kek.wrap(KEY, CONTEXT)

    with pytest.raises(IntegrityError):
        kek.unwrap(wrapped, context)


def test_no_single_flipped_bit_unwraps(kek: Kek) -> None:
    wrapped = kek.wrap(KEY, CONTEXT)

    for position in range(len(wrapped) * 8):
        flipped = bytearray(wrapped)
        flipped[position // 8] ^= 1 << (position % 8)
        with pytest.raises(IntegrityError):
            kek.unwrap(bytes(flipped), CONTEXT)


def test_no_truncated_or_lengthened_wrap_unwraps(kek: Kek) -> None:
    wrapped = kek.wrap(KEY, CONTEXT)

    for length in range(len(wrapped)):
        with pytest.raises(IntegrityError):
            kek.unwrap(wrapped[:length], CONTEXT)
    with pytest.raises(IntegrityError):
        kek.unwrap(wrapped + b"\x00", CONTEXT)


def test_another_kek_does_not_unwrap(new_kek: NewKek) -> None:
    ours, other = new_kek(), new_kek()

    assert ours.id != other.id
    with pytest.raises(IntegrityError):
        other.unwrap(ours.wrap(KEY, CONTEXT), CONTEXT)


def test_the_failure_holds_no_part_of_the_key(kek: Kek) -> None:
    with pytest.raises(IntegrityError) as failure:
        kek.unwrap(kek.wrap(b"canary-canary-canary-canary-1234", CONTEXT), b"other")

    assert "canary" not in str(failure.value)
    assert failure.value.__cause__ is None
