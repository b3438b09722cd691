"""Reranking: Cohere bills search units, everybody else tokens."""

from typing import Final

import msgspec

from keystead.domain.usage import Usage
from keystead.metering.read_answer import EMPTY, Answer, is_null
from keystead.metering.read_counts import JsonObject, decode, member
from keystead.metering.read_openai import openai_usage


class _Ranked(msgspec.Struct):
    id: msgspec.Raw = EMPTY
    model: msgspec.Raw = EMPTY
    usage: msgspec.Raw = EMPTY
    """Jina, Voyage, Together, vLLM."""
    meta: msgspec.Raw = EMPTY
    """Cohere: `billed_units` are what it bills; `tokens` beside them are information."""


_RANKED: Final = msgspec.json.Decoder(_Ranked)


class RerankAnswer(Answer):
    """Usage is in the body; there are no streams."""

    def event(self, event: bytes) -> None:
        """Pass over it."""

    def value(self, data: bytes) -> None:
        """Pass over it."""

    def body(self, data: bytes) -> bool:
        """Take a whole answer."""
        ranked = decode(_RANKED, data)
        if ranked is None:
            return False
        self.named(model=ranked.model, response_id=ranked.id)
        self.found_usage(ranked.meta if is_null(ranked.usage) else ranked.usage)
        self.ended = True
        return True

    def usage_of(self, usage: JsonObject) -> Usage:
        """Count search units where they are billed, else tokens."""
        billed = member(usage, "billed_units")
        if (units := billed.get("search_units", usage.get("search_units"))) is not None:
            return Usage(units=self.counts.units(search_units=units))
        return openai_usage(billed or usage, self.counts)
