"""Signed documents: Ed25519 in a DSSE envelope (github.com/secure-systems-lab/dsse, version 1.0).

The type of the payload is signed with it, so that a signature made for one purpose says nothing for another.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from keystead.domain.errors import InvalidRequestError
from keystead.domain.secret import Secret

_PEM: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----")
_MOST_SIGNATURES: Final = 8


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One signature: of which key, and itself in base64."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A signed document as it is written down."""

    payload_type: str
    payload: str
    """In base64."""
    signatures: tuple[Signature, ...]


class Signed(NamedTuple):
    """A payload whose signature holds, and the id of the key that it is of."""

    payload: bytes
    key_id: str


class TrustedKeys:
    """The public keys whose signatures are taken."""

    def __init__(self, keys: Iterable[Ed25519PublicKey] = ()) -> None:
        """Trust `keys`, and nobody else."""
        self._keys: Final = {key_id_of(key): key for key in keys}

    @classmethod
    def from_pem(cls, text: bytes) -> "TrustedKeys":
        """Return the keys in `text`: PEM blocks, one after the other.

        Raises:
            ValueError: there is none in it, or one that is not an Ed25519 public key.
        """
        keys = []
        for block in _PEM.findall(text):
            try:
                key = load_pem_public_key(block)
            except UnsupportedAlgorithm as error:
                raise ValueError("a key of a kind that is not known") from error
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("a key that is not an Ed25519 key")  # noqa: TRY004 - what a file holds is a value
            keys.append(key)
        if not keys:
            raise ValueError("no public key")
        return cls(keys)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the keys."""
        return tuple(self._keys)

    def open(self, envelope: Envelope, payload_type: str) -> Signed:
        """Return what is in an envelope that one of these keys signed as a `payload_type`.

        Raises:
            InvalidRequestError: no key is trusted, the payload is of another type, or no signature of a trusted key holds.
        """
        if not self._keys:
            raise InvalidRequestError(
                "No key is trusted to sign catalogue updates.",
                code="no_trusted_key",
                next_step="Put public keys into a file, name it in KEYSTEAD_CATALOGUE_KEYS_FILE, and start again.",
            )
        if envelope.payload_type != payload_type:
            raise InvalidRequestError(f"The file is signed as another thing than {payload_type}.", code="wrong_type")
        try:
            payload = base64.b64decode(envelope.payload, validate=True)
            signatures = [
                (one.keyid, base64.b64decode(one.sig, validate=True)) for one in envelope.signatures[:_MOST_SIGNATURES]
            ]
        except (binascii.Error, ValueError) as error:
            raise InvalidRequestError("The file is damaged: it is not base64.", code="signature_invalid") from error
        message = _encoded(payload_type, payload)
        for key_id, signature in signatures:
            if key_id in self._keys and _holds(self._keys[key_id], signature, message):
                return Signed(payload, key_id)
        raise InvalidRequestError(
            "The file is not signed by a key that is trusted here, or was changed after it was signed.",
            code="signature_invalid",
            next_step=f"Trusted are: {', '.join(self._keys)}.",
        )


def sign(payload: bytes, payload_type: str, private_key: Secret) -> Envelope:
    """Sign a document with an Ed25519 private key in PEM.

    Raises:
        ValueError: it is not such a key. The message holds no part of it.
    """
    try:
        key = load_pem_private_key(private_key.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 private key in PEM, without a password")  # noqa: TRY004 - as above
    signature = key.sign(_encoded(payload_type, payload))
    return Envelope(
        payload_type=payload_type,
        payload=base64.b64encode(payload).decode(),
        signatures=(Signature(keyid=key_id_of(key.public_key()), sig=base64.b64encode(signature).decode()),),
    )


def key_id_of(key: Ed25519PublicKey) -> str:
    """Return a key's id: the start of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def _holds(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _encoded(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
