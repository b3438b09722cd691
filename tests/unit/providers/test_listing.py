"""Providers' own lists of models: every shape is read, and whatever is hostile in them stays inert."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.credential import Credential
from keystead.domain.errors import ProviderError
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.models import ListedModel
from keystead.domain.secret import Secret
from keystead.domain.traffic import OnDisconnect, Owner
from keystead.providers.authorization import Authorized, Authorizers, with_key
from keystead.providers.listing import MAX_MODELS, can_list, list_models, read_page
from keystead.providers.request import UpstreamRequest
from keystead.providers.table import PROVIDERS
from keystead.providers.transport import UpstreamResponse
from tests.integration.admin.world import ScriptedAnswer

SECRET = Secret("k" * 40)


def credential(provider: str) -> Credential:
    return Credential(
        id=CredentialId("cred_1"),
        organization_id=OrganizationId("org_1"),
        name="main",
        provider=provider,
        origin=PROVIDERS[provider].origin or "https://here.example",
        settings={},
        owner=Owner.OWN,
        region="",
        models=None,
        on_disconnect=OnDisconnect.DRAIN,
        active=None,
    )


class Pages:
    """Answers with one page after another, and keeps the targets."""

    def __init__(self, *pages: Any, status: int = 200) -> None:
        self.pages = [page if isinstance(page, bytes) else json.dumps(page).encode() for page in pages]
        self.status = status
        self.targets: list[str] = []

    async def open(self, request: UpstreamRequest, authorized: Authorized) -> UpstreamResponse:
        assert authorized == with_key(request, SECRET)
        self.targets.append(request.target)
        return ScriptedAnswer(self.status, self.pages[min(len(self.targets), len(self.pages)) - 1])

    async def close(self) -> None:
        """Nothing is open."""

    async def read(self, provider: str) -> tuple[ListedModel, ...]:
        return await list_models(self, Authorizers({}), PROVIDERS[provider], credential(provider), SECRET)


async def test_openais_list_tells_dates_and_fine_tuned_models() -> None:
    pages = Pages(
        {
            "object": "list",
            "data": [
                {"id": "gpt-5", "created": 1754425777, "shutdown_date": "2026-12-11"},
                {"id": "ft:gpt-4o-mini-2024-07-18:acme::1", "created": 0},
            ],
        }
    )
    assert await pages.read("openai") == (
        ListedModel(id="gpt-5", released="2025-08-05", retires="2026-12-11"),
        ListedModel(id="ft:gpt-4o-mini-2024-07-18:acme::1"),
    )
    assert pages.targets == ["/v1/models"]


async def test_anthropics_list_is_read_page_by_page() -> None:
    one = {"id": "claude-a", "created_at": "2026-06-30T00:00:00Z", "max_input_tokens": 5, "max_tokens": 3}
    pages = Pages(
        {"data": [one], "has_more": True, "last_id": "claude-a"}, {"data": [{"id": "claude-b"}], "has_more": False}
    )
    models = await pages.read("anthropic")
    assert models[0] == ListedModel(id="claude-a", released="2026-06-30", context=5, max_output=3)
    assert [model.id for model in models] == ["claude-a", "claude-b"]
    assert pages.targets == ["/v1/models?limit=1000", "/v1/models?limit=1000&after_id=claude-a"]


async def test_geminis_list_is_read_page_by_page_without_its_prefix() -> None:
    pages = Pages(
        {"models": [{"name": "models/gemini-9", "inputTokenLimit": 7, "outputTokenLimit": 2}], "nextPageToken": "a="},
        {"models": [{"name": "models/gemini-8"}]},
    )
    assert await pages.read("google") == (
        ListedModel(id="gemini-9", context=7, max_output=2),
        ListedModel(id="gemini-8"),
    )
    assert pages.targets == ["/v1beta/models?pageSize=1000", "/v1beta/models?pageSize=1000&pageToken=a%3D"]


async def test_a_bare_array_and_coheres_own_list_are_read() -> None:
    assert [m.id for m in await Pages([{"id": "meta-llama/Llama-4", "context_length": 9}]).read("together")] == [
        "meta-llama/Llama-4"
    ]
    pages = Pages({"models": [{"name": "command-a"}], "next_page_token": ""})
    assert [model.id for model in await pages.read("cohere")] == ["command-a"]
    assert pages.targets == ["/v1/models?page_size=1000"]


@pytest.mark.parametrize("body", [b"", b"[" * 100_000, b"{}", b'{"data": 5}', b'"text"', b"<html>", b"\xff\xfe"])
async def test_what_is_no_list_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderError, match="no list of models"):
        await Pages(body).read("openai")


async def test_a_refusal_is_told_in_the_providers_words() -> None:
    with pytest.raises(ProviderError, match="Missing scopes"):
        await Pages({"error": {"message": "Missing scopes: api.model.read"}}, status=403).read("openai")


async def test_a_list_without_end_ends() -> None:
    endless = [{"data": [{"id": f"m{n}"}], "has_more": True, "last_id": f"m{n}"} for n in range(50)]
    pages = Pages(*endless)
    assert len(await pages.read("anthropic")) == len(pages.targets) == 20
    repeated = Pages({"data": [{"id": "m"}], "has_more": True, "last_id": "m"})
    assert len(await repeated.read("anthropic")) == 1
    assert len(repeated.targets) == 2
    assert len(await Pages([{"id": f"m{n}"} for n in range(MAX_MODELS + 10)]).read("openai")) == MAX_MODELS


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "*", "gpt-[0-9]", "a\nb", "\x1b[2J", "ünï", "x" * 257, "sk-proj-" + "k" * 60, 5, None, ["a"]],
)
def test_a_name_that_could_not_be_asked_for_is_left_out(name: object) -> None:
    page = read_page(json.dumps({"data": [{"id": name}, {"id": "good"}]}).encode())
    assert page is not None
    assert [model.id for model in page.models] == ["good"]


@pytest.mark.parametrize("date", [True, 10**30, -(10**30), "tomorrow", "9" * 5000, 1.5, {}, None, 0])
def test_a_date_that_is_none_is_left_out(date: object) -> None:
    page = read_page(json.dumps({"data": [{"id": "good", "created": date, "context_length": date}]}).encode())
    assert page is not None
    assert page.models[0].released == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
)
ROWS = st.dictionaries(
    st.sampled_from(["id", "name", "created", "created_at", "max_tokens", "context_length", "deprecation"]), JSON
)


@given(
    st.dictionaries(st.sampled_from(["data", "models", "has_more", "last_id", "nextPageToken"]), JSON | st.lists(ROWS))
)
def test_no_answer_is_a_crash(answer: dict[str, Any]) -> None:
    page = read_page(json.dumps(answer).encode())
    for model in page.models if page else ():
        assert model.id.isascii()
        assert model.id.isprintable()


def test_azures_list_is_not_of_names_that_can_be_asked_for() -> None:
    assert not can_list(PROVIDERS["azure"])
    assert not can_list(PROVIDERS["sandbox"])
    assert not can_list(PROVIDERS["perplexity"])
    assert can_list(PROVIDERS["vllm"])
