import json
from typing import Any

import msgspec
import pytest

from keystead.dialects.body import read_json
from keystead.domain.credential import Credential, SealedVersion, VersionState
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.traffic import Dialect, Endpoint, OnDisconnect, Owner
from keystead.gateway.ask import Ask
from keystead.gateway.outgoing import outgoing
from keystead.gateway.plan import Step
from keystead.providers.table import PROVIDERS

VERSION = SealedVersion(version=1, state=VersionState.ACTIVE, sealed=b"")


def step(provider: str, model: str) -> Step:
    credential = Credential(
        id=CredentialId("cred_1"),
        organization_id=OrganizationId("org_1"),
        name="mine",
        provider=provider,
        origin="https://api.example",
        settings={},
        owner=Owner.OWN,
        region="",
        models=None,
        on_disconnect=OnDisconnect.DRAIN,
        active=VERSION,
    )
    return Step(
        credential=credential,
        version=VERSION,
        provider=PROVIDERS[provider],
        model=model,
        wire=(Dialect.OPENAI, Endpoint.CHAT),
        grant_id=None,
    )


def ask(body: dict[str, Any], *, dialect: Dialect = Dialect.OPENAI, endpoint: Endpoint = Endpoint.CHAT) -> Ask:
    raw = json.dumps(body, separators=(",", ":")).encode()
    read = read_json(raw)
    return Ask(
        request_id="req_1",
        started_at=0,
        started_us=0,
        method="POST",
        dialect=dialect,
        endpoint=endpoint,
        tail="/chat/completions",
        query=b"",
        headers={},
        model=read.model or "",
        stream=read.stream,
        body=raw,
        json=read,
    )


def test_a_plain_call_goes_out_as_the_very_same_bytes() -> None:
    asked = ask({"model": "gpt-5", "messages": []})
    out = outgoing(asked, step("openai", "gpt-5"), None)
    assert out.body is asked.body
    assert not out.withhold_usage


def test_a_stream_that_did_not_ask_for_usage_asks_now_and_the_chunk_is_ours() -> None:
    out = outgoing(ask({"model": "gpt-5", "messages": [], "stream": True}), step("openai", "gpt-5"), None)
    assert json.loads(out.body)["stream_options"] == {"include_usage": True}
    assert out.withhold_usage


def test_a_stream_that_asked_for_usage_keeps_its_bytes_and_its_chunk() -> None:
    asked = ask({"model": "gpt-5", "stream": True, "stream_options": {"include_usage": True}})
    out = outgoing(asked, step("openai", "gpt-5"), None)
    assert out.body is asked.body
    assert not out.withhold_usage


def test_a_provider_that_refuses_the_option_is_not_sent_it() -> None:
    asked = ask({"model": "mistral-large", "stream": True})
    assert outgoing(asked, step("mistral", "mistral-large"), None).body is asked.body


@pytest.mark.parametrize(
    ("dialect", "endpoint"), [(Dialect.ANTHROPIC, Endpoint.MESSAGES), (Dialect.OPENAI, Endpoint.RESPONSES)]
)
def test_other_streams_carry_usage_by_themselves(dialect: Dialect, endpoint: Endpoint) -> None:
    asked = ask({"model": "m", "stream": True}, dialect=dialect, endpoint=endpoint)
    out = outgoing(asked, step("openai", "m"), None)
    assert out.body is asked.body
    assert not out.withhold_usage


def test_the_models_name_is_what_the_provider_calls_it() -> None:
    out = outgoing(ask({"model": "mine/gpt-5", "messages": [{"role": "user"}]}), step("openai", "gpt-5"), None)
    assert json.loads(out.body) == {"model": "gpt-5", "messages": [{"role": "user"}]}


def test_a_gemini_body_that_repeats_the_model_says_what_its_path_says() -> None:
    asked = ask({"model": "models/e", "content": {}}, dialect=Dialect.GEMINI, endpoint=Endpoint.EMBEDDINGS)
    sent = outgoing(asked, step("google", "gemini-embedding-001"), None)
    assert json.loads(sent.body) == {"model": "models/gemini-embedding-001", "content": {}}
    assert outgoing(asked, step("google", "e"), None).body is asked.body


def test_any_other_gemini_body_keeps_its_model_member() -> None:
    asked = ask({"model": "models/e", "contents": []}, dialect=Dialect.GEMINI, endpoint=Endpoint.GENERATE)
    assert outgoing(asked, step("google", "gemini-3-pro"), None).body is asked.body


def test_a_form_has_its_model_field_replaced() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nmine/whisper-1\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n\x00\x01\r\n--b--\r\n'
    )
    asked = msgspec.structs.replace(
        ask({"model": "mine/whisper-1"}),
        body=body,
        json=None,
        headers={b"content-type": b"multipart/form-data; boundary=b"},
    )
    out = outgoing(asked, step("openai", "whisper-1"), None)
    assert out.body == body.replace(b"mine/whisper-1", b"whisper-1")
