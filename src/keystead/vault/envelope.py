"""The envelope around a stored secret: bound to its record and destination, and committing to its key.

    blob   = suite 0x01 | root key version (4, big-endian) | salt (32) | commitment (32) | ciphertext + tag (16)
    enc    = HKDF-SHA256(root key, info "enc")
    key (32) ‖ commitment (32) = HKDF-SHA256(enc, salt, info "v1/rec" + AAD)
    ciphertext + tag           = AES-256-GCM(key, nonce 0, AAD)

The database is not trusted: whoever can write it may swap, move, truncate or restore rows. So the AAD names the
organization, the record and its version, and the provider and origin the secret may be sent to: a blob opens only
where it was sealed. Every seal draws a fresh salt and with it a fresh key, which is what makes the zero nonce safe
and leaves no limit on seals under one root key. GCM alone does not commit to its key (one ciphertext can be made
to open under two keys), so the commitment is derived beside the key and compared before anything is decrypted.
There is no negotiation: the suite byte is compared with the suites this code knows, and that is one.
"""

import hmac
import secrets
import struct
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keystead.domain.errors import IntegrityError
from keystead.domain.ids import CredentialId, OrganizationId

KEY_BYTES = 32

_SUITE = 0x01
_HEADER = struct.Struct(">BI32s32s")
_SALT_BYTES = 32
_TAG_BYTES = 16
_NONCE = bytes(12)

OVERHEAD_BYTES = _HEADER.size + _TAG_BYTES
"""How much longer a blob is than its plaintext: 85 bytes."""


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """Where a secret belongs. Sealing and opening must agree on every field."""

    organization_id: str
    table: str
    record_id: str
    field: str
    version: int
    provider: str
    destination: str
    """Origin the secret may be sent to, in normal form (`https://api.openai.com`)."""

    def aad(self) -> bytes:
        """Return the fields as one unambiguous byte string."""
        return frame(
            self.organization_id,
            self.table,
            self.record_id,
            self.field,
            str(self.version),
            self.provider,
            self.destination,
        )


_MAX_RECORD_KEYS = 1024
"""Record keys that a root key keeps derived: more than an organization has keys in use, and 100 KB."""


class RootKey:
    """A root key (32 bytes) with what is derived from it. Its repr shows nothing.

    Deriving a record's key costs more than opening the record, and a credential is opened for every request: derived
    keys are kept beside the root key, which can make them anyway, and live no longer than it does.
    """

    __slots__ = ("_key", "_record_keys", "_sealing_key")

    def __init__(self, key: bytes) -> None:
        """Hold `key`.

        Raises:
            ValueError: it is not 32 bytes.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"a root key has {KEY_BYTES} bytes")
        self._key = key
        self._sealing_key = self.subkey(b"enc")
        self._record_keys: dict[tuple[bytes, bytes], tuple[AESGCM, bytes]] = {}

    def subkey(self, purpose: bytes) -> bytes:
        """Return the 32-byte key for one purpose; keys of different purposes tell nothing about each other."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(self._key)

    def record_key(self, salt: bytes, aad: bytes) -> tuple[AESGCM, bytes]:
        """Return the cipher of the record with this salt and AAD, and the commitment (32 bytes) to its key."""
        found = self._record_keys.get((salt, aad))
        if found is None:
            derived = HKDF(algorithm=SHA256(), length=2 * KEY_BYTES, salt=salt, info=b"v1/rec" + aad).derive(
                self._sealing_key
            )
            if len(self._record_keys) >= _MAX_RECORD_KEYS:
                self._record_keys.clear()
            found = self._record_keys[salt, aad] = AESGCM(derived[:KEY_BYTES]), derived[KEY_BYTES:]
        return found

    def __repr__(self) -> str:
        """Return a fixed mask."""
        return "RootKey(…)"


def provider_key_binding(
    *, organization_id: OrganizationId, credential_id: CredentialId, version: int, provider: str, origin: str
) -> Binding:
    """Return the binding of a credential version's key."""
    return Binding(
        organization_id=organization_id,
        table="credential_versions",
        record_id=credential_id,
        field="sealed",
        version=version,
        provider=provider,
        destination=origin,
    )


def seal(root_key: RootKey, root_version: int, binding: Binding, plaintext: bytes) -> bytes:
    """Return `plaintext` sealed under `root_key`, to be opened only with the same `binding`."""
    aad = binding.aad()
    salt = secrets.token_bytes(_SALT_BYTES)
    cipher, commitment = root_key.record_key(salt, aad)
    return _HEADER.pack(_SUITE, root_version, salt, commitment) + cipher.encrypt(_NONCE, plaintext, aad)


def open_sealed(root_keys: Mapping[int, RootKey], binding: Binding, blob: bytes) -> bytes:
    """Return the plaintext of a blob made by `seal`.

    Args:
        root_keys: the organization's root keys by version.
        binding: where the blob was found and where the secret is about to go.
        blob: the sealed bytes.

    Raises:
        IntegrityError: the blob is not exactly what was sealed for this binding. The error never says which
            part differed: that would help only someone who is trying blobs.
    """
    if len(blob) < OVERHEAD_BYTES:
        raise IntegrityError
    suite, root_version, salt, commitment = _HEADER.unpack_from(blob)
    root_key = root_keys.get(root_version)
    if suite != _SUITE or root_key is None:
        raise IntegrityError
    aad = binding.aad()
    cipher, expected = root_key.record_key(salt, aad)
    if not hmac.compare_digest(commitment, expected):
        raise IntegrityError
    try:
        return cipher.decrypt(_NONCE, blob[_HEADER.size :], aad)
    except InvalidTag:
        raise IntegrityError from None


def fingerprint(root_key: RootKey, plaintext: bytes) -> bytes:
    """Return 32 bytes that are equal for equal secrets under one root key, and say nothing else.

    The key is the organization's, so the same provider key held by two organizations has two fingerprints.
    """
    return hmac.digest(root_key.subkey(b"fp"), plaintext, "sha256")


def frame(*parts: str) -> bytes:
    """Return the parts as length-prefixed UTF-8, so that no two different lists give the same bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join([len(part).to_bytes(4, "big") + part for part in encoded])
