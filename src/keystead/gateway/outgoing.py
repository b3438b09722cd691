"""What goes upstream: the caller's bytes, or as little changed as the step needs. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from keystead.dialects.body import JsonBody, read_json, rewrite, with_members
from keystead.dialects.foreign_seals import without_foreign_seals
from keystead.dialects.inner_model import with_inner_model
from keystead.dialects.multipart import replace_field
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.plan import Step
from keystead.gateway.translation import Translation
from keystead.providers import vertex

_STREAMED_CHATS: Final = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS})
_REPEAT_THE_MODEL: Final = frozenset({Endpoint.COUNT_TOKENS, Endpoint.EMBEDDINGS})

_AS_WRITTEN: Final = frozenset({(Dialect.GEMINI, Endpoint.GENERATE), (Dialect.GEMINI, Endpoint.EMBEDDINGS)})


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: the body with its path and query, and whether the usage chunk in the answer is ours alone."""

    tail: str
    """Below the provider's prefix."""
    query: str
    body: bytes
    withhold_usage: bool = False
    headers: Mapping[bytes, bytes] = {}
    """In place of the caller's of the same names."""


def outgoing(ask: Ask, step: Step, translation: Translation | None) -> Outgoing:
    """Return what is sent for `ask` for `step`.

    Without a translation the caller's bytes pass untouched unless the model's name differs from what the provider calls
    it, an earlier turn holds what another maker sealed, or the usage chunk has to be asked for: without
    `stream_options.include_usage` an OpenAI chat stream carries no usage at all (127 of 127 recorded streams).
    """
    if translation is not None:
        body = _hosted(read_json(translation.body), step) if _is_hosted(step) else translation.body
        return Outgoing(tail=translation.tail, query=translation.query, body=body, headers=translation.headers)
    query = ask.query.decode("latin-1")
    if ask.endpoint is Endpoint.PASSTHROUGH:
        return Outgoing(tail=ask.tail, query=query, body=ask.body)
    if ask.json is None:
        return Outgoing(tail=ask.tail, query=query, body=_with_model(ask, step))
    inject = (
        ask.stream
        and ask.dialect is Dialect.OPENAI
        and ask.endpoint in _STREAMED_CHATS
        and not ask.json.wants_usage
        and step.provider.quirks.stream_usage_option
    )
    own = without_foreign_seals(ask.json, ask.words, ask.endpoint)
    model = step.model if ask.json.model is not None else None
    if ask.dialect is Dialect.GEMINI:  # its model stands in the path; what these two repeat of it must say the same
        model = None
        own = with_inner_model(own, step.model) if ask.endpoint in _REPEAT_THE_MODEL else own
    body = rewrite(own, model=model, include_usage=inject)
    if _is_hosted(step):
        body = _hosted(read_json(body), step)
    return Outgoing(tail=ask.tail, query=query, body=body, withhold_usage=inject)


def _is_hosted(step: Step) -> bool:
    """Vertex AI asks for something else than the dialect says, but for chats in Gemini's, which is its own.

    Its embeddings are written in its own form from the first.
    """
    return step.provider.quirks.publisher_paths and step.wire not in _AS_WRITTEN


def _hosted(body: JsonBody, step: Step) -> bytes:
    """Return the body as Vertex AI takes it: see `providers.vertex`."""
    if step.wire[0] is Dialect.GEMINI:
        return vertex.counting(body)
    return with_members(body, vertex.members(*step.wire, model=step.model)).raw


def _with_model(ask: Ask, step: Step) -> bytes:
    if not ask.body or not ask.model or ask.model == step.model:
        return ask.body
    return replace_field(ask.body, ask.headers.get(b"content-type", b""), "model", step.model)
