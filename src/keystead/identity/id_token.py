"""Reads the ID token of an identity provider (OpenID Connect Core 1.0 §3.1.3.7): every check, before anything is believed.

Only signatures of a private key count. `none` is not one, and neither is HMAC, by which whoever knows a public key, or
the client secret, could sign (RFC 8725 §3.1 and §2.1). A key signs with the algorithms of its own kind alone.
"""

import hmac
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from keystead.domain.errors import AuthenticationError

_ALGORITHMS: Final[Mapping[str, tuple[str, str]]] = {
    "RS256": ("RSA", ""),
    "PS256": ("RSA", ""),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""What is taken, and the kind and curve of the key that must have signed."""
_KINDS: Final[Mapping[str, type[RSAKey | ECKey | OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_UNREADABLE: Final = (JoseError, ValueError, RecursionError)
"""What reading raises of a token that is none; the last one where it is nested without end."""
_LEAST_RSA_BITS: Final = 2048
_LEEWAY_S: Final = 60
"""Between two clocks."""
_OLDEST_S: Final = 600
_LONGEST_TOKEN: Final = 32 * 1024
_LONGEST_SUBJECT: Final = 255


class UnknownKeyError(AuthenticationError):
    """The identity provider signed with a key that it does not publish."""

    code = "identity_not_proven"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Whom an identity provider says somebody is."""

    issuer: str
    subject: str
    email: str
    """In lower case, and only if the provider has verified it; empty otherwise."""
    used_mfa: bool
    """Whether it says that more than one factor was asked for (RFC 8176 `mfa`)."""


def read(
    token: str, keys: Sequence[Mapping[str, Any]], *, issuer: str, client_id: str, nonce: str, now_s: int
) -> Identity:
    """Return whom a token is about.

    Args:
        token: as the token endpoint gave it.
        keys: what the provider publishes, as JSON Web Keys.
        issuer: who must have issued it,
        client_id: for whom,
        nonce: and for which sign-in.
        now_s: the time, in Unix seconds.

    Raises:
        UnknownKeyError: none of the keys is the one it names.
        AuthenticationError: anything else is not as it must be.
    """
    claims = _verified(token, keys)
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    authorized = claims.get("azp")
    expires, issued, subject = claims.get("exp"), claims.get("iat"), claims.get("sub")
    given = claims.get("nonce")
    if claims.get("iss") != issuer:
        raise not_proven("It was issued by somebody else.")
    if client_id not in audiences or (len(audiences) > 1 and authorized is None):
        raise not_proven("It was issued for another application.")
    if authorized is not None and authorized != client_id:
        raise not_proven("It was issued for another application.")
    if not _is_number(expires) or expires <= now_s - _LEEWAY_S:
        raise not_proven("It has expired.")
    if not _is_number(issued) or not now_s - _OLDEST_S <= issued <= now_s + _LEEWAY_S:
        raise not_proven("It is too old, or from the future: compare the clocks.")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise not_proven("It belongs to another sign-in.")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise not_proven("It does not say whom it is about.")
    email, methods = claims.get("email"), claims.get("amr")
    return Identity(
        issuer=issuer,
        subject=subject,
        email=email.lower() if isinstance(email, str) and claims.get("email_verified") is True else "",
        used_mfa=isinstance(methods, list) and "mfa" in methods,
    )


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _verified(token: str, keys: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the claims, once the signature is right."""
    if len(token) > _LONGEST_TOKEN or not token.isascii():
        raise not_proven("It cannot be read.")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except _UNREADABLE as error:
        raise not_proven("It cannot be read.") from error
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS or "crit" in header:
        raise not_proven("It is signed in a way that is not taken: RS256, PS256, ES256 and EdDSA are.")
    key = _key_for(keys, algorithm, key_id)
    try:
        with warnings.catch_warnings():
            # RFC 9864 renames EdDSA; providers go on with the name of RFC 8037, and it means the same key here.
            warnings.simplefilter("ignore", SecurityWarning)
            payload = jws.deserialize_compact(token.encode(), key, algorithms=[algorithm]).payload
        claims = msgspec.json.decode(payload)
    except _UNREADABLE as error:
        raise not_proven("Its signature is not right.") from error
    if not isinstance(claims, dict):
        raise not_proven("It cannot be read.")
    return claims


def _key_for(keys: Sequence[Mapping[str, Any]], algorithm: str, key_id: Any) -> RSAKey | ECKey | OKPKey:
    """Return the one key that may have signed: of the name, the kind and the curve."""
    kind, curve = _ALGORITHMS[algorithm]
    fitting = [
        key
        for key in keys
        if key.get("kty") == kind
        and key.get("crv", "") == curve
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm)
        in (algorithm, "EdDSA" if kind == "OKP" else algorithm)  # a list is no member of a set
        and (key_id is None or key.get("kid") == key_id)
    ]
    if len(fitting) != 1:
        raise UnknownKeyError(
            "The identity provider signed with a key that it does not publish.",
            next_step="Try once more; if it stays so, tell who runs the identity provider.",
        )
    public = {name: value for name, value in fitting[0].items() if name in {"kty", "crv", "x", "y", "n", "e"}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # a short key is refused below, not warned about
            key = _KINDS[kind].import_key(public)
            short = isinstance(key, RSAKey) and key.raw_value.key_size < _LEAST_RSA_BITS
    except (JoseError, ValueError, TypeError) as error:
        raise not_proven("The identity provider publishes a key that cannot be read.") from error
    if short:
        raise not_proven("The identity provider signs with a key that is too short.")
    return key


def not_proven(why: str) -> AuthenticationError:
    """Return the error of an identity that was not proven."""
    return AuthenticationError(
        f"Your identity provider's answer was not taken. {why}",
        code="identity_not_proven",
        next_step="Begin anew; if it stays so, tell who runs the identity provider.",
    )
