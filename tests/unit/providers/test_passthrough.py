"""What a template lets through, and that nothing else passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.traffic import Dialect
from keystead.providers.passthrough import Passthrough
from keystead.providers.table import PROVIDERS

LISTED = Passthrough(
    {
        "openai": ["GET /v1/fine_tuning/jobs/{id}", "POST /v1/fine_tuning/jobs", "GET /v1/files/{name}"],
        "google": ["POST /v1beta/models/{model}:predict", "GET /v1beta/openai/files"],
        "azure": ["POST /anthropic/v1/messages/batches"],
    }
)


def matched(provider: str, method: str, path: str) -> tuple[str, str | None] | None:
    found = LISTED.match(PROVIDERS[provider], method, path)
    return None if found is None else (found.template, found.model)


def test_what_is_listed_passes() -> None:
    assert matched("openai", "GET", "/v1/fine_tuning/jobs/ftjob-1") == ("v1/fine_tuning/jobs/{id}", None)
    assert matched("openai", "POST", "/v1/fine_tuning/jobs") == ("v1/fine_tuning/jobs", None)
    assert matched("google", "POST", "/v1beta/models/imagen-4.0:predict") == (
        "v1beta/models/{model}:predict",
        "imagen-4.0",
    )


@pytest.mark.parametrize(
    ("provider", "method", "path"),
    [
        ("openai", "DELETE", "/v1/fine_tuning/jobs/ftjob-1"),
        ("openai", "GET", "/v1/fine_tuning/jobs"),
        ("openai", "GET", "/v1/fine_tuning/jobs/"),
        ("openai", "GET", "/v1/fine_tuning/jobs/a/b"),
        ("openai", "GET", "/v1/fine_tuning/jobs/a%2Fb"),
        ("openai", "GET", "/v1/fine_tuning/jobs/.."),
        ("openai", "GET", "/v1/files/.."),
        ("openai", "GET", "/v1/files/a..b"),
        ("openai", "GET", "/v1/fine_tuning/jobs/a?x"),
        ("openai", "GET", "/v1/fine_tuning/jobs/a\n"),
        ("openai", "GET", "//v1/fine_tuning/jobs/a"),
        ("openai", "GET", "/V1/fine_tuning/jobs/a"),
        ("mistral", "GET", "/v1/fine_tuning/jobs/ftjob-1"),
    ],
)
def test_nothing_else_passes(provider: str, method: str, path: str) -> None:
    assert matched(provider, method, path) is None


@given(st.text(max_size=40))
def test_a_part_never_holds_what_could_leave_its_place(part: str) -> None:
    if matched("openai", "GET", f"/v1/files/{part}") is not None:
        assert not set(part) & set("/%?#\\ \r\n")
        assert ".." not in part


@pytest.mark.parametrize(
    ("provider", "path", "dialect"),
    [
        ("google", "/v1beta/models/m:predict", Dialect.GEMINI),
        ("google", "/v1beta/openai/files", Dialect.OPENAI),
        ("azure", "/anthropic/v1/messages/batches", Dialect.ANTHROPIC),
    ],
)
def test_the_prefix_tells_the_dialect(provider: str, path: str, dialect: Dialect) -> None:
    method = "GET" if path.endswith("files") else "POST"
    found = LISTED.match(PROVIDERS[provider], method, path)
    assert found is not None
    assert found.dialect is dialect


@pytest.mark.parametrize(
    "text",
    [
        "GET",
        "GET v1/x",
        "get /v1/x",
        "TRACE /v1/x",
        "GET /v1/../x",
        "GET /v1//x",
        "GET /v1/{path}",
        "GET /v1/{id",
        "GET /v1/%2e",
        "GET https://elsewhere.example/v1",
        "GET /{model}/{model}",
        "GET /v1/x?y=1",
    ],
)
def test_what_is_no_template_is_refused_when_the_gateway_starts(text: str) -> None:
    with pytest.raises(ValueError, match=r"template|part"):
        Passthrough({"openai": [text]})


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(ValueError, match="no provider 'nobody'"):
        Passthrough({"nobody": []})
