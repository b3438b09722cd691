"""OpenAI's responses streams, read. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from keystead.dialects.openai_responses.answer_in import (
    NOTHING,
    OVERLOADED,
    Annotation,
    Problem,
    Response,
    citation_of,
    finish_of,
    item_of,
    sealed_of,
)
from keystead.dialects.sse import data_of
from keystead.dialects.translating import UnreadableError, bounded
from keystead.domain.chat import (
    Cited,
    Event,
    Failed,
    Finish,
    Finished,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCallStarted,
)


class _Kind(msgspec.Struct):
    type: str = ""


class _Said(msgspec.Struct):
    """One event of a kind that is known, with the members of all of them."""

    output_index: int = 0
    delta: str = ""
    item: msgspec.Raw = NOTHING
    response: Response | None = None
    annotation: Annotation | None = None
    summary_index: int = 0
    code: str | None = None
    message: str | None = None
    error: Problem | None = None


_KIND: Final = msgspec.json.Decoder(_Kind)
_SAID: Final = msgspec.json.Decoder(_Said)


class ResponsesStreamReader:
    """A `StreamReader`."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}
        """Output index → number of the call."""
        self._written: set[int] = set()
        """Calls whose arguments came in pieces."""
        self._refused = False

    def feed(self, event: bytes) -> Sequence[Event]:
        """See `StreamReader.feed`."""
        data = data_of(event)
        if not data.strip() or data == b"[DONE]":
            return []
        try:
            handle = _HANDLERS.get(_KIND.decode(data).type)
            return list(handle(self, _SAID.decode(data))) if handle is not None else []
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnreadableError("no event of a response") from error

    def end(self) -> Sequence[Event]:
        """See `StreamReader.end`."""
        return []

    def _created(self, said: _Said) -> Iterator[Event]:
        if said.response is not None:
            yield Started(id=said.response.id, model=said.response.model)

    def _text(self, said: _Said) -> Iterator[Event]:
        yield TextDelta(text=said.delta)

    def _refusal(self, said: _Said) -> Iterator[Event]:
        self._refused = True
        yield RefusalDelta(text=said.delta)

    def _thought(self, said: _Said) -> Iterator[Event]:
        yield ThinkingDelta(text=said.delta)

    def _summary_part(self, said: _Said) -> Iterator[Event]:
        if said.summary_index:
            yield ThinkingDelta(text="\n\n")

    def _added(self, said: _Said) -> Iterator[Event]:
        item = item_of(said.item)
        if item is not None and item.type in {"function_call", "custom_tool_call"}:
            number = self._calls[said.output_index] = len(self._calls)
            bounded(len(self._calls))
            custom = item.type == "custom_tool_call"
            yield ToolCallStarted(call=number, id=item.call_id, name=item.name, custom=custom)

    def _arguments(self, said: _Said) -> Iterator[Event]:
        number = self._calls.get(said.output_index)
        if number is not None:
            self._written.add(number)
            yield ToolArgumentsDelta(call=number, json=said.delta)

    def _done(self, said: _Said) -> Iterator[Event]:
        item = item_of(said.item)
        if item is None:
            return
        if item.type == "reasoning" and (sealed := sealed_of(item)) is not None:
            yield ThinkingSealed(sealed=sealed, id=item.id)
        number = self._calls.get(said.output_index)
        whole = item.arguments or item.input
        if number is not None and number not in self._written and whole:
            self._written.add(number)
            yield ToolArgumentsDelta(call=number, json=whole)

    def _cited(self, said: _Said) -> Iterator[Event]:
        if said.annotation is not None:
            yield Cited(citation=citation_of(said.annotation))

    def _ended(self, said: _Said) -> Iterator[Event]:
        finish = finish_of(said.response or Response(), [])
        if finish is Finish.STOP:
            finish = Finish.TOOL_CALLS if self._calls else Finish.REFUSED if self._refused else Finish.STOP
        yield Finished(finish=finish)

    def _failed(self, said: _Said) -> Iterator[Event]:
        problem = said.error or (said.response.error if said.response else None) or Problem()
        code = problem.code or said.code or ""
        yield Failed(message=problem.message or said.message or code or "failed", overloaded=code in OVERLOADED)


_HANDLERS: Final[Mapping[str, Callable[[ResponsesStreamReader, _Said], Iterator[Event]]]] = {
    "response.created": ResponsesStreamReader._created,  # noqa: SLF001 - its own table
    "response.output_text.delta": ResponsesStreamReader._text,  # noqa: SLF001
    "response.refusal.delta": ResponsesStreamReader._refusal,  # noqa: SLF001
    "response.reasoning_summary_text.delta": ResponsesStreamReader._thought,  # noqa: SLF001
    "response.reasoning_text.delta": ResponsesStreamReader._thought,  # noqa: SLF001
    "response.reasoning_summary_part.added": ResponsesStreamReader._summary_part,  # noqa: SLF001
    "response.output_item.added": ResponsesStreamReader._added,  # noqa: SLF001
    "response.function_call_arguments.delta": ResponsesStreamReader._arguments,  # noqa: SLF001
    "response.custom_tool_call_input.delta": ResponsesStreamReader._arguments,  # noqa: SLF001
    "response.output_item.done": ResponsesStreamReader._done,  # noqa: SLF001
    "response.output_text.annotation.added": ResponsesStreamReader._cited,  # noqa: SLF001
    "response.completed": ResponsesStreamReader._ended,  # noqa: SLF001
    "response.incomplete": ResponsesStreamReader._ended,  # noqa: SLF001
    "response.failed": ResponsesStreamReader._failed,  # noqa: SLF001
    "error": ResponsesStreamReader._failed,  # noqa: SLF001
}
"""By the event's type. Everything else repeats what these say, or is about tools that the provider runs."""
