"""Saved prompts: one's own alone, sealed, bounded, and gone with the member. The audit log says that, never what."""

from typing import Any

import pytest
from sqlalchemy import func, select, update

from keystead.domain.errors import IntegrityError
from keystead.identity import saved_prompts as store
from keystead.storage.database import Database
from keystead.storage.saved_prompts import saved_prompts
from tests.fakes.clock import FakeClock
from tests.integration.admin.world import FirstStart, World, started

CANARY = "canary-ünique-4711 \u202e <b>\x00"
IMAGE = "data:image/png;base64,iVBORw0KGgo="
CONTENT: dict[str, Any] = {
    "models": ["sandbox/echo", "gpt-5"],
    "system": f"You are {CANARY}",
    "questions": [{"text": CANARY, "images": [IMAGE]}, {"text": "And then?"}],
    "temperature": 0.5,
    "max_tokens": 100,
    "reasoning_effort": "low",
    "stop": "END\nSTOP",
    "tools": "[not yet JSON",
    "json_schema": "{}",
}
PROMPTS = "/playground/prompts"


@pytest.fixture
async def world(database: Database, clock: FakeClock, first: FirstStart) -> World:
    """A deployment, on each engine."""
    return await started(database, clock, first)


async def save(world: World, name: str = "canary-name", **content: Any) -> str:
    made = await world.post(PROMPTS, {"name": name, "content": CONTENT | content}, expect=201)
    return str(made["id"])


async def another(world: World, name: str = "dev") -> str:
    """Make another member, and return their token."""
    person = {"name": name, "team": world.team_id, "roles": [{"role": "developer"}]}
    await world.post("/members", person, expect=201)
    return str((await world.post("/admin-tokens", {"name": name, "member": name}, expect=201))["token"])


async def test_a_prompt_is_saved_listed_opened_changed_and_deleted(world: World) -> None:
    prompt = await save(world)
    [listed] = (await world.get(PROMPTS))["items"]
    assert (listed["id"], listed["name"], "content" in listed) == (prompt, "canary-name", False)
    shown = await world.get(f"{PROMPTS}/{prompt}")
    assert shown["content"] == CONTENT
    world.clock.advance(60)
    changed = await world.post(f"{PROMPTS}/{prompt}/change", {"name": "other"})
    assert (changed["name"], changed["changed_at"] > changed["created_at"]) == ("other", True)
    await world.post(f"{PROMPTS}/{prompt}/change", {"content": {"system": "short"}})
    shown = await world.get(f"{PROMPTS}/{prompt}")
    assert (shown["name"], shown["content"]) == ("other", {"system": "short"})
    await world.post(f"{PROMPTS}/{prompt}/delete")
    assert (await world.call("GET", f"{PROMPTS}/{prompt}")).status == 404
    assert (await world.call("POST", f"{PROMPTS}/{prompt}/delete")).status == 404
    assert (await world.get(PROMPTS))["items"] == []


async def test_it_is_ones_own_whoever_else_asks(world: World) -> None:
    prompt = await save(world)
    token = await another(world)
    assert (await world.call("GET", PROMPTS, token=token)).json()["items"] == []
    for method, path, body in (
        ("GET", f"{PROMPTS}/{prompt}", None),
        ("POST", f"{PROMPTS}/{prompt}/change", {"name": "mine"}),
        ("POST", f"{PROMPTS}/{prompt}/delete", None),
    ):
        assert (await world.call(method, path, body, token=token)).status == 404
    assert (await world.get(f"{PROMPTS}/{prompt}"))["name"] == "canary-name"


async def test_neither_the_database_nor_the_audit_log_says_what_was_saved(world: World) -> None:
    prompt = await save(world)
    await world.post(f"{PROMPTS}/{prompt}/change", {"name": "canary-second"})
    await world.post(f"{PROMPTS}/{prompt}/delete")
    second = await save(world)
    async with world.database.read() as conn:
        [row] = (await conn.execute(select(saved_prompts))).all()
    assert row.id == second
    assert all(b"canary" not in part for part in (row.name, row.content))
    events = [one for one in (await world.get("/audit-events"))["items"] if one["object_kind"] == "saved_prompt"]
    actions = sorted(one["action"].partition(".")[2] for one in events)
    assert actions == ["changed", "created", "created", "deleted"]
    assert all(set(one["details"]) == {"token"} for one in events)


async def test_a_row_that_was_moved_by_hand_does_not_open(world: World) -> None:
    mine, token = await save(world), await another(world)
    body = {"name": "theirs", "content": {}}
    theirs = (await world.call("POST", PROMPTS, body, token=token)).json()["id"]
    table = saved_prompts.c
    async with world.database.write() as conn:
        owner = (await conn.execute(select(table.member_id).where(table.id == theirs))).scalar_one()
        await conn.execute(update(saved_prompts).where(table.id == mine).values(member_id=owner))
    answer = await world.call("GET", f"{PROMPTS}/{mine}", token=token)
    assert (answer.status, answer.json()["code"]) == (IntegrityError.status, IntegrityError.code)
    assert "canary" not in answer.body.decode()
    assert (await world.call("POST", f"{PROMPTS}/{mine}/delete", token=token)).status == 200, "it can still go"


async def test_it_is_bounded_in_size_and_in_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"name": "big", "content": {"system": "x" * 30_000, "tools": "y" * 10_000}}
    refused = await world.call("POST", PROMPTS, body)
    assert (refused.status, refused.json()["code"]) == (413, "prompt_too_large")
    prompt = await save(world)
    refused = await world.call("POST", f"{PROMPTS}/{prompt}/change", {"content": body["content"]})
    assert refused.status == 413
    monkeypatch.setattr(store, "MOST", 1)
    refused = await world.call("POST", PROMPTS, {"name": "one more", "content": {}})
    assert (refused.status, refused.json()["code"]) == (409, "too_many")
    token = await another(world)
    assert (await world.call("POST", PROMPTS, {"name": "their first", "content": {}}, token=token)).status == 201


@pytest.mark.parametrize(
    "content",
    [
        {"questions": [{"images": ["https://example.com/i.png"]}]},
        {"questions": [{"images": ["data:image/svg+xml;base64,PHN2Zz4="]}]},
        {"questions": [{"images": ['data:image/png;base64,AAAA" onerror="x']}]},
        {"models": ["a", "b", "c", "d", "e"]},
        {"answers": ["kept?"]},
        {"temperature": 3},
    ],
)
async def test_what_is_no_prompt_is_refused(light_world: World, content: dict[str, Any]) -> None:
    refused = await light_world.call("POST", PROMPTS, {"name": "x", "content": content})
    assert refused.status == 400


async def test_it_goes_with_the_member(world: World) -> None:
    await save(world)
    token = await another(world)
    await world.call("POST", PROMPTS, {"name": "theirs", "content": {}}, token=token)
    await world.post("/members/dev/disable")
    async with world.database.read() as conn:
        left = (await conn.execute(select(func.count()).select_from(saved_prompts))).scalar_one()
    assert left == 1
    assert len((await world.get(PROMPTS))["items"]) == 1
