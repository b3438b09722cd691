"""Bedrock's Converse, with the usage in an event of its own behind the end; and Anthropic's messages in its envelope."""

from typing import Any, Final

import msgspec

from keystead.dialects.bedrock_invoke import read_chunk, write_event
from keystead.dialects.eventstream import head_of, read_frame
from keystead.dialects.translating import UnreadableError
from keystead.domain.usage import Reading, Usage
from keystead.metering.read_answer import EMPTY, EVENT_UNREADABLE, Answer, is_null, text_of
from keystead.metering.read_anthropic import CACHE_SPLIT_ASSUMED, MessagesAnswer
from keystead.metering.read_counts import JsonObject, decode

_FAST: Final = "optimized"
_OF_INTEREST: Final = (b"metadata", b"messageStop", b"exception", b"error")
"""In the headers of a frame."""


class _Tier(msgspec.Struct):
    type: msgspec.Raw = EMPTY


class _Performance(msgspec.Struct):
    latency: msgspec.Raw = EMPTY


class _Said(msgspec.Struct, rename="camel"):
    """What a whole answer and the `metadata` event have in common."""

    usage: msgspec.Raw = EMPTY
    service_tier: msgspec.Raw = EMPTY
    performance_config: msgspec.Raw = EMPTY


_SAID: Final = msgspec.json.Decoder(_Said)
_TIER: Final = msgspec.json.Decoder(_Tier)
_PERFORMANCE: Final = msgspec.json.Decoder(_Performance)


class ConverseAnswer(Answer):
    """Usage is in the body, or in the stream's `metadata` event. Neither names the model: it stands in the path."""

    def event(self, event: bytes) -> None:
        """Look into the frames around the message; the many content deltas are none of them."""
        head = head_of(event)
        if not any(mark in head for mark in _OF_INTEREST):
            return
        try:
            frame = read_frame(event)
        except UnreadableError:
            self.counts.flag(EVENT_UNREADABLE)
            return
        if frame.failure:
            self.failed(frame.payload)
            if self.error in {None, "error"}:
                self.error = frame.failure
        elif frame.event == "messageStop":
            self.ended = True
        elif frame.event == "metadata":
            self.value(frame.payload)

    def value(self, data: bytes) -> None:
        """Take what is told behind the end."""
        if self._told(data):
            self.final = True

    def body(self, data: bytes) -> bool:
        """Take a whole answer."""
        if not self._told(data):
            return False
        self.ended = self.final = True
        return True

    def usage_of(self, usage: JsonObject) -> Usage:
        """Take a usage object apart: what was read from caches or written to them stands beside the input."""
        counts = self.counts
        written = counts.take(usage, "cacheWriteInputTokens")
        hour = sum(counts.take(each, "inputTokens") for each in _writes(usage) if each.get("ttl") == "1h")
        if hour > written:
            counts.flag(CACHE_SPLIT_ASSUMED)
            hour = written
        found = Usage(
            input_tokens=counts.take(usage, "inputTokens"),
            cache_read_tokens=counts.take(usage, "cacheReadInputTokens"),
            cache_write_5m_tokens=written - hour,
            cache_write_1h_tokens=hour,
            output_tokens=counts.take(usage, "outputTokens"),
        )
        counts.check_total(counts.stated(usage, "totalTokens"), found.input_total + found.output_total)
        return found

    def _told(self, data: bytes) -> bool:
        said = decode(_SAID, data)
        if said is None:
            return False
        self.found_usage(said.usage)
        tier = None if is_null(said.service_tier) else decode(_TIER, bytes(said.service_tier))
        if tier is not None:
            self.service_tier = text_of(tier.type)
        how = None if is_null(said.performance_config) else decode(_PERFORMANCE, bytes(said.performance_config))
        if how is not None and text_of(how.latency) == _FAST:  # at another price, which no list has
            self.speed = "fast"
        return True


class InvokedAnswer(MessagesAnswer):
    """A message of Anthropic's, an event in each frame. What it costs, the id in the path says: region and all."""

    def event(self, event: bytes) -> None:
        """Take a frame."""
        try:
            said = read_chunk(event)
        except UnreadableError:
            self.counts.flag(EVENT_UNREADABLE)
            return
        if said is not None:
            super().event(write_event(said))

    def reading(self) -> Reading:
        """Return what was found but the maker's own words for model and region: AWS's prices know neither."""
        return msgspec.structs.replace(super().reading(), model=None, region=None)


def _writes(usage: JsonObject) -> list[dict[str, Any]]:
    details = usage.get("cacheDetails")
    return [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
