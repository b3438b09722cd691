"""OpenAI's chat completions, and what answers in the same way: completions, embeddings, moderations."""

import re
from typing import Final

import msgspec

from keystead.dialects.sse import data_of, event_name
from keystead.domain.usage import Usage
from keystead.metering.read_answer import EMPTY, OTHER_MODEL, Answer, is_null, printable
from keystead.metering.read_counts import JsonObject, decode
from keystead.metering.read_openai import chat_rule, openai_usage

_USAGE: Final = re.compile(rb'"usage"\s*:\s*[^\sn]')
"""Usage that is not null. The quotes make it a JSON key: inside a string they would be escaped."""

_FINISH: Final = re.compile(rb'"finish_reason"\s*:\s*"')
_NO_CHOICES: Final = re.compile(rb"\[\s*\]")

_LOOKED_AT: Final = 4
"""Events at the beginning in which the model and the id are looked for; Azure's first one names neither."""

_LONGEST_DONE: Final = 64
"""Bytes of `data: [DONE]`, with room for a name or a comment beside it."""


class _XGroq(msgspec.Struct):
    usage: msgspec.Raw = EMPTY
    usage_breakdown: msgspec.Raw = EMPTY
    error: msgspec.Raw = EMPTY


class _Chunk(msgspec.Struct):
    """A body or an event. Every member stays raw: a member of the wrong type must not cost us the usage."""

    id: msgspec.Raw = EMPTY
    model: msgspec.Raw = EMPTY
    service_tier: msgspec.Raw = EMPTY
    usage: msgspec.Raw = EMPTY
    choices: msgspec.Raw = EMPTY
    error: msgspec.Raw = EMPTY
    x_groq: msgspec.Raw = EMPTY
    usage_breakdown: msgspec.Raw = EMPTY


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_X_GROQ: Final = msgspec.json.Decoder(_XGroq)


class ChatAnswer(Answer):
    """Usage is in the body, or in an extra last chunk (`choices: []`), or in the last chunk that has a choice.

    Perplexity and some servers repeat a growing usage in every chunk, so usage is final only with a finish reason,
    without choices, or once the stream has ended.
    """

    def __init__(self, provider: str, *, billed: bool = True) -> None:
        super().__init__(provider, billed=billed)
        self._looked = 0
        self._last = b""

    def event(self, event: bytes) -> None:
        """Look into the events that may carry usage, an error, the end, or the names."""
        if (
            (b'"usage"' in event and _USAGE.search(event) is not None)
            or b'"error"' in event
            or (self.model is None and self._looked < _LOOKED_AT)
            or (len(event) < _LONGEST_DONE and b"[DONE]" in event)
        ):
            self._looked += 1
            self.value(data_of(event))
        if event.startswith(b"event:") and event_name(event) == b"error":
            self.failed(data_of(event))
        self._last = event

    def value(self, data: bytes) -> None:
        """Take a chunk."""
        if data.strip() == b"[DONE]":
            self.ended = True
            return
        chunk = decode(_CHUNK, data)
        if chunk is None:
            self.unreadable(data)
            return
        self._take(chunk)
        if self._usage_in(chunk):
            choices = bytes(chunk.choices)
            if _NO_CHOICES.fullmatch(choices) is not None or _FINISH.search(choices) is not None:
                self.ended = self.final = True

    def body(self, data: bytes) -> bool:
        """Take a whole answer."""
        chunk = decode(_CHUNK, data)
        if chunk is None:
            return False
        self._take(chunk)
        self._usage_in(chunk)
        self.ended = True
        return True

    def completed(self) -> None:
        """Without `[DONE]`, a stream that gave a finish reason and ended in order has ended."""
        self.ended = self.ended or _FINISH.search(self._last) is not None

    def usage_of(self, usage: JsonObject) -> Usage:
        """Count by the provider's rule."""
        # Mistral and some others state the tier inside the usage.
        if self.service_tier is None and isinstance(tier := usage.get("service_tier"), str):
            self.service_tier = printable(tier)
        return openai_usage(usage, self.counts, chat_rule(self.provider))

    def _take(self, chunk: _Chunk) -> None:
        self.named(model=chunk.model, response_id=chunk.id, service_tier=chunk.service_tier)
        if not is_null(chunk.error):
            self.failed(chunk.error)
        self._note_models(chunk.usage_breakdown)

    def _usage_in(self, chunk: _Chunk) -> bool:
        if self.found_usage(chunk.usage):
            return True
        groq = None if is_null(chunk.x_groq) else decode(_X_GROQ, bytes(chunk.x_groq))
        if groq is None:
            return False
        if not is_null(groq.error):
            self.failed(groq.error)
        self._note_models(groq.usage_breakdown)
        return self.found_usage(groq.usage)

    def _note_models(self, breakdown: msgspec.Raw) -> None:
        # Groq's compound systems: the usage is the sum over the models they called, each with its own price.
        if b'"model"' in bytes(breakdown):
            self.counts.flag(OTHER_MODEL)
