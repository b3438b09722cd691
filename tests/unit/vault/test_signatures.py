"""Signed documents: only a trusted key's signature of these bytes, as this kind of document, is taken."""

import base64
import json

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keystead.domain.errors import InvalidRequestError
from keystead.domain.secret import Secret
from keystead.vault.signatures import Envelope, TrustedKeys, sign
from tests.fakes.signer import Signer

KIND = "application/x-letter+json"


def signed_by(signer: Signer, payload: bytes = b"payload") -> Envelope:
    return sign(payload, KIND, Secret(signer.private_pem))


def test_a_trusted_keys_signature_is_taken_and_tells_whose_it_is() -> None:
    one, other = Signer(), Signer()
    trusted = TrustedKeys.from_pem(one.public_pem + b"\n# the next one\n" + other.public_pem)
    for signer, key_id in zip((one, other), trusted.key_ids, strict=True):
        opened = trusted.open(signed_by(signer), KIND)
        assert opened == (b"payload", key_id)


def test_a_strangers_signature_is_not_taken() -> None:
    with pytest.raises(InvalidRequestError, match="not signed by a key that is trusted"):
        TrustedKeys.from_pem(Signer().public_pem).open(signed_by(Signer()), KIND)


def test_a_stranger_cannot_use_a_trusted_keys_id() -> None:
    signer = Signer()
    trusted = TrustedKeys.from_pem(signer.public_pem)
    forged = signed_by(Signer())
    named = msgspec.structs.replace(forged.signatures[0], keyid=trusted.key_ids[0])
    with pytest.raises(InvalidRequestError):
        trusted.open(msgspec.structs.replace(forged, signatures=(named,)), KIND)


def test_what_was_changed_after_it_was_signed_is_not_taken() -> None:
    signer = Signer()
    changed = msgspec.structs.replace(signed_by(signer), payload=base64.b64encode(b"payl0ad").decode())
    with pytest.raises(InvalidRequestError):
        TrustedKeys.from_pem(signer.public_pem).open(changed, KIND)


def test_what_was_signed_as_something_else_is_not_taken() -> None:
    signer = Signer()
    trusted = TrustedKeys.from_pem(signer.public_pem)
    with pytest.raises(InvalidRequestError, match="signed as another thing"):
        trusted.open(signed_by(signer), "application/x-contract+json")
    relabelled = msgspec.structs.replace(signed_by(signer), payload_type="application/x-contract+json")
    with pytest.raises(InvalidRequestError, match="not signed by"):
        trusted.open(relabelled, "application/x-contract+json")


@pytest.mark.parametrize("payload", ["%%%", "é", "YQ"])
def test_damage_is_told(payload: str) -> None:
    signer = Signer()
    with pytest.raises(InvalidRequestError, match="damaged"):
        TrustedKeys.from_pem(signer.public_pem).open(msgspec.structs.replace(signed_by(signer), payload=payload), KIND)


def test_with_nobody_trusted_nothing_is_taken() -> None:
    with pytest.raises(InvalidRequestError, match="No key is trusted"):
        TrustedKeys().open(signed_by(Signer()), KIND)


def test_the_signature_is_that_of_dsse() -> None:
    """The pre-authentication encoding as the specification writes it, signed with the key itself."""
    signer = Signer()
    envelope = signed_by(signer, b"hello world")
    key = TrustedKeys.from_pem(signer.public_pem)._keys[envelope.signatures[0].keyid]
    message = b"DSSEv1 25 application/x-letter+json 11 hello world"
    key.verify(base64.b64decode(envelope.signatures[0].sig), message)
    assert set(json.loads(msgspec.json.encode(envelope))) == {"payloadType", "payload", "signatures"}


def test_only_ed25519_keys_are_trusted() -> None:
    key = generate_private_key(SECP256R1()).public_key()
    for text in (key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), b"", b"ssh-ed25519 AAAA"):
        with pytest.raises(ValueError, match="key"):
            TrustedKeys.from_pem(text)


def test_what_is_no_private_key_is_refused_without_being_told() -> None:
    with pytest.raises(ValueError, match="not an Ed25519 private key") as refused:
        sign(b"payload", KIND, Secret("hunter2"))
    assert "hunter2" not in str(refused.value)
