"""The text form of keys, and how a presented one is checked."""

import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.ids import new_id
from keystead.domain.secret import Secret
from keystead.identity import virtual_keys
from keystead.identity.virtual_keys import ID_PREFIXES, KeyKind, PresentedKey, digest, mint, parse, verify

NOW_US = 1_760_000_000_000_000
PEPPER = b"p" * 32
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

KINDS: list[KeyKind] = ["virtual_key", "admin_token"]


def minted(kind: KeyKind = "virtual_key") -> tuple[str, str]:
    identifier = new_id(ID_PREFIXES[kind], NOW_US)
    return identifier, mint(kind, identifier).reveal()


def presented(text: str) -> PresentedKey:
    key = parse(text)
    assert key is not None
    return key


@pytest.mark.parametrize(("kind", "form"), [("virtual_key", "ks"), ("admin_token", "ksa")])
def test_a_minted_key_has_the_documented_form_and_its_rows_id(kind: KeyKind, form: str) -> None:
    identifier, text = minted(kind)
    assert re.fullmatch(rf"{form}_[0-9a-z]{{26}}_[A-Za-z0-9_-]{{43}}_[0-9A-Za-z]{{6}}", text)
    key = presented(text)
    assert (key.kind, key.id) == (kind, identifier)
    assert len(text) <= virtual_keys.MAX_LENGTH


def test_two_keys_for_the_same_row_differ_in_their_secret() -> None:
    identifier = new_id("vk", NOW_US)
    assert mint("virtual_key", identifier).reveal() != mint("virtual_key", identifier).reveal()


def test_a_key_is_minted_only_for_an_id_of_its_kind() -> None:
    with pytest.raises(ValueError, match="not the id of a admin_token"):
        mint("admin_token", new_id("vk", NOW_US))


def test_the_checksum_is_the_crc32_of_all_before_it_in_base62() -> None:
    _, text = minted()
    number = 0
    for digit in text[-6:]:
        number = number * 62 + BASE62.index(digit)
    assert number == zlib.crc32(text[:-7].encode())


@given(number=st.integers(min_value=0, max_value=79), replacement=st.sampled_from(BASE62 + "_-"))
def test_one_changed_character_anywhere_is_not_a_key(number: int, replacement: str) -> None:
    _, text = minted()
    changed = text[:number] + replacement + text[number + 1 :]
    assert changed == text or parse(changed) is None


@given(st.text(max_size=100))
def test_text_that_is_no_key_is_none_and_never_an_exception(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text + "0",
        lambda text: text[:-1],
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: text.upper(),
        lambda text: "x" + text,
        lambda text: text.replace("_", "-", 1),
        lambda text: text[:5] + "\x00" + text[6:],
        lambda text: text[:5] + "é" + text[6:],
        lambda text: text * 1000,
    ],
)
def test_a_spoilt_key_is_not_a_key(kind: KeyKind, spoil: object) -> None:
    assert callable(spoil)
    assert parse(spoil(minted(kind)[1])) is None


def test_an_admin_token_cannot_be_relabelled_as_a_virtual_key() -> None:
    _, text = minted("admin_token")
    assert parse("ks" + text[3:]) is None


def test_a_presented_key_does_not_print_its_secret() -> None:
    _, text = minted()
    secret = text[30:73]
    assert secret not in repr(presented(text))


def test_the_stored_digest_verifies_the_key_and_no_other() -> None:
    _, text = minted()
    key = presented(text)
    stored = digest(PEPPER, key.secret)
    assert len(stored) == 32
    assert verify(PEPPER, key, stored)
    assert not verify(b"q" * 32, key, stored)
    assert not verify(PEPPER, presented(minted()[1]), stored)


def test_the_digest_of_a_whole_key_is_that_of_its_secret() -> None:
    _, text = minted()
    assert virtual_keys.digest_of_key(PEPPER, Secret(text)) == digest(PEPPER, presented(text).secret)
    with pytest.raises(ValueError, match="not a whole key"):
        virtual_keys.digest_of_key(PEPPER, Secret(text[:-1]))


def test_an_unknown_id_is_refused_after_the_same_work_as_a_wrong_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    key = presented(minted()[1])
    compared: list[tuple[bytes, bytes]] = []

    def compare_digest(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return True

    monkeypatch.setattr("keystead.identity.virtual_keys.hmac.compare_digest", compare_digest)
    # Even a comparison that says yes does not let an unknown id in.
    assert not verify(PEPPER, key, None)
    assert verify(PEPPER, key, bytes(32))
    assert [len(right) for _, right in compared] == [32, 32]
    assert compared[0][0] == compared[1][0] == digest(PEPPER, key.secret)
