"""OpenAI's responses streams, written: every item is opened, told piece by piece, and told whole again. Pure.

The last event repeats the whole answer, so a writer keeps what it has written; an answer has a limit of tokens.
"""

from io import StringIO
from typing import Any

import msgspec

from keystead.dialects.openai_responses import items
from keystead.dialects.translating import bounded
from keystead.domain.chat import (
    ChatRequest,
    Citation,
    Cited,
    Event,
    Failed,
    Finish,
    Finished,
    RefusalDelta,
    Sealed,
    Started,
    TextDelta,
    TextSealed,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCallStarted,
)
from keystead.domain.usage import Usage


class _Open:
    """An output item under way."""

    def __init__(self, index: int, identifier: str, kind: str) -> None:
        self.index = index
        self.id = identifier
        self.kind = kind
        """`output_text`, `refusal`, `reasoning` or `call`."""
        self.told = StringIO()
        """What has been said in it; not a list of its pieces, which would be many times as large."""
        self.begun = False
        self.annotations: list[dict[str, Any]] = []
        self.call: ToolCallStarted | None = None
        self.custom = False

    @property
    def text(self) -> str:
        return self.told.getvalue()


class ResponsesStreamWriter:
    """A `StreamWriter`."""

    def __init__(self, request: ChatRequest, *, request_id: str, created_s: int) -> None:
        """Answer `request`."""
        self._request = request
        self._id = items.own_id(request_id, "resp_")
        self._created_s = created_s
        self._model = request.model
        self._number = 0
        self._begun = 0
        self._output: dict[int, dict[str, Any]] = {}
        self._current: _Open | None = None
        self._calls: dict[int, _Open] = {}
        self._finish = Finish.OTHER
        self._out: list[bytes] = []

    def feed(self, event: Event) -> bytes:
        """See `StreamWriter.feed`."""
        if getattr(event, "choice", 0) == 0:  # a response has one answer
            self._take(event)
        return self._taken()

    def end(self, usage: Usage | None) -> bytes:
        """See `StreamWriter.end`."""
        output = [self._output[index] for index in sorted(self._output)]
        body = items.ended(self._response("completed", output, usage), self._finish)
        self._say(f"response.{body['status']}", response=body)
        return self._taken()

    def _take(self, event: Event) -> None:
        match event:
            case Started():
                self._start(event)
            case TextDelta():
                self._delta(self._message("output_text"), "response.output_text.delta", event.text, logprobs=[])
            case RefusalDelta():
                self._delta(self._message("refusal"), "response.refusal.delta", event.text)
            case ThinkingDelta() | ThinkingSealed() | TextSealed():
                self._think(event)
            case ToolCallStarted() | ToolArgumentsDelta():
                self._call(event)
            case Cited():
                self._cite(event.citation)
            case Finished():
                self._close()
                for call in self._calls.values():
                    self._close_call(call)
                self._calls.clear()
                self._finish = event.finish
            case Failed():
                self._fail(event)

    def _start(self, event: Started) -> None:
        self._id, self._model = items.own_id(event.id, "resp_") if event.id else self._id, event.model or self._model
        for name in ("response.created", "response.in_progress"):
            self._say(name, response=self._response("in_progress", [], None))

    def _fail(self, event: Failed) -> None:
        body = self._response("failed", [], None)
        body["error"] = {
            "code": "server_is_overloaded" if event.overloaded else "server_error",
            "message": event.message,
        }
        self._say("response.failed", response=body)

    # -- messages -------------------------------------------------------------------------------------------------

    def _message(self, kind: str) -> _Open:
        """Return the open message whose part is of `kind`, opened if need be."""
        current = self._current
        if current is None or current.kind != kind:
            self._close()
            current = self._current = self._begin("msg", kind)
            self._added(current, items.message(current.id, [], status="in_progress"))
            self._say("response.content_part.added", **self._place(current), part=self._part(current))
        return current

    def _part(self, opened: _Open) -> dict[str, Any]:
        if opened.kind == "refusal":
            return {"type": "refusal", "refusal": opened.text}
        return items.output_text(opened.text, list(opened.annotations))

    def _cite(self, citation: Citation) -> None:
        current = self._current
        if current is not None and current.kind == "output_text":
            annotation = items.annotation(citation)
            self._say(
                "response.output_text.annotation.added",
                **self._place(current),
                annotation_index=len(current.annotations),
                annotation=annotation,
            )
            current.annotations.append(annotation)

    # -- thoughts -------------------------------------------------------------------------------------------------

    def _think(self, event: ThinkingDelta | ThinkingSealed | TextSealed) -> None:
        if isinstance(event, ThinkingDelta):
            place = {"summary_index": 0}
            self._delta(self._thought(), "response.reasoning_summary_text.delta", event.text, place=place)
        elif isinstance(event, ThinkingSealed):
            if event.redacted:  # a whole thought, not the end of the one before
                self._close()
            self._seal(self._thought(), event.sealed, redacted=event.redacted)
        else:
            self._close()
            self._seal(self._thought(), event.sealed)

    def _thought(self) -> _Open:
        current = self._current
        if current is None or current.kind != "reasoning":
            self._close()
            current = self._current = self._begin("rs", "reasoning")
            self._added(current, items.reasoning(current.id, "", None))
        if not current.begun:
            part = {"type": "summary_text", "text": ""}
            self._say("response.reasoning_summary_part.added", **self._place(current, summary=True), part=part)
        return current

    def _seal(self, thought: _Open, sealed: Sealed | None, *, redacted: bool = False) -> None:
        self._current = None
        place, part = self._place(thought, summary=True), {"type": "summary_text", "text": thought.text}
        if thought.begun:
            self._say("response.reasoning_summary_text.done", **place, text=thought.text)
        self._say("response.reasoning_summary_part.done", **place, part=part)
        self._done(thought, items.reasoning(thought.id, thought.text, sealed, redacted=redacted))

    # -- calls ----------------------------------------------------------------------------------------------------

    def _call(self, event: ToolCallStarted | ToolArgumentsDelta) -> None:
        if isinstance(event, ToolArgumentsDelta):
            call = self._calls.get(event.call)
            if call is not None:
                kind = "custom_tool_call_input" if call.custom else "function_call_arguments"
                self._delta(call, f"response.{kind}.delta", event.json, place={})
            return
        self._close()
        if event.sealed is not None:
            self._seal(self._thought(), event.sealed)
        call = self._begin(items.call_prefix(event), "call")
        call.call, call.custom = event, event.custom
        self._calls[event.call] = call
        self._added(call, self._call_item(call, status="in_progress"))

    def _close_call(self, call: _Open) -> None:
        kind, member = ("custom_tool_call_input", "input") if call.custom else ("function_call_arguments", "arguments")
        place = {"item_id": call.id, "output_index": call.index}
        self._say(f"response.{kind}.done", **place, **{member: call.text})
        self._done(call, self._call_item(call, status="completed"))

    def _call_item(self, call: _Open, *, status: str) -> dict[str, Any]:
        assert call.call is not None, "a call was begun by its event"
        return items.call(call.id, call.call, call.text, status=status)

    # -- all of them ----------------------------------------------------------------------------------------------

    def _begin(self, prefix: str, kind: str) -> _Open:
        opened = _Open(self._begun, f"{prefix}_{self._id.removeprefix('resp_')}_{self._begun}", kind)
        self._begun += 1
        bounded(self._begun)
        return opened

    def _delta(self, opened: _Open, name: str, text: str, *, place: dict[str, Any] | None = None, **more: Any) -> None:
        opened.told.write(text)
        opened.begun = True
        where = {"content_index": 0} if place is None else place
        self._say(name, item_id=opened.id, output_index=opened.index, **where, delta=text, **more)

    def _close(self) -> None:
        """Close the message or the thought that is open."""
        current, self._current = self._current, None
        if current is None:
            return
        if current.kind == "reasoning":
            self._seal(current, None)
            return
        place, part = self._place(current), self._part(current)
        if current.kind == "refusal":
            self._say("response.refusal.done", **place, refusal=current.text)
        else:
            self._say("response.output_text.done", **place, text=current.text, logprobs=[])
        self._say("response.content_part.done", **place, part=part)
        self._done(current, items.message(current.id, [part]))

    def _place(self, opened: _Open, *, summary: bool = False) -> dict[str, Any]:
        index = "summary_index" if summary else "content_index"
        return {"item_id": opened.id, "output_index": opened.index, index: 0}

    def _added(self, opened: _Open, item: dict[str, Any]) -> None:
        self._say("response.output_item.added", output_index=opened.index, item=item)

    def _done(self, opened: _Open, item: dict[str, Any]) -> None:
        self._output[opened.index] = item
        self._say("response.output_item.done", output_index=opened.index, item=item)

    def _response(self, status: str, output: list[dict[str, Any]], usage: Usage | None) -> dict[str, Any]:
        return items.response(
            self._id, model=self._model, created_s=self._created_s, status=status, output=output, usage=usage
        )

    def _say(self, kind: str, **members: Any) -> None:
        data = msgspec.json.encode({"type": kind, "sequence_number": self._number, **members})
        self._number += 1
        self._out.append(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n")

    def _taken(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out
