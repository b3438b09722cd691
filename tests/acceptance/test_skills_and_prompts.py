"""Skills and stored prompts: what an account has without the gateway, named by its owner, on each engine."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio

from tests.acceptance.conftest import OPENAI_KEY
from tests.acceptance.house import House, another_principal
from tests.fakes.account_files import FilesAccount
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLAUDE = "claude-opus-5"
ANTHROPIC_KEY = "sk-ant-api03-x7f3b1c9d5e2a4860"
PROMPT: Any = {"id": "pmpt_1234567890", "version": "2", "variables": {"city": "Rome"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(database_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("skills")
    listed = folder / "listed.yaml"
    listed.write_text("anthropic: [POST /v1/skills, 'GET /v1/skills/{id}']\nopenai: [POST /v1/skills]\n")
    async with (
        FakeProvider() as fake,
        Gateway.running(
            folder / "home", egress_allow="127.0.0.1", passthrough_file=str(listed), **database_settings
        ) as gateway,
    ):
        for provider, secret in (("openai", OPENAI_KEY), ("anthropic", ANTHROPIC_KEY)):
            for name, key in (("my", secret), ("other", f"{secret}9")):
                await gateway.add_credential(f"{name}-{provider}", provider, key, origin=fake.origin)
            pool = {"origin": fake.origin, "platform": True, "margin_ppm": 0}
            await gateway.add_credential(f"pool-{provider}", provider, f"{secret}p", **pool)
        [team, *_] = (await gateway.admin("GET", "/teams"))["items"]
        await gateway.admin("POST", "/grants", {"effect": "allow", "team": team["id"], "endpoints": ["passthrough"]})
        pools = ["pool-openai", "pool-anthropic"]
        await gateway.admin("POST", "/grants", {"effect": "allow", "everyone": True, "credentials": pools})
        made = House(gateway, fake, FilesAccount())
        yield made
        for client in made.clients:
            await client.close()


def using(*skills: tuple[str, str], model: str = CLAUDE) -> dict[str, Any]:
    told = [{"type": kind, "skill_id": name, "version": "latest"} for kind, name in skills]
    messages = [{"role": "user", "content": "Hi"}]
    return {"model": model, "max_tokens": 9, "messages": messages, "container": {"skills": told}}


def shell(name: str) -> dict[str, Any]:
    skill = {"type": "skill_reference", "skill_id": name}
    return {"input": "Hi", "tools": [{"type": "shell", "environment": {"type": "container_auto", "skills": [skill]}}]}


async def made_by_passing(house: House, provider: str, name: str) -> None:
    house.fake.next(Answer(steps=(json.dumps({"id": name, "type": "skill", "source": "custom"}).encode(),)))
    form = b'--b\r\nContent-Disposition: form-data; name="files[]"; filename="s/SKILL.md"\r\n\r\n# S\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    reply = await house.gateway.call("POST", f"/passthrough/other-{provider}/v1/skills", form, headers=headers)
    assert (reply.status, reply.json()["id"]) == (200, name), reply.body


async def test_an_anthropic_skill_made_by_passing_through_is_its_makers(house: House) -> None:
    await made_by_passing(house, "anthropic", "skill_made1")
    asked = using(("custom", "skill_made1"), ("anthropic", "pptx"))
    await house.anthropic().beta.messages.create(**asked)
    assert house.fake.calls[-1].auth == f"{ANTHROPIC_KEY}9"
    assert json.loads(house.fake.calls[-1].body)["container"] == asked["container"]
    [shown] = (await house.gateway.admin("GET", "/stored-objects?kind=skill&limit=1"))["items"]
    assert shown["upstream_id"] == "skill_made1"
    key = await another_principal(house, "skill-stranger")
    before, stranger = len(house.fake.calls), house.anthropic(key)
    with pytest.raises(anthropic.NotFoundError, match="There is no such skill"):
        await stranger.beta.messages.create(**asked)
    batch: Any = [{"custom_id": "a", "params": asked}]
    with pytest.raises(anthropic.NotFoundError, match="There is no such skill"):
        await stranger.beta.messages.batches.create(
            requests=batch, extra_headers={"x-keystead-credential": "other-anthropic"}
        )
    passed = await house.gateway.call("GET", "/passthrough/my-anthropic/v1/skills/skill_made1", key=key)
    assert (passed.status, passed.json()["error"]["type"]) == (404, "not_found_error")
    assert len(house.fake.calls) == before


async def test_an_openai_skill_made_by_passing_through_is_its_makers(house: House) -> None:
    await made_by_passing(house, "openai", "skill_made2")
    await house.openai().responses.create(model="gpt-5", **shell("skill_made2"))
    assert house.fake.calls[-1].auth == f"Bearer {OPENAI_KEY}9"
    before, stranger = len(house.fake.calls), house.openai(await another_principal(house, "shell-stranger"))
    with pytest.raises(openai.NotFoundError) as refused:
        await stranger.responses.create(model="gpt-5", **shell("skill_made2"))
    assert refused.value.code == "skill_not_found"
    assert len(house.fake.calls) == before


async def test_what_nobody_made_here_is_the_accounts_and_goes_to_own_credentials(house: House) -> None:
    """Two of them could serve the model, so one is named."""
    await house.anthropic().beta.messages.create(**using(("custom", "skill_console"), model=f"my-anthropic/{CLAUDE}"))
    assert house.fake.calls[-1].auth == ANTHROPIC_KEY
    for asked in ({"prompt": PROMPT}, {"prompt": PROMPT, "input": "Hi"}, shell("skill_dashboard")):
        await house.openai().responses.create(model="my-openai/gpt-5", **asked)
        assert house.fake.calls[-1].auth == f"Bearer {OPENAI_KEY}"
        sent = json.loads(house.fake.calls[-1].body)
        assert {name: sent[name] for name in asked} == asked
    batch: Any = [{"custom_id": "a", "params": using(("custom", "skill_console"))}]
    headers = {"x-keystead-credential": "my-anthropic"}
    await house.anthropic().beta.messages.batches.create(requests=batch, extra_headers=headers)
    assert house.fake.calls[-1].auth == ANTHROPIC_KEY


async def test_in_the_platforms_account_nobody_names_what_nobody_made_here(house: House) -> None:
    client, other = house.openai(), house.anthropic().beta
    pool = f"pool-anthropic/{CLAUDE}"
    await client.responses.create(model="pool-openai/gpt-5", input="Hi", max_output_tokens=16)
    await other.messages.create(**using(("anthropic", "pptx"), model=pool))
    assert house.fake.calls[-1].auth == f"{ANTHROPIC_KEY}p"
    before = len(house.fake.calls)
    for asked, code in (({"prompt": PROMPT}, "prompt_not_found"), (shell("skill_dashboard"), "skill_not_found")):
        with pytest.raises(openai.NotFoundError) as refused:
            await client.responses.create(model="pool-openai/gpt-5", **asked)
        assert refused.value.code == code
    with pytest.raises(anthropic.NotFoundError, match="There is no such skill"):
        await other.messages.create(**using(("custom", "skill_console"), model=pool))
    batch: Any = [{"custom_id": "a", "params": using(("custom", "skill_console"))}]
    with pytest.raises(anthropic.NotFoundError, match="There is no such skill"):
        await other.messages.batches.create(requests=batch, extra_headers={"x-keystead-credential": "pool-anthropic"})
    assert len(house.fake.calls) == before


async def test_what_goes_on_from_the_platforms_account_names_nothing_of_it(house: House) -> None:
    client = house.openai()
    usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
    answer = {"id": "resp_pool1", "object": "response", "status": "completed", "output": [], "usage": usage}
    house.fake.next(Answer(steps=(json.dumps(answer).encode(),)))
    made = await client.responses.create(model="pool-openai/gpt-5-nano", input="Hi", max_output_tokens=16)
    await client.responses.create(model="gpt-5-nano", input="And?", max_output_tokens=16, previous_response_id=made.id)
    assert house.fake.calls[-1].auth == f"Bearer {OPENAI_KEY}p"
    before = len(house.fake.calls)
    with pytest.raises(openai.NotFoundError) as refused:
        await client.responses.create(model="gpt-5-nano", prompt=PROMPT, previous_response_id=made.id)
    assert refused.value.code == "prompt_not_found"
    assert len(house.fake.calls) == before
