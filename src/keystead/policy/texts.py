r"""The texts inside a request body: what its strings say, and the body again with some of them changed. Pure.

A pattern must not see a format's own signs: in the JSON `"\n4111…"` a number begins right behind a letter, and what stands
for nothing in a recording may look like an address. So every text is read as what it says, and a changed one is written
anew as a whole; what is not changed keeps its bytes.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Final

import msgspec

from keystead.dialects.multipart import texts_of

SEPARATOR: Final = b"\n"
"""Between texts that are searched together, by patterns that stay within a line."""

_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|-?[0-9][0-9.]{5,}+(?:[eE][+-]?[0-9]++)?+', re.DOTALL)
"""A string, or a number long enough to mean something (a body may hold a million token ids)."""
_STRING: Final = msgspec.json.Decoder(str)


class Texts:
    """The texts of a body, one after another in `joined`."""

    __slots__ = ("_body", "_ends", "_spans", "_write", "joined", "texts")

    def __init__(
        self, body: bytes, spans: list[tuple[int, int]], texts: list[bytes], write: Callable[[int, bytes], bytes]
    ) -> None:
        """Keep what was found.

        Args:
            body: the whole of it.
            spans: from where to where each text is written, in order.
            texts: what each says, in UTF-8.
            write: from a text's number and what it is to say to how that is written.
        """
        self._body = body
        self._spans = spans
        self._write = write
        self.texts = texts
        self.joined = SEPARATOR.join(texts)
        self._ends: list[int] | None = None

    def place(self, offset: int) -> tuple[int, int]:
        """Return the number of the text that an offset of `joined` lies in, and where that text begins."""
        if self._ends is None:
            self._ends = list(accumulate(len(text) + len(SEPARATOR) for text in self.texts))
        number = bisect_right(self._ends, offset)
        return number, self._ends[number] - len(self.texts[number]) - len(SEPARATOR)

    def body_with(self, changed: Mapping[int, bytes]) -> bytes:
        """Return the body with the texts of these numbers replaced."""
        parts: list[bytes] = []
        at = 0
        for number, text in sorted(changed.items()):
            start, end = self._spans[number]
            parts += (self._body[at:start], self._write(number, text))
            at = end
        return b"".join((*parts, self._body[at:]))


def json_texts(body: bytes) -> Texts:
    """Take JSON apart: its strings, and its longer numbers, of which a replaced one becomes a string."""
    spans: list[tuple[int, int]] = []
    texts: list[bytes] = []
    for token in _TOKEN.finditer(body):  # one by one, so that other threads come between
        spans.append(token.span())
        texts.append(_said(token.group()))
    return Texts(body, spans, texts, lambda _, text: json.dumps(text.decode(errors="replace")).encode())


def form_texts(body: bytes, content_type: bytes) -> Texts:
    """Take a form apart: its fields, the names of its files, and the files that are text.

    Raises:
        InvalidRequestError: it is none.
    """
    found = texts_of(body, content_type)
    return Texts(
        body,
        [(text.start, text.end) for text in found],
        [text.spelling.read(body[text.start : text.end]) for text in found],
        lambda number, text: found[number].spelling.write(text),
    )


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
