"""Vertex AI: where a model's request goes, and how it differs from the maker's own API."""

import json
from typing import Any

import pytest

from keystead.dialects.body import read_json
from keystead.domain.credential import Credential, SealedVersion, VersionState
from keystead.domain.errors import ConflictError, InvalidRequestError
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.traffic import Dialect, Endpoint, OnDisconnect, Owner
from keystead.gateway.ask import Ask
from keystead.gateway.outgoing import Outgoing, outgoing
from keystead.gateway.plan import Step
from keystead.gateway.translate import wire_to
from keystead.gateway.translate_call import translation_for
from keystead.providers.given import check_change, check_settings
from keystead.providers.request import UpstreamRequest, build
from keystead.providers.table import PROVIDERS

VERTEX = PROVIDERS["vertex"]
PLACE = {"project": "example-project", "location": "europe-west4"}
BELOW = "/v1/projects/example-project/locations/europe-west4"
VERSION = SealedVersion(version=1, state=VersionState.ACTIVE, sealed=b"")
APP = {"tenant_id": "contoso.example", "client_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"}
CHAT = (Dialect.OPENAI, Endpoint.CHAT)
MESSAGES = (Dialect.ANTHROPIC, Endpoint.MESSAGES)
GENERATE = (Dialect.GEMINI, Endpoint.GENERATE)
COUNT = (Dialect.ANTHROPIC, Endpoint.COUNT_TOKENS)
EMBED = (Dialect.GEMINI, Endpoint.EMBEDDINGS)
GEMINI_COUNT = (Dialect.GEMINI, Endpoint.COUNT_TOKENS)
SAID = [{"role": "user", "content": "Hello"}]
CLAUDE = {"model": "v/claude-sonnet-4-5", "max_tokens": 9, "messages": SAID}


def credential(settings: dict[str, str]) -> Credential:
    return Credential(
        id=CredentialId("cred_1"),
        organization_id=OrganizationId("org_1"),
        name="v",
        provider="vertex",
        origin="https://europe-west4-aiplatform.googleapis.com",
        settings=settings,
        owner=Owner.OWN,
        region="europe-west4",
        models=None,
        on_disconnect=OnDisconnect.DRAIN,
        active=VERSION,
    )


def sent(wire: tuple[Dialect, Endpoint], model: str, **what: Any) -> UpstreamRequest:
    tails = {CHAT: "/chat/completions", MESSAGES: "/messages", COUNT: "/messages/count_tokens"}
    given = {"path_tail": tails.get(wire, "/models/{model}:generateContent"), "settings": PLACE, **what}
    settings = given.pop("settings")
    return build(
        VERTEX.serving(model),
        credential(settings),
        dialect=wire[0],
        endpoint=wire[1],
        model=model,
        body=b"{}",
        **given,
    )


def leaving(body: dict[str, Any], asked: tuple[Dialect, Endpoint], model: str) -> tuple[Outgoing, dict[str, Any]]:
    """What goes out for a caller's body, translated if it must be."""
    raw = json.dumps(body, separators=(",", ":")).encode()
    read = read_json(raw)
    tails = {CHAT: "/chat/completions", MESSAGES: "/messages", COUNT: "/messages/count_tokens"}
    ask = Ask(
        request_id="req_1",
        started_at=0,
        started_us=0,
        method="POST",
        dialect=asked[0],
        endpoint=asked[1],
        tail=tails.get(asked, "/models/{model}:generateContent"),
        query=b"",
        headers={},
        model=read.model or "",
        stream=read.stream,
        body=raw,
        json=read,
    )
    row = VERTEX.serving(model)
    wire = wire_to(row, asked)
    assert wire is not None
    step = Step(credential=credential(PLACE), version=VERSION, provider=row, model=model, wire=wire, grant_id=None)
    out = outgoing(ask, step, translation_for(ask, step, drop=False))
    return out, json.loads(out.body)


@pytest.mark.parametrize(
    ("wire", "model", "what", "target"),
    [
        (GENERATE, "gemini-3.5-flash", {}, "/publishers/google/models/gemini-3.5-flash:generateContent"),
        (
            GENERATE,
            "models/gemini-3.5-flash",
            {"path_tail": "/models/{model}:streamGenerateContent", "query": "alt=sse&key=AIza"},
            "/publishers/google/models/gemini-3.5-flash:streamGenerateContent?alt=sse",
        ),
        (
            GEMINI_COUNT,
            "gemini-3.5-flash",
            {"path_tail": "/models/{model}:countTokens"},
            "/publishers/google/models/gemini-3.5-flash:countTokens",
        ),
        (
            MESSAGES,
            "claude-sonnet-4-5@20250929",
            {"query": "beta=true"},
            "/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        ),
        (
            MESSAGES,
            "claude-sonnet-4-5-20250929",
            {},
            "/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        ),
        (MESSAGES, "claude-opus-5", {"stream": True}, "/publishers/anthropic/models/claude-opus-5:streamRawPredict"),
        (COUNT, "claude-opus-5", {}, "/publishers/anthropic/models/count-tokens:rawPredict"),
        (CHAT, "mistral-medium-3", {}, "/publishers/mistralai/models/mistral-medium-3:rawPredict"),
        (CHAT, "codestral-2", {"stream": True}, "/publishers/mistralai/models/codestral-2:streamRawPredict"),
        (CHAT, "gemini-3.5-flash", {"stream": True}, "/endpoints/openapi/chat/completions"),
        (CHAT, "meta/llama-4-maverick-17b-128e-instruct-maas", {}, "/endpoints/openapi/chat/completions"),
    ],
)
def test_a_model_is_called_under_its_publishers_name(
    wire: tuple[Dialect, Endpoint], model: str, what: dict[str, Any], target: str
) -> None:
    assert sent(wire, model, **what).target == BELOW + target


@pytest.mark.parametrize("model", ["../x", "a/../b", "gemini%2f", "gemini?x", "", "claude-x:predict", "a b"])
def test_a_model_cannot_change_the_path(model: str) -> None:
    with pytest.raises(InvalidRequestError):
        sent(GENERATE, model)


@pytest.mark.parametrize(
    "settings", [{}, {"project": "p"}, {**PLACE, "project": "../x"}, {**PLACE, "location": "eu/../x"}]
)
def test_without_a_project_and_a_location_nothing_is_sent(settings: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError, match="project or location"):
        sent(GENERATE, "gemini-3.5-flash", settings=settings)


@pytest.mark.parametrize(
    ("asked", "model", "wire"),
    [
        (CHAT, "claude-opus-5", MESSAGES),
        (GENERATE, "claude-opus-5", MESSAGES),
        (MESSAGES, "claude-opus-5", MESSAGES),
        (MESSAGES, "gemini-3.5-flash", GENERATE),
        (CHAT, "gemini-3.5-flash", CHAT),
        (GENERATE, "mistral-medium-3", CHAT),
        (MESSAGES, "meta/llama-4-maas", CHAT),
        ((Dialect.OPENAI, Endpoint.RESPONSES), "claude-opus-5", MESSAGES),
        (GEMINI_COUNT, "claude-opus-5", COUNT),
        (COUNT, "gemini-3.5-flash", GEMINI_COUNT),
        (COUNT, "mistral-medium-3", COUNT),  # which it does not count: an estimate
        ((Dialect.OPENAI, Endpoint.EMBEDDINGS), "gemini-embedding-001", EMBED),
        (EMBED, "text-embedding-005", EMBED),
        (EMBED, "gemini-embedding-2", None),  # which is asked in yet another way
    ],
)
def test_each_model_is_spoken_to_in_its_makers_dialect(
    asked: tuple[Dialect, Endpoint], model: str, wire: tuple[Dialect, Endpoint] | None
) -> None:
    assert wire_to(VERTEX.serving(model), asked) == wire


def test_what_a_model_is_not_asked_for_is_refused_before_it_is_sent() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        sent(COUNT, "gemini-3.5-flash")
    assert caught.value.code == "endpoint_not_served"


def test_claude_gets_the_version_in_the_body_and_the_model_in_the_path() -> None:
    body = {**CLAUDE, "stream": True, "a_new_field": [1, 2]}
    out, read = leaving(body, MESSAGES, "claude-sonnet-4-5")
    rest = {name: value for name, value in body.items() if name != "model"}
    assert read == {**rest, "anthropic_version": "vertex-2023-10-16"}
    assert out.body.startswith(b'{"max_tokens":9,')  # all else keeps its bytes


def test_counting_for_claude_names_the_model_in_the_body() -> None:
    _, read = leaving(CLAUDE, COUNT, "claude-sonnet-4-5-20250929")
    assert read == {**CLAUDE, "model": "claude-sonnet-4-5@20250929", "anthropic_version": "vertex-2023-10-16"}


@pytest.mark.parametrize("name", ["generateContentRequest", "generate_content_request"])
def test_counting_for_gemini_unwraps_the_request_and_leaves_what_does_not_count(name: str) -> None:
    inner = {"contents": [{"parts": [{"text": "Hello"}]}], "tools": [], "systemInstruction": {"parts": []}}
    body = {name: {"model": "models/gemini-3.5-flash", **inner, "safetySettings": [], "toolConfig": {}}}
    assert leaving(body, GEMINI_COUNT, "gemini-3.5-flash")[1] == inner


def test_a_plain_count_for_gemini_passes_without_the_name_that_vertex_ai_writes_otherwise() -> None:
    body = {"contents": [{"parts": [{"text": "Hello"}]}]}
    out, _ = leaving(body, GEMINI_COUNT, "gemini-3.5-flash")
    assert out.body == json.dumps(body, separators=(",", ":")).encode()
    assert leaving({**body, "model": "models/x"}, GEMINI_COUNT, "gemini-3.5-flash")[1] == body


def test_a_count_that_another_dialect_asks_for_reaches_gemini_in_its_words() -> None:
    out, read = leaving(CLAUDE, COUNT, "gemini-3.5-flash")
    assert out.tail == "/models/{model}:countTokens"
    assert read.keys() <= {"contents", "systemInstruction", "tools", "generationConfig"}
    assert read["contents"]


def test_a_translated_request_to_claude_is_one_of_vertex_ai_as_well() -> None:
    _, read = leaving({"model": "v/claude-sonnet-4-5", "messages": SAID}, CHAT, "claude-sonnet-4-5")
    assert read["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in read
    assert read["messages"][0]["role"] == "user"


def test_a_request_to_gemini_in_its_own_dialect_passes_untouched() -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    out, _ = leaving(body, GENERATE, "gemini-3.5-flash")
    assert out.body == json.dumps(body, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("gemini-3.5-flash", "google/gemini-3.5-flash"),
        ("meta/llama-4-maas", "meta/llama-4-maas"),
        ("mistral-medium-3", "mistral-medium-3"),
    ],
)
def test_the_openai_endpoint_has_the_makers_name_before_the_model(model: str, named: str) -> None:
    _, read = leaving({"model": f"v/{model}", "messages": SAID}, CHAT, model)
    assert read == {"model": named, "messages": SAID}


def test_mistral_is_not_asked_for_the_usage_that_it_sends_anyway() -> None:
    body = {"model": "v/m", "messages": SAID, "stream": True}
    assert "stream_options" not in leaving(body, CHAT, "mistral-medium-3")[1]
    assert leaving(body, CHAT, "gemini-3.5-flash")[1]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (b"context-1m-2025-08-07, claude-code-20250219", "context-1m-2025-08-07"),
        (b"advanced-tool-use-2025-11-20,tool-search-tool-2025-10-19", "tool-search-tool-2025-10-19"),
        (b"claude-code-20250219,oauth-2025-04-20", None),
    ],
)
def test_of_the_betas_those_go_that_vertex_ai_knows(asked: bytes, kept: str | None) -> None:
    request = sent(MESSAGES, "claude-opus-5", client_headers=[(b"anthropic-beta", asked)])
    assert dict(request.headers).get("anthropic-beta") == kept


@pytest.mark.parametrize(
    ("location", "origin", "region"),
    [
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com", "europe-west4"),
        ("global", "https://aiplatform.googleapis.com", ""),
        ("eu", "https://aiplatform.eu.rep.googleapis.com", "eu"),
    ],
)
def test_the_location_says_where_the_endpoint_is_and_which_prices_count(
    location: str, origin: str, region: str
) -> None:
    assert VERTEX.origin_for({"location": location}) == origin
    assert VERTEX.region_of(origin) == region


@pytest.mark.parametrize(
    ("provider", "settings", "told"),
    [
        ("vertex", {"location": "global"}, "needs the setting project"),
        ("vertex", {**PLACE, "location": "Europe"}, "location is not valid"),
        ("vertex", {**PLACE, "identity": "workload"}, "nothing without audience"),
        ("vertex", {**PLACE, "service_account": "a@b.iam.gserviceaccount.com"}, "nothing without identity"),
        ("vertex", {**PLACE, "identity": "mine", "audience": "x"}, "identity is not valid"),
        ("azure", {"tenant_id": "contoso.example"}, "nothing without client_id"),
        ("azure", {"identity": "workload"}, "nothing without client_id"),
        ("azure", {"tenant_id": "../x"}, "tenant_id is not valid"),
        ("azure", {"cloud": "moon"}, "cloud is not valid"),
    ],
)
def test_settings_with_which_nothing_could_be_asked_are_refused(
    provider: str, settings: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        check_settings(PROVIDERS[provider], settings)


def test_what_says_where_a_key_goes_does_not_change_under_it() -> None:
    check_change(VERTEX, PLACE, {**PLACE, "project": "another"})
    with pytest.raises(ConflictError):
        check_change(VERTEX, PLACE, {**PLACE, "location": "global"})
    with pytest.raises(ConflictError):
        check_change(PROVIDERS["azure"], APP, {**APP, "cloud": "china"})


def test_no_bare_name_is_its_own() -> None:
    assert VERTEX.native_models == ()
