"""Streams of OpenAI's chat completions and their look-alikes, read. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from keystead.dialects.openai_chat.answer_in import (
    FAILED,
    Call,
    ChoiceObject,
    Completion,
    ErrorObject,
    Message,
    citations_of,
    content_of,
    details_of,
    finish_of,
    flat_thought,
    logprobs_of,
    read_completion,
    signature_of,
)
from keystead.dialects.sse import data_of, event_name
from keystead.dialects.translating import bounded
from keystead.domain.chat import (
    Cited,
    Event,
    Failed,
    Finished,
    RefusalDelta,
    Started,
    Text,
    TextDelta,
    TextSealed,
    Thinking,
    ThinkingDelta,
    ThinkingSealed,
    ToolArgumentsDelta,
    ToolCallStarted,
)

_DONE: Final = b"[DONE]"


class _BareError(msgspec.Struct):
    """An error that is not in a member `error`: vLLM's and Mistral's own, or whatever an event named so says."""

    object: str | None = None
    message: str | None = None
    detail: str | None = None
    type: str | int | None = None
    code: str | int | None = None


_BARE: Final = msgspec.json.Decoder(_BareError)


class _Call:
    """A call under way."""

    def __init__(self, number: int, identifier: str) -> None:
        self.number = number
        self.id = identifier
        self.started = False
        self.held: list[str] = []
        """Arguments that came before the name."""


class _Choice:
    """One of several answers under way."""

    def __init__(self) -> None:
        self.calls: dict[int, _Call] = {}
        """By the index that the provider gives them."""
        self.count = 0
        self.refused = False
        self.reason: str | None = None


class ChatStreamReader:
    """A `StreamReader`.

    Why an answer ended is told at the end of the stream and not before: some look-alikes repeat it with each piece, or
    send citations and seals behind it.
    """

    def __init__(self) -> None:
        self._started = False
        self._over = False
        self._choices: dict[int, _Choice] = {}
        self._calls = 0

    def feed(self, event: bytes) -> Sequence[Event]:
        """See `StreamReader.feed`."""
        data = data_of(event).strip()
        if not data or self._over:
            return []
        if data == _DONE:
            return self.end()
        completion = read_completion(data)
        failed = _failed(completion, data, named=event_name(event) == b"error")
        return [*self._events(completion), *self._fail(failed)] if failed else list(self._events(completion))

    def end(self) -> Sequence[Event]:
        """See `StreamReader.end`."""
        if self._over or not self._choices or any(choice.reason is None for choice in self._choices.values()):
            return []  # over already, or cut: each choice ends with a reason
        self._over = True
        events: list[Event] = []
        for index, choice in sorted(self._choices.items()):
            for call in choice.calls.values():
                events += _begun(call, "", index)
            finish = finish_of(choice.reason, called=choice.count > 0, refused=choice.refused)
            events.append(Finished(finish=finish, choice=index))
        return events

    def _fail(self, failed: ErrorObject) -> Sequence[Event]:
        self._over = True
        return [Failed(message=failed.words, overloaded=failed.overloaded)]

    def _events(self, completion: Completion) -> Iterator[Event]:
        for piece in completion.choices or ():
            if not self._started:  # not before: Azure's first piece is about the prompt, and has no id
                self._started = True
                yield Started(id=completion.id or "", model=completion.model or "")
            choice = self._choices.setdefault(piece.index, _Choice())
            bounded(len(self._choices))
            message = piece.delta or piece.message
            if message is not None:
                yield from self._said(choice, piece, message)
            if piece.finish_reason:
                choice.reason = piece.finish_reason

    def _said(self, choice: _Choice, piece: ChoiceObject, message: Message) -> Iterator[Event]:
        index, logprobs = piece.index, logprobs_of(piece)
        yield from _thoughts(message, index)
        for part in content_of(message):
            match part:
                case Text():
                    yield TextDelta(text=part.text, choice=index, logprobs=logprobs)
                    logprobs = None
                case Thinking() if part.text:
                    yield ThinkingDelta(text=part.text, choice=index)
                case _:
                    pass  # pictures have no event
        if message.refusal:
            choice.refused = True
            yield RefusalDelta(text=message.refusal, choice=index)
        for citation in citations_of(message):
            yield Cited(citation=citation, choice=index)
        sealed = signature_of(message)
        if sealed is not None:
            yield TextSealed(sealed=sealed, choice=index)
        for call in message.tool_calls or ():
            yield from self._called(choice, call, index)

    def _called(self, choice: _Choice, piece: Call, index: int) -> Iterator[Event]:
        known = choice.count
        call = _call_of(choice, piece)
        self._calls += choice.count - known
        bounded(self._calls)
        if not call.started:
            call.held.append(piece.arguments)
            if piece.name:
                yield from _begun(call, piece.name, index, piece)
        elif piece.arguments:
            yield ToolArgumentsDelta(call=call.number, json=piece.arguments, choice=index)


def _call_of(choice: _Choice, piece: Call) -> _Call:
    """Return the call that a piece belongs to.

    A look-alike may give several whole calls the same index, or none: another id is another call.
    """
    key = piece.index if piece.index is not None else max(choice.calls, default=0)
    call = choice.calls.get(key)
    if call is not None and piece.index is None and piece.id and piece.id != call.id:
        key, call = key + 1, None
    if call is None or (piece.id and piece.name and call.started and piece.id != call.id):
        call = choice.calls[key] = _Call(choice.count, piece.id or "")
        choice.count += 1
    call.id = call.id or piece.id or ""
    return call


def _begun(call: _Call, name: str, index: int, piece: Call | None = None) -> Iterator[Event]:
    """Begin a call, unless it has begun, with the arguments that came before."""
    if call.started:
        return
    call.started = True
    custom = piece is not None and piece.custom is not None
    sealed = signature_of(piece) if piece is not None else None
    yield ToolCallStarted(call=call.number, id=call.id, name=name, custom=custom, sealed=sealed, choice=index)
    if any(call.held):
        yield ToolArgumentsDelta(call=call.number, json="".join(call.held), choice=index)
    call.held.clear()


def _thoughts(message: Message, index: int) -> Iterator[Event]:
    """Return the thoughts of a piece: OpenRouter tells their words twice, and their seals in the details alone."""
    details, flat = details_of(message), flat_thought(message)
    if flat and not any(detail.words for detail in details):
        yield ThinkingDelta(text=flat, choice=index)
    for detail in details:
        if detail.words:
            yield ThinkingDelta(text=detail.words, choice=index)
        sealed = detail.sealed
        if sealed is not None:
            yield ThinkingSealed(sealed=sealed, redacted=detail.redacted, id=detail.id or "", choice=index)


def _failed(completion: Completion, data: bytes, *, named: bool) -> ErrorObject | None:
    """Return the error that a piece tells of. It may stand in the whole, in a choice, or be all there is."""
    error = completion.error
    if error is not None:
        return ErrorObject(message=error) if isinstance(error, str) else error
    for choice in completion.choices or ():
        if choice.error is not None or choice.finish_reason == FAILED:
            return choice.error or ErrorObject()
    if completion.choices is not None:
        return None
    try:
        bare = _BARE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorObject() if named else None
    if not named and bare.object != "error":
        return None
    return ErrorObject(message=bare.message or bare.detail, type=bare.type, code=bare.code)
