"""Signing with a private key that an organization brought (RFC 7523): what a token endpoint takes it for."""

from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwt
from joserfc.jwk import RSAKey

from keystead.domain.errors import InvalidRequestError

_ALGORITHM: Final = "RS256"
_LEAST_BITS: Final = 2048


def sign(private_key: str, *, key_id: str, claims: Mapping[str, Any]) -> str:
    """Return `claims` as a JWT, signed with a key that `require_signing_key` let through."""
    header = {"alg": _ALGORITHM, "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    return jwt.encode(header, dict(claims), RSAKey.import_key(private_key), algorithms=[_ALGORITHM])


def require_signing_key(private_key: str) -> None:
    """Refuse what cannot be signed with.

    Raises:
        InvalidRequestError: it is not an RSA private key in PEM, or a short one. The message holds no part of it.
    """
    try:
        key = load_pem_private_key(private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        key = None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _LEAST_BITS:
        raise InvalidRequestError(
            f"The private_key is not an RSA private key in PEM with at least {_LEAST_BITS} bits.",
            code="invalid_service_account",
            param="key",
            next_step="Send the JSON file as Google Cloud made it, unchanged.",
        )
