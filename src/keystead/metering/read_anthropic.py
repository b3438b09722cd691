"""Anthropic's messages: cached tokens beside the input, cache writes by lifetime, streams that correct themselves."""

from typing import Any, Final

import msgspec

from keystead.dialects import containers
from keystead.dialects.sse import data_of
from keystead.domain.usage import Usage
from keystead.metering.read_answer import EMPTY, EVENT_UNREADABLE, OTHER_MODEL, Answer, is_null, printable, text_of
from keystead.metering.read_counts import (
    REASONING_EXCEEDS_OUTPUT,
    Counts,
    JsonObject,
    added,
    decode,
    decode_usage,
    member,
)

ITERATIONS_ADDED: Final = "iterations_added"
"""Compaction or advisor iterations, which the top-level counts leave out, are in the counts."""
ITERATIONS_MISMATCH: Final = "iterations_mismatch"
"""The top-level counts are neither the sum of the message iterations nor of all of them."""
CACHE_SPLIT_ASSUMED: Final = "cache_split_assumed"
"""The lifetimes of cache writes do not add up to the writes; what is left is taken to live 5 minutes."""
COUNT_DECREASED: Final = "count_decreased"
"""A running count went down during the stream, and no iteration explains it."""

_INPUTS: Final = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_SUMMED: Final = (*_INPUTS, "output_tokens")
_IN_TOP_LEVEL: Final = frozenset({"message", "fallback_message"})


class _Message(msgspec.Struct):
    id: msgspec.Raw = EMPTY
    model: msgspec.Raw = EMPTY
    usage: msgspec.Raw = EMPTY
    error: msgspec.Raw = EMPTY
    container: msgspec.Raw = EMPTY


class _Event(msgspec.Struct):
    type: msgspec.Raw = EMPTY
    message: msgspec.Raw = EMPTY
    usage: msgspec.Raw = EMPTY
    delta: msgspec.Raw = EMPTY
    error: msgspec.Raw = EMPTY


class _Delta(msgspec.Struct):
    stop_reason: msgspec.Raw = EMPTY
    container: msgspec.Raw = EMPTY


_MESSAGE: Final = msgspec.json.Decoder(_Message)
_EVENT: Final = msgspec.json.Decoder(_Event)
_DELTA: Final = msgspec.json.Decoder(_Delta)


class MessagesAnswer(Answer):
    """Usage is in the body; in a stream `message_start` has a first word and each `message_delta` corrects it.

    A delta states running totals, and only of what it names: it is laid over the start, never put in its place.
    Cache lifetimes, tier, region and speed are in the start alone. Server tools and compaction change the input
    counts in the delta, downwards too.
    """

    def __init__(self, provider: str, *, billed: bool = True) -> None:
        super().__init__(provider, billed=billed)
        self._start: JsonObject | None = None
        self._start_raw = b"{}"
        self._overlay: JsonObject = {}

    def event(self, event: bytes) -> None:
        """Look into the events around the message; the many content deltas are none of them."""
        if b'"message_' in event or b'"error"' in event:
            self.value(data_of(event))

    def value(self, data: bytes) -> None:
        """Take an event."""
        event = decode(_EVENT, data)
        if event is None:
            self.unreadable(data)
            return
        match text_of(event.type):
            case "message_start":
                self._started(event.message)
            case "message_delta":
                self._corrected(event)
            case "message_stop":
                self.ended = True
            case "error":
                self.failed(event.error if not is_null(event.error) else data)
            case _:
                pass

    def body(self, data: bytes) -> bool:
        """Take a message."""
        message = decode(_MESSAGE, data)
        if message is None:
            return False
        self.named(model=message.model, response_id=message.id)
        self._opened(message.container)
        self.found_usage(message.usage)
        if not is_null(message.error):
            self.failed(message.error)
        self.ended = self.final = True
        return True

    def whole_usage(self) -> JsonObject | None:
        """Return the start with every correction laid over it; null corrects nothing."""
        if self._start is None and not self._overlay:
            return super().whole_usage()
        start = self._start or {}
        if "iterations" not in self._overlay:
            for name in _INPUTS:
                after = self.counts.stated(self._overlay, name)
                if after is not None and after < self.counts.take(start, name):
                    self.counts.flag(COUNT_DECREASED)
        return start | self._overlay

    def is_final(self) -> bool:
        """The end of the message alone is not enough: the start's word is no bill for the output."""
        return self.final

    def usage_of(self, usage: JsonObject) -> Usage:
        """Count the message, and the iterations that its own counts leave out."""
        self.service_tier = _name(usage, "service_tier") or self.service_tier
        self.region = _name(usage, "inference_geo") or self.region
        self.speed = _name(usage, "speed") or self.speed
        return anthropic_usage(usage, self.counts)

    def _started(self, raw: msgspec.Raw) -> None:
        message = decode(_MESSAGE, bytes(raw))
        if message is None:
            self.counts.flag(EVENT_UNREADABLE)
            return
        self.named(model=message.model, response_id=message.id)
        self._opened(message.container)
        start = None if is_null(message.usage) else decode_usage(bytes(message.usage))
        if start is not None:
            self._start = start
            self._start_raw = bytes(message.usage)
            self.found_usage(message.usage)

    def _opened(self, container: msgspec.Raw) -> None:
        if not is_null(container):
            self.containers |= containers.of_message(bytes(container))

    def _corrected(self, event: _Event) -> None:
        delta = decode(_DELTA, bytes(event.delta))
        if delta is not None:
            self._opened(delta.container)
        if is_null(event.usage):
            return
        correction = decode_usage(bytes(event.usage))
        if correction is None:
            self.counts.flag(EVENT_UNREADABLE)
            return
        if delta is not None and not is_null(delta.stop_reason):
            self.ended = self.final = True
        self._overlay |= {name: value for name, value in correction.items() if value is not None}
        # Both of the provider's statements, each verbatim: the lifetimes are in the first, the end in the second.
        self.raw = b'{"message_start":' + self._start_raw + b',"message_delta":' + bytes(event.usage) + b"}"


def anthropic_usage(usage: JsonObject, counts: Counts) -> Usage:
    """Take a messages usage object apart into disjoint counts; what iterations add is added and flagged."""
    hosted = member(usage, "server_tool_use")
    counted = _disjoint(usage, counts)
    for iteration in _left_out(usage, counts):
        counts.flag(ITERATIONS_ADDED)
        if iteration.get("model") is not None:  # an advisor's
            counts.flag(OTHER_MODEL)
        counted = added(counted, _disjoint(iteration, counts))
    # Fetching a page is free beside its tokens; searching is not.
    units = counts.units(web_searches=hosted.get("web_search_requests"))
    return msgspec.structs.replace(counted, units=units) if units else counted


def _disjoint(usage: JsonObject, counts: Counts) -> Usage:
    lifetimes = member(usage, "cache_creation")
    five = counts.take(lifetimes, "ephemeral_5m_input_tokens")
    hour = counts.take(lifetimes, "ephemeral_1h_input_tokens")
    stated = counts.stated(usage, "cache_creation_input_tokens")
    written = five + hour if stated is None else stated
    if lifetimes and five + hour != written:
        counts.flag(CACHE_SPLIT_ASSUMED)
        hour = min(hour, written)
    output = counts.take(usage, "output_tokens")
    thinking = counts.take(member(usage, "output_tokens_details"), "thinking_tokens")
    reasoning = counts.within(thinking, output, REASONING_EXCEEDS_OUTPUT)
    return Usage(
        input_tokens=counts.take(usage, "input_tokens"),
        cache_read_tokens=counts.take(usage, "cache_read_input_tokens"),
        cache_write_5m_tokens=written - hour,
        cache_write_1h_tokens=hour,
        output_tokens=output - reasoning,
        reasoning_tokens=reasoning,
    )


def _left_out(usage: JsonObject, counts: Counts) -> list[JsonObject]:
    """Return the iterations whose tokens are not in the top-level counts.

    Documented for `compaction` and `advisor_message`; for a kind not known yet the sums tell.
    """
    iterations = [item for item in _list(usage, "iterations") if isinstance(item, dict)]
    inside = [item for item in iterations if _name(item, "type") in _IN_TOP_LEVEL]
    outside = [item for item in iterations if _name(item, "type") not in _IN_TOP_LEVEL]
    if not outside:
        return []
    top, own, every = (_sums(items, counts) for items in ([usage], inside, iterations))
    if top == every:
        return []
    if top != own:
        counts.flag(ITERATIONS_MISMATCH)
    return outside


def _sums(items: list[JsonObject], counts: Counts) -> tuple[int, ...]:
    return tuple(sum(counts.take(item, name) for item in items) for name in _SUMMED)


def _list(holder: JsonObject, name: str) -> list[Any]:
    value = holder.get(name)
    return value if isinstance(value, list) else []


def _name(usage: JsonObject, name: str) -> str | None:
    value = usage.get(name)
    return printable(value) if isinstance(value, str) else None
