"""How deep JSON may nest that is decoded as a whole. Pure.

The decoder's own bound is what is left of the interpreter's stack: what it takes in one place, the encoder or another
reader would refuse a few calls deeper. A number that is far below leaves both to spare, wherever they are called. What is
never decoded as a whole (see `body`) passes as it came, whatever it holds.
"""

from typing import Any, Final

import msgspec

MOST_NESTED: Final = 128
"""Arrays and objects in one another, as in Rust's serde_json. Schemas and arguments of real tools have some twenty."""

_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b'{}[]"'))


class TooDeepError(msgspec.DecodeError):
    """A JSON value nests deeper than anything real."""


def decode(text: bytes | str) -> Any:
    """Return the JSON value that a text holds.

    Raises:
        TooDeepError: it nests deeper than `MOST_NESTED`.
        msgspec.DecodeError, UnicodeDecodeError: it is no JSON.
    """
    try:
        value = msgspec.json.decode(text)
    except RecursionError as error:
        raise TooDeepError from error
    if _is_deep(text if isinstance(text, bytes) else text.encode()):
        raise TooDeepError
    return value


def _is_deep(valid: bytes) -> bool:
    if valid.count(b"[") + valid.count(b"{") <= MOST_NESTED:  # most bodies, and almost for nothing
        return False
    if b"\\" in valid:
        valid = valid.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes side by side go: the strings around them become one, and what is in strings stays in one.
    quoted = valid.translate(_ONE_KIND, _NO_BRACKETS).replace(b'""', b"")
    brackets = b"".join(quoted.split(b'"')[::2])
    for _ in range(MOST_NESTED):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")  # the innermost
    return brackets != b""
