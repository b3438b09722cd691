"""Payments as a payment system tells them: a signed notice, checked before a word of it is believed. Pure.

    keystead-signature: t=1767225600,v1=<hex of HMAC-SHA256 over "1767225600." and the body>

The time is signed along, and a notice is good for five minutes; within them a repetition is harmless, because a
payment is booked once by its reference. A sender that changes its secret signs with both, one `v1` each, and the
gateway may know two secrets as well. new-api CVE-2026-41432 took any top-up as signed while its secret was empty:
here there is no secret by default, hence no webhook, and a short one is refused at the start.
"""

import hmac
import re
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from keystead.domain.errors import AuthenticationError, InvalidRequestError
from keystead.domain.secret import Secret

HEADER: Final = "keystead-signature"
TOLERANCE_US: Final = 300_000_000
MIN_SECRET_LENGTH: Final = 32
"""Characters. As hexadecimal that is 128 bits, which nobody guesses."""

MAX_SIGNATURES: Final = 4
_STAMP: Final = re.compile(r"[0-9]{1,12}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


class PaymentNotice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment that came in."""

    organization: Annotated[str, msgspec.Meta(max_length=64)]
    """The organization's id."""
    credits: Annotated[str, msgspec.Meta(max_length=40)]
    """Plain decimal text."""
    reference: str
    """The payment's own id: it is booked once."""
    note: str = ""


class SignatureRefusedError(AuthenticationError):
    """The notice is not signed by whoever may report payments."""

    code = "invalid_signature"
    next_step = "Sign `<t>.<body>` with the shared secret, at the time of sending; look at both clocks."


def verify(header: str, body: bytes, *, secrets: Sequence[Secret], now_us: int) -> None:
    """Check that `body` was signed with one of `secrets` within five minutes of now.

    Raises:
        SignatureRefusedError: it was not. The same words for every reason.
    """
    stamp, signatures = _parts(header)
    if abs(now_us - int(stamp) * 1_000_000) > TOLERANCE_US:
        raise SignatureRefusedError
    genuine = False
    for secret in secrets:
        expected = signature_of(body, stamp=stamp, secret=secret)
        for shown in signatures:
            # Every pair is compared whole, so that the time taken tells nothing.
            genuine |= hmac.compare_digest(expected, shown)
    if not genuine:
        raise SignatureRefusedError


def signature_of(body: bytes, *, stamp: str, secret: Secret) -> str:
    """Return the signature of a notice sent at `stamp` (Unix seconds), in hexadecimal."""
    return hmac.new(secret.reveal().encode("ascii"), stamp.encode("ascii") + b"." + body, "sha256").hexdigest()


def read_notice(body: bytes) -> PaymentNotice:
    """Return what a notice says, once it is known to be genuine.

    Raises:
        InvalidRequestError: it is not a notice; the message says why.
    """
    try:
        return msgspec.json.decode(body, type=PaymentNotice)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"{error}.", code="invalid_notice") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError("The body is not well-formed JSON.", code="invalid_notice") from error


def _parts(header: str) -> tuple[str, list[str]]:
    """Return the time and the signatures; schemes that are not ours are passed over, as a later one may be added."""
    pairs = [part.partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in pairs if name.strip() == "t"]
    signatures = [value for name, _, value in pairs if name.strip() == "v1"]
    if (
        len(stamps) != 1
        or not _STAMP.fullmatch(stamps[0])
        or not 1 <= len(signatures) <= MAX_SIGNATURES
        or not all(_SIGNATURE.fullmatch(signature) for signature in signatures)
    ):
        raise SignatureRefusedError
    return stamps[0], signatures
