"""Counting tokens in another dialect; and which translation a step needs. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from keystead.dialects import counting
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import Loss
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Dialect, Endpoint
from keystead.domain.usage import Usage
from keystead.gateway.ask import Ask
from keystead.gateway.embed import embedding, has_own_form
from keystead.gateway.invoke import counting_message, enveloped, no_envelope
from keystead.gateway.plain_call import PlainCall
from keystead.gateway.plan import Step
from keystead.gateway.translate import CHATS, TWINS, translated, unreadable
from keystead.gateway.translation import Translation, Wire
from keystead.providers.profiles import PROFILES

COUNTED_AS: Final[Mapping[Dialect, Wire]] = {
    Dialect.ANTHROPIC: (Dialect.ANTHROPIC, Endpoint.MESSAGES),
    Dialect.BEDROCK: (Dialect.ANTHROPIC, Endpoint.MESSAGES),
    Dialect.GEMINI: (Dialect.GEMINI, Endpoint.GENERATE),
    Dialect.OPENAI: (Dialect.OPENAI, Endpoint.RESPONSES),
}
"""Whose bodies a dialect's counter takes."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A count by the gateway itself, because the model's provider has no counter."""

    ask: Ask
    body: bytes
    """The answer in the caller's dialect."""


class CountTranslation(PlainCall):
    """A count."""

    def __init__(self, *, caller: Dialect, body: bytes, tail: str, losses: Sequence[Loss]) -> None:
        super().__init__(body=body, tail=tail, losses=losses)
        self._caller = caller

    def whole(self, body: bytes, usage: Usage | None) -> bytes:  # noqa: ARG002 - counting uses nothing
        """Return the count in the caller's dialect."""
        try:
            return counting.write_count(self._caller, counting.read_count(body))
        except UnreadableError as error:
            raise unreadable(error) from error


def translation_for(ask: Ask, step: Step, *, drop: bool) -> Translation | None:
    """Return the request put into the dialect of the step's provider; None if that is the caller's own.

    Args:
        ask: what the caller asks.
        step: whom it goes to.
        drop: leave out what cannot be said there, also where it changes the answer.

    Raises:
        InvalidRequestError: it is not valid, or says what cannot be said there and may not be dropped, or its provider
            counts nothing or does not speak Anthropic's words.
    """
    if step.estimates:
        raise InvalidRequestError(f"{step.provider.title} does not count tokens.", code="no_counter")
    if step.wire == (ask.dialect, ask.endpoint) and not has_own_form(ask, step):
        if step.wire in TWINS and step.wire not in step.provider.endpoints:
            raise no_envelope(step)
        return None
    if TWINS.get((ask.dialect, ask.endpoint)) == step.wire:
        return enveloped(ask, step)
    if ask.endpoint is Endpoint.COUNT_TOKENS:
        return _count(ask, step)
    if ask.endpoint is Endpoint.EMBEDDINGS:
        return embedding(ask, step, drop=drop)
    return translated(ask, step.provider, step.wire, model=step.model, drop=drop)


def estimate_for(ask: Ask, step: Step) -> Estimate:
    """Count by ourselves what the step's provider cannot count.

    Raises:
        InvalidRequestError: the body is no request of the caller's dialect.
    """
    chat = CHATS[COUNTED_AS[ask.dialect]]
    request = chat.read_request(counting.chat_body(ask.dialect, ask.body), model=step.model, stream=False)
    return Estimate(ask=ask, body=counting.write_count(ask.dialect, counting.estimated_tokens(request)))


def _count(ask: Ask, step: Step) -> Translation:
    """Put a count into the words of the provider's counter. What these lack is left out: nothing is answered by it."""
    dialect = step.wire[0]
    if (ask.dialect, dialect) == (Dialect.ANTHROPIC, Dialect.BEDROCK):
        body, left_out = counting_message(ask)
        return CountTranslation(caller=ask.dialect, body=body, tail=counting.TAILS[dialect], losses=left_out)
    asked = counting.chat_body(ask.dialect, ask.body)
    request = CHATS[COUNTED_AS[ask.dialect]].read_request(asked, model=step.model, stream=False)
    written = CHATS[COUNTED_AS[dialect]].write_request(request, PROFILES[step.provider.profile or step.provider.name])
    return CountTranslation(
        caller=ask.dialect,
        body=counting.counting_body(dialect, written.body, model=step.model),
        tail=counting.TAILS[dialect],
        losses=(*request.losses, *written.losses),
    )
