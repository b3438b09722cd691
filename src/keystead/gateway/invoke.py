"""Anthropic's messages through Bedrock's InvokeModel, and InvokeModel's callers to whoever speaks Anthropic's. Pure.

The words stay the caller's, so that nothing is lost: cache lifetimes, citations, signatures, betas. Only the envelope is
another (see `dialects.bedrock_invoke`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from keystead.dialects import bedrock_invoke as invoke
from keystead.dialects.body import JsonBody
from keystead.dialects.eventstream import CONTENT_TYPE
from keystead.dialects.foreign_seals import without_foreign_seals
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import Loss
from keystead.domain.errors import InvalidRequestError, ProviderError
from keystead.domain.traffic import Dialect
from keystead.domain.usage import Usage
from keystead.gateway.ask import Ask
from keystead.gateway.plan import Step
from keystead.gateway.translate import is_stream, splitter_of, too_long_event, unreadable
from keystead.gateway.translation import Wire, garbled, told

_BETA: Final = b"anthropic-beta"
_SSE: Final = b"text/event-stream"

Reader = Callable[[bytes], invoke.Said | None]
Writer = Callable[[invoke.Said], bytes]


class Enveloped:
    """A message in another envelope, and its answer's way back into the caller's."""

    def __init__(
        self,
        *,
        wire: Wire,
        body: bytes,
        tail: str,
        stream: bool,
        content_type: bytes,
        read: Reader,
        write: Writer,
        headers: Mapping[bytes, bytes],
        dropped: Sequence[str] = (),
    ) -> None:
        """Take what `enveloped` has put together."""
        self.body = body
        self.tail = tail
        self.query = ""
        self.headers = headers
        self.content_type = content_type if stream else b"application/json"
        self.dropped_header = told(dropped)
        self._stream = stream
        self._read, self._write = read, write
        self._splitter = splitter_of(wire[0])
        self._ended = False
        self._broken: ProviderError | None = None
        """What the stream ends with, once the caller has what came before."""

    def check(self, content_type: str) -> None:
        """See that the provider answers in the way that it was asked to."""
        if is_stream(content_type) is not self._stream:
            raise garbled("The provider's answer is of another kind than was asked for.", "unexpected_answer")

    def whole(self, body: bytes, usage: Usage | None) -> bytes:  # noqa: ARG002 - it is in the body
        """Return the answer: it is the same in both."""
        return body

    def feed(self, chunk: bytes) -> bytes:
        """Return the events that a piece of the provider's stream completes, in the caller's envelope."""
        if self._broken is not None:
            raise self._broken
        out = self._written(lambda: self._splitter.feed(chunk))
        if self._broken is not None and not out:
            raise self._broken
        return out

    def end(self, usage: Usage | None) -> bytes:  # noqa: ARG002 - as above
        """Return the rest, after seeing that the message came to its own end: a caller must not take it for whole."""
        if self._broken is not None:
            raise self._broken
        tail = self._splitter.tail()
        out = self._written(lambda: [tail] if tail.strip() else [])
        if self._broken is not None:
            raise self._broken
        if not self._ended:
            raise garbled("The provider's answer ended in the middle.", "truncated_answer")
        return out

    def _written(self, events: Callable[[], Iterable[bytes]]) -> bytes:
        out = []
        try:
            for event in events():
                if not self._ended and (said := self._read(event)) is not None:
                    self._ended = said.ends
                    out.append(self._write(said))
        except UnreadableError as error:
            self._broken = unreadable(error)
        if self._splitter.dropped and self._broken is None and not self._ended:
            self._broken = too_long_event()
        return b"".join(out)


def enveloped(ask: Ask, step: Step) -> Enveloped:
    """Put a message into the envelope that the step's provider takes it in."""
    if step.wire[0] is Dialect.BEDROCK:
        return _to_bedrock(ask, step.wire)
    body, betas = invoke.unwrapped(_own(ask), model=step.model, stream=ask.stream)
    return Enveloped(
        wire=step.wire,
        body=body.raw,
        tail="/messages",
        stream=ask.stream,
        content_type=CONTENT_TYPE.encode(),
        read=invoke.read_event,
        write=invoke.write_chunk,
        headers={_BETA: betas.encode()} if betas else {},
    )


def no_envelope(step: Step) -> InvalidRequestError:
    """Return the error for InvokeModel of a model whose words it would have to be in: each maker has others."""
    return InvalidRequestError(
        f"InvokeModel is served for models that speak Anthropic's messages, which {step.model!r} at "
        f"{step.provider.title} does not.",
        code="invoke_not_served",
        param="modelId",
        next_step="Call Converse: every chat model can be asked by it.",
    )


def counting_message(ask: Ask) -> tuple[bytes, list[Loss]]:
    """Return the body of Bedrock's counter for one of Anthropic's, and the betas that are left out."""
    betas, left_out = _betas(ask)
    losses = [Loss(field=name, grave=False) for name in left_out]
    return invoke.counting(_own(ask), betas), losses


def _to_bedrock(ask: Ask, wire: Wire) -> Enveloped:
    betas, left_out = _betas(ask)
    return Enveloped(
        wire=wire,
        body=invoke.wrapped(_own(ask), betas).raw,
        tail=f"/model/{{model}}/{'invoke-with-response-stream' if ask.stream else 'invoke'}",
        stream=ask.stream,
        content_type=_SSE,
        read=invoke.read_chunk,
        write=invoke.write_event,
        headers={},
        dropped=left_out,
    )


def _own(ask: Ask) -> JsonBody:
    assert ask.json is not None, "a message has a body"
    return without_foreign_seals(ask.json, ask.words, ask.endpoint)


def _betas(ask: Ask) -> tuple[list[str], list[str]]:
    """Return the betas that Bedrock takes, and the others by the names of a header's values."""
    taken, left_out = invoke.taken_betas(ask.headers.get(_BETA, b"").decode("latin-1"))
    return taken, [f"anthropic-beta: {name}" for name in left_out]
