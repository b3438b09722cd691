"""One request's way into another dialect, and its answer's way back. Pure.

Made only for a step whose provider does not speak the caller's dialect. What the provider's dialect has no word for is
refused by name if it changes the answer, unless the route allows to drop it; what is left out is told in a header.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from keystead.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from keystead.dialects.bedrock_converse import BEDROCK_CONVERSE
from keystead.dialects.counting import TAILS
from keystead.dialects.embeddings import EMBEDDERS
from keystead.dialects.eventstream import CONTENT_TYPE, FrameSplitter
from keystead.dialects.gemini_generate import GEMINI_GENERATE
from keystead.dialects.openai_chat import OPENAI_CHAT
from keystead.dialects.openai_responses import OPENAI_RESPONSES
from keystead.dialects.sse import SseSplitter
from keystead.dialects.translating import (
    Splitter,
    StreamReader,
    StreamWriter,
    TooManyError,
    Translator,
    UnreadableError,
    Written,
)
from keystead.domain.chat import ChatRequest, Event, Failed, Finished, Loss, Started
from keystead.domain.errors import InvalidRequestError, ProviderError
from keystead.domain.traffic import Dialect, Endpoint, ErrorClass
from keystead.domain.usage import Usage
from keystead.gateway.ask import Ask
from keystead.gateway.own_tools import OwnTools
from keystead.gateway.translation import Wire, garbled, told
from keystead.providers.profiles import PROFILES
from keystead.providers.row import Provider

CHATS: Final[Mapping[Wire, Translator]] = {
    (Dialect.ANTHROPIC, Endpoint.MESSAGES): ANTHROPIC_MESSAGES,
    (Dialect.GEMINI, Endpoint.GENERATE): GEMINI_GENERATE,
    (Dialect.OPENAI, Endpoint.CHAT): OPENAI_CHAT,
    (Dialect.OPENAI, Endpoint.RESPONSES): OPENAI_RESPONSES,
    (Dialect.BEDROCK, Endpoint.CONVERSE): BEDROCK_CONVERSE,
}
"""What can be translated into each other, in the order in which a provider that speaks several is spoken to."""

COUNTERS: Final[tuple[Wire, ...]] = tuple((dialect, Endpoint.COUNT_TOKENS) for dialect in TAILS)
EMBEDDINGS: Final[tuple[Wire, ...]] = tuple((dialect, Endpoint.EMBEDDINGS) for dialect in (*EMBEDDERS, Dialect.BEDROCK))

_MAKERS_OWN: Final[Wire] = (Dialect.BEDROCK, Endpoint.EMBEDDINGS)
"""Each maker's has words of its own: whoever says them means that maker's model at Bedrock."""

TWINS: Final[Mapping[Wire, Wire]] = {
    (Dialect.ANTHROPIC, Endpoint.MESSAGES): (Dialect.BEDROCK, Endpoint.MESSAGES),
    (Dialect.BEDROCK, Endpoint.MESSAGES): (Dialect.ANTHROPIC, Endpoint.MESSAGES),
}
"""The same words in another envelope: nothing is lost between them, so they come before any translation."""

LONGEST_EVENT: Final = 8 * 1024 * 1024
"""Bytes of one event that are held to be translated. A stream with a longer one ends there: without it, it is not whole."""
_FIELDS_TOLD: Final = 20
_SSE: Final = "text/event-stream"
_TAILS: Final = {
    Endpoint.MESSAGES: "/messages",
    Endpoint.CHAT: "/chat/completions",
    Endpoint.RESPONSES: "/responses",
}


def is_stream(content_type: str) -> bool:
    """Say whether an answer of this type comes in events."""
    return content_type in {_SSE, CONTENT_TYPE}


def splitter_of(dialect: Dialect) -> Splitter:
    """Return what cuts a stream of `dialect` into events."""
    if dialect is Dialect.BEDROCK:
        return FrameSplitter(limit=LONGEST_EVENT, goes_on=False)
    return SseSplitter(limit=LONGEST_EVENT, goes_on=False)


def wire_to(provider: Provider, asked: Wire) -> Wire | None:
    """Return what is spoken to `provider` for a caller who speaks `asked`; None: it cannot be reached from there.

    Where that is `asked` itself and not served: tokens can be counted of whatever chats, by an estimate; and InvokeModel's
    caller is told by `translation_for` what to call instead.
    """
    if asked in provider.endpoints:
        return asked
    if asked[1] is Endpoint.PASSTHROUGH:
        return asked if asked[0] in provider.dialects else None
    if asked == _MAKERS_OWN:
        return None
    if (twin := TWINS.get(asked)) in provider.endpoints:
        return twin
    kin = next((wires for wires in (CHATS, COUNTERS, EMBEDDINGS) if asked in wires), ())
    found = next((wire for wire in kin if wire in provider.endpoints), None)
    if found is None and (asked in COUNTERS or asked in TWINS) and not provider.endpoints.isdisjoint(CHATS):
        return asked
    return found


class ChatTranslation:
    """A request put into another dialect, and what its answer is put back with."""

    def __init__(self, ask: Ask, wire: Wire, request: ChatRequest, written: Written) -> None:
        """Take what `translated` has put together."""
        self.wire = wire
        self.body = written.body
        losses = sorted((*request.losses, *written.losses), key=lambda loss: not loss.grave)
        self.dropped = list(dict.fromkeys(loss.field for loss in losses))
        """What the provider is not told, in the caller's words; first what changes the answer."""
        self._ask = ask
        self._request = request
        self._caller, self._provider = CHATS[ask.dialect, ask.endpoint], CHATS[wire]
        self._tools = OwnTools(request.tools)
        self._splitter = splitter_of(wire[0])
        self._reader: StreamReader | None = None
        self._writer: StreamWriter | None = None
        self._begun = False
        self._broken: ProviderError | None = None
        """What the stream ends with, once the caller has what came before."""
        self._finishes: dict[int, Finished] = {}
        """Why each choice ended. Some providers say it more than once, and go on."""
        self._failed = False

    @property
    def dropped_header(self) -> bytes:
        """What the provider is not told, for a header."""
        return told(self.dropped)

    def check(self, content_type: str) -> None:
        """See that the provider answers in the way that it was asked to.

        Raises:
            ProviderError: it sends a stream instead of an answer, or the other way round.
        """
        if is_stream(content_type) is not self._ask.stream:
            raise garbled("The provider's answer is of another kind than was asked for.", "unexpected_answer")

    @property
    def tail(self) -> str:
        """The path below the provider's prefix."""
        if self.wire[1] is Endpoint.GENERATE:
            return f"/models/{{model}}:{'streamGenerateContent' if self._ask.stream else 'generateContent'}"
        if self.wire[1] is Endpoint.CONVERSE:
            return f"/model/{{model}}/{'converse-stream' if self._ask.stream else 'converse'}"
        return _TAILS[self.wire[1]]

    @property
    def content_type(self) -> bytes:
        """What the caller is sent."""
        if not self._ask.stream:
            return b"application/json"
        return (CONTENT_TYPE if self._ask.dialect is Dialect.BEDROCK else _SSE).encode()

    @property
    def query(self) -> str:
        """The query: Gemini streams events only when asked to."""
        return "alt=sse" if self.wire[1] is Endpoint.GENERATE and self._ask.stream else ""

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """None: what a caller's headers mean, the body says in the provider's words."""
        return {}

    def whole(self, body: bytes, usage: Usage | None) -> bytes:
        """Return a whole answer in the caller's dialect.

        Raises:
            ProviderError: the provider's answer cannot be read.
        """
        try:
            answer = self._provider.read_answer(body)
        except UnreadableError as error:
            raise unreadable(error) from error
        answer = self._tools.whole(msgspec.structs.replace(answer, **self._own_name))
        return self._caller.write_answer(answer, usage=usage, created_s=self._created_s)

    def feed(self, chunk: bytes) -> bytes:
        """Return what a piece of the provider's stream becomes for the caller.

        Raises:
            ProviderError: it cannot be read.
        """
        if self._failed:
            return b""
        if self._broken is not None:
            raise self._broken
        out = self._told_of(lambda: self._splitter.feed(chunk))
        if self._broken is not None and not out:
            raise self._broken
        return out

    def end(self, usage: Usage | None) -> bytes:
        """Return the end of the caller's stream, once the provider's came to its end.

        Raises:
            ProviderError: it did not come to its own end, or cannot be read. A caller must not take it for whole.
        """
        if self._failed:
            return b""
        if self._broken is not None:
            raise self._broken
        tail = self._splitter.tail()
        out = self._told_of(lambda: [tail] if tail.strip() else [])
        if self._broken is not None:
            raise self._broken
        out += self._heard(self._events.end())
        if self._failed:
            return out
        if not self._finishes:
            raise garbled("The provider's answer ended in the middle.", "truncated_answer")
        ends = [told for _, finished in sorted(self._finishes.items()) for told in self._tools.events(finished)]
        return b"".join([out, *(self._out.feed(each) for each in ends), self._out.end(usage)])

    @property
    def _own_name(self) -> dict[str, str]:
        """The model's name as it was asked for, and an id of our own.

        Claude Code drops thoughts of what it takes for another model, seals and all. And it takes answers of one id for
        one answer: Ollama has 999 ids, others give none.
        """
        return {"model": self._ask.model, "id": self._ask.request_id}

    @property
    def _created_s(self) -> int:
        return self._ask.started_at // 1_000_000

    @property
    def _events(self) -> StreamReader:
        if self._reader is None:
            self._reader = self._provider.stream_reader()
        return self._reader

    @property
    def _out(self) -> StreamWriter:
        if self._writer is None:
            self._writer = self._caller.stream_writer(
                self._request, request_id=self._ask.request_id, created_s=self._created_s
            )
        return self._writer

    def _told_of(self, events: Callable[[], Iterable[bytes]]) -> bytes:
        """Return what the caller is told of events, up to one that cannot be read; wherever the stream was cut into pieces."""
        out: list[bytes] = []
        try:
            out.extend(self._heard(self._events.feed(event)) for event in events())
        except UnreadableError as error:
            self._broken = unreadable(error)
        if self._splitter.dropped and self._broken is None:
            self._broken = too_long_event()
        return b"".join(out)

    def _heard(self, events: Sequence[Event]) -> bytes:
        return b"".join([self._out.feed(told) for event in events for told in self._told(event)])

    def _told(self, event: Event) -> Iterator[Event]:
        """Yield what the caller is told of an event: one beginning, ends at the end, and nothing behind a failure."""
        if self._failed:
            return
        if isinstance(event, Failed):
            self._failed = True
            yield event
            return
        if not self._begun:
            self._begun = True
            yield Started(**self._own_name)
        if isinstance(event, Finished):
            self._finishes[event.choice] = event
        elif not isinstance(event, Started):
            yield from self._tools.events(event)


def translated(ask: Ask, provider: Provider, wire: Wire, *, model: str, drop: bool = False) -> ChatTranslation:
    """Put a request into the dialect that is spoken to `provider`.

    Args:
        ask: what the caller asks, in one of `CHATS`.
        provider: whom it goes to.
        wire: what is spoken to it (see `wire_to`).
        model: what the provider calls the model.
        drop: leave out what cannot be said in the provider's dialect, also where it changes the answer.

    Raises:
        InvalidRequestError: the body is not valid in its dialect, or says what cannot be said in the provider's
            and may not be dropped.
    """
    request = CHATS[ask.dialect, ask.endpoint].read_request(ask.body, model=model, stream=ask.stream)
    written = CHATS[wire].write_request(request, PROFILES[provider.profile or provider.name])
    grave = [loss for loss in (*request.losses, *written.losses) if loss.grave]
    if grave and not drop:
        raise not_said(grave, provider)
    return ChatTranslation(ask, wire, request, written)


def not_said(grave: Sequence[Loss], provider: Provider) -> InvalidRequestError:
    """Return the error for what a provider has no word for and what would change the answer."""
    names = ", ".join(f"`{loss.field}`" for loss in grave[:_FIELDS_TOLD])
    return InvalidRequestError(
        f"{provider.title} has no word for {names}.",
        code="not_translatable",
        param=grave[0].field,
        next_step="Leave it out, use a model of a provider that speaks this API, or a route that drops it.",
    )


def unreadable(error: UnreadableError) -> ProviderError:
    """Return the error for an answer that is not what its dialect says."""
    if isinstance(error, TooManyError):
        return ProviderError(
            f"The provider's answer cannot be translated: {error}.",
            error_class=ErrorClass.PROTOCOL,
            sent=True,
            code="too_many_parts",
        )
    return garbled(f"The provider's answer cannot be read: {error}.", "unreadable_answer")


def too_long_event() -> ProviderError:
    """Return the error for an event of a stream that is too long to be held and translated."""
    return ProviderError(
        f"The provider sent an event of more than {LONGEST_EVENT // 1024 // 1024} MiB, which is not translated.",
        error_class=ErrorClass.PROTOCOL,
        sent=True,
        code="event_too_large",
    )


def too_large_to_translate() -> ProviderError:
    """Return the error for a plain answer that is too large to be held and translated."""
    return garbled("The provider's answer is too large to be translated.", "answer_too_large")
