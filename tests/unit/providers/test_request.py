"""Requests go where the table says, and carry only what may go."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.credential import Credential
from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.traffic import Dialect, Endpoint, OnDisconnect, Owner
from keystead.providers.request import UpstreamRequest, build, build_probe, check_path_part
from keystead.providers.table import PROVIDERS

CHAT: dict[str, Any] = {"dialect": Dialect.OPENAI, "endpoint": Endpoint.CHAT, "path_tail": "/chat/completions"}


def credential(provider: str, *, origin: str | None = None, **settings: str) -> Credential:
    return Credential(
        id=CredentialId("cred_1"),
        organization_id=OrganizationId("org_1"),
        name="main",
        provider=provider,
        origin=origin or PROVIDERS[provider].origin or f"https://{provider}.example",
        settings=settings,
        owner=Owner.OWN,
        region="",
        models=None,
        on_disconnect=OnDisconnect.DRAIN,
        active=None,
    )


def built(provider: str, *, settings: dict[str, str] | None = None, **what: Any) -> UpstreamRequest:
    return build(PROVIDERS[provider], credential(provider, **(settings or {})), **what)


@pytest.mark.parametrize(
    ("provider", "dialect", "endpoint", "tail", "url"),
    [
        ("openai", "openai", "chat", "/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("openai", "openai", "responses", "/responses", "https://api.openai.com/v1/responses"),
        ("openai", "openai", "responses", "/responses/compact", "https://api.openai.com/v1/responses/compact"),
        ("openai", "openai", "images", "/images/edits", "https://api.openai.com/v1/images/edits"),
        ("openai", "openai", "transcription", "/audio/translations", "https://api.openai.com/v1/audio/translations"),
        ("openai", "openai", "models", "/models", "https://api.openai.com/v1/models"),
        ("openai", "openai", "response_state", "/responses/resp_1", "https://api.openai.com/v1/responses/resp_1"),
        (
            "openai",
            "openai",
            "response_state",
            "/responses/resp_1/cancel",
            "https://api.openai.com/v1/responses/resp_1/cancel",
        ),
        ("azure", "openai", "chat", "/chat/completions", "https://azure.example/openai/v1/chat/completions"),
        ("azure", "anthropic", "messages", "/messages", "https://azure.example/anthropic/v1/messages"),
        ("anthropic", "anthropic", "messages", "/messages", "https://api.anthropic.com/v1/messages"),
        (
            "anthropic",
            "anthropic",
            "count_tokens",
            "/messages/count_tokens",
            "https://api.anthropic.com/v1/messages/count_tokens",
        ),
        (
            "google",
            "gemini",
            "generate",
            "/models/asked:generateContent",
            "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
        ),
        (
            "google",
            "openai",
            "chat",
            "/chat/completions",
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        ),
        ("groq", "openai", "chat", "/chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
        ("deepseek", "openai", "chat", "/chat/completions", "https://api.deepseek.com/chat/completions"),
        ("deepseek", "anthropic", "messages", "/messages", "https://api.deepseek.com/anthropic/v1/messages"),
        ("fireworks", "openai", "chat", "/chat/completions", "https://api.fireworks.ai/inference/v1/chat/completions"),
        ("openrouter", "anthropic", "messages", "/messages", "https://openrouter.ai/api/v1/messages"),
        ("cohere", "openai", "chat", "/chat/completions", "https://api.cohere.ai/compatibility/v1/chat/completions"),
        ("ollama", "openai", "chat", "/chat/completions", "http://127.0.0.1:11434/v1/chat/completions"),
    ],
)
def test_the_path_is_the_providers_own(provider: str, dialect: str, endpoint: str, tail: str, url: str) -> None:
    request = built(
        provider, dialect=Dialect(dialect), endpoint=Endpoint(endpoint), path_tail=tail, model="m", body=b"{}"
    )
    assert request.url == url


def test_azures_older_surface_names_the_deployment_in_the_path() -> None:
    request = built("azure", settings={"api_version": "2025-01-01-preview"}, model="my-gpt", **CHAT)
    assert request.target == "/openai/deployments/my-gpt/chat/completions?api-version=2025-01-01-preview"
    assert request.auth.header == "api-key"


def test_azures_responses_are_not_below_a_deployment() -> None:
    what: dict[str, Any] = {"dialect": Dialect.OPENAI, "endpoint": Endpoint.RESPONSES, "path_tail": "/responses"}
    request = built("azure", settings={"api_version": "2025-03-01-preview"}, model="d", **what)
    assert request.target == "/openai/responses?api-version=2025-03-01-preview"


def test_an_azure_query_joins_the_api_version() -> None:
    request = built(
        "azure",
        settings={"api_version": "1"},
        dialect=Dialect.OPENAI,
        endpoint=Endpoint.RESPONSE_STATE,
        path_tail="/responses/resp_1",
        method="GET",
        query="stream=true",
    )
    assert request.target == "/openai/responses/resp_1?api-version=1&stream=true"


def test_a_model_with_a_slash_is_one_path_part_in_the_model_list() -> None:
    request = built(
        "together",
        dialect=Dialect.OPENAI,
        endpoint=Endpoint.MODELS,
        path_tail="/models/x",
        method="GET",
        model="meta-llama/Llama-4",
    )
    assert request.target == "/v1/models/meta-llama%2FLlama-4"


def test_what_a_provider_does_not_serve_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="Anthropic does not serve chat"):
        built("anthropic", model="m", **CHAT)


# T8: parts of the path

CLIMBING = [
    "..",
    "../x",
    "a/../b",
    "a..b",
    ".",
    ".hidden",
    "%2e%2e",
    "a%2fb",
    "%00",
    "a/b",
    "//",
    "a\\b",
    "a?b",
    "a#b",
    "a;b",
    "a\x00b",
    "a\r\nb",
    "a\nb",
    "a\tb",
    "a\x7fb",
    "a b",
    "modèl",
    "a\uff0fb",  # full-width slash
    "a\u2025b",  # two-dot leader
    "",
    "a:b",
    "-a",
    "a" * 257,
    "gemini\n",
]


@pytest.mark.parametrize("part", CLIMBING)
def test_a_path_part_that_could_climb_is_refused(part: str) -> None:
    with pytest.raises(InvalidRequestError):
        check_path_part(part, param="model")
    with pytest.raises(InvalidRequestError):
        built(
            "google",
            dialect=Dialect.GEMINI,
            endpoint=Endpoint.GENERATE,
            path_tail=f"/models/{part}:generateContent",
            model=part,
        )
    with pytest.raises(InvalidRequestError):
        built("azure", settings={"api_version": "1"}, model=part, **CHAT)


@pytest.mark.parametrize("part", [*(part for part in CLIMBING if part != "-a"), "resp.1", "a~b"])
def test_a_response_id_that_could_climb_is_refused(part: str) -> None:
    for tail in (f"/responses/{part}", f"/responses/{part}/cancel"):
        with pytest.raises(InvalidRequestError):
            built("openai", dialect=Dialect.OPENAI, endpoint=Endpoint.RESPONSE_STATE, path_tail=tail, method="GET")


@pytest.mark.parametrize(
    "tail",
    [
        "/chat/completions/",
        "/chat//completions",
        "/Chat/Completions",
        "/chat/completions?key=1",
        "/chat/completions#",
        "/../models",
        "/files",
        "/chat/%63ompletions",
        "/responses",
        "chat/completions",
        "",
    ],
)
def test_only_known_paths_are_sent(tail: str) -> None:
    with pytest.raises(InvalidRequestError):
        built("openai", dialect=Dialect.OPENAI, endpoint=Endpoint.CHAT, path_tail=tail, model="m")


@pytest.mark.parametrize(
    "tail", ["/models/m:predict", "/models/m:generateContent:x", "/models/m", "/models/m:streamGenerateContent?alt"]
)
def test_only_known_gemini_methods_are_sent(tail: str) -> None:
    with pytest.raises(InvalidRequestError):
        built("google", dialect=Dialect.GEMINI, endpoint=Endpoint.GENERATE, path_tail=tail, model="m")


@given(st.text(max_size=40))
def test_whatever_the_model_is_called_the_target_stays_below_its_template(model: str) -> None:
    try:
        request = built(
            "google",
            dialect=Dialect.GEMINI,
            endpoint=Endpoint.GENERATE,
            path_tail="/models/x:generateContent",
            model=model,
        )
    except InvalidRequestError:
        return
    name = request.target.removeprefix("/v1beta/models/").removesuffix(":generateContent")
    assert request.target == f"/v1beta/models/{name}:generateContent"
    assert name.isascii()
    assert ".." not in name
    assert not set(name) & set("/\\?#%: ;\r\n\0")


# The query


def test_the_query_keeps_what_the_dialect_knows_and_never_a_key() -> None:
    request = built(
        "google",
        dialect=Dialect.GEMINI,
        endpoint=Endpoint.GENERATE,
        path_tail="/models/x:streamGenerateContent",
        model="gemini-3-pro",
        query="key=ks_secret&alt=sse&api_base=http://evil&$alt=x",
    )
    assert request.target == "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse"


def test_include_lists_pass_in_either_spelling() -> None:
    request = built(
        "openai",
        dialect=Dialect.OPENAI,
        endpoint=Endpoint.RESPONSE_STATE,
        path_tail="/responses/resp_1",
        method="GET",
        query="include[]=reasoning.encrypted_content&include%5B%5D=a&starting_after=3&stream=true",
    )
    assert request.target.partition("?")[2] == (
        "include[]=reasoning.encrypted_content&include%5B%5D=a&starting_after=3&stream=true"
    )


@pytest.mark.parametrize("value", ["a b", "a#b", "a\r\nb", "ü", "a\\b", "<", "x" * 600])
def test_a_query_value_that_could_break_the_request_line_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequestError):
        built(
            "anthropic",
            dialect=Dialect.ANTHROPIC,
            endpoint=Endpoint.MODELS,
            path_tail="/models",
            method="GET",
            query=f"after_id={value}",
        )


# T30: the headers

SENT_BY_A_CLIENT = [
    (b"host", b"gateway.internal"),
    (b"authorization", b"Bearer ks_caller"),
    (b"x-api-key", b"ks_caller"),
    (b"x-goog-api-key", b"ks_caller"),
    (b"api-key", b"ks_caller"),
    (b"proxy-authorization", b"Basic abc"),
    (b"cookie", b"session=1"),
    (b"x-forwarded-for", b"10.1.1.1"),
    (b"x-forwarded-host", b"evil"),
    (b"x-real-ip", b"10.1.1.1"),
    (b"forwarded", b"for=10.1.1.1"),
    (b"via", b"1.1 proxy"),
    (b"openai-organization", b"org-x"),
    (b"openai-project", b"proj-x"),
    (b"x-goog-user-project", b"billing-project"),
    (b"accept-encoding", b"gzip, br"),
    (b"user-agent", b"AsyncOpenAI/Python 3"),
    (b"x-stainless-os", b"Linux"),
    (b"connection", b"keep-alive"),
    (b"transfer-encoding", b"chunked"),
    (b"content-length", b"2"),
    (b"expect", b"100-continue"),
    (b"x-portkey-config", b"{}"),
    (b"content-type", b"application/json"),
    (b"accept", b"text/event-stream"),
    (b"openai-beta", b"responses=v1"),
    (b"anthropic-beta", b"one"),
    (b"anthropic-beta", b"two"),
    (b"anthropic-version", b"2099-01-01"),
    (b"x-goog-api-client", b"google-genai-sdk/3"),
    (b"x-grok-conv-id", b"c1"),
]


def names(request: UpstreamRequest) -> dict[str, str]:
    return dict(request.headers)


def test_openai_gets_exactly_these_headers() -> None:
    headers = names(built("openai", model="m", client_headers=SENT_BY_A_CLIENT, body=b"{}", **CHAT))
    agent = headers.pop("User-Agent")
    assert agent.startswith("keystead/")
    assert headers == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "openai-beta": "responses=v1",
        "Accept-Encoding": "identity",
    }


def test_anthropic_betas_are_joined_and_the_version_is_the_callers() -> None:
    request = built(
        "anthropic",
        dialect=Dialect.ANTHROPIC,
        endpoint=Endpoint.MESSAGES,
        path_tail="/messages",
        client_headers=SENT_BY_A_CLIENT,
        body=b"{}",
    )
    assert names(request)["anthropic-beta"] == "one, two"
    assert names(request)["anthropic-version"] == "2099-01-01"
    assert request.auth.header == "x-api-key"


def test_what_the_provider_needs_is_added_when_the_caller_left_it_out() -> None:
    request = built(
        "anthropic", dialect=Dialect.ANTHROPIC, endpoint=Endpoint.MESSAGES, path_tail="/messages", body=b"{}"
    )
    assert names(request)["anthropic-version"] == "2023-06-01"
    assert names(request)["content-type"] == "application/json"


def test_a_header_of_one_provider_is_not_sent_to_another() -> None:
    assert "x-grok-conv-id" in names(built("xai", model="m", client_headers=SENT_BY_A_CLIENT, **CHAT))
    assert "x-grok-conv-id" not in names(built("openai", model="m", client_headers=SENT_BY_A_CLIENT, **CHAT))


def test_an_idempotency_key_is_not_sent_to_an_account_that_organizations_share() -> None:
    headers = [(b"idempotency-key", b"guessed"), (b"content-type", b"application/json")]
    own = credential("openai")
    shared = msgspec.structs.replace(own, owner=Owner.PLATFORM)
    sent = [names(build(PROVIDERS["openai"], each, **CHAT, client_headers=headers)) for each in (own, shared)]
    assert [each.get("idempotency-key") for each in sent] == ["guessed", None]


@pytest.mark.parametrize("value", [b"a\r\nx-evil: 1", b"a\x00", b"\xff", b"a\x0b", b"a" * 9000, "é".encode()])
def test_a_header_value_that_could_be_two_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        built("openai", model="m", client_headers=[(b"openai-beta", value)], **CHAT)


def test_the_destination_is_the_credentials_whatever_the_caller_sends() -> None:
    request = built(
        "openai",
        model="m",
        query="api_base=https://evil.example&base_url=https://evil.example",
        client_headers=[(b"x-portkey-custom-host", b"https://evil.example"), (b"host", b"evil.example")],
        body=b'{"api_base":"https://evil.example"}',
        **CHAT,
    )
    assert request.origin == "https://api.openai.com"
    assert request.target == "/v1/chat/completions"
    assert "evil" not in str(request.headers)


# Probes


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_probe_has_its_dialects_headers_and_no_key(provider: str) -> None:
    row = PROVIDERS[provider]
    request = build_probe(row, credential(provider, project="example", location="global"))
    assert request.target.endswith(row.probe.path)
    assert request.auth == row.auth_for(row.probe.dialect)
    assert ("anthropic-version" in names(request)) == (row.probe.dialect is Dialect.ANTHROPIC)


def test_an_azure_probe_uses_the_older_surface_if_the_credential_does() -> None:
    request = build_probe(PROVIDERS["azure"], credential("azure", api_version="2024-10-21"))
    assert request.target == "/openai/models?api-version=2024-10-21"
    with pytest.raises(InvalidRequestError):
        build_probe(PROVIDERS["azure"], credential("azure", api_version="1&x=2"))


def test_a_session_names_its_model_in_the_query() -> None:
    what: dict[str, Any] = {
        "dialect": Dialect.OPENAI,
        "endpoint": Endpoint.REALTIME,
        "path_tail": "/realtime",
        "method": "GET",
    }
    assert built("openai", model="gpt-realtime", **what).url == "https://api.openai.com/v1/realtime?model=gpt-realtime"
    assert built("openai", model="a/b+c", **what).target == "/v1/realtime?model=a%2Fb%2Bc"
    old = built("azure", settings={"api_version": "2024-10-01-preview"}, model="mine", **what)
    assert old.target == "/openai/realtime?api-version=2024-10-01-preview&deployment=mine"
    for model in ("a&b=c", "a b", "a#b", "..", "a%26"):
        with pytest.raises(InvalidRequestError):
            built("openai", model=model, **what)


def test_what_is_passed_through_keeps_its_path_and_loses_every_key() -> None:
    what: dict[str, Any] = {"dialect": Dialect.OPENAI, "endpoint": Endpoint.PASSTHROUGH, "method": "GET"}
    query = "limit=2&Key=x&api_key=x&access_token=x&purpose=batch"
    built_one = built("openai", path_tail="/v1/files/file-1", query=query, **what)
    assert built_one.target == "/v1/files/file-1?limit=2&purpose=batch"
    for path in ("/v1/../x", "/v1//x", "/v1/x%2e", "https://elsewhere.example", "/v1/x?y", "//elsewhere.example/x"):
        with pytest.raises(InvalidRequestError):
            built("openai", path_tail=path, **what)
    for query in ("a=b c", "a=b#c", "a b=c", "a=\r\n"):
        with pytest.raises(InvalidRequestError):
            built("openai", path_tail="/v1/files", query=query, **what)


def test_a_reranker_is_asked_under_its_own_prefix() -> None:
    what: dict[str, Any] = {"dialect": Dialect.OPENAI, "endpoint": Endpoint.RERANK, "path_tail": "/rerank"}
    assert built("cohere", **what).url == "https://api.cohere.ai/v2/rerank"
    assert built("together", **what).url == "https://api.together.ai/v1/rerank"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("us.amazon.nova-lite-v1:0", "/model/us.amazon.nova-lite-v1%3A0/converse"),
        (
            "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1",
            "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Aapplication-inference-profile%2Fa1/converse",
        ),
    ],
)
def test_a_model_of_bedrock_is_one_part_of_its_path(model: str, path: str) -> None:
    request = built(
        "bedrock",
        dialect=Dialect.BEDROCK,
        endpoint=Endpoint.CONVERSE,
        path_tail="/model/{model}/converse",
        model=model,
        query="x=1",
        client_headers=[
            (b"accept", b"x/y"),
            (b"x-amz-date", b"1"),
            (b"authorization", b"AWS4"),
            (b"x-amz-target", b"t"),
        ],
        body=b"{}",
    )
    assert request.target == path
    assert {name for name, _ in request.headers} == {"content-type", "accept", "Accept-Encoding", "User-Agent"}
    assert ("accept", "*/*") in request.headers


def test_claude_at_bedrock_is_invoked_by_its_profile_and_counted_by_its_foundation_model() -> None:
    profile = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-x-v1:0"
    what: dict[str, Any] = {"dialect": Dialect.BEDROCK, "model": profile, "query": "beta=true", "body": b"{}"}
    betas = [(b"anthropic-beta", b"b-1"), (b"anthropic-version", b"2023-06-01")]
    tail = "/model/{model}/invoke-with-response-stream"
    invoked = built("bedrock", endpoint=Endpoint.MESSAGES, path_tail=tail, client_headers=betas, **what)
    assert invoked.target.endswith("%3Ainference-profile%2Feu.anthropic.claude-x-v1%3A0/invoke-with-response-stream")
    assert not [name for name, _ in invoked.headers if name.startswith("anthropic")]
    counted = built("bedrock", endpoint=Endpoint.COUNT_TOKENS, path_tail="/model/{model}/count-tokens", **what)
    assert counted.target == "/model/anthropic.claude-x-v1%3A0/count-tokens"


@pytest.mark.parametrize("model", ["", "../x", "a b", "a?b", "a//b", "a%2Fb", "é"])
def test_what_cannot_be_a_model_of_bedrock_is_refused(model: str) -> None:
    with pytest.raises(InvalidRequestError):
        built(
            "bedrock",
            dialect=Dialect.BEDROCK,
            endpoint=Endpoint.CONVERSE,
            path_tail="/model/{model}/converse",
            model=model,
        )


def test_the_pieces_of_an_upload_go_beside_the_dialects_prefix_with_googles_headers() -> None:
    sent = [(b"x-goog-upload-command", b"upload, finalize"), (b"x-goog-upload-offset", b"0"), (b"cookie", b"c")]
    what: dict[str, Any] = {"dialect": Dialect.GEMINI, "endpoint": Endpoint.FILES, "client_headers": sent}
    query = "upload_id=abc-123&upload_protocol=resumable&key=x"
    piece = built("google", path_tail="/upload/files", query=query, **what)
    assert piece.url == (
        "https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=abc-123&upload_protocol=resumable"
    )
    headers = dict(piece.headers)
    assert (headers["x-goog-upload-command"], headers["x-goog-upload-offset"]) == ("upload, finalize", "0")
    assert "cookie" not in headers
    other = built("google", path_tail="/files/abc", method="GET", query=query, **what)
    assert other.url == "https://generativelanguage.googleapis.com/v1beta/files/abc"
    assert not [name for name, _ in other.headers if name.startswith("x-goog-upload")]
    for tail in ("/upload/files/abc", "/upload", "/files", "/files/abc/content", "/upload/files?x=1"):
        with pytest.raises(InvalidRequestError):
            built("google", path_tail=tail, **what)
