"""T10: every route of the data plane, with every kind of key, is answered as this table says.

The admin API's matrix is `route_matrix.json`. A path that is served and not in this table fails the last test.
"""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from keystead.domain.traffic import Dialect
from keystead.web import paths
from tests.attacks.conftest import Stage
from tests.attacks.keys import issue, keys_that_do_not_work

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHAT = {"model": "my-openai/gpt-5", "messages": []}
TEXT = {"model": "my-openai/gpt-5", "input": "a"}
RANK = {"model": "my-cohere/rerank-v4.0-pro", "query": "a", "documents": ["a", "b"]}
MESSAGE = {"model": "my-anthropic/claude", "messages": []}
GENERATE: dict[str, Any] = {"contents": []}
CONVERSE: dict[str, Any] = {"messages": []}
ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/v1/chat/completions", CHAT),
    ("POST", "/v1/completions", {"model": "my-openai/gpt-5", "prompt": "a"}),
    ("POST", "/v1/responses", TEXT),
    ("POST", "/v1/responses/compact", TEXT),
    ("POST", "/v1/responses/input_tokens", TEXT),
    ("POST", "/v1/embeddings", TEXT),
    ("POST", "/v1/rerank", RANK),
    ("POST", "/v2/rerank", RANK),
    ("POST", "/v1/moderations", TEXT),
    ("POST", "/v1/images/generations", TEXT),
    ("POST", "/v1/images/edits", TEXT),
    ("POST", "/v1/images/variations", TEXT),
    ("POST", "/v1/audio/speech", TEXT),
    ("POST", "/v1/audio/transcriptions", TEXT),
    ("POST", "/v1/audio/translations", TEXT),
    ("POST", "/v1/messages", MESSAGE),
    ("POST", "/v1/messages/count_tokens", MESSAGE),
    ("GET", "/v1/models", None),
    ("GET", "/v1/models/my-openai/gpt-5", None),
    ("GET", "/v1beta/models", None),
    ("GET", "/v1beta/models/my-google/gemini", None),
    ("POST", "/v1beta/models/my-google/gemini:generateContent", GENERATE),
    ("POST", "/v1beta/models/my-google/gemini:streamGenerateContent", GENERATE),
    ("POST", "/v1beta/models/my-google/gemini:countTokens", GENERATE),
    ("POST", "/v1beta/models/my-google/gemini:embedContent", GENERATE),
    ("POST", "/v1beta/models/my-google/gemini:batchEmbedContents", GENERATE),
    ("POST", "/v1/models/my-google/gemini:generateContent", GENERATE),
    ("POST", "/model/my-openai%2Fgpt-5/converse", CONVERSE),
    ("POST", "/model/my-openai%2Fgpt-5/converse-stream", CONVERSE),
    ("POST", "/model/my-openai%2Fgpt-5/invoke", MESSAGE),
    ("POST", "/model/my-openai%2Fgpt-5/invoke-with-response-stream", MESSAGE),
    ("GET", "/v1/responses/resp_mine", None),
    ("DELETE", "/v1/responses/resp_mine", None),
    ("POST", "/v1/responses/resp_mine/cancel", None),
    ("GET", "/v1/responses/resp_mine/input_items", None),
    ("POST", "/openai/v1/chat/completions", CHAT),
    ("POST", "/anthropic/v1/messages", MESSAGE),
    ("POST", "/gemini/v1beta/models/my-google/gemini:generateContent", GENERATE),
    ("POST", "/bedrock/model/my-openai%2Fgpt-5/converse", CONVERSE),
)
REFUSED = {
    "no key",
    "never issued",
    "another secret",
    "expired",
    "revoked",
    "of a disabled member",
    "an admin token",
    "a wrong checksum",
    "cut short",
    "too long",
    "in capitals",
    "the id alone",
    "not ours",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def refused_keys(sqlite_stage: Stage, postgresql_stage: Stage) -> dict[str, dict[str, str]]:
    """Return for each engine a key for every reason to refuse it."""
    stages = (sqlite_stage, postgresql_stage)
    made = await asyncio.gather(*[keys_that_do_not_work(stage.gateway) for stage in stages])
    found = {stage.engine: {"no key": "", **keys} for stage, keys in zip(stages, made, strict=True)}
    assert all(set(keys) == REFUSED for keys in found.values())
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def narrowed_keys(sqlite_stage: Stage, postgresql_stage: Stage) -> dict[str, dict[str, str]]:
    """Return for each engine keys that are in force and may not do what the table asks for."""
    return {
        stage.engine: {
            "to other models": (await issue(stage.gateway, "models", models=["nothing-*"]))["key"],
            "to another credential": (await issue(stage.gateway, "credentials", credentials=["sandbox"]))["key"],
        }
        for stage in (sqlite_stage, postgresql_stage)
    }


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES])
async def test_a_key_that_is_not_in_force_opens_nothing(
    each_stage: Stage, refused_keys: dict[str, dict[str, str]], method: str, path: str, body: Any
) -> None:
    before = len(each_stage.fake.calls)
    for name, key in refused_keys[each_stage.engine].items():
        reply = await each_stage.gateway.call(method, path, body, key=key)
        assert reply.status in {401, 429}, name
    assert len(each_stage.fake.calls) == before


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES])
async def test_a_narrowed_key_opens_nothing_beside(
    each_stage: Stage, narrowed_keys: dict[str, dict[str, str]], method: str, path: str, body: Any
) -> None:
    before = len(each_stage.fake.calls)
    for name, key in narrowed_keys[each_stage.engine].items():
        reply = await each_stage.gateway.call(method, path, body, key=key)
        if method == "GET" and path.endswith("/models"):
            assert reply.status == 200  # the list of what it may use, which is nothing of ours
            assert b"gpt" not in reply.body
        else:
            assert reply.status in {400, 403, 404}, name
            assert await each_stage.recorded(reply) == ("rejected", reply.headers["x-keystead-error"])
    assert len(each_stage.fake.calls) == before


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES])
async def test_a_good_key_opens_each(each_stage: Stage, method: str, path: str, body: Any) -> None:
    reply = await each_stage.gateway.call(method, path, body)
    status, state, code = 200, "settled", None
    if "resp_mine" in path:
        status, state, code = 404, "rejected", "response_not_found"
    elif "/converse" in path:  # nobody here speaks it, so that the body is read, and has no message
        status, state, code = 400, "rejected", "invalid_value"
    elif "/invoke" in path:  # the model is none of those that speak such messages
        status, state, code = 400, "rejected", "invoke_not_served"
    assert reply.status == status, reply.body
    assert await each_stage.recorded(reply) == (state, code)


async def test_the_table_holds_every_path_that_is_served() -> None:
    tried = {(method, paths.split_root(path)[1]) for method, path, _ in ROUTES}
    fixed = set(paths._FIXED)
    assert fixed <= tried
    for verb in paths._GEMINI_VERBS:
        assert any(path.endswith(f":{verb}") for _, path in tried)
    for method, tail in paths._RESPONSE_METHODS:
        assert (method, f"/v1/responses/resp_mine{tail or ''}") in tried
    assert {dialect for _, path, _ in ROUTES if (dialect := paths.split_root(path)[0])} == set(Dialect)
