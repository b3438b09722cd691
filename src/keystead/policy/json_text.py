r"""The texts inside a request body: what its strings say, and the body again with some of them changed. Pure.

A pattern must not see JSON's own signs: in the bytes `"\n4111…"` a number begins right behind a letter. So every string is
read as what it says, and a changed one is written anew as a whole; what is not changed keeps its bytes.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

import msgspec

SEPARATOR: Final = b"\n"
"""Between texts that are searched together, by patterns that stay within a line."""

_TOKEN: Final = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+"?+|-?[0-9][0-9.]{5,}+(?:[eE][+-]?[0-9]++)?+)', re.DOTALL)
"""A string, or a number long enough to mean something (a body may hold a million token ids)."""
_STRING: Final = msgspec.json.Decoder(str)
_BRACKETS: Final = (b"{", b"[")


class Texts:
    """The texts of a body, one after another in `joined`."""

    __slots__ = ("_ends", "_is_json", "_parts", "joined", "texts")

    def __init__(self, body: bytes) -> None:
        """Take the body apart. One that is not JSON, such as a form, is one text."""
        self._is_json = body.lstrip(b" \t\r\n")[:1] in _BRACKETS
        self._parts = _TOKEN.split(body) if self._is_json else [b"", body, b""]
        self.texts = [_said(token) for token in self._parts[1::2]] if self._is_json else [body]
        self.joined = SEPARATOR.join(self.texts)
        self._ends: list[int] | None = None

    def place(self, offset: int) -> tuple[int, int]:
        """Return the number of the text that an offset of `joined` lies in, and where that text begins."""
        if self._ends is None:
            self._ends = list(accumulate(len(text) + len(SEPARATOR) for text in self.texts))
        number = bisect_right(self._ends, offset)
        return number, self._ends[number] - len(self.texts[number]) - len(SEPARATOR)

    def body_with(self, changed: Mapping[int, bytes]) -> bytes:
        """Return the body with the texts of these numbers replaced. A replaced number becomes a string."""
        parts = list(self._parts)
        for number, text in changed.items():
            parts[2 * number + 1] = json.dumps(text.decode(errors="replace")).encode() if self._is_json else text
        return b"".join(parts)


def _said(token: bytes) -> bytes:
    """Return what a string says, in UTF-8; a number as it stands."""
    if token[:1] != b'"':
        return token
    if b"\\" not in token:
        return token[1:-1]
    try:
        return _STRING.decode(token).encode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:  # half of a surrogate pair is JSON to some
        text: str = json.loads(token, strict=False)
    except ValueError:  # not JSON after all; somebody else refuses it
        return token[1:-1]
    return text.encode(errors="replace")
