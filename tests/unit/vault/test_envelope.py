"""What the envelope promises: a blob opens where it was sealed, and nowhere else, and only whole."""

import hashlib
import hmac
import subprocess
import sys

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import IntegrityError
from keystead.vault.envelope import OVERHEAD_BYTES, Binding, RootKey, fingerprint, frame, open_sealed, seal

ROOT = RootKey(bytes(range(32)))
OTHER_ROOT = RootKey(bytes(32))
BINDING = Binding(
    organization_id="org_1",
    table="credential_versions",
    record_id="cred_1",
    field="sealed",
    version=3,
    provider="openai",
    destination="https://api.openai.com",
)
KEY = b"sk-proj-canary-0123456789"

bindings = st.builds(
    Binding,
    organization_id=st.text(max_size=8),
    table=st.text(max_size=8),
    record_id=st.text(max_size=8),
    field=st.text(max_size=8),
    version=st.integers(0, 2**31),
    provider=st.text(max_size=8),
    destination=st.text(max_size=8),
)


def hkdf(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 by the book, written apart from the library that the envelope uses."""
    pseudorandom = hmac.digest(salt or bytes(32), key, hashlib.sha256)
    block = output = b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.digest(pseudorandom, block + info + bytes([number]), hashlib.sha256)
        output += block
    return output[:length]


def test_a_blob_made_by_hand_from_the_written_format_opens() -> None:
    names = ["org_1", "credential_versions", "cred_1", "sealed", "3", "openai", "https://api.openai.com"]
    aad = b"".join(len(name).to_bytes(4, "big") + name.encode() for name in names)
    salt = bytes(range(100, 132))
    derived = hkdf(hkdf(bytes(range(32)), b"", b"enc", 32), salt, b"v1/rec" + aad, 64)
    sealed = AESGCM(derived[:32]).encrypt(bytes(12), KEY, aad)
    blob = b"\x01" + (7).to_bytes(4, "big") + salt + derived[32:] + sealed

    assert open_sealed({7: ROOT}, BINDING, blob) == KEY


def test_a_blob_is_85_bytes_longer_than_its_plaintext_and_says_its_suite_and_root_version() -> None:
    blob = seal(ROOT, 0x01020304, BINDING, KEY)

    assert OVERHEAD_BYTES == 85
    assert len(blob) == len(KEY) + OVERHEAD_BYTES
    assert blob[:5] == b"\x01\x01\x02\x03\x04"
    assert KEY not in blob


@given(binding=bindings, plaintext=st.binary(max_size=300), root=st.binary(min_size=32, max_size=32))
def test_what_is_sealed_opens_with_the_same_key_and_binding(binding: Binding, plaintext: bytes, root: bytes) -> None:
    root_key = RootKey(root)

    assert open_sealed({1: OTHER_ROOT, 2: root_key}, binding, seal(root_key, 2, binding, plaintext)) == plaintext


@given(sealed_for=bindings, found_at=bindings)
def test_what_is_sealed_opens_with_no_other_binding(sealed_for: Binding, found_at: Binding) -> None:
    blob = seal(ROOT, 1, sealed_for, KEY)

    if sealed_for == found_at:
        assert open_sealed({1: ROOT}, found_at, blob) == KEY
    else:
        with pytest.raises(IntegrityError):
            open_sealed({1: ROOT}, found_at, blob)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("organization_id", "org_2"),
        ("table", "credentials"),
        ("record_id", "cred_2"),
        ("field", "note"),
        ("version", 4),
        ("provider", "anthropic"),
        ("destination", "https://api.openai.com.example"),
        ("destination", "http://api.openai.com"),
        ("destination", "https://api.openai.com:8443"),
    ],
)
def test_each_field_of_the_binding_counts(field: str, value: str | int) -> None:
    blob = seal(ROOT, 1, BINDING, KEY)

    with pytest.raises(IntegrityError) as refusal:
        open_sealed({1: ROOT}, msgspec.structs.replace(BINDING, **{field: value}), blob)

    assert KEY.decode() not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_rows_swapped_in_the_database_do_not_open() -> None:
    neighbour = msgspec.structs.replace(BINDING, record_id="cred_2")
    ours, theirs = seal(ROOT, 1, BINDING, KEY), seal(ROOT, 1, neighbour, b"another key")

    with pytest.raises(IntegrityError):
        open_sealed({1: ROOT}, BINDING, theirs)
    with pytest.raises(IntegrityError):
        open_sealed({1: ROOT}, neighbour, ours)


def test_no_single_flipped_bit_is_accepted() -> None:
    blob = seal(ROOT, 1, BINDING, KEY)
    # Both root keys are at hand, so that a flip in the version field cannot hide behind a missing key.
    root_keys = {0: OTHER_ROOT, 1: ROOT, **{1 ^ (1 << bit): OTHER_ROOT for bit in range(32)}}

    for position in range(len(blob) * 8):
        flipped = bytearray(blob)
        flipped[position // 8] ^= 1 << (position % 8)
        with pytest.raises(IntegrityError):
            open_sealed(root_keys, BINDING, bytes(flipped))


def test_no_truncated_or_lengthened_blob_is_accepted() -> None:
    blob = seal(ROOT, 1, BINDING, KEY)

    for length in range(len(blob)):
        with pytest.raises(IntegrityError):
            open_sealed({1: ROOT}, BINDING, blob[:length])
    with pytest.raises(IntegrityError):
        open_sealed({1: ROOT}, BINDING, blob + b"\x00")


@pytest.mark.parametrize("suite", [0x00, 0x02, 0x7F, 0xFF])
def test_an_unknown_suite_is_refused(suite: int) -> None:
    blob = seal(ROOT, 1, BINDING, KEY)

    with pytest.raises(IntegrityError):
        open_sealed({1: ROOT}, BINDING, bytes([suite]) + blob[1:])


def test_a_root_version_that_is_not_there_is_refused() -> None:
    with pytest.raises(IntegrityError):
        open_sealed({2: ROOT}, BINDING, seal(ROOT, 1, BINDING, KEY))


def test_another_root_key_under_the_same_version_is_refused() -> None:
    with pytest.raises(IntegrityError):
        open_sealed({1: OTHER_ROOT}, BINDING, seal(ROOT, 1, BINDING, KEY))


def test_a_wrong_commitment_is_refused_although_the_ciphertext_would_open() -> None:
    # The ciphertext and its tag are left as they are; AES-GCM alone would open them.
    blob = seal(ROOT, 1, BINDING, KEY)

    with pytest.raises(IntegrityError):
        open_sealed({1: ROOT}, BINDING, blob[:37] + bytes(32) + blob[69:])


def test_no_salt_repeats() -> None:
    count = 20_000

    assert len({seal(ROOT, 1, BINDING, b"")[5:37] for _ in range(count)}) == count


def test_no_salt_repeats_across_fork() -> None:
    program = """
import os
from keystead.vault.envelope import Binding, RootKey, seal
root = RootKey(bytes(32))
binding = Binding(organization_id="o", table="t", record_id="r", field="f", version=1, provider="p", destination="d")
seal(root, 1, binding, b"")  # whatever state a random generator keeps is there before the fork
for _ in range(4):
    if os.fork() == 0:
        break
os.write(1, b"".join(seal(root, 1, binding, b"")[5:37].hex().encode() + b"\\n" for _ in range(50)))
"""
    salts = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout.split()

    assert len(salts) >= 50 * 2
    assert len(set(salts)) == len(salts)


@given(left=st.lists(st.text(max_size=6), max_size=6), right=st.lists(st.text(max_size=6), max_size=6))
def test_framed_lists_are_equal_only_when_the_lists_are(left: list[str], right: list[str]) -> None:
    assert (frame(*left) == frame(*right)) == (left == right)


def test_fields_cannot_be_shifted_into_each_other() -> None:
    assert frame("ab", "c") != frame("a", "bc")
    assert frame("a", "") != frame("", "a")


def test_fingerprints_tell_equal_keys_within_one_root_key_only() -> None:
    assert fingerprint(ROOT, KEY) == fingerprint(ROOT, KEY)
    assert fingerprint(ROOT, KEY) != fingerprint(ROOT, KEY + b"x")
    assert fingerprint(ROOT, KEY) != fingerprint(OTHER_ROOT, KEY)
    assert fingerprint(ROOT, KEY) == hmac.digest(hkdf(bytes(range(32)), b"", b"fp", 32), KEY, hashlib.sha256)


def test_subkeys_of_different_purposes_differ() -> None:
    assert len({ROOT.subkey(b"enc"), ROOT.subkey(b"fp"), ROOT.subkey(b"virtual-key")}) == 3


def test_a_root_key_shows_nothing_and_has_32_bytes() -> None:
    assert repr(ROOT) == str(ROOT) == "RootKey(…)"
    with pytest.raises(ValueError, match="32 bytes"):
        RootKey(bytes(31))
