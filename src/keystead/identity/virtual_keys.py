"""The keys Keystead issues: their text form, and how a presented one is checked. Pure.

    ks_<26 characters of id>_<43 characters of secret>_<6 characters of checksum>     a virtual key
    ksa_…                                                                             an admin token

The id is public and is the row's id without its prefix (`vk_…`, `adm_…`). The secret is 256 random bits in base64url.
The checksum is the CRC-32 of everything before it in base62: a secret scanner tells a leaked key from noise
offline, and a mistyped one is refused without a look-up. It proves nothing; the HMAC does.

Stored is HMAC-SHA256(pepper, secret) alone. An unknown id takes the same path with a digest no secret has, so
"unknown", "wrong secret" and "no longer valid" cost the same and answer the same (CVE-2026-23996 in fastapi-api-key:
a delay on failure only was itself the oracle).
"""

import hmac
import re
import secrets
import zlib
from typing import Final, Literal

import msgspec

from keystead.domain.secret import Secret

KeyKind = Literal["virtual_key", "admin_token"]

PREFIXES: Final[dict[KeyKind, str]] = {"virtual_key": "ks", "admin_token": "ksa"}
ID_PREFIXES: Final[dict[KeyKind, str]] = {"virtual_key": "vk", "admin_token": "adm"}
SECRET_BYTES: Final = 32
MAX_LENGTH: Final = 81
"""Characters of the longest form, an admin token. Longer text is not looked at."""

_KINDS: Final[dict[str, KeyKind]] = {prefix: kind for kind, prefix in PREFIXES.items()}
# The secret may itself hold "_": the fields are told apart by their fixed widths.
_SHAPE: Final = re.compile(r"(ksa?)_([0-9a-hjkmnp-tv-z]{26})_([A-Za-z0-9_-]{43})_([0-9A-Za-z]{6})", re.ASCII)
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_LENGTH: Final = 6  # 62⁶ > 2³²
# Two digits at a time: a checksum is computed for every request.
_PAIRS: Final = tuple(high + low for high in _BASE62 for low in _BASE62)
_PAIR_COUNT: Final = len(_PAIRS)
_NO_DIGEST: Final = bytes(32)


class PresentedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as somebody showed it: well formed, not yet verified."""

    kind: KeyKind
    id: str
    """The row's id: `vk_…` or `adm_…`."""
    secret: Secret


def mint(kind: KeyKind, identifier: str) -> Secret:
    """Return a new key for the row `identifier`, with a fresh secret. It is shown once and never again.

    Raises:
        ValueError: `identifier` is not the id of a `kind`.
    """
    prefix, _, body = identifier.partition("_")
    if prefix != ID_PREFIXES[kind]:
        raise ValueError(f"{identifier} is not the id of a {kind}")
    text = f"{PREFIXES[kind]}_{body}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return Secret(f"{text}_{checksum(text)}")


def parse(text: str) -> PresentedKey | None:
    """Return what `text` presents, or None if it is not a whole, well-formed key of ours."""
    if len(text) > MAX_LENGTH:
        return None
    match = _SHAPE.fullmatch(text)
    if match is None or checksum(text[: -_CHECKSUM_LENGTH - 1]) != match[4]:
        return None
    kind = _KINDS[match[1]]
    return PresentedKey(kind=kind, id=f"{ID_PREFIXES[kind]}_{match[2]}", secret=Secret(match[3]))


def checksum(text: str) -> str:
    """Return the CRC-32 of `text` (ASCII) as six base62 digits."""
    rest, low = divmod(zlib.crc32(text.encode("ascii")), _PAIR_COUNT)
    high, middle = divmod(rest, _PAIR_COUNT)
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]


def digest(pepper: bytes, secret: Secret) -> bytes:
    """Return what is stored of a key: HMAC-SHA256 of its secret part under the deployment's pepper, 32 bytes."""
    return hmac.digest(pepper, secret.reveal().encode("ascii"), "sha256")


def digest_of_key(pepper: bytes, key: Secret) -> bytes:
    """Return the digest to store for a whole, minted key.

    Raises:
        ValueError: `key` is not a whole key.
    """
    presented = parse(key.reveal())
    if presented is None:
        raise ValueError("not a whole key")
    return digest(pepper, presented.secret)


def verify(pepper: bytes, presented: PresentedKey, stored_digest: bytes | None) -> bool:
    """Say whether `presented` is the key whose digest is stored; None stands for an unknown id and is never true.

    Takes the same time whether the id is known or not, and wherever the digests differ.
    """
    expected = _NO_DIGEST if stored_digest is None else stored_digest
    same = hmac.compare_digest(digest(pepper, presented.secret), expected)
    return same and stored_digest is not None
