"""One-time codes that change every half minute (TOTP, RFC 6238), and recovery codes. Pure but for chance.

The parameters are those that every authenticator knows: SHA-1, six digits, thirty seconds. Several of them ignore any
others that a QR code asks for, and then show codes that are never right.
"""

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final
from urllib.parse import quote, urlencode

STEP_US: Final = 30_000_000
_DIGITS: Final = 6
_DRIFT: Final = 1
"""Steps that a telephone's clock may be off, either way (RFC 6238 §5.2 recommends one)."""
_SECRET_BYTES: Final = 20
"""As long as SHA-1's output (RFC 4226 §4 recommends it)."""
RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10
"""80 random bits: sixteen letters and digits, and too many to try even for who has their digests."""
_CODE: Final = re.compile(r"[0-9]{6}", re.ASCII)
_RECOVERY: Final = re.compile(r"[A-Z2-7]{16}", re.ASCII)


def new_secret() -> str:
    """Return a new shared secret as people type it: base32, without padding."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")


def code_at(secret: str, step: int) -> str:
    """Return the code of a time step (RFC 4226 §5.3)."""
    mac = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}d}"


def step_at(now_us: int) -> int:
    """Return the time step of an instant."""
    return now_us // STEP_US


def step_of(secret: str, typed: str, *, now_us: int, after: int) -> int | None:
    """Return the time step whose code was typed, if it is about now and later than the step `after`; else None."""
    code = typed.replace(" ", "")
    if _CODE.fullmatch(code) is None:
        return None
    now, found = step_at(now_us), None
    for step in range(now - _DRIFT, now + _DRIFT + 1):  # all of them, so that the time says nothing of which
        if hmac.compare_digest(code_at(secret, step), code) and step > after:
            found = step
    return found


def address_of(secret: str, *, account: str, issuer: str = "Keystead") -> str:
    """Return what a QR code tells an authenticator (the Key URI format of Google Authenticator)."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': issuer}, quote_via=quote)}"


def new_recovery_codes() -> list[str]:
    """Return ten codes as they are shown: in groups of four."""
    made = (base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode("ascii") for _ in range(RECOVERY_CODES))
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in made]


def recovery_digest(member_id: str, typed: str) -> bytes | None:
    """Return what is kept of a member's recovery code; None if what was typed is not one."""
    code = typed.replace("-", "").replace(" ", "").upper()
    if _RECOVERY.fullmatch(code) is None:
        return None
    return hashlib.sha256(f"recovery code|{member_id}|{code}".encode()).digest()


def wait_us(failures: int) -> int:
    """Return how long to wait after so many wrong codes in a row: nothing, then a minute, doubling up to a day.

    Three of a million codes are right at any time. Somebody who knows a password and tries codes for a year gets some
    four hundred tries in, and is right with a chance of about one in a thousand.
    """
    beyond = failures - _FREE_TRIES
    return 0 if beyond < 0 else min(60_000_000 << min(beyond, 11), 24 * 3_600_000_000)


_FREE_TRIES: Final = 5
