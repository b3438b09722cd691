"""Embeddings that are asked for in a form of their own: Amazon's and Cohere's at Bedrock, Google's at Vertex AI.

They arrive as parts of a series, each with what the provider counted: in its body, or in a header. The usage is the sum.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from keystead.dialects.embeddings import Part
from keystead.domain.usage import Usage
from keystead.metering.read_answer import USAGE_MISSING, Answer
from keystead.metering.read_counts import JsonObject, decode, decode_usage

_COUNTED: Final = "inputTokens"
_CHARACTERS: Final = "billableCharacters"
_DIGITS: Final = 15


class _Statistics(msgspec.Struct):
    token_count: msgspec.Raw = msgspec.Raw(b"null")


class _Embeddings(msgspec.Struct):
    statistics: _Statistics = msgspec.field(default_factory=_Statistics)


class _Prediction(msgspec.Struct):
    embeddings: _Embeddings = msgspec.field(default_factory=_Embeddings)


class _Metadata(msgspec.Struct):
    characters: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="billableCharacterCount")
    """What Google bills its older models by."""


class _Body(msgspec.Struct):
    tokens: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="inputTextTokenCount")
    """Titan's."""
    predictions: list[_Prediction] = []
    """Vertex AI's."""
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


_PART: Final = msgspec.json.Decoder(Part)
_BODY: Final = msgspec.json.Decoder(_Body)


class EmbeddedAnswer(Answer):
    """The usage that is kept is the list of the counts, each as it was stated."""

    def __init__(self, provider: str, *, billed: bool = True) -> None:
        super().__init__(provider, billed=billed)
        self.stated = ""
        """What a header says of an answer that is not in parts."""
        self._stated: list[bytes] = []
        self._characters: list[bytes] = []
        self._parts = 0
        self._all_known = True

    def event(self, event: bytes) -> None:
        """Pass over it: there are no streams."""

    def value(self, data: bytes) -> None:
        """Take a part."""
        part = decode(_PART, data)
        body = decode(_BODY, bytes(part.answer)) if part is not None else None
        if part is None or body is None:
            self.unreadable(data)
            self._all_known = False
        else:
            self._take(body, part.stated)

    def body(self, data: bytes) -> bool:
        """Take an answer that is not in parts: to whoever asked in its own form."""
        body = decode(_BODY, data)
        if body is None:
            return False
        self._take(body, self.stated)
        self.completed()
        return True

    def _take(self, body: _Body, stated: str) -> None:
        self._parts += 1
        found = [count for count in _counts(body) if count != b"null"]
        if not found and stated.isdecimal() and stated.isascii() and len(stated) <= _DIGITS:
            found = [str(int(stated)).encode()]
        self._all_known = self._all_known and len(found) >= max(1, len(body.predictions))
        self._stated += found
        if (characters := bytes(body.metadata.characters)) != b"null":
            self._characters.append(characters)
        if self._stated:
            self.raw = b"{%b}" % b",".join(self._lists())

    def completed(self) -> None:
        """All calls were answered. Where one of them stated no count, the sum is not the last word."""
        self.ended = self._parts > 0
        if not self._all_known and self._stated:
            self.counts.flag(USAGE_MISSING)

    def is_final(self) -> bool:
        """Say whether the sum is whole."""
        return self.ended and self._all_known

    def whole_usage(self) -> JsonObject | None:
        """Return the counts, decoded from what is kept."""
        return None if self.raw is None else decode_usage(self.raw)

    def usage_of(self, usage: JsonObject) -> Usage:
        """Add them up."""
        tokens, characters = (self._sum(usage.get(name, ())) for name in (_COUNTED, _CHARACTERS))
        return Usage(input_tokens=tokens, units=self.counts.units(characters=characters or None))

    def _sum(self, counts: Iterable[Any]) -> int:
        return sum(self.counts.take({_COUNTED: count}, _COUNTED) for count in counts)

    def _lists(self) -> Iterator[bytes]:
        for name, counts in ((_COUNTED, self._stated), (_CHARACTERS, self._characters)):
            if counts:
                yield b'"%b":[%b]' % (name.encode(), b",".join(counts))


def _counts(body: _Body) -> list[bytes]:
    return [bytes(body.tokens), *(bytes(each.embeddings.statistics.token_count) for each in body.predictions)]
