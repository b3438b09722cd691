"""What goes upstream: the caller's bytes, or as little changed as the step needs. Pure."""

from typing import Final

import msgspec

from keystead.dialects.body import rewrite
from keystead.dialects.multipart import replace_field
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.plan import Step

_STREAMED_CHATS: Final = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS})


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """The body for the provider, and whether the usage chunk in the answer is ours alone."""

    body: bytes
    withhold_usage: bool


def outgoing(ask: Ask, step: Step) -> Outgoing:
    """Return the upstream body for `ask` for `step`.

    The caller's bytes pass untouched unless the model's name differs from what the provider calls it, or the usage
    chunk has to be asked for: without `stream_options.include_usage` an OpenAI chat stream carries no usage at all
    (127 of 127 recorded streams).
    """
    if ask.json is None:
        return Outgoing(body=_with_model(ask, step), withhold_usage=False)
    inject = (
        ask.stream
        and ask.dialect is Dialect.OPENAI
        and ask.endpoint in _STREAMED_CHATS
        and not ask.json.wants_usage
        and step.provider.quirks.stream_usage_option
    )
    # In Gemini's dialect the model stands in the path, and a `model` member (embeddings) is the caller's own.
    model = step.model if ask.json.model is not None and ask.dialect is not Dialect.GEMINI else None
    return Outgoing(body=rewrite(ask.json, model=model, include_usage=inject), withhold_usage=inject)


def _with_model(ask: Ask, step: Step) -> bytes:
    if not ask.body or not ask.model or ask.model == step.model:
        return ask.body
    return replace_field(ask.body, ask.headers.get(b"content-type", b""), "model", step.model)
