"""Streams of Bedrock's ConverseStream, written: frames of an AWS event stream. Pure.

Blocks come one after another, as in Anthropic's streams; so the same writer cuts them, and each of its events is put
into Converse's words.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from keystead.dialects.anthropic_messages.stream_out import AnthropicStreamWriter
from keystead.dialects.bedrock_converse.answer_out import redacted, stop, usage_object
from keystead.dialects.eventstream import event_frame, exception_frame
from keystead.domain.chat import Event, Finish, Finished, RefusalDelta, TextDelta
from keystead.domain.usage import Usage

Json = dict[str, Any]

_FAILURES: Final = {"overloaded_error": "serviceUnavailableException"}
_DELTAS: Final = {
    "text_delta": ("text",),
    "thinking_delta": ("reasoningContent", "text"),
    "signature_delta": ("reasoningContent", "signature"),
    "input_json_delta": ("toolUse", "input"),
}
"""Where in a delta the text of one of Anthropic's stands."""
_TEXTS: Final = ("text", "thinking", "signature", "partial_json")


class ConverseStreamWriter:
    """A `StreamWriter`; what it writes are frames."""

    def __init__(self, *, request_id: str) -> None:
        self._blocks = AnthropicStreamWriter(request_id=request_id, encode=_frames)
        self._refused = False

    def feed(self, event: Event) -> bytes:
        """See `StreamWriter.feed`. A refusal is told as text."""
        if isinstance(event, RefusalDelta):
            self._refused = True
            event = TextDelta(text=event.text, choice=event.choice)
        elif isinstance(event, Finished) and self._refused:
            event = msgspec.structs.replace(event, finish=Finish.REFUSED)
        return self._blocks.feed(event)

    def end(self, usage: Usage | None) -> bytes:
        """See `StreamWriter.end`."""
        return self._blocks.end(usage)


def _frames(event: Json) -> bytes:
    if event["type"] == "error":
        error = event["error"]
        kind = _FAILURES.get(error["type"], "modelStreamErrorException")
        return exception_frame(kind, msgspec.json.encode({"message": error["message"]}))
    return b"".join([event_frame(kind, msgspec.json.encode(told)) for kind, told in _told(event)])


def _told(event: Json) -> Iterator[tuple[str, Json]]:
    place = {"contentBlockIndex": event.get("index")}
    match event["type"]:
        case "message_start":
            yield "messageStart", {"role": "assistant"}
        case "content_block_start":
            block = event["content_block"]
            if block["type"] == "tool_use":  # others begin with their first words
                start = {"toolUse": {"toolUseId": block["id"], "name": block["name"]}}
                yield "contentBlockStart", {**place, "start": start}
            elif block["type"] == "redacted_thinking":
                sealed = {"reasoningContent": {"redactedContent": redacted(block["data"])}}
                yield "contentBlockDelta", {**place, "delta": sealed}
        case "content_block_delta":
            yield "contentBlockDelta", {**place, "delta": _delta(event["delta"])}
        case "content_block_stop":
            yield "contentBlockStop", place
        case "message_delta":
            yield "messageStop", stop(event["delta"])
            yield "metadata", {"usage": usage_object(event["usage"]), "metrics": {"latencyMs": 0}}


def _delta(delta: Json) -> Json:
    if delta["type"] == "citations_delta":
        return {"citation": _citation(delta["citation"])}
    told: Any = next(delta[name] for name in _TEXTS if name in delta)
    for name in reversed(_DELTAS[delta["type"]]):
        told = {name: told}
    return told  # type: ignore[no-any-return]


def _citation(cited: Json) -> Json:
    quoted = cited["cited_text"]
    found: Json = {
        "title": cited.get("title") or cited.get("document_title") or "",
        "sourceContent": [{"text": quoted}] if quoted else [],
    }
    if url := cited.get("url"):
        found |= {"source": url, "location": {"web": {"url": url}}}
    return found
