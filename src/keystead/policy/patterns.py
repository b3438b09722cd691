"""What the built-in recognisers look for, and which patterns an organization may add. Pure.

Patterns are RE2's, whose matching time is linear in the text whatever the pattern is. What a pattern finds counts only
if its check says so. In these patterns, group 1 is what was found; the rest is context.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec
import re2

from keystead.domain.errors import InvalidRequestError
from keystead.policy import checksums

MAX_PATTERN_LENGTH: Final = 500
MAX_PROGRAM: Final = 200
"""Instructions of an own pattern, compiled. RE2's time is at worst the text's length times these: some 10 ns for each, so
two seconds per megabyte when both are made for it, and two milliseconds else."""
_MEMORY: Final = 8 << 20
"""Bytes for one pattern, compiled, and its matching; RE2's own default."""
_PROBES: Final = (b"", b"a", b" ", b"a.", b".a")
_INEXACT: Final = re.compile(r"(?:^|[^\\])(?:\\\\)*\\[AzC]")
"""The beginning and the end of everything, and half characters."""

# A number may follow an escape that survived in the text, because it is JSON within JSON: `\n4111…`.
_START: Final = r"(?:\b|\\[nrt])"


_KEY_END: Final = re.compile(rb"-----END [A-Z0-9 ]{0,60}PRIVATE KEY-----")
_KEY_TEXT: Final = re.compile(rb"[A-Za-z0-9+/=\s\\]*+")
_LONGEST_KEY: Final = 16_384
"""Characters of a private key in PEM; RSA with 8,192 bits has some 6,400."""


class Shape(msgspec.Struct, frozen=True):
    """A pattern, and the check that what it finds must pass."""

    pattern: str
    check: Callable[[str], bool] | None = None
    extent: Callable[[bytes, int], int] | None = None
    """From a text and where in it the match ends to where the thing itself ends, lines further down."""


def _end_of_private_key(text: bytes, at: int) -> int:
    """Return where a private key ends whose first line ends at `at`: its last line or, without one, as far as it goes."""
    end = _KEY_END.search(text, at, at + _LONGEST_KEY)
    if end is None:
        end = _KEY_TEXT.match(text, at, at + _LONGEST_KEY)
        assert end is not None, "it matches the empty text"
    return end.end()


BUILT_IN: Final[dict[str, tuple[Shape, ...]]] = {
    "secret": (
        # Providers of models, and our own virtual keys and admin tokens.
        Shape(_START + r"(sk-(?:ant-|proj-|svcacct-|or-v1-|admin-)?[A-Za-z0-9_-]{20,})"),
        Shape(_START + r"(AIza[0-9A-Za-z_-]{35})"),
        Shape(_START + r"((?:gsk|xai|hf|pplx|r8|nvapi|csk|fw)[_-][A-Za-z0-9]{24,})\b"),
        Shape(_START + r"(ksa?_[0-9a-z]{26}_[A-Za-z0-9_-]{20,})"),
        # Clouds, forges, payment, chat.
        Shape(_START + r"((?:AKIA|ASIA)[A-Z2-7]{16})\b"),
        Shape(_START + r"(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,}|glpat-[A-Za-z0-9_-]{20,})"),
        Shape(_START + r"(xox[abeprs]-[A-Za-z0-9-]{20,}|(?:sk|rk)_live_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{36})"),
        # A signed JWT (RFC 7519): two JSON objects in base64url, and a signature.
        Shape(_START + r"(eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,})"),
        # A private key in PEM (RFC 7468).
        Shape(r"(-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY-----)", extent=_end_of_private_key),
    ),
    # ISO/IEC 7812: the first digits of the brands, in groups as they are printed or in one piece.
    "payment_card": (
        Shape(_START + r"((?:4|5[1-5]|2[2-7]|6[0-9]|3[0-9])(?:[ -]?[0-9]){11,18})\b", checksums.is_payment_card),
    ),
    "iban": (Shape(_START + r"([A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?)\b", checksums.is_iban),),
    "national_id": (
        Shape(_START + r"([0-9]{3}-[0-9]{2}-[0-9]{4})\b", checksums.is_us_ssn),
        Shape(_START + r"([0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2})\b", checksums.is_brazilian_cpf),
        Shape(_START + r"((?:[0-9]{8}|[XYZ][0-9]{7})-?[A-Z])\b", checksums.is_spanish_id),
        Shape(
            _START
            + r"([12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2})\b",
            checksums.is_french_nir,
        ),
        Shape(
            _START + r"([1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])[0-9]{3}[0-9Xx])\b",
            checksums.is_chinese_id,
        ),
        # The United Kingdom's NINO has no check digit, only letters that are never used (HMRC, NIM39110).
        Shape(_START + r"([A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D])\b"),
    ),
    # These numbers look like any other, so the word beside them must say what they are.
    "health_id": (
        Shape(r"(?i)\bNPI\b(?: (?:number|no\.?))?[ :#=\"'\\]{0,5}([12][0-9]{9})\b", checksums.is_npi),
        Shape(
            r"(?i)\bNHS\b(?: (?:number|no\.?))?[ :#=\"'\\]{0,5}([0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4})\b",
            checksums.is_nhs_number,
        ),
        Shape(r"(?i)\b(?:MRN|medical record (?:number|no\.?))\b[ :#=\"'\\]{0,5}([A-Z]{0,3}-?[0-9]{5,12})\b"),
    ),
    "email": (Shape(r"([A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})\b"),),
}
"""Kind → shapes."""

OWN: Final = "pattern"
"""The kind of an organization's own recogniser."""

KINDS: Final = (*BUILT_IN, OWN)


@lru_cache(maxsize=1_024)
def compiled(pattern: str) -> Any:
    """Return a pattern, compiled, for texts in UTF-8. It matches within a line, whose ends are `^` and `$`.

    Raises:
        re2.error: RE2 does not know it, or it is too large.
    """
    return re2.compile(anchored(pattern), options(max_memory=_MEMORY))


def options(*, max_memory: int) -> Any:
    """Return how patterns are compiled; `max_memory` in bytes."""
    made = re2.Options()
    made.log_errors = False
    made.never_nl = True
    made.max_mem = max_memory
    return made


def anchored(pattern: str) -> bytes:
    """Return a pattern as RE2 is given it: `^` and `$` are the ends of a line."""
    return f"(?m:{pattern})".encode()


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that an organization may not add.

    Raises:
        InvalidRequestError: `pattern_invalid`: not RE2, too long or too large, or it fits where nothing is.
    """
    if not 0 < len(pattern) <= MAX_PATTERN_LENGTH or not pattern.isprintable():
        raise _invalid(f"It must have 1 to {MAX_PATTERN_LENGTH} printable characters.")
    if _INEXACT.search(pattern):
        raise _invalid(r"`\A`, `\z` and `\C` have no meaning here; `^` and `$` are the ends of a line.")
    try:
        compiled(pattern)
        regexp = compiled(f"({pattern})")
    except re2.error as error:
        told = error.args[0] if error.args else b""
        raise _invalid(f"RE2 says: {told.decode(errors='replace') if isinstance(told, bytes) else told}.") from error
    if regexp.programsize > MAX_PROGRAM:
        raise _invalid(f"It is too large: {regexp.programsize} instructions of at most {MAX_PROGRAM}.")
    if any(match is not None and not match.group() for match in map(regexp.search, _PROBES)):
        raise _invalid("It fits where nothing is, so it would be found everywhere.")


def _invalid(why: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"This is not a pattern. {why}",
        code="pattern_invalid",
        param="pattern",
        next_step="Write an expression in RE2's syntax: https://github.com/google/re2/wiki/Syntax.",
    )
