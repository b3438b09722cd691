"""What goes upstream: the caller's bytes, or as little changed as the step needs. Pure."""

from typing import Final

import msgspec

from keystead.dialects.body import rewrite
from keystead.dialects.foreign_seals import without_foreign_seals
from keystead.dialects.multipart import replace_field
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.plan import Step
from keystead.gateway.translate import Translation

_STREAMED_CHATS: Final = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS})


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: the body with its path and query, and whether the usage chunk in the answer is ours alone."""

    tail: str
    """Below the provider's prefix."""
    query: str
    body: bytes
    withhold_usage: bool = False


def outgoing(ask: Ask, step: Step, translation: Translation | None) -> Outgoing:
    """Return what is sent for `ask` for `step`.

    Without a translation the caller's bytes pass untouched unless the model's name differs from what the provider calls
    it, an earlier turn holds what another maker sealed, or the usage chunk has to be asked for: without
    `stream_options.include_usage` an OpenAI chat stream carries no usage at all (127 of 127 recorded streams).
    """
    if translation is not None:
        return Outgoing(tail=translation.tail, query=translation.query, body=translation.body)
    query = ask.query.decode("latin-1")
    if ask.json is None:
        return Outgoing(tail=ask.tail, query=query, body=_with_model(ask, step))
    inject = (
        ask.stream
        and ask.dialect is Dialect.OPENAI
        and ask.endpoint in _STREAMED_CHATS
        and not ask.json.wants_usage
        and step.provider.quirks.stream_usage_option
    )
    # In Gemini's dialect the model stands in the path, and a `model` member (embeddings) is the caller's own.
    model = step.model if ask.json.model is not None and ask.dialect is not Dialect.GEMINI else None
    own = without_foreign_seals(ask.json, ask.dialect, ask.endpoint)
    body = rewrite(own, model=model, include_usage=inject)
    return Outgoing(tail=ask.tail, query=query, body=body, withhold_usage=inject)


def _with_model(ask: Ask, step: Step) -> bytes:
    if not ask.body or not ask.model or ask.model == step.model:
        return ask.body
    return replace_field(ask.body, ask.headers.get(b"content-type", b""), "model", step.model)
