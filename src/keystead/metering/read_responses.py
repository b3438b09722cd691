"""OpenAI's responses, and looks at stored ones."""

from typing import Any, Final

import msgspec

from keystead.dialects import containers
from keystead.dialects.sse import data_of
from keystead.domain.usage import Reading, Usage, UsageSource
from keystead.metering.read_answer import EMPTY, Answer, is_null, text_of
from keystead.metering.read_counts import JsonObject, added, decode, decode_usage, member
from keystead.metering.read_openai import openai_usage, responses_rule

IMAGE_TOOL_ADDED: Final = "image_tool_added"
"""Tokens of the hosted image tool are in the counts. The provider bills them at its image model's price."""

_PENDING: Final = frozenset({"created", "queued", "in_progress"})
"""Event kinds and states in which a response is not at its end: a stream goes on, a background response is polled."""

_CALL_UNITS: Final = {"web_search_call": "web_searches", "file_search_call": "file_searches"}
"""Output items that are billed by the call. Opening a page or finding in it is not (`action.type`)."""


class _Response(msgspec.Struct):
    id: msgspec.Raw = EMPTY
    model: msgspec.Raw = EMPTY
    status: msgspec.Raw = EMPTY
    service_tier: msgspec.Raw = EMPTY
    usage: msgspec.Raw = EMPTY
    error: msgspec.Raw = EMPTY
    output: msgspec.Raw = EMPTY
    tool_usage: msgspec.Raw = EMPTY


class _Event(msgspec.Struct):
    type: msgspec.Raw = EMPTY
    response: msgspec.Raw = EMPTY
    item: msgspec.Raw = EMPTY
    error: msgspec.Raw = EMPTY


class _Item(msgspec.Struct):
    type: str = ""
    action: Any = None


_RESPONSE: Final = msgspec.json.Decoder(_Response)
_EVENT: Final = msgspec.json.Decoder(_Event)
_ITEMS: Final = msgspec.json.Decoder(list[_Item])


class ResponsesAnswer(Answer):
    """Usage is in the response object: the body itself, or inside the last event of a stream.

    Args:
        provider: The provider's name.
        stored: A look at a stored response. Its usage was billed when it was made, so it is kept verbatim and not
            counted again.
    """

    def __init__(self, provider: str, *, stored: bool = False) -> None:
        super().__init__(provider, billed=not stored)
        self._stored = stored
        self._calls: dict[str, int] = {}
        self._tool_usage: JsonObject = {}

    def event(self, event: bytes) -> None:
        """Look into the events that carry the response object, a container or an error; the many deltas carry none."""
        if b'"response"' in event or b'"error"' in event or b'"container_id"' in event:
            self.value(data_of(event))

    def value(self, data: bytes) -> None:
        """Take an event."""
        event = decode(_EVENT, data)
        if event is None:
            self.unreadable(data)
            return
        if not is_null(event.item):
            self.containers |= containers.of_item(bytes(event.item))
        if not is_null(event.response) and (response := decode(_RESPONSE, bytes(event.response))) is not None:
            self._take(response, kind=text_of(event.type) or "")
        elif not is_null(event.error):
            self.failed(event.error)
        elif text_of(event.type) == "error":
            # {"type": "error", "code": …, "message": …}: the event is the error object.
            self.failed(data)

    def body(self, data: bytes) -> bool:
        """Take a response object."""
        response = decode(_RESPONSE, data)
        if response is None:
            return False
        self._take(response, kind="")
        return True

    def usage_of(self, usage: JsonObject) -> Usage:
        """Count the model's usage, then add what hosted tools used beside it."""
        counted = openai_usage(usage, self.counts, responses_rule(self.provider))
        images = member(self._tool_usage, "image_gen")
        if self.counts.take(images, "total_tokens"):
            self.counts.flag(IMAGE_TOOL_ADDED)
            counted = added(counted, openai_usage(images, self.counts))
        searches = member(self._tool_usage, "web_search").get("num_requests", self._calls.get("web_searches"))
        files = self._calls.get("file_searches")
        units = self.counts.units(web_searches=searches, file_searches=files)
        return msgspec.structs.replace(counted, units=units | counted.units) if units else counted

    def reading(self) -> Reading:
        """Return what was found; of a stored response without the counts, which were booked when it was made."""
        reading = super().reading()
        if not self._stored:
            return reading
        return msgspec.structs.replace(reading, usage=Usage(), source=UsageSource.NONE, provider_cost=None)

    def _take(self, response: _Response, *, kind: str) -> None:
        self.named(model=response.model, response_id=response.id, service_tier=response.service_tier)
        if not is_null(response.error):
            self.failed(response.error)
        # A compaction or a deletion has no status: it is done when it answers.
        status = kind.removeprefix("response.") or text_of(response.status) or "completed"
        if status not in _PENDING:
            self.ended = True
            self._calls = _calls(response.output)
        if status == "failed" and self.error is None:
            self.failed(b'"failed"')
        if not is_null(response.output):
            self.containers |= containers.of_items(bytes(response.output))
        self.found_usage(response.usage)
        if not is_null(response.tool_usage):
            self._tool_usage = decode_usage(bytes(response.tool_usage)) or {}


def _calls(output: msgspec.Raw) -> dict[str, int]:
    if b"_search_call" not in bytes(output):
        return {}
    calls: dict[str, int] = {}
    for item in decode(_ITEMS, bytes(output)) or []:
        unit = _CALL_UNITS.get(item.type)
        action = item.action.get("type", "search") if isinstance(item.action, dict) else "search"
        if unit is not None and action == "search":
            calls[unit] = calls.get(unit, 0) + 1
    return calls
