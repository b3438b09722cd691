"""Typed, prefixed, time-ordered identifiers.

An id is `<prefix>_` and 26 characters of Crockford base32: 48 bits of Unix milliseconds and 80 more, as in a ULID. The
first 10 of these are the microseconds within the millisecond, the others are random. So ids sort by creation time as
text, to the microsecond and over all processes: lists are paged by them, and what one change records, event after
event, stays in order. The time can be read back, which lets a request be found in a table partitioned by time from its
id alone.
"""

import os
import random  # noqa: TID251 - an id is public: it must be unique, not secret, and /dev/urandom is a system call
from typing import NewType

OrganizationId = NewType("OrganizationId", str)
TeamId = NewType("TeamId", str)
MemberId = NewType("MemberId", str)
CredentialId = NewType("CredentialId", str)
VirtualKeyId = NewType("VirtualKeyId", str)
RequestId = NewType("RequestId", str)
InstanceId = NewType("InstanceId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_LENGTH = 26
_RANDOM_BITS = 70
_BITS_BELOW_MS = 80
_LATEST_MS = (1 << 48) - 1
# Seeded from the system's randomness when the process starts, and anew in a forked one.
_generator = random.Random()  # noqa: S311 - as above
_unique_bits = _generator.getrandbits
os.register_at_fork(after_in_child=_generator.seed)
# Two characters at a time: the id is made once per request and once per attempt.
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)


def new_id(prefix: str, now_us: int) -> str:
    """Return a fresh id such as `req_01k…`, carrying `now_us` (Unix microseconds)."""
    milliseconds, microseconds = divmod(now_us, 1000)
    number = (milliseconds << _BITS_BELOW_MS) | (microseconds << _RANDOM_BITS) | _unique_bits(_RANDOM_BITS)
    return f"{prefix}_{''.join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])}"


def id_time_ms(identifier: str) -> int | None:
    """Return the Unix milliseconds inside an id made by `new_id`, or None if it is not one."""
    body = identifier.rpartition("_")[2]
    if len(body) != _LENGTH:
        return None
    number = 0
    for character in body:
        value = _VALUES.get(character)
        if value is None:
            return None
        number = (number << 5) | value
    milliseconds = number >> _BITS_BELOW_MS
    return milliseconds if milliseconds <= _LATEST_MS else None
