"""Files, batches and what else is kept at a provider, as the official SDKs use them, on each engine."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio

from tests.acceptance.conftest import OPENAI_KEY
from tests.acceptance.house import House, another_principal
from tests.attacks.keys import issue
from tests.fakes.account import Account
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLL_S = "0.05"
MOST = 40 * 1024 * 1024 + 1000


def line(number: int, model: str = "gpt-5", **body: Any) -> str:
    asked = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 50, **body}
    return json.dumps({"custom_id": f"l{number}", "method": "POST", "url": "/v1/chat/completions", "body": asked})


def input_file(*lines: str) -> io.BytesIO:
    file = io.BytesIO(("\n".join(lines) + "\n").encode())
    file.name = "in.jsonl"
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(database_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("stored")
    home, listed = folder / "home", folder / "listed.yaml"
    listed.write_text("openai: [POST /v1/fine_tuning/jobs, 'GET /v1/files/{id}/derived']\n")
    async with (
        FakeProvider() as fake,
        Gateway.running(
            home,
            egress_allow="127.0.0.1",
            work_poll_s=POLL_S,
            max_file_bytes=str(MOST),
            passthrough_file=str(listed),
            **database_settings,
        ) as gateway,
    ):
        for name, secret in (
            ("openai", OPENAI_KEY),
            ("anthropic", "sk-ant-api03-x7f3b1c9d5e2a4860"),
            ("google", "AIzaSyX7f3b1c9d5e2a4860b1c9d7f3b1c9d5e2"),
        ):
            await gateway.add_credential(f"my-{name}", name, secret, origin=fake.origin)
        made = House(gateway, fake, Account())
        yield made
        for client in made.clients:
            await client.close()


async def test_a_batch_is_settled_at_batch_prices_when_it_has_ended(house: House) -> None:
    client = house.openai()
    file = await client.files.create(file=input_file(line(1), line(2)), purpose="batch")
    assert (await client.files.retrieve(file.id)).filename == "in.jsonl"
    batch = await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    request_id = await house.last_request("batches")
    shown = await house.gateway.admin("GET", f"/requests/{request_id}")
    assert (shown["request"]["state"], shown["attempts"][0]["model_sent"]) == ("intent", "gpt-5")
    house.account.end_batch(batch.id)
    shown = await house.settled(request_id)
    attempt = shown["attempts"][0]
    # gpt-5 at half of 1.25 and 10 per million: 2 × (100 × 0.625 + 10 × 5) / 10⁶.
    assert (attempt["state"], attempt["cost_state"], attempt["cost"]) == ("settled", "priced", "0.000225")
    assert attempt["service_tier"] == "batch"
    ended = await client.batches.retrieve(batch.id)
    assert ended.output_file_id
    assert len((await client.files.content(ended.output_file_id)).text.splitlines()) == 2
    assert [each.id async for each in client.batches.list(limit=1)] == [batch.id]
    assert {file.id, ended.output_file_id} <= {each.id async for each in client.files.list()}
    assert (await client.files.list(purpose="batch", limit=1)).data[0].id == file.id
    assert (await client.files.delete(file.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(file.id)


async def test_nobody_elses_id_resolves(house: House) -> None:
    client, stranger = house.openai(), house.openai(await another_principal(house, "stranger"))
    file = await client.files.create(file=input_file(line(1)), purpose="batch")
    batch = await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    await house.ended(batch.id)
    before = len(house.fake.calls)
    question, nobodys = question_about(file.id), question_about("file-none")
    for call, otherwise in (
        (stranger.files.retrieve(file.id), stranger.files.retrieve("file-none")),
        (stranger.files.content(file.id), stranger.files.content("file-none")),
        (stranger.files.delete(file.id), stranger.files.delete("file-none")),
        (stranger.batches.retrieve(batch.id), stranger.batches.retrieve("batch-none")),
        (stranger.batches.cancel(batch.id), stranger.batches.cancel("batch-none")),
        (
            stranger.chat.completions.create(model="gpt-5", messages=question),  # type: ignore[arg-type]
            stranger.chat.completions.create(model="gpt-5", messages=nobodys),  # type: ignore[arg-type]
        ),
    ):
        with pytest.raises(openai.NotFoundError) as theirs:
            await call
        with pytest.raises(openai.NotFoundError) as none:
            await otherwise
        assert without_id(theirs.value.body) == without_id(none.value.body)
    assert [each async for each in stranger.files.list()] == []
    assert [each async for each in stranger.batches.list()] == []
    assert len(house.fake.calls) == before


def without_id(body: Any) -> Any:
    return {name: value for name, value in body.items() if name != "request_id"}


def question_about(file_id: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "file", "file": {"file_id": file_id}}]}]


async def test_a_name_written_with_escapes_is_found_all_the_same(house: House) -> None:
    body = (
        b'{"model":"gpt-5","messages":[{"role":"user","content":[{"type":"file","file":{"file\\u005fid":"file-x"}}]}]}'
    )
    reply = await house.gateway.call("POST", "/v1/chat/completions", body)
    assert (reply.status, reply.json()["error"]["code"]) == (404, "file_not_found")


async def test_a_line_that_may_not_be_is_refused_by_its_number(house: House) -> None:
    client = house.openai()
    before = len(house.fake.calls)
    for lines, said in (
        ((line(1), line(2, stream=True)), "Line 2"),
        ((line(1), line(2, model="gpt-4o")), "Line 2"),
        ((line(1), "{"), "Line 2"),
        ((line(1), '{"custom_id":"a","method":"GET","url":"/v1/chat/completions","body":{}}'), "Line 2"),
        ((line(1), '{"custom_id":"a","method":"POST","url":"/v1/files","body":{}}'), "Line 2"),
        ((line(1), '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{},"body":{}}'), "Line 2"),
        ((line(1, model="my-openai/gpt-5"),), "Line 1"),
        ((line(1), line(2, messages=question_about("file-none"))), "no such file"),
    ):
        with pytest.raises(openai.APIStatusError) as refused:
            await client.files.create(file=input_file(*lines), purpose="batch")
        assert said in refused.value.message, lines
        assert 400 <= refused.value.status_code < 500
    narrow = house.openai(str((await issue(house.gateway, "narrow", models=["gpt-4o"]))["key"]))
    with pytest.raises(openai.PermissionDeniedError) as denied:
        await narrow.files.create(file=input_file(line(1)), purpose="batch")
    assert "Line 1" in denied.value.message
    assert len(house.fake.calls) == before


async def test_a_file_that_was_not_read_for_a_batch_becomes_none(house: House) -> None:
    client = house.openai()
    file = await client.files.create(file=input_file(line(1, model="gpt-4o")), purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="not one that was uploaded here for a batch"):
        await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")


async def test_a_batch_that_was_cancelled_settles_what_it_used(house: House) -> None:
    client = house.openai()
    file = await client.files.create(file=input_file(line(1), line(2)), purpose="batch")
    batch = await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    request_id = await house.last_request("batches")
    house.account.end_batch(batch.id, status="cancelled", answered=1)
    attempt = (await house.settled(request_id))["attempts"][0]
    assert (attempt["state"], attempt["cost"]) == ("cancelled_partial", "0.0001125")


async def test_a_batch_that_is_lost_at_the_provider_ends_as_unknown(house: House) -> None:
    client = house.openai()
    file = await client.files.create(file=input_file(line(1)), purpose="batch")
    batch = await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    request_id = await house.last_request("batches")
    house.account.lose(batch.id)
    attempt = (await house.settled(request_id))["attempts"][0]
    assert (attempt["state"], attempt["cost_state"], attempt["cost"]) == ("unknown", "unknown", None)
    assert attempt["error_code"] == "work_lost"


async def create_many(client: openai.AsyncOpenAI, file_id: str) -> None:
    for _ in range(60):
        await client.batches.create(input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h")


async def test_money_is_held_for_a_batch_until_it_has_ended(house: House) -> None:
    issued = await issue(house.gateway, "thrifty")
    budget = {
        "name": "thrifty",
        "virtual_key": issued["id"],
        "period": "month",
        "limit": "0.1",
        "hard": True,
    }
    budget_id = (await house.gateway.admin("POST", "/budgets", budget))["id"]
    client = house.openai(str(issued["key"]))
    file = await client.files.create(file=input_file(line(1), line(2)), purpose="batch")
    batch = await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    shown = await house.gateway.admin("GET", f"/budgets/{budget_id}")
    assert float(shown["standing"]["held"]) > 0.002
    with pytest.raises(openai.APIStatusError) as refused:
        await create_many(client, file.id)
    assert "thrifty" in refused.value.message
    for identifier, each in list(house.account.objects.items()):
        if each.get("object") == "batch" and each["input_file_id"] == file.id:
            house.account.end_batch(identifier)
    async with asyncio.timeout(20):
        while float((shown := await house.gateway.admin("GET", f"/budgets/{budget_id}"))["standing"]["held"]):
            await asyncio.sleep(0.05)
    assert float(shown["standing"]["spent"]) >= 0.000225
    assert batch.id


async def test_a_background_response_is_settled_when_it_has_ended(house: House) -> None:
    client = house.openai()
    made = await client.responses.create(model="gpt-5", input="Hi", background=True, max_output_tokens=50)
    request_id = await house.last_request("responses")
    assert (await client.responses.retrieve(made.id)).status == "queued"
    shown = await house.gateway.admin("GET", f"/requests/{request_id}")
    assert shown["request"]["state"] == "intent"
    with pytest.raises(openai.ConflictError):
        await client.responses.delete(made.id)
    house.account.end_response(made.id)
    attempt = (await house.settled(request_id))["attempts"][0]
    assert (attempt["state"], attempt["cost_state"], attempt["cost"]) == ("settled", "priced", "0.000225")
    again = await client.responses.create(model="gpt-5", input="Hi", background=True)
    request_id = await house.last_request("responses")
    await client.responses.cancel(again.id)
    attempt = (await house.settled(request_id))["attempts"][0]
    assert (attempt["state"], attempt["cost_state"]) == ("cancelled_partial", "unknown")


async def test_a_message_batch_is_settled_when_it_has_ended(house: House) -> None:
    client = house.anthropic()
    params: Any = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    requests: Any = [{"custom_id": f"a{number}", "params": params} for number in range(3)]
    batch = await client.messages.batches.create(requests=requests)
    request_id = await house.last_request("batches")
    house.account.end_message_batch(batch.id, house.fake.origin)
    attempt = (await house.settled(request_id))["attempts"][0]
    # Sonnet 4.5 at half of 3 and 15 per million: 2 × (100 × 1.5 + 10 × 7.5) / 10⁶.
    assert (attempt["cost_state"], attempt["cost"], attempt["service_tier"]) == ("priced", "0.00045", "batch")
    results = [each async for each in await client.messages.batches.results(batch.id)]
    assert [each.result.type for each in results] == ["succeeded", "succeeded", "expired"]
    assert [each.id async for each in client.messages.batches.list()] == [batch.id]
    mixed: Any = [requests[0], {"custom_id": "b", "params": {**params, "model": "claude-opus-4-5"}}]
    with pytest.raises(anthropic.BadRequestError, match="Line 2"):
        await client.messages.batches.create(requests=mixed)
    await client.messages.batches.delete(batch.id)
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.batches.retrieve(batch.id)


async def test_what_the_lines_of_a_message_batch_opened_is_its_makers(house: House) -> None:
    client, messages = house.anthropic(), [{"role": "user", "content": "Hi"}]
    params: Any = {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": messages}
    requests: Any = [{"custom_id": "a", "params": params}, {"custom_id": "b", "params": params}]
    batch = await client.messages.batches.create(requests=requests)
    request_id = await house.last_request("batches")
    house.account.end_message_batch(batch.id, house.fake.origin)
    await house.settled(request_id)
    stranger = house.anthropic(await another_principal(house, "opens nothing"))
    for number in range(2):
        asked: Any = {**params, "model": "claude-opus-5", "container": f"container_{batch.id}_{number}"}
        house.fake.next(
            Answer(steps=(b'{"type":"message","content":[],"usage":{"input_tokens":1,"output_tokens":1}}',))
        )
        await client.beta.messages.create(**asked)
        before = len(house.fake.calls)
        with pytest.raises(anthropic.NotFoundError, match="no such container"):
            await stranger.beta.messages.create(**asked)
        assert len(house.fake.calls) == before


async def test_a_cached_content_is_made_used_and_deleted(house: House) -> None:
    call = house.gateway.call
    body = {"model": "models/gemini-2.5-flash", "contents": [{"role": "user", "parts": [{"text": "long"}]}]}
    made = await call("POST", "/v1beta/cachedContents", body)
    assert made.status == 200, made.body
    name = made.json()["name"]
    assert made.headers["x-keystead-cost-state"] == "unpriced"
    shown = await house.gateway.admin("GET", f"/requests/{made.headers['x-keystead-request-id']}")
    assert shown["attempts"][0]["units"] == {"cached_token_hours": "5000"}
    assert (await call("GET", f"/v1beta/{name}")).json()["name"] == name
    listed = await call("GET", "/v1beta/cachedContents")
    assert [each["name"] for each in listed.json()["cachedContents"]] == [name]
    stranger = await another_principal(house, "gemini-stranger")
    ask = {"contents": [{"parts": [{"text": "Hi"}]}], "cachedContent": name}
    refused = await call("POST", "/v1beta/models/gemini-2.5-flash:generateContent", ask, key=stranger)
    assert refused.status == 404
    assert (await call("PATCH", f"/v1beta/{name}?updateMask=ttl", {"ttl": "60s"})).status == 200
    assert (await call("DELETE", f"/v1beta/{name}")).status == 200
    assert (await call("GET", f"/v1beta/{name}")).status == 404


async def test_a_vector_store_is_bound_like_a_file(house: House) -> None:
    client = house.openai()
    file = await client.files.create(file=input_file("some text"), purpose="assistants")
    store = await client.vector_stores.create(name="s", file_ids=[file.id])
    assert (await client.vector_stores.retrieve(store.id)).id == store.id
    stranger = house.openai(await another_principal(house, "vector-stranger"))
    with pytest.raises(openai.NotFoundError):
        await stranger.vector_stores.retrieve(store.id)
    with pytest.raises(openai.NotFoundError):
        await stranger.responses.create(
            model="gpt-5", input="Hi", tools=[{"type": "file_search", "vector_store_ids": [store.id]}]
        )
    await client.vector_stores.delete(store.id)


async def test_what_a_revoked_credential_holds_is_said_to_be_out_of_reach(house: House) -> None:
    gateway = house.gateway
    await gateway.add_credential("passing", "openai", "sk-proj-passing-7f3b1c9d5e2a4860", origin=house.fake.origin)
    client = house.openai()
    file = await client.files.create(
        file=input_file("text"), purpose="user_data", extra_headers={"x-keystead-credential": "passing"}
    )
    kept = next(call for call in reversed(house.fake.calls) if call.method == "POST")
    assert kept.auth == "Bearer sk-proj-passing-7f3b1c9d5e2a4860"
    await gateway.admin("POST", "/credentials/passing/revoke", {})
    with pytest.raises(openai.ConflictError) as refused:
        await client.files.retrieve(file.id)
    assert "revoked" in refused.value.message


async def test_an_administrator_lists_and_deletes_what_lies_at_providers(house: House) -> None:
    client = house.openai()
    file = await client.files.create(file=input_file("text"), purpose="user_data")
    page = await house.gateway.admin("GET", "/stored-objects?kind=file&limit=1")
    [found] = page["items"]
    assert (found["upstream_id"], found["kind"], found["work"]) == (file.id, "file", "")
    await house.gateway.admin("POST", f"/stored-objects/{found['id']}/delete", {"at_provider": True})
    assert file.id not in house.account.objects
    events = await house.gateway.admin("GET", "/audit-events?limit=1")
    assert events["items"][0]["action"] == "stored_object.deleted"
    async with asyncio.timeout(20):
        while (await house.gateway.call("GET", f"/v1/files/{file.id}")).status != 404:
            await asyncio.sleep(0.05)


async def test_a_large_file_is_passed_on_and_a_larger_one_refused(house: House) -> None:
    client = house.openai()
    large = io.BytesIO(b"x" * (40 * 1024 * 1024))
    large.name = "large.bin"
    file = await client.files.create(file=large, purpose="user_data")
    assert len(house.account.contents.pop(file.id)) == 40 * 1024 * 1024
    larger = io.BytesIO(b"x" * (41 * 1024 * 1024))
    larger.name = "larger.bin"
    with pytest.raises(openai.APIStatusError) as refused:
        await client.files.create(file=larger, purpose="user_data")
    assert refused.value.status_code == 413


async def test_work_is_settled_although_its_gateway_was_killed(house: House) -> None:
    client = house.openai()
    file = await client.files.create(file=input_file(line(1), line(2)), purpose="batch")
    batch = await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    request_id = await house.last_request("batches")
    await house.gateway.kill()
    house.account.end_batch(batch.id)
    await house.gateway.start()
    attempt = (await house.settled(request_id))["attempts"][0]
    assert (attempt["state"], attempt["cost"]) == ("settled", "0.000225")


async def test_what_passes_through_reaches_ones_own_files_and_nobody_elses(house: House) -> None:
    [team, *_] = (await house.gateway.admin("GET", "/teams"))["items"]
    await house.gateway.admin("POST", "/grants", {"effect": "allow", "team": team["id"], "endpoints": ["passthrough"]})
    file = await house.openai().files.create(file=input_file(line(1)), purpose="batch")
    thief = await another_principal(house, "who trains")
    job = "/passthrough/my-openai/v1/fine_tuning/jobs"
    escaped = rb'{"model":"gpt-4o-mini","training_file":"\u0066' + file.id[1:].encode() + b'"}'
    before = len(house.fake.calls)
    for reply in (
        await house.gateway.call("POST", job, {"model": "gpt-4o-mini", "training_file": file.id}, key=thief),
        await house.gateway.call("POST", job, {"model": "gpt-4o-mini", "more": [{"x": file.id}]}, key=thief),
        await house.gateway.call("POST", job, escaped, key=thief),
        await house.gateway.call("GET", f"/passthrough/my-openai/v1/files/{file.id}/derived", key=thief),
    ):
        assert (reply.status, reply.json()["error"]["code"]) == (404, "object_not_found")
    assert len(house.fake.calls) == before
    house.fake.next(Answer(steps=(b'{"id":"ftjob-1"}',)))
    reply = await house.gateway.call("POST", job, {"model": "gpt-4o-mini", "training_file": file.id})
    assert (reply.status, reply.json()["id"]) == (200, "ftjob-1")
