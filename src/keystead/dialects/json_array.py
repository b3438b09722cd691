"""A JSON array that arrives in pieces, cut into its elements.

Gemini's streamGenerateContent without `alt=sse` answers with one JSON array, an element per event. White space
between elements varies, so the cut follows the brackets and strings of the JSON itself.
"""

import re
from typing import Final

_TO_NEXT: Final = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+([{}\[\]"]|\Z)', re.DOTALL)
"""Over whole strings and plain values to the next bracket, to a string that is not whole yet, or to the end."""

_IN_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
"""A string up to its closing quote, or up to where the bytes at hand end."""

_QUOTE: Final = 0x22


class JsonArraySplitter:
    """Cuts a JSON array into its elements that are objects or arrays; scalars between them are passed over.

    A top-level object (an error, where a stream was expected) counts as the one element. The JSON is not checked;
    whoever decodes an element finds out. Every byte is looked at once, whatever the sizes of the chunks.

    Args:
        limit: The longest element, in bytes, that is kept. A longer one is dropped and counted, and never held.
    """

    def __init__(self, *, limit: int) -> None:
        self.dropped = 0
        """How many elements were longer than the limit."""
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = 0
        self._depth = 0
        self._outer: int | None = None
        """How deep elements lie: 1 in an array, 0 for an object that stands alone; None before the first bracket."""
        self._inside = False
        """An element has begun; it begins where the buffer does."""
        self._in_string = False
        self._skipping = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes and return the elements they complete."""
        self._buffer += chunk
        elements: list[bytes] = []
        while not self._in_string or self._leave_string():
            found = _TO_NEXT.match(self._buffer, self._scanned)
            assert found is not None, "the pattern matches anything, the empty rest included"
            self._scanned = found.end()
            bracket = found[1]
            if bracket in b"{[":
                if not bracket:
                    break
                if not self._inside:
                    self._begin(bracket)
                self._depth += 1
            elif bracket in b"}]":
                self._depth -= 1
                if self._inside and self._depth == self._outer:
                    self._end(elements)
            else:
                self._in_string = True
        self._bound()
        return elements

    def _leave_string(self) -> bool:
        """Go on behind the string that was cut; return False if it does not end in the bytes at hand."""
        found = _IN_STRING.match(self._buffer, self._scanned)
        assert found is not None, "the pattern matches anything, the empty rest included"
        self._scanned = found.end()
        if self._scanned >= len(self._buffer) or self._buffer[self._scanned] != _QUOTE:
            return False
        self._in_string = False
        self._scanned += 1
        return True

    def _begin(self, bracket: bytes) -> None:
        if self._outer is None:
            self._outer = 1 if bracket == b"[" else 0
        if self._depth == self._outer:
            self._drop(self._scanned - 1)
            self._inside = True

    def _end(self, elements: list[bytes]) -> None:
        if self._skipping or self._scanned > self._limit:
            self.dropped += not self._skipping
        else:
            elements.append(bytes(self._buffer[: self._scanned]))
        self._inside = self._skipping = False
        self._drop(self._scanned)

    def _bound(self) -> None:
        """Keep nothing between elements, and no element beyond the limit."""
        if self._inside and not self._skipping and len(self._buffer) > self._limit:
            self.dropped += 1
            self._skipping = True
        if self._skipping or not self._inside:
            self._drop(self._scanned)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._scanned -= count
