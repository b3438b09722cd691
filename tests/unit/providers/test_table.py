"""The table holds together, row by row."""

from fnmatch import fnmatchcase

import pytest

from keystead.domain.traffic import Dialect, Endpoint
from keystead.providers.egress import EgressGuard, parse_origin
from keystead.providers.row import Provider
from keystead.providers.table import PROVIDERS

ROWS = pytest.mark.parametrize("row", PROVIDERS.values(), ids=PROVIDERS)


def maker_of(model: str) -> list[str]:
    return [row.name for row in PROVIDERS.values() if any(fnmatchcase(model, p) for p in row.native_models)]


def test_the_table_names_every_provider_of_the_design() -> None:
    assert set(PROVIDERS) == {
        "openai",
        "azure",
        "bedrock",
        "vertex",
        "anthropic",
        "google",
        "mistral",
        "groq",
        "deepseek",
        "xai",
        "together",
        "fireworks",
        "openrouter",
        "cerebras",
        "perplexity",
        "cohere",
        "vllm",
        "ollama",
        "llamacpp",
        "sandbox",
    }


@ROWS
def test_a_default_origin_is_in_its_normal_form(row: Provider) -> None:
    if row.origin is not None:
        assert parse_origin(row.origin).text == row.origin


@ROWS
def test_a_default_origin_is_public_https_or_needs_the_operator(row: Provider) -> None:
    if row.origin is None:
        return
    if row.name in {"ollama", "llamacpp"}:
        assert row.origin.startswith("http://127.0.0.1:")
    else:
        assert EgressGuard(()).check_origin(row.origin) == row.origin


@ROWS
def test_it_serves_something_in_each_of_its_dialects_and_in_no_other(row: Provider) -> None:
    assert {dialect for dialect, _ in row.endpoints} == set(row.dialects)


@ROWS
def test_prefixes_and_probe_are_absolute_paths_without_a_key(row: Provider) -> None:
    for prefix in row.dialects.values():
        assert not prefix or (prefix.startswith("/") and not prefix.endswith("/"))
    assert row.probe.path.startswith("/")
    assert "key=" not in row.probe.path
    assert row.probe.dialect in row.dialects


@ROWS
def test_region_hosts_differ_from_the_default_host(row: Provider) -> None:
    assert row.origin is None or row.region_of(row.origin) == ""
    for host, region in row.quirks.region_hosts.items():
        assert row.region_of(f"https://{host}") == region
        assert row.region_of(f"https://{host}:8443") == region


@pytest.mark.parametrize(
    ("model", "maker"),
    [
        ("gpt-4o", "openai"),
        ("gpt-7-astra", "openai"),
        ("o3-mini", "openai"),
        ("ft:gpt-4.1:acme:bot:abc123", "openai"),
        ("text-embedding-3-small", "openai"),
        ("whisper-1", "openai"),
        ("claude-sonnet-5-5", "anthropic"),
        ("gemini-3-pro", "google"),
        ("gemini-embedding-001", "google"),
        ("mistral-large-latest", "mistral"),
        ("ft:open-mistral-7b:acme:1", "mistral"),
        ("deepseek-v4-pro", "deepseek"),
        ("grok-5", "xai"),
        ("command-a-03-2025", "cohere"),
        ("embed-v4.0", "cohere"),
        ("sonar-pro", "perplexity"),
    ],
)
def test_a_bare_model_name_has_one_maker(model: str, maker: str) -> None:
    assert maker_of(model) == [maker]


@pytest.mark.parametrize("model", ["gpt-oss-120b", "llama-4", "qwen3", "meta-llama/Llama-4", "echo"])
def test_open_weights_have_none(model: str) -> None:
    assert maker_of(model) == []


def test_gemini_keys_go_into_a_header() -> None:
    google = PROVIDERS["google"]
    assert google.auth_for(Dialect.GEMINI).header == "x-goog-api-key"
    assert google.auth_for(Dialect.OPENAI).prefix == "Bearer "


def test_only_mistral_refuses_the_usage_option() -> None:
    assert [row.name for row in PROVIDERS.values() if not row.quirks.stream_usage_option] == ["mistral"]


def test_every_provider_with_the_openai_dialect_does_chat_or_responses() -> None:
    for row in PROVIDERS.values():
        if Dialect.OPENAI in row.dialects:
            served = {endpoint for dialect, endpoint in row.endpoints if dialect is Dialect.OPENAI}
            assert served & {Endpoint.CHAT, Endpoint.RESPONSES}, row.name
