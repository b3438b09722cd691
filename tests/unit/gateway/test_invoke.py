"""Who is spoken to through InvokeModel, and that a message in its envelope weighs what it weighs without."""

import json
from typing import Any

import msgspec
import pytest

from keystead.domain.errors import InvalidRequestError, ProviderError
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.invoke import Enveloped
from keystead.gateway.outgoing import outgoing
from keystead.gateway.plan import Step
from keystead.gateway.translate import wire_to
from keystead.gateway.translate_call import translation_for
from keystead.gateway.translation import Wire
from keystead.providers.table import PROVIDERS
from tests.unit.dialects.test_bedrock_invoke import EVENTS, FRAMES
from tests.unit.gateway.test_outgoing import ask, step

ANTHROPIC = (Dialect.ANTHROPIC, Endpoint.MESSAGES)
INVOKE = (Dialect.BEDROCK, Endpoint.MESSAGES)
CONVERSE = (Dialect.BEDROCK, Endpoint.CONVERSE)
CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
BODY: dict[str, Any] = {"max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}


def to(provider: str, model: str, wire: Wire) -> Step:
    found = step(provider, model)
    return msgspec.structs.replace(found, provider=PROVIDERS[provider].serving(model), wire=wire)


def asked(dialect: Dialect, body: dict[str, Any], **more: Any) -> Ask:
    return msgspec.structs.replace(ask(body, dialect=dialect, endpoint=Endpoint.MESSAGES), **more)


@pytest.mark.parametrize(
    ("model", "caller", "wire"),
    [
        (CLAUDE, ANTHROPIC, INVOKE),
        (f"arn:aws:bedrock:eu-central-1:123456789012:inference-profile/{CLAUDE}", ANTHROPIC, INVOKE),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0", ANTHROPIC, INVOKE),
        ("arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1", ANTHROPIC, CONVERSE),
        ("amazon.nova-lite-v1:0", ANTHROPIC, CONVERSE),
        (CLAUDE, (Dialect.OPENAI, Endpoint.CHAT), CONVERSE),
        (CLAUDE, CONVERSE, CONVERSE),
        (CLAUDE, INVOKE, INVOKE),
        (CLAUDE, (Dialect.OPENAI, Endpoint.COUNT_TOKENS), (Dialect.BEDROCK, Endpoint.COUNT_TOKENS)),
        ("amazon.nova-lite-v1:0", (Dialect.OPENAI, Endpoint.COUNT_TOKENS), (Dialect.OPENAI, Endpoint.COUNT_TOKENS)),
    ],
)
def test_claude_is_spoken_to_in_its_own_words_by_those_who_speak_them(model: str, caller: Wire, wire: Wire) -> None:
    assert wire_to(PROVIDERS["bedrock"].serving(model), caller) == wire


@pytest.mark.parametrize(
    ("provider", "wire"), [("anthropic", ANTHROPIC), ("vertex", ANTHROPIC), ("openai", INVOKE), ("cohere", INVOKE)]
)
def test_a_caller_of_invoke_model_reaches_whoever_speaks_anthropics_words(provider: str, wire: Wire) -> None:
    assert wire_to(PROVIDERS[provider].serving("claude-opus-5"), INVOKE) == wire


@pytest.mark.parametrize(("provider", "model"), [("openai", "gpt-5"), ("bedrock", "amazon.nova-lite-v1:0")])
def test_others_are_refused_by_what_to_call_instead(provider: str, model: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        translation_for(asked(Dialect.BEDROCK, BODY), to(provider, model, INVOKE), drop=True)
    assert refused.value.code == "invoke_not_served"
    assert "Converse" in refused.value.next_step


def test_bytes_of_invoke_model_pass_untouched_to_bedrock() -> None:
    call = asked(Dialect.BEDROCK, BODY, tail="/model/{model}/invoke")
    sent = outgoing(
        call, to("bedrock", CLAUDE, INVOKE), translation_for(call, to("bedrock", CLAUDE, INVOKE), drop=False)
    )
    assert sent.body is call.body


def test_betas_in_the_body_become_anthropics_header_and_no_others_are_told() -> None:
    call = asked(Dialect.BEDROCK, {**BODY, "anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["a-1", "b-2"]})
    here = to("anthropic", "claude-opus-5", ANTHROPIC)
    sent = outgoing(call, here, translation_for(call, here, drop=False))
    assert sent.headers == {b"anthropic-beta": b"a-1,b-2"}
    assert json.loads(sent.body) == {**BODY, "model": "claude-opus-5"}
    assert sent.tail == "/messages"


def test_a_message_in_the_envelope_weighs_what_it_weighs_without() -> None:
    body = {**BODY, "tools": [{"type": "web_search_20250305", "name": "web_search"}]}
    assert asked(Dialect.BEDROCK, body).wanted == asked(Dialect.ANTHROPIC, body).wanted
    assert asked(Dialect.BEDROCK, body).wanted.max_output_tokens == 64


def test_what_another_maker_sealed_is_taken_out_of_the_envelope_too() -> None:
    sealed = {"type": "thinking", "thinking": "x", "signature": "ks1.openai.c2VhbA=="}
    body = {**BODY, "messages": [{"role": "assistant", "content": [sealed, {"type": "text", "text": "Hi"}]}]}
    for dialect in (Dialect.ANTHROPIC, Dialect.BEDROCK):
        call = asked(dialect, body)
        here = to("bedrock", CLAUDE, INVOKE)
        assert b"ks1." not in outgoing(call, here, translation_for(call, here, drop=False)).body


def streaming(dialect: Dialect) -> Enveloped:
    here = to("anthropic", "claude-opus-5", ANTHROPIC) if dialect is Dialect.BEDROCK else to("bedrock", CLAUDE, INVOKE)
    way = translation_for(asked(dialect, BODY, stream=True), here, drop=False)
    assert isinstance(way, Enveloped)
    return way


@pytest.mark.parametrize(("dialect", "stream"), [(Dialect.ANTHROPIC, FRAMES), (Dialect.BEDROCK, EVENTS)])
def test_a_stream_is_whole_at_its_last_event_and_not_before(dialect: Dialect, stream: bytes) -> None:
    way = streaming(dialect)
    pieces = [stream[at : at + 7] for at in range(0, len(stream), 7)]
    assert b"".join([*map(way.feed, pieces), way.end(None)])
    assert way.feed(stream) == b""  # nothing follows an end
    for kept in (0, 40, len(stream) - 20):
        cut = streaming(dialect)
        cut.feed(stream[:kept])
        with pytest.raises(ProviderError):
            cut.end(None)


def test_an_answer_of_another_kind_than_was_asked_for_is_refused() -> None:
    with pytest.raises(ProviderError):
        streaming(Dialect.ANTHROPIC).check("application/json")
    with pytest.raises(ProviderError):
        streaming(Dialect.ANTHROPIC).feed(b"x" * 99)
