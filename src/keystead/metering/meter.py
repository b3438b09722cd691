"""The meter: watches the bytes of one answer pass and reads its usage from a copy.

Two things vary independently. How the bytes are framed (a body, server-sent events, frames, a JSON array) follows from the
content type; where in a frame the usage is, and what its numbers mean, follows from the dialect, the endpoint and
the provider (`read_*.py`). A meter never raises and holds a bounded number of bytes, whatever the provider sends.
"""

import re
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Final, Protocol

from keystead.dialects.eventstream import CONTENT_TYPE, FrameSplitter
from keystead.dialects.json_array import JsonArraySplitter
from keystead.dialects.sse import SseSplitter, data_of
from keystead.dialects.translating import UnreadableError
from keystead.domain.traffic import Dialect, Endpoint
from keystead.domain.usage import Reading, Usage, UsageSource
from keystead.metering.read_answer import BODY_UNREADABLE, EVENT_UNREADABLE, Answer, is_json
from keystead.metering.read_anthropic import MessagesAnswer
from keystead.metering.read_bedrock import ConverseAnswer, InvokedAnswer
from keystead.metering.read_cache import CacheAnswer
from keystead.metering.read_chat import ChatAnswer
from keystead.metering.read_embeddings import EmbeddedAnswer
from keystead.metering.read_gemini import GenerateAnswer
from keystead.metering.read_media import MediaAnswer
from keystead.metering.read_realtime import RealtimeMeter
from keystead.metering.read_rerank import RerankAnswer
from keystead.metering.read_responses import ResponsesAnswer

BODY_TOO_LARGE: Final = "body_too_large"
"""The body was longer than is kept; the usage was looked for in its tail."""
EVENT_TOO_LARGE: Final = "event_too_large"
"""An event was longer than is kept and was passed over."""

MOST_KEPT: Final = 8 * 1024 * 1024
"""Bytes of a body or of one event that are kept to be parsed. Whole answers beyond that are images, audio and large
batches of embeddings."""

_TAIL: Final = 64 * 1024
"""Bytes kept of the end of a longer body. Every dialect puts usage behind the content it is for."""

_MEMBER: Final = re.compile(rb'"(?:model|usage|usageMetadata)"\s*:')
_MOST_MEMBERS: Final = 16
"""Places in a tail that are tried."""

_BINARY: Final = ("audio/", "image/", "video/", "application/octet-stream")
"""Content types whose bytes hold no usage."""

_VERTEX: Final = "vertex"


class Meter(Protocol):
    """Watches one answer."""

    def feed(self, chunk: bytes) -> None:
        """Take bytes as they come, cut anywhere."""

    def finish(self, *, complete: bool) -> Reading:
        """Return the reading; called once, when no more bytes come.

        Args:
            complete: The provider's answer ended in order: not cut, not given up, not cancelled.
        """


def meter_for(
    provider: str,
    dialect: Dialect,
    endpoint: Endpoint,
    *,
    stream: bool,
    content_type: str,
    request_model: str,
    spoken_characters: int = 0,
    containers: dict[str, int | None] | None = None,
    stated: str | None = None,
) -> Meter:
    """Return the meter for one answer of `provider`.

    Args:
        provider: A name in providers.table.
        dialect: The wire format of the answer.
        endpoint: What was asked.
        stream: Whether a stream was asked for.
        content_type: The answer's content type, with or without parameters; empty if it has none.
        request_model: The model that was sent, for rules that depend on it where the answer names none.
        spoken_characters: Of the text to be spoken: what speech is billed by where its answer is nothing but sound.
        containers: Takes those that the answer says were opened for it, while it passes: by id, with their end.
        stated: Of embeddings, the tokens that a header counts; None where the answer is put together of parts that say so.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if endpoint is Endpoint.REALTIME:
        return RealtimeMeter()
    make = _ANSWERS.get((dialect, endpoint))
    if make is None or kind.startswith(_BINARY):
        is_sound = endpoint is Endpoint.SPEECH and kind.startswith(_BINARY)
        return _Spoken(spoken_characters) if is_sound and spoken_characters else _Unread()
    answer = make(provider)
    answer.model_asked = request_model
    if containers is not None:
        answer.containers = containers
    if kind == "text/event-stream" or (stream and not kind):
        return _Events(answer)
    if kind == CONTENT_TYPE:
        return _Frames(answer)
    in_parts = isinstance(answer, EmbeddedAnswer) and stated is None
    if isinstance(answer, EmbeddedAnswer):
        answer.stated = stated or ""
    if in_parts or (stream and (dialect, endpoint) == (Dialect.GEMINI, Endpoint.GENERATE)):
        return _Elements(answer)
    return _Body(answer)


class _Unread:
    """Binary answers, and endpoints where nothing is billed."""

    def feed(self, chunk: bytes) -> None:
        """Pass over it."""

    def finish(self, *, complete: bool) -> Reading:
        """Return that nothing is known."""
        return Reading(usage=Usage(), source=UsageSource.NONE, finished=complete)


class _Spoken:
    """Sound: what it was made of is known from the request alone."""

    def __init__(self, characters: int) -> None:
        self._characters = characters

    def feed(self, chunk: bytes) -> None:
        """Pass over it."""

    def finish(self, *, complete: bool) -> Reading:
        """Return the characters, as our own count."""
        usage = Usage(units={"characters": str(self._characters)})
        return Reading(usage=usage, source=UsageSource.ESTIMATED, finished=complete)


class _Events:
    """Server-sent events."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._splitter = SseSplitter(limit=MOST_KEPT)

    def feed(self, chunk: bytes) -> None:
        for event in self._splitter.feed(chunk):
            self._answer.event(event)

    def finish(self, *, complete: bool) -> Reading:
        # Some servers end without an empty line after the last event. An event that was cut is not JSON.
        tail = self._splitter.tail()
        data = data_of(tail).strip()
        if data == b"[DONE]" or is_json(data):
            self._answer.event(tail)
        elif data and complete:
            self._answer.counts.flag(EVENT_UNREADABLE)
        if complete:
            self._answer.completed()
        if self._splitter.dropped:
            self._answer.counts.flag(EVENT_TOO_LARGE)
        return self._answer.reading()


class _Frames:
    """Frames of an AWS event stream."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._splitter = FrameSplitter(limit=MOST_KEPT)
        self._lost = False

    def feed(self, chunk: bytes) -> None:
        if self._lost:
            return
        try:
            for frame in self._splitter.feed(chunk):
                self._answer.event(frame)
        except UnreadableError:
            self._answer.counts.flag(EVENT_UNREADABLE)
            self._lost = True

    def finish(self, *, complete: bool) -> Reading:
        self.feed(b"")  # what is no frame may stand behind the last that is one
        if complete and not self._lost and self._splitter.tail():
            self._answer.counts.flag(EVENT_UNREADABLE)
        if self._splitter.dropped:
            self._answer.counts.flag(EVENT_TOO_LARGE)
        return self._answer.reading()


class _Elements:
    """One JSON array, an element per event."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._splitter = JsonArraySplitter(limit=MOST_KEPT)

    def feed(self, chunk: bytes) -> None:
        for element in self._splitter.feed(chunk):
            self._answer.value(element)

    def finish(self, *, complete: bool) -> Reading:
        if complete:
            self._answer.completed()
        if self._splitter.dropped:
            self._answer.counts.flag(EVENT_TOO_LARGE)
        return self._answer.reading()


class _Body:
    """One JSON object."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._body = bytearray()
        self._too_large = False

    def feed(self, chunk: bytes) -> None:
        self._body += chunk
        if self._too_large or len(self._body) > MOST_KEPT:
            self._too_large = True
            del self._body[:-_TAIL]

    def finish(self, *, complete: bool) -> Reading:
        body = bytes(self._body)
        self._body.clear()
        if self._too_large:
            self._answer.counts.flag(BODY_TOO_LARGE)
            self._read_tail(body)
        elif not self._answer.body(body) and complete:
            self._answer.counts.flag(BODY_UNREADABLE)
        return self._answer.reading()

    def _read_tail(self, tail: bytes) -> None:
        # The last members of the outer object, with a brace before them, are an object again; the members of an
        # inner one are not, because more braces close behind them than open.
        for match in islice(_MEMBER.finditer(tail), _MOST_MEMBERS):
            if self._answer.body(b"{" + tail[match.start() :]):
                return


def _google_embeddings(provider: str) -> Answer:
    """Vertex AI's are asked for in a form of their own."""
    return EmbeddedAnswer(provider) if provider == _VERTEX else GenerateAnswer(provider)


_ANSWERS: Final[dict[tuple[Dialect, Endpoint], Callable[[str], Answer]]] = {
    (Dialect.OPENAI, Endpoint.CHAT): ChatAnswer,
    (Dialect.OPENAI, Endpoint.COMPLETIONS): ChatAnswer,
    (Dialect.OPENAI, Endpoint.EMBEDDINGS): ChatAnswer,
    (Dialect.OPENAI, Endpoint.RERANK): RerankAnswer,
    (Dialect.OPENAI, Endpoint.MODERATIONS): partial(ChatAnswer, billed=False),
    (Dialect.OPENAI, Endpoint.RESPONSES): ResponsesAnswer,
    (Dialect.OPENAI, Endpoint.RESPONSE_STATE): partial(ResponsesAnswer, stored=True),
    (Dialect.OPENAI, Endpoint.IMAGES): partial(MediaAnswer, endpoint=Endpoint.IMAGES),
    (Dialect.OPENAI, Endpoint.SPEECH): partial(MediaAnswer, endpoint=Endpoint.SPEECH),
    (Dialect.OPENAI, Endpoint.TRANSCRIPTION): partial(MediaAnswer, endpoint=Endpoint.TRANSCRIPTION),
    (Dialect.OPENAI, Endpoint.PASSTHROUGH): partial(ChatAnswer, billed=False),
    (Dialect.ANTHROPIC, Endpoint.PASSTHROUGH): partial(MessagesAnswer, billed=False),
    (Dialect.GEMINI, Endpoint.PASSTHROUGH): partial(GenerateAnswer, billed=False),
    (Dialect.ANTHROPIC, Endpoint.MESSAGES): MessagesAnswer,
    (Dialect.GEMINI, Endpoint.GENERATE): GenerateAnswer,
    (Dialect.GEMINI, Endpoint.EMBEDDINGS): _google_embeddings,
    (Dialect.GEMINI, Endpoint.CACHED_CONTENTS): CacheAnswer,
    (Dialect.BEDROCK, Endpoint.CONVERSE): ConverseAnswer,
    (Dialect.BEDROCK, Endpoint.MESSAGES): InvokedAnswer,
    (Dialect.BEDROCK, Endpoint.EMBEDDINGS): EmbeddedAnswer,
}
"""Who reads what. Model lists and token counts are free and have no usage, so they have no entry."""
