"""T8: nothing a caller writes becomes a part of the provider's path but names that look like names.

LiteLLM PR 26943: `../ # ?` in an id, put into a URL by an f-string, sent with the stored key.
"""

import json
import re

import pytest

from tests.attacks.conftest import AZURE_VERSION, Stage
from tests.attacks.raw import keyed_request, talk

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRICKS = (
    "..",
    "../x",
    "../../v1/files",
    "..%2f..%2fx",
    "%2e%2e/x",
    "%2e%2e%2fx",
    ".%2e/x",
    "..;/x",
    "..\\x",
    "%5c..%5cx",
    "%252e%252e%252fx",
    "x/../../y",
    "x//y",
    "//evil.example/x",
    "/x",
    "x?key=1",
    "x%3fkey=1",
    "x#y",
    "x%23y",
    "x;y=1",
    "x&y",
    "x%00",
    "x%0d%0aX-Evil:1",
    "x y",
    "x%20y",
    "http://evil.example",
    "@evil.example",
    "x@evil.example:1",
    "{model}",
    "{{7*7}}",
    "${7*7}",
    "%s%n",
    "x:generateContent:x",
    "x\u202e",
    "\u2025/x",
    "\uff0e\uff0e/x",
    ".",
    "",
    "x" * 300,
)
SEEN = re.compile(
    r"/v1/(chat/completions|completions|responses|embeddings|moderations|messages|messages/count_tokens"
    r"|images/(generations|edits)|audio/(speech|transcriptions)|models(/[A-Za-z0-9_.@+~:%-]+)?)"
    r"|/v1beta/models(/[A-Za-z0-9_.@+~:%-]+)?"
    r"|/openai/deployments/[A-Za-z0-9_.@+~-]+/chat/completions"
)
"""Every path that the gateway has templates for, with a name in it that is one part. A slash in one is `%2F`."""

PLACES = (
    ("GET", "/v1/models/{}"),
    ("GET", "/v1beta/models/{}"),
    ("POST", "/v1beta/models/{}:generateContent"),
    ("POST", "/v1beta/models/my-google/{}:generateContent"),
    ("GET", "/v1/responses/{}"),
    ("DELETE", "/v1/responses/{}"),
    ("POST", "/v1/responses/{}/cancel"),
    ("GET", "/v1/responses/{}/input_items"),
    ("POST", "/v1/{}/chat/completions"),
    ("POST", "/{}/v1/chat/completions"),
    ("GET", "/{}"),
)


@pytest.mark.parametrize("trick", TRICKS)
async def test_a_path_that_climbs_or_ends_early_never_reaches_a_provider(each_stage: Stage, trick: str) -> None:
    gateway, before = each_stage.gateway, len(each_stage.fake.calls)
    for method, place in PLACES:
        target = place.format(trick)
        if " " in target or not target.isascii():
            target = target.encode().decode("latin-1")
        body = b'{"model":"my-openai/gpt-5","messages":[],"contents":[]}' if method == "POST" else None
        came = await talk(gateway.url, keyed_request(method, target, gateway.virtual_key, body))
        for answer in came.answers:
            assert answer.status in {400, 404} or (
                answer.status == 200 and SEEN.fullmatch(each_stage.fake.calls[-1].path)
            )
    paths = [call.path for call in each_stage.fake.calls[before:]]
    assert [path for path in paths if not SEEN.fullmatch(path) or ".." in path] == []


@pytest.mark.parametrize("trick", TRICKS)
async def test_a_model_in_a_body_is_a_name_or_is_refused(each_stage: Stage, trick: str) -> None:
    before = len(each_stage.fake.calls)
    for model in (trick, f"my-openai/{trick}", f"my-azure/{trick}"):
        reply = await each_stage.gateway.call("POST", "/v1/chat/completions", {"model": model, "messages": []})
        assert reply.status in {200, 400, 404}
    for call in each_stage.fake.calls[before:]:
        assert SEEN.fullmatch(call.path)
        assert call.query in {"", f"api-version={AZURE_VERSION}"}
        assert json.loads(call.body)["messages"] == []


async def test_a_deployment_is_one_part_of_a_path(each_stage: Stage) -> None:
    assert (await each_stage.gateway.chat("my-azure/gpt-5_prod.1")).status == 200
    assert each_stage.fake.calls[-1].path == "/openai/deployments/gpt-5_prod.1/chat/completions"
    for model in ("a/b", "..", "a%2fb", "a?b", "a#b", "a;b"):
        reply = await each_stage.gateway.chat(f"my-azure/{model}")
        assert reply.status == 400
        assert await each_stage.recorded(reply) == ("failed_unsent", reply.json()["error"]["code"])


@pytest.mark.parametrize("version", ["2025/../x", "2025&x=1", "2025#", "2025?x", "a b", "x" * 60, "%2e"])
async def test_a_setting_that_ends_in_the_query_is_checked(stage: Stage, version: str) -> None:
    body = {
        "name": "odd-azure",
        "provider": "azure",
        "key": "0123456789abcdef0123456789abcde0",
        "origin": stage.fake.origin,
        "settings": {"api_version": version},
        "force": True,
        "activate": False,
    }
    before = len(stage.fake.calls)
    await stage.gateway.admin("POST", "/credentials", body, expect=400)
    assert len(stage.fake.calls) == before


@pytest.mark.parametrize(
    "query",
    ["alt=proto", "alt=media", "alt=sse%26key=x", "pageToken=a%0d%0ab;c\x7f", "alt=json%00", "pageToken=<x>"],
)
async def test_a_query_holds_only_what_the_dialect_knows(each_stage: Stage, query: str) -> None:
    gateway, before = each_stage.gateway, len(each_stage.fake.calls)
    target = f"/v1beta/models/my-google/gemini:generateContent?{query}"
    came = await talk(gateway.url, keyed_request("POST", target, gateway.virtual_key, b'{"contents":[]}'))
    assert came.statuses == [400]
    assert len(each_stage.fake.calls) == before
